// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "node/key_file.h"
#include "test_node.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void refuse(const char *text, mode_t mode, const char *reason)
{
    const char *path = test_file(text);
    struct secret_key key;
    struct error error = {0};
    assert_int_equal(chmod(path, mode), 0);
    assert_false(key_file_read(path, &key, &error));
    assert_string_equal(error.reason, reason);
    assert_non_null(strstr(error.text, path));
}

static void test_round_trip(void **state)
{
    (void)state;
    struct secret_key made;
    struct secret_key read;
    struct error error = {0};
    char text[KEY_TEXT_MAX];
    char line[KEY_TEXT_MAX + 1];
    key_generate(&made);
    (void)snprintf(line, sizeof(line), "%s\n", key_seed_print(&made, text));
    const char *path = test_file(line);
    assert_int_equal(chmod(path, 0600), 0);
    if (!key_file_read(path, &read, &error))
        fail_msg("%s", error.text);
    assert_memory_equal(&made, &read, sizeof(made));
    refuse(line, 0640, "key-file-open");
    refuse(line, 0604, "key-file-open");
}

static void test_refusals(void **state)
{
    (void)state;
    struct secret_key key;
    struct error error = {0};
    assert_false(key_file_read("/nonexistent", &key, &error));
    assert_string_equal(error.reason, "no-key-file");
    assert_non_null(strstr(error.text, "ivip key > /nonexistent"));
    assert_false(key_file_read("/tmp", &key, &error));
    refuse("", 0600, "bad-key-file");
    refuse("AAAA\n", 0600, "bad-key-file");
    refuse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=AA\n", 0600, "bad-key-file");
    refuse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 0600, "bad-key-file");
}

static int tear_down(void **state)
{
    (void)state;
    test_files_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
