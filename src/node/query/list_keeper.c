// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/list_keeper.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/query/list_store.h"
#include "node/whole_file.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct list_keeper {
    struct node *node;
    const char *role;
    char path[PATH_MAX];
    struct mab_root saved; // page "": none
    struct wall_time saved_at;
    struct save *save; // under way, or NULL
    bool warned;
};

struct save {
    uv_work_t work;
    struct list_keeper *keeper; // NULL when it was closed meanwhile
    char path[PATH_MAX];
    struct page_shelf *shelf;
    struct wall_time confirmed;
    int problem; // errno, or 0
};

struct list_keeper *list_keeper_open(struct node *node, const char *role)
{
    struct list_keeper *keeper = memory_new(sizeof(*keeper));
    keeper->node = node;
    keeper->role = role;
    (void)snprintf(keeper->path, sizeof(keeper->path), "%s/mabs-%s.list", node_config(node)->state,
                   role);
    return keeper;
}

void list_keeper_close(struct list_keeper *keeper)
{
    if (keeper != NULL && keeper->save != NULL)
        keeper->save->keeper = NULL;
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
    uint8_t *bytes = whole_file_read(keeper->path, LIST_STORE_BYTES_MAX, &length);
    if (bytes == NULL) {
        if (errno != ENOENT)
            log_warning(keeper->role, "%s cannot be read: %s", keeper->path, strerror(errno));
        return NULL;
    }
    struct page_shelf *shelf = list_store_decode(bytes, length, &confirmed, &error);
    memory_free(bytes);
    if (shelf != NULL && is_fresh(keeper, confirmed, &error)) {
        keeper->saved = *page_shelf_root(shelf);
        keeper->saved_at = confirmed;
        return shelf;
    }
    log_warning(keeper->role, "%s is not used: %s", keeper->path, error.text);
    page_shelf_release(shelf);
    return NULL;
}

// Saving

static void work(uv_work_t *request)
{
    struct save *save = request->data;
    size_t length = 0;
    uint8_t *bytes = list_store_encode(save->shelf, save->confirmed, &length);
    save->problem = whole_file_replace(save->path, bytes, length);
    memory_free(bytes);
}

static void on_saved(uv_work_t *request, int status)
{
    struct save *save = request->data;
    struct list_keeper *keeper = save->keeper;
    (void)status;
    if (keeper != NULL) {
        keeper->save = NULL;
        if (save->problem != 0 && !keeper->warned)
            log_warning(keeper->role, "the set of MABs cannot be kept in %s: %s", save->path,
                        strerror(save->problem));
        keeper->warned = save->problem != 0;
    }
    page_shelf_release(save->shelf);
    memory_free(save);
}

bool list_keeper_wants(const struct list_keeper *keeper, const struct mab_root *root)
{
    uint64_t now = node_wall_time(keeper->node).ms;
    bool same = strcmp(keeper->saved.page, root->page) == 0 && keeper->saved.level == root->level;
    bool recent = now >= keeper->saved_at.ms &&
                  now - keeper->saved_at.ms < LIST_KEPT_REFRESH_SECONDS * UINT64_C(1000);
    return keeper->save == NULL && !(same && recent);
}

void list_keeper_save(struct list_keeper *keeper, struct page_shelf *shelf)
{
    assert(keeper->save == NULL);
    struct save *save = memory_new(sizeof(*save));
    memcpy(save->path, keeper->path, sizeof(save->path));
    save->keeper = keeper;
    save->shelf = shelf;
    save->confirmed = node_wall_time(keeper->node);
    save->work.data = save;
    keeper->save = save;
    keeper->saved = *page_shelf_root(shelf);
    keeper->saved_at = save->confirmed;
    int result = uv_queue_work(node_loop(keeper->node), &save->work, work, on_saved);
    assert(result == 0);
    (void)result;
}
