// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/etr_paths.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

// Most numbers that are remembered: 256 KB.
#define NUMBERED_MAX 65536

struct etr_paths {
    struct hash_key key;
    size_t used; // records below this place were given out at least once; they stay in use
    size_t limit;
    struct etr_path *records;
    uint32_t *numbered; // by number, modulo a power of two: the place of the record last used
    size_t numbered_count;
    struct table by_address;
    struct list_node recent; // least recently used first
    uint64_t generation;
};

struct etr_paths *etr_paths_new(size_t limit, struct hash_key key)
{
    assert(limit > 0 && limit <= UINT32_MAX);
    struct etr_paths *paths = memory_new(sizeof(*paths));
    paths->key = key;
    paths->limit = limit;
    paths->records = memory_new_array(limit, sizeof(struct etr_path));
    paths->numbered_count = 1;
    while (paths->numbered_count < limit && paths->numbered_count < NUMBERED_MAX)
        paths->numbered_count *= 2;
    paths->numbered = memory_new_array(paths->numbered_count, sizeof(*paths->numbered));
    table_init(&paths->by_address);
    list_init(&paths->recent);
    paths->generation = 1;
    return paths;
}

void etr_paths_free(struct etr_paths *paths)
{
    if (paths == NULL)
        return;
    table_release(&paths->by_address);
    memory_free(paths->records);
    memory_free(paths->numbered);
    memory_free(paths);
}

static bool path_matches(const struct table_node *node, const void *key)
{
    return address_equal(&container_of(node, struct etr_path, by_address)->etr, key);
}

static uint64_t path_hash(const struct etr_paths *paths, const struct address *etr)
{
    return hash_bytes(&paths->key, etr, sizeof(*etr));
}

struct etr_path *etr_paths_find(struct etr_paths *paths, const struct address *etr)
{
    struct table_node *node =
        table_find(&paths->by_address, path_hash(paths, etr), path_matches, etr);
    return node == NULL ? NULL : container_of(node, struct etr_path, by_address);
}

static struct etr_path *make(struct etr_paths *paths, const struct address *etr)
{
    struct etr_path *path;
    if (paths->used < paths->limit) {
        path = &paths->records[paths->used++];
    } else {
        struct list_node *least = list_first(&paths->recent);
        assert(least != NULL);
        path = container_of(least, struct etr_path, recent);
        table_remove(&paths->by_address, &path->by_address);
        list_remove(&path->recent);
    }
    memset(path, 0, sizeof(*path));
    path->etr = *etr;
    list_init(&path->recent);
    table_insert(&paths->by_address, &path->by_address, path_hash(paths, etr));
    return path;
}

static struct etr_path *find_or_make(struct etr_paths *paths, const struct address *etr)
{
    struct etr_path *path = etr_paths_find(paths, etr);
    return path != NULL ? path : make(paths, etr);
}

static struct etr_path *use(struct etr_paths *paths, struct etr_path *path)
{
    list_remove(&path->recent);
    list_append(&paths->recent, &path->recent);
    if (path->generation != paths->generation) {
        path->generation = paths->generation;
        path->rule = ETR_RULE_UNKNOWN;
    }
    return path;
}

struct etr_path *etr_paths_use(struct etr_paths *paths, const struct address *etr)
{
    return use(paths, find_or_make(paths, etr));
}

struct etr_path *etr_paths_use_numbered(struct etr_paths *paths, uint64_t number,
                                        const struct address *etr)
{
    uint32_t *place = &paths->numbered[number & (paths->numbered_count - 1)];
    struct etr_path *path = &paths->records[*place];
    assert(!address_is_zero(etr));
    // A record never used has no address, and one that was taken for another ETR has that one's.
    if (!address_equal(&path->etr, etr)) {
        path = find_or_make(paths, etr);
        *place = (uint32_t)(path - paths->records);
    }
    return use(paths, path);
}

void etr_paths_new_rules(struct etr_paths *paths)
{
    paths->generation++;
}

size_t etr_paths_count(const struct etr_paths *paths)
{
    return paths->used;
}

const struct etr_path *etr_paths_next(const struct etr_paths *paths, size_t *place)
{
    return *place < paths->used ? &paths->records[(*place)++] : NULL;
}
