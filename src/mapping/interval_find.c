// SPDX-License-Identifier: BSD-2-Clause
// The looking half of the interval map, lock-free.
//
// Every pointer read from a node is followed only after the sequence lock said that no change
// went on, so it leads to a node of the kind expected; the bytes in that node may change the next
// moment, but its memory stays (pool.h), places are clamped, and what was found in the end counts
// only when the sequence still stands.
//
// This file is compiled once for each kind of machine (meson.build), with INTERVAL_FINDER the name
// of what it defines; interval_pick.c chooses among them.
#include "mapping/interval_tree.h"

#include <string.h>

// Keys that find_many takes down the tree together: enough to fill a core's outstanding misses.
#define BATCH 16

// The pointer read once: the compiler must not read it again after it was validated.
INTERVAL_SEARCH void *pointer_at(void *const *place)
{
    return __atomic_load_n(place, __ATOMIC_RELAXED);
}

INTERVAL_SEARCH void prefetch_lines(const void *node, unsigned lines)
{
    for (unsigned i = 0; i < lines; i++)
        __builtin_prefetch((const char *)node + 64 * i);
}

// The leaf that `key` leads to, or NULL when a change went on.
INTERVAL_SEARCH const struct leaf *leaf_of(const struct interval_map *map, uint64_t begun,
                                           uint64_t key)
{
    void *node = pointer_at(&map->root);
    unsigned height = __atomic_load_n(&map->height, __ATOMIC_RELAXED);
    if (sequence_retry(&map->sequence, begun))
        return NULL;
    for (; height > 0; height--) {
        const struct inner *inner = node;
        node = pointer_at(&inner->children[inner_place(inner, key)]);
        if (sequence_retry(&map->sequence, begun))
            return NULL;
    }
    return node;
}

// The last interval of the leaf before; its length is 0 where there is none. False when a change
// went on.
INTERVAL_SEARCH bool before_leaf(const struct interval_map *map, uint64_t begun,
                                 const struct leaf *leaf, struct interval *found)
{
    const struct leaf *previous = pointer_at((void *const *)&leaf->previous);
    if (sequence_retry(&map->sequence, begun))
        return false;
    *found = (struct interval){0};
    if (previous == NULL)
        return true;
    unsigned count = previous->count;
    *found = leaf_get(previous, (count - 1) % LEAF_NARROW);
    return true;
}

// The first interval of the leaf behind, in the same way.
INTERVAL_SEARCH bool behind_leaf(const struct interval_map *map, uint64_t begun,
                                 const struct leaf *leaf, struct interval *found)
{
    const struct leaf *next = pointer_at((void *const *)&leaf->next);
    if (sequence_retry(&map->sequence, begun))
        return false;
    *found = next == NULL ? (struct interval){0} : leaf_get(next, 0);
    return true;
}

// The last interval that starts at `key` or before; length 0 where there is none. `rank` is its
// place in the leaf plus 1. False when a change went on.
INTERVAL_SEARCH bool at_or_before(const struct interval_map *map, uint64_t begun, uint64_t key,
                                  const struct leaf **leaf, unsigned *rank, struct interval *found)
{
    *leaf = leaf_of(map, begun, key);
    if (*leaf == NULL)
        return false;
    // All lines at once: which of the later ones is wanted is only known after the first.
    prefetch_lines(*leaf, sizeof(struct leaf) / 64);
    *rank = leaf_rank(*leaf, key);
    if (__builtin_expect(*rank == 0, 0))
        return before_leaf(map, begun, *leaf, found);
    *found = leaf_get(*leaf, *rank - 1);
    return true;
}

INTERVAL_SEARCH bool find(const struct interval_map *map, uint64_t key, struct interval *found)
{
    for (;;) {
        uint64_t begun = sequence_begin(&map->sequence);
        const struct leaf *leaf = NULL;
        unsigned rank = 0;
        if (at_or_before(map, begun, key, &leaf, &rank, found) &&
            !sequence_retry(&map->sequence, begun))
            return interval_holds(found, key);
    }
}

// Takes the keys down to their leaves, level by level, each level's misses side by side.
INTERVAL_SEARCH bool descend_many(const struct interval_map *map, uint64_t begun,
                                  const uint64_t *keys, unsigned count, void **nodes)
{
    void *root = pointer_at(&map->root);
    unsigned height = __atomic_load_n(&map->height, __ATOMIC_RELAXED);
    if (sequence_retry(&map->sequence, begun))
        return false;
    for (unsigned i = 0; i < count; i++)
        nodes[i] = root;
    for (; height > 0; height--) {
        for (unsigned i = 0; i < count; i++) {
            const struct inner *inner = nodes[i];
            nodes[i] = pointer_at(&inner->children[inner_place(inner, keys[i])]);
            prefetch_lines(nodes[i], height > 1 ? 5 : 3);
        }
        if (sequence_retry(&map->sequence, begun))
            return false;
    }
    return true;
}

INTERVAL_SEARCH bool find_batch(const struct interval_map *map, uint64_t begun,
                                const uint64_t *keys, unsigned count, struct interval *found)
{
    void *nodes[BATCH];
    unsigned ranks[BATCH];
    if (!descend_many(map, begun, keys, count, nodes))
        return false;
    for (unsigned i = 0; i < count; i++) {
        const struct leaf *leaf = nodes[i];
        ranks[i] = leaf_rank(leaf, keys[i]);
        __builtin_prefetch(&leaf->narrow.cells[ranks[i] == 0 ? 0 : ranks[i] - 1]);
    }
    for (unsigned i = 0; i < count; i++) {
        const struct leaf *leaf = nodes[i];
        if (__builtin_expect(ranks[i] == 0, 0)) {
            if (!before_leaf(map, begun, leaf, &found[i]))
                return false;
        } else {
            found[i] = leaf_get(leaf, ranks[i] - 1);
        }
        found[i].length = interval_holds(&found[i], keys[i]) ? found[i].length : 0;
    }
    return !sequence_retry(&map->sequence, begun);
}

INTERVAL_SEARCH void find_many(const struct interval_map *map, const uint64_t *keys, size_t count,
                               struct interval *found)
{
    for (size_t done = 0; done < count;) {
        unsigned batch = count - done < BATCH ? (unsigned)(count - done) : BATCH;
        uint64_t begun = sequence_begin(&map->sequence);
        if (find_batch(map, begun, keys + done, batch, found + done))
            done += batch;
    }
}

static bool finder_find(const struct interval_map *map, uint64_t key, struct interval *found)
{
    return find(map, key, found);
}

static void finder_find_many(const struct interval_map *map, const uint64_t *keys, size_t count,
                             struct interval *found)
{
    find_many(map, keys, count, found);
}

SEQUENCE_READER static bool finder_next(const struct interval_map *map, uint64_t key,
                                        struct interval *found)
{
    for (;;) {
        uint64_t begun = sequence_begin(&map->sequence);
        const struct leaf *leaf = NULL;
        unsigned rank = 0;
        if (!at_or_before(map, begun, key, &leaf, &rank, found))
            continue;
        if (!interval_holds(found, key)) {
            if (rank < leaf->count)
                *found = leaf_get(leaf, rank);
            else if (!behind_leaf(map, begun, leaf, found))
                continue;
        }
        if (!sequence_retry(&map->sequence, begun))
            return found->length != 0;
    }
}

SEQUENCE_READER static bool finder_previous(const struct interval_map *map, uint64_t key,
                                            struct interval *found)
{
    for (;;) {
        uint64_t begun = sequence_begin(&map->sequence);
        const struct leaf *leaf = NULL;
        unsigned rank = 0;
        if (at_or_before(map, begun, key, &leaf, &rank, found) &&
            !sequence_retry(&map->sequence, begun))
            return found->length != 0;
    }
}

const struct interval_finder INTERVAL_FINDER = {finder_find, finder_find_many, finder_next,
                                                finder_previous};
