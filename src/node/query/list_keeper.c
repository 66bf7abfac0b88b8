// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/list_keeper.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/kept_file.h"
#include "node/query/list_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct list_keeper {
    struct node *node;
    const char *role;
    struct kept_file *file;
    struct mab_root saved; // page "": none
    struct wall_time saved_at;
};

struct list_keeper *list_keeper_open(struct node *node, const char *role)
{
    char name[64];
    struct list_keeper *keeper = memory_new(sizeof(*keeper));
    (void)snprintf(name, sizeof(name), "mabs-%s.list", role);
    keeper->node = node;
    keeper->role = role;
    keeper->file = kept_file_open(node, role, "the set of MABs", name);
    return keeper;
}

void list_keeper_close(struct list_keeper *keeper)
{
    if (keeper == NULL)
        return;
    kept_file_close(keeper->file);
    memory_free(keeper);
}

// Loading

static bool is_fresh(const struct list_keeper *keeper, struct wall_time confirmed,
                     struct error *error)
{
    uint64_t now = node_wall_time(keeper->node).ms;
    uint64_t seconds = now > confirmed.ms ? (now - confirmed.ms) / 1000 : 0;
    return seconds <= LIST_KEPT_SECONDS_MAX ||
           error_set(error, ERROR_CONFLICT, "list-too-old",
                     "query servers confirmed it last %" PRIu64 " days ago", seconds / 86400);
}

struct page_shelf *list_keeper_load(struct list_keeper *keeper)
{
    struct error error;
    struct wall_time confirmed;
    size_t length = 0;
    uint8_t *bytes = kept_file_read(keeper->file, LIST_STORE_BYTES_MAX, &length);
    if (bytes == NULL)
        return NULL;
    struct page_shelf *shelf = list_store_decode(bytes, length, &confirmed, &error);
    memory_free(bytes);
    if (shelf != NULL && is_fresh(keeper, confirmed, &error)) {
        keeper->saved = *page_shelf_root(shelf);
        keeper->saved_at = confirmed;
        return shelf;
    }
    log_warning(keeper->role, "%s is not used: %s", kept_file_path(keeper->file), error.text);
    page_shelf_release(shelf);
    return NULL;
}

// Saving

struct version {
    struct page_shelf *shelf;
    struct wall_time confirmed;
};

static uint8_t *make(void *state, size_t *length)
{
    const struct version *version = state;
    return list_store_encode(version->shelf, version->confirmed, length);
}

static void drop(void *state)
{
    struct version *version = state;
    page_shelf_release(version->shelf);
    memory_free(version);
}

bool list_keeper_wants(const struct list_keeper *keeper, const struct mab_root *root)
{
    uint64_t now = node_wall_time(keeper->node).ms;
    uint64_t seconds =
        kept_file_failed(keeper->file) ? KEPT_FILE_RETRY_SECONDS : LIST_KEPT_REFRESH_SECONDS;
    bool same = strcmp(keeper->saved.page, root->page) == 0 && keeper->saved.level == root->level;
    bool recent = now >= keeper->saved_at.ms && now - keeper->saved_at.ms < seconds * 1000;
    return !(same && recent);
}

void list_keeper_save(struct list_keeper *keeper, struct page_shelf *shelf)
{
    struct version *version = memory_new(sizeof(*version));
    *version = (struct version){shelf, node_wall_time(keeper->node)};
    keeper->saved = *page_shelf_root(shelf);
    keeper->saved_at = version->confirmed;
    kept_file_write(keeper->file, &(struct kept_content){version, make, drop});
}
