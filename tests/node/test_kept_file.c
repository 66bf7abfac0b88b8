// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/memory.h"
#include "node/kept_file.h"
#include "test_node.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTENTS    50
#define PATIENCE_MS 20000

static char directory[64];
static struct node *node;
static unsigned dropped;

// A node whose state directory is a fresh one.
static int set_up(void **state)
{
    (void)state;
    char text[200];
    struct error error = {0};
    struct secret_key key;
    (void)snprintf(directory, sizeof(directory), "/tmp/ivip-test-kept-XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(text, sizeof(text), "name: test\nstate: %s\netr: {serves: [20.1.0.0/28]}\n",
                   directory);
    struct config *config = config_load(test_file(text), &error);
    if (config == NULL)
        fail_msg("%s", error.text);
    key_generate(&key);
    node = node_new(config, &key);
    dropped = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/kept", directory);
    (void)unlink(path);
    assert_int_equal(rmdir(directory), 0); // nothing else is left there
    test_files_remove();
    return 0;
}

static struct kept_file *open_file(void)
{
    return kept_file_open(node, "test", "a number", "kept");
}

static uint8_t *print_number(void *number, size_t *length)
{
    char text[16];
    int printed = snprintf(text, sizeof(text), "%u", *(unsigned *)number);
    *length = (size_t)printed;
    return memory_copy(text, *length);
}

static void drop_number(void *number)
{
    dropped++;
    memory_free(number);
}

static void write_number(struct kept_file *file, unsigned number)
{
    unsigned *state = memory_copy(&number, sizeof(number));
    kept_file_write(file, &(struct kept_content){state, print_number, drop_number});
}

static void expect(const char *text)
{
    size_t length = 0;
    struct kept_file *file = open_file();
    char *bytes = (char *)kept_file_read(file, 100, &length);
    assert_non_null(bytes);
    assert_string_equal(bytes, text);
    assert_int_equal(length, strlen(text));
    memory_free(bytes);
    kept_file_close(file);
}

// Contents that come faster than the disk takes them: the last one is kept, also of a file that is
// closed meanwhile, and nothing is left of the others.
static void test_the_newest_is_kept(void **state)
{
    (void)state;
    size_t length = 0;
    struct kept_file *file = open_file();
    assert_null(kept_file_read(file, 100, &length)); // there is none
    for (unsigned i = 0; i < CONTENTS; i++)
        write_number(file, i);
    kept_file_close(file);
    while (dropped < CONTENTS)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    expect("49");
    file = open_file();
    assert_null(kept_file_read(file, 1, &length)); // it is larger
    kept_file_write_bytes(file, memory_copy("octets", 6), 6);
    kept_file_write_bytes(file, memory_copy("more", 4), 4);
    kept_file_write_bytes(file, memory_copy("most", 4), 4);
    kept_file_close(file);
    node_free(node); // waits for it
    assert_int_equal(dropped, CONTENTS);
    char path[96];
    char text[16] = "";
    (void)snprintf(path, sizeof(path), "%s/kept", directory);
    FILE *written = fopen(path, "re");
    assert_non_null(written);
    assert_non_null(fgets(text, sizeof(text), written));
    (void)fclose(written);
    assert_string_equal(text, "most");
}

static void write_until_failed_is(struct kept_file *file, bool failed)
{
    write_number(file, 7);
    for (unsigned before = dropped; dropped == before;)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    assert_true(kept_file_failed(file) == failed);
}

// What cannot be written leaves what is there, and says so until something can.
static void test_a_disk_that_fails(void **state)
{
    (void)state;
    char elsewhere[96];
    struct kept_file *file = open_file();
    assert_false(kept_file_failed(file));
    write_until_failed_is(file, false);
    kept_file_write_bytes(file, NULL, 0); // too large to be made
    write_until_failed_is(file, false);
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s-gone", directory);
    assert_int_equal(rename(directory, elsewhere), 0);
    write_until_failed_is(file, true);
    write_until_failed_is(file, true);
    assert_int_equal(rename(elsewhere, directory), 0);
    expect("7");
    write_until_failed_is(file, false);
    kept_file_close(file);
    node_free(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_newest_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_disk_that_fails, set_up, tear_down),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
