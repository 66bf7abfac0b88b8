// SPDX-License-Identifier: BSD-2-Clause
#include "test_node.h"

#include "../check.h"
#include "base/key.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_MS 30000

static char directory[64];
static char path[96];

const char *test_file(const char *text)
{
    if (directory[0] == '\0') {
        (void)snprintf(directory, sizeof(directory), "/tmp/ivip-test-node-XXXXXX");
        assert_non_null(mkdtemp(directory));
        (void)snprintf(path, sizeof(path), "%s/node.yaml", directory);
    }
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static int remove_one(const char *name, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(name);
}

void test_files_remove(void)
{
    if (directory[0] != '\0')
        (void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    directory[0] = '\0';
}

struct node *test_node(void)
{
    struct error error = {0};
    struct config *config =
        config_load(test_file("name: test\netr: {serves: [20.1.0.0/28]}\n"), &error);
    if (config == NULL)
        fail_msg("%s", error.text);
    struct secret_key key;
    static const uint8_t seed[32] = {7};
    key_from_seed(seed, &key);
    return node_new(config, &key);
}

static void on_limit(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited %d ms in vain", LIMIT_MS);
}

void test_run_until(struct node *node, const bool *done)
{
    uv_timer_t limit;
    (void)uv_timer_init(node_loop(node), &limit);
    (void)uv_timer_start(&limit, on_limit, LIMIT_MS, 0);
    while (!*done)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    uv_close((uv_handle_t *)&limit, NULL);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
}
