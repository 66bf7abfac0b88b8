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
#define BATCH 32

// The pointer read once: the compiler must not read it again after it was validated.
INTERVAL_SEARCH void *pointer_at(void *const *place)
{
    return SEQUENCE_LOAD(place);
}

INTERVAL_SEARCH void prefetch_lines(const void *node, unsigned lines)
{
    for (unsigned i = 0; i < lines; i++)
        __builtin_prefetch((const char *)node + 64 * i);
}

INTERVAL_SEARCH void *child_of(const struct inner *inner, unsigned place)
{
    return pointer_at(&inner->groups[place / GROUP_CHILDREN].children[place % GROUP_CHILDREN]);
}

// The index's slots, or none when a change went on.
INTERVAL_SEARCH struct leaf_slots slots_of(const struct interval_map *map, uint64_t begun)
{
    struct leaf_slots slots = map->index.slots;
    if (sequence_retry(&map->sequence, begun))
        slots.count = 0;
    return slots;
}

// The leaf that `key` leads to through the tree, or NULL when a change went on.
INTERVAL_SEARCH const struct leaf *leaf_by_tree(const struct interval_map *map, uint64_t begun,
                                                uint64_t key)
{
    void *node = pointer_at(&map->root);
    unsigned height = SEQUENCE_LOAD(&map->height);
    if (sequence_retry(&map->sequence, begun))
        return NULL;
    for (; height > 0; height--) {
        node = child_of(node, inner_place(node, key));
        if (sequence_retry(&map->sequence, begun))
            return NULL;
    }
    return node;
}

// The leaf that `key` leads to, or NULL when a change went on.
INTERVAL_SEARCH const struct leaf *leaf_of(const struct interval_map *map, uint64_t begun,
                                           uint64_t key)
{
    struct leaf_slots slots = slots_of(map, begun);
    if (slots.count > 0) {
        const struct leaf *leaf = leaf_slots_leaf(&slots, leaf_slots_places(&slots, key), key);
        if (sequence_retry(&map->sequence, begun))
            return NULL;
        if (__builtin_expect(leaf != NULL, 1))
            return leaf;
    }
    return leaf_by_tree(map, begun, key);
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
    *found = leaf_get(previous, leaf_last(previous));
    return true;
}

// The first interval of the leaf behind, in the same way.
INTERVAL_SEARCH bool behind_leaf(const struct interval_map *map, uint64_t begun,
                                 const struct leaf *leaf, struct interval *found)
{
    const struct leaf *next = pointer_at((void *const *)&leaf->next);
    if (sequence_retry(&map->sequence, begun))
        return false;
    *found = (struct interval){0};
    if (next != NULL)
        *found = leaf_get(next, 0);
    return true;
}

// The last interval that starts at `key` or before; length 0 where there is none. `place` is its
// place in the leaf. False when a change went on.
INTERVAL_SEARCH bool at_or_before(const struct interval_map *map, uint64_t begun, uint64_t key,
                                  const struct leaf **leaf, int *place, struct interval *found)
{
    *leaf = leaf_of(map, begun, key);
    if (*leaf == NULL)
        return false;
    prefetch_lines(*leaf, sizeof(struct leaf) / 64);
    *place = leaf_find(*leaf, key);
    if (__builtin_expect(*place == LEAF_BEFORE, 0))
        return before_leaf(map, begun, *leaf, found);
    *found = leaf_get(*leaf, *place);
    return true;
}

// The last interval of the leaf that starts at `key` or before it, or that of the leaf before.
// `line` is what leaf_line_of gave. False when a change went on.
INTERVAL_SEARCH bool leaf_at(const struct interval_map *map, uint64_t begun,
                             const struct leaf *leaf, unsigned line, uint64_t key,
                             struct interval *found)
{
    if (__builtin_expect(leaf->wide == 0, 1)) {
        if (__builtin_expect(leaf_narrow_at(leaf, line, key, found), 1))
            return true;
    } else {
        int place = leaf_find(leaf, key);
        *found = leaf_get(leaf, place);
        if (place != LEAF_BEFORE)
            return true;
    }
    return before_leaf(map, begun, leaf, found);
}

INTERVAL_SEARCH bool find(const struct interval_map *map, uint64_t key, struct interval *found)
{
    for (;;) {
        uint64_t begun = sequence_begin(&map->sequence);
        const struct leaf *leaf = leaf_of(map, begun, key);
        if (leaf == NULL)
            continue;
        // All lines at once: which one is wanted is only known after the first.
        prefetch_lines(leaf, sizeof(struct leaf) / 64);
        if (leaf_at(map, begun, leaf, leaf_line_of(leaf, key), key, found) &&
            !sequence_retry(&map->sequence, begun))
            return interval_holds(found, key);
    }
}

// Takes keys from inner nodes to the children that they lead to: first lines of all, then groups
// of all.
INTERVAL_SEARCH void descend_level(const uint64_t *keys, unsigned count, void **nodes)
{
    unsigned groups[BATCH];
    for (unsigned i = 0; i < count; i++) {
        const struct inner *inner = nodes[i];
        groups[i] = inner_group_of(inner, keys[i]);
        __builtin_prefetch(&inner->groups[groups[i]]);
    }
    for (unsigned i = 0; i < count; i++) {
        const struct inner *inner = nodes[i];
        unsigned place = inner_place_in(&inner->groups[groups[i]], keys[i]);
        place += groups[i] * GROUP_CHILDREN;
        if (__builtin_expect(keys[i] == UINT64_MAX, 0))
            place = inner_place(inner, keys[i]);
        nodes[i] = child_of(inner, place);
        __builtin_prefetch(nodes[i]);
    }
}

// Takes keys down the tree to their leaves, level by level, each level's misses side by side.
INTERVAL_SEARCH bool descend_many(const struct interval_map *map, uint64_t begun,
                                  const uint64_t *keys, unsigned count, void **nodes)
{
    void *root = pointer_at(&map->root);
    unsigned height = SEQUENCE_LOAD(&map->height);
    if (sequence_retry(&map->sequence, begun))
        return false;
    for (unsigned i = 0; i < count; i++)
        nodes[i] = root;
    for (; height > 0; height--) {
        descend_level(keys, count, nodes);
        if (sequence_retry(&map->sequence, begun))
            return false;
    }
    return true;
}

// Asks the index for the leaves of keys, NULL where it does not know; false when a change went on.
INTERVAL_SEARCH bool index_many(const struct interval_map *map, uint64_t begun,
                                const struct leaf_slots *slots, const uint64_t *keys,
                                unsigned count, void **leaves, unsigned *unknown)
{
    struct leaf_places places[BATCH];
    for (unsigned i = 0; i < count; i++) {
        places[i] = leaf_slots_places(slots, keys[i]);
        __builtin_prefetch(&slots->starts[places[i].nearest & (slots->count - 1)]);
    }
    *unknown = 0;
    for (unsigned i = 0; i < count; i++) {
        leaves[i] = leaf_slots_leaf(slots, places[i], keys[i]);
        *unknown += leaves[i] == NULL;
        __builtin_prefetch(leaves[i]);
    }
    return !sequence_retry(&map->sequence, begun);
}

// Takes those keys down the tree whose leaves are not known yet.
INTERVAL_SEARCH bool descend_unknown(const struct interval_map *map, uint64_t begun,
                                     const uint64_t *keys, unsigned count, void **leaves)
{
    uint64_t wanted[BATCH];
    unsigned places[BATCH];
    void *nodes[BATCH];
    unsigned unknown = 0;
    for (unsigned i = 0; i < count; i++) {
        wanted[unknown] = keys[i];
        places[unknown] = i;
        unknown += leaves[i] == NULL;
    }
    if (!descend_many(map, begun, wanted, unknown, nodes))
        return false;
    for (unsigned i = 0; i < unknown; i++)
        leaves[places[i]] = nodes[i];
    return true;
}

// The leaves that keys lead to; false when a change went on.
INTERVAL_SEARCH bool leaves_of(const struct interval_map *map, uint64_t begun, const uint64_t *keys,
                               unsigned count, void **leaves)
{
    struct leaf_slots slots = slots_of(map, begun);
    if (slots.count == 0)
        return descend_many(map, begun, keys, count, leaves);
    unsigned unknown = 0;
    return index_many(map, begun, &slots, keys, count, leaves, &unknown) &&
           (unknown == 0 || descend_unknown(map, begun, keys, count, leaves));
}

INTERVAL_SEARCH bool find_batch(const struct interval_map *map, uint64_t begun,
                                const uint64_t *keys, unsigned count, struct interval *found)
{
    void *nodes[BATCH];
    if (!leaves_of(map, begun, keys, count, nodes))
        return false;
    unsigned lines[BATCH];
    for (unsigned i = 0; i < count; i++) {
        const struct leaf *leaf = nodes[i];
        lines[i] = leaf_line_of(leaf, keys[i]);
        __builtin_prefetch(&leaf->narrow.lines[lines[i]]);
    }
    for (unsigned i = 0; i < count; i++) {
        if (!leaf_at(map, begun, nodes[i], lines[i], keys[i], &found[i]))
            return false;
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
        int place = 0;
        if (!at_or_before(map, begun, key, &leaf, &place, found))
            continue;
        if (!interval_holds(found, key)) {
            place = leaf_next(leaf, place);
            if (place != LEAF_BEHIND)
                *found = leaf_get(leaf, place);
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
        int place = 0;
        if (at_or_before(map, begun, key, &leaf, &place, found) &&
            !sequence_retry(&map->sequence, begun))
            return found->length != 0;
    }
}

const struct interval_finder INTERVAL_FINDER = {finder_find, finder_find_many, finder_next,
                                                finder_previous};
