// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/memory.h"
#include "node/whole_file.h"
#include "test_node.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_content(const char *path, const char *expected)
{
    size_t length = 0;
    uint8_t *bytes = whole_file_read(path, 100, &length);
    assert_non_null(bytes);
    assert_int_equal(length, strlen(expected));
    assert_string_equal(bytes, expected); // a zero is behind it
    memory_free(bytes);
}

static void test_replaces(void **state)
{
    (void)state;
    const char *path = test_file("old");
    struct stat status;
    assert_content(path, "old");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(whole_file_replace(path, "another", 7), 0);
    assert_content(path, "another");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(whole_file_replace(path, "", 0), 0);
    assert_content(path, "");
}

static void test_refuses(void **state)
{
    (void)state;
    const char *path = test_file("12345");
    char other[PATH_MAX];
    size_t length = 0;
    assert_null(whole_file_read(path, 4, &length));
    assert_int_equal(errno, EFBIG);
    (void)snprintf(other, sizeof(other), "%s.missing", path);
    assert_null(whole_file_read(other, 4, &length));
    assert_int_equal(errno, ENOENT);
    // A directory cannot be read, nor replaced: nothing stays of the attempt.
    assert_int_equal(mkdir(other, 0700), 0);
    assert_null(whole_file_read(other, 1 << 20, &length));
    assert_int_equal(errno, EISDIR);
    assert_int_equal(whole_file_replace(other, "x", 1), EISDIR);
    char fresh[PATH_MAX + 8];
    (void)snprintf(fresh, sizeof(fresh), "%s.new", other);
    assert_int_equal(access(fresh, F_OK), -1);
    assert_int_equal(rmdir(other), 0);
}

// The disk is full, as /dev/full says: what was there stays.
static void test_a_failed_write_leaves_the_old(void **state)
{
    (void)state;
    const char *path = test_file("old");
    char fresh[PATH_MAX + 8];
    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    assert_int_equal(symlink("/dev/full", fresh), 0);
    assert_int_equal(whole_file_replace(path, "another", 7), ENOSPC);
    assert_content(path, "old");
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
        cmocka_unit_test(test_replaces),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_a_failed_write_leaves_the_old),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
