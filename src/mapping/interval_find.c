// SPDX-License-Identifier: BSD-2-Clause
// The looking half of the interval map, lock-free.
//
//     line index -> line that holds the key: done       nearly all keys that are in an interval
//                -> leaf with the key well inside       most others
//     tree       -> leaf                                the rest, and where there is no index
//
// Every pointer read from a node is followed only after the sequence lock said that no change
// went on, so it leads to a node of the kind expected; the bytes in that node may change the next
// moment, but its memory stays (pool.h), places are clamped, and what was found in the end counts
// only when the sequence still stands. Entries of the index are written whole and always lead to
// nodes, so they are followed at once.
//
// This file is compiled once for each kind of machine (meson.build), with INTERVAL_FINDER the name
// of what it defines; interval_pick.c chooses among them.
#include "mapping/interval_tree.h"

// Keys that are looked up together: enough to fill a core's outstanding misses.
#define BATCH 32

// The pointer read once: the compiler must not read it again after it was validated.
INTERVAL_SEARCH void *pointer_at(void *const *place)
{
    return SEQUENCE_LOAD(place);
}

INTERVAL_SEARCH void *child_of(const struct inner *inner, unsigned place)
{
    return pointer_at(&inner->groups[place / GROUP_CHILDREN].children[place % GROUP_CHILDREN]);
}

// The index's slots, or none when a change went on.
INTERVAL_SEARCH struct line_slots slots_of(const struct interval_map *map, uint64_t begun)
{
    struct line_slots slots = map->index.slots;
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

// The place of the last interval that starts at `key` or before it, in the leaf that the index
// names, where that is certain: the key lies in that interval, or the leaf has another behind it.
INTERVAL_SEARCH bool certain(const struct leaf *leaf, uint64_t key, int *place,
                             struct interval *found)
{
    if (leaf == NULL)
        return false;
    *place = leaf_find(leaf, key);
    if (*place == LEAF_BEFORE)
        return false;
    *found = leaf_get(leaf, *place);
    return interval_holds(found, key) || leaf_next(leaf, *place) != LEAF_BEHIND;
}

// The last interval that starts at `key` or before; length 0 where there is none. `place` is its
// place in the leaf. False when a change went on.
INTERVAL_SEARCH bool at_or_before(const struct interval_map *map, uint64_t begun, uint64_t key,
                                  const struct leaf **leaf, int *place, struct interval *found)
{
    struct line_slots slots = slots_of(map, begun);
    *leaf = leaf_of_entry(line_slots_find(&slots, key));
    if (sequence_retry(&map->sequence, begun))
        return false;
    if (certain(*leaf, key, place, found))
        return true;
    *leaf = leaf_by_tree(map, begun, key);
    if (*leaf == NULL)
        return false;
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
    if (__builtin_expect(leaf->kind == LEAF_NARROW, 1)) {
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

// The interval that holds a key, by the index alone; false where it does not know it.
INTERVAL_SEARCH bool find_by_index(const struct line_slots *slots, uint64_t key,
                                   struct interval *found)
{
    const struct leaf_line *line = line_of_entry(line_slots_find(slots, key));
    if (__builtin_expect(line == NULL, 0))
        return false;
    uint64_t first = 0;
    unsigned holding = line_find(line, key, &first);
    *found = line_get(line, holding, first);
    return holding != 0;
}

INTERVAL_SEARCH bool find(const struct interval_map *map, uint64_t key, struct interval *found)
{
    for (;;) {
        uint64_t begun = sequence_begin(&map->sequence);
        struct line_slots slots = slots_of(map, begun);
        const struct leaf *leaf = NULL;
        int place = 0;
        if (!find_by_index(&slots, key, found) &&
            !at_or_before(map, begun, key, &leaf, &place, found))
            continue;
        if (!sequence_retry(&map->sequence, begun))
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

// Finds keys through the tree, side by side; false when a change went on.
INTERVAL_SEARCH bool find_batch_by_tree(const struct interval_map *map, uint64_t begun,
                                        const uint64_t *keys, unsigned count,
                                        struct interval *found)
{
    void *nodes[BATCH];
    if (!descend_many(map, begun, keys, count, nodes))
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

// Gets the entries for keys, then the lines that they name, on their way.
INTERVAL_SEARCH void lines_of(const struct line_slots *slots, const uint64_t *keys, unsigned count,
                              const struct leaf_line **lines)
{
    static const struct leaf_line nothing;
    uint64_t places[BATCH];
    bool covered[BATCH]; // a line far from a key may be taken for one near it: see line_find
    for (unsigned i = 0; i < count; i++) {
        uint64_t place = line_slots_place(slots, keys[i]);
        covered[i] = line_slots_cover(slots, keys[i]);
        places[i] = covered[i] ? place : 0;
        __builtin_prefetch(&slots->entries[(places[i] >> 32) + 1]);
    }
    for (unsigned i = 0; i < count; i++) {
        const struct leaf_line *line = line_of_entry(line_slots_entry(slots, places[i]));
        lines[i] = line == NULL || !covered[i] ? &nothing : line;
        __builtin_prefetch(lines[i]);
    }
}

// Finds keys by the index, side by side; gives those that it does not know, and how many. Of
// `found` and `values`, what is not wanted is NULL.
INTERVAL_SEARCH unsigned find_batch_by_index(const struct line_slots *slots, const uint64_t *keys,
                                             unsigned count, struct interval *found,
                                             uint32_t *values, uint8_t unknown[BATCH])
{
    const struct leaf_line *lines[BATCH];
    unsigned unknown_count = 0;
    lines_of(slots, keys, count, lines);
    for (unsigned i = 0; i < count; i++) {
        uint64_t first = 0;
        unsigned holding = line_find(lines[i], keys[i], &first);
        if (values != NULL)
            values[i] = line_value(lines[i], holding);
        else
            found[i] = line_get(lines[i], holding, first);
        // Those that are in no interval of the line need the leaf: its first line, all at once.
        uintptr_t leaf = (uintptr_t)lines[i] & ~(uintptr_t)(sizeof(struct leaf) - 1);
        __builtin_prefetch(holding == 0 ? (const void *)leaf : lines[i]); // NOLINT: an address
        unknown[unknown_count] = (uint8_t)i;
        unknown_count += holding == 0;
    }
    return unknown_count;
}

// Finds keys, side by side; false when a change went on. As find_batch_by_index.
INTERVAL_SEARCH bool find_batch(const struct interval_map *map, const uint64_t *keys,
                                unsigned count, struct interval *found, uint32_t *values)
{
    assert((found == NULL) != (values == NULL));
    uint64_t begun = sequence_begin(&map->sequence);
    struct line_slots slots = slots_of(map, begun);
    struct interval by_tree[BATCH];
    uint8_t unknown[BATCH];
    if (slots.count == 0) {
        struct interval *all = found != NULL ? found : by_tree;
        if (!find_batch_by_tree(map, begun, keys, count, all))
            return false;
        for (unsigned i = 0; i < count && values != NULL; i++)
            values[i] = all[i].length > 0 ? all[i].value : 0;
        return true;
    }
    unsigned unknown_count = find_batch_by_index(&slots, keys, count, found, values, unknown);
    if (sequence_retry(&map->sequence, begun))
        return false;
    for (unsigned i = 0; i < unknown_count; i++) {
        unsigned at = unknown[i];
        bool any = find(map, keys[at], &by_tree[at]);
        if (values != NULL)
            values[at] = any ? by_tree[at].value : 0;
        else if (any)
            found[at] = by_tree[at];
        else
            found[at].length = 0;
    }
    return true;
}

static bool finder_find(const struct interval_map *map, uint64_t key, struct interval *found)
{
    return find(map, key, found);
}

static void finder_find_many(const struct interval_map *map, const uint64_t *keys, size_t count,
                             struct interval *found)
{
    for (size_t done = 0; done < count;) {
        unsigned batch = count - done < BATCH ? (unsigned)(count - done) : BATCH;
        done += find_batch(map, keys + done, batch, found + done, NULL) ? batch : 0;
    }
}

// Nothing that is found here counts. Where no line holds the key, the interval is in a leaf of
// another kind, or there is none and one may be added: all of the leaf is wanted.
static void finder_warm(const struct interval_map *map, const uint64_t *keys, size_t count)
{
    struct interval found[BATCH];
    uint8_t unknown[BATCH];
    const struct line_slots *slots = &map->index.slots;
    for (size_t done = 0; done < count; done += BATCH) {
        const uint64_t *at = keys + done;
        unsigned batch = count - done < BATCH ? (unsigned)(count - done) : BATCH;
        if (slots->count == 0) {
            (void)find_batch_by_tree(map, sequence_begin(&map->sequence), at, batch, found);
            continue;
        }
        unsigned unknown_count = find_batch_by_index(slots, at, batch, found, NULL, unknown);
        for (unsigned i = 0; i < unknown_count; i++) {
            const struct leaf *leaf = leaf_of_entry(line_slots_find(slots, at[unknown[i]]));
            if (leaf != NULL)
                leaf_warm(leaf);
        }
    }
}

// Where the index does not know the key.
static __attribute__((noinline)) uint32_t value_beyond_index(const struct interval_map *map,
                                                             uint64_t key)
{
    struct interval found;
    return find(map, key, &found) ? found.value : 0;
}

// Short, so that the processor goes ahead to the next lookup while this one waits for memory.
SEQUENCE_READER static uint32_t finder_value(const struct interval_map *map, uint64_t key)
{
    uint64_t begun = sequence_begin(&map->sequence);
    struct line_slots slots = slots_of(map, begun);
    const struct leaf_line *line = line_of_entry(line_slots_find(&slots, key));
    if (__builtin_expect(line != NULL, 1)) {
        uint64_t first = 0;
        unsigned holding = line_find(line, key, &first);
        uint32_t value = line_value(line, holding);
        if (__builtin_expect(holding != 0 && !sequence_retry(&map->sequence, begun), 1))
            return value;
    }
    return value_beyond_index(map, key);
}

static void finder_value_many(const struct interval_map *map, const uint64_t *keys, size_t count,
                              uint32_t *values)
{
    for (size_t done = 0; done < count;) {
        unsigned batch = count - done < BATCH ? (unsigned)(count - done) : BATCH;
        done += find_batch(map, keys + done, batch, NULL, values + done) ? batch : 0;
    }
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
        struct line_slots slots = slots_of(map, begun);
        const struct leaf *leaf = NULL;
        int place = 0;
        if ((find_by_index(&slots, key, found) ||
             at_or_before(map, begun, key, &leaf, &place, found)) &&
            !sequence_retry(&map->sequence, begun))
            return found->length != 0;
    }
}

const struct interval_finder INTERVAL_FINDER = {finder_find,       finder_find_many, finder_value,
                                                finder_value_many, finder_warm,      finder_next,
                                                finder_previous};
