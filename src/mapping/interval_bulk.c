// SPDX-License-Identifier: BSD-2-Clause
// Whole databases in and out of an interval map: leaf by leaf instead of interval by interval.
#include "mapping/interval_tree.h"

static bool in_order(const struct interval_map *map, const struct interval *intervals, size_t count)
{
    struct interval before;
    bool any = interval_map_previous(map, UINT64_MAX, &before);
    for (size_t i = 0; i < count; i++) {
        const struct interval *at = &intervals[i];
        if (at->length == 0 || at->length - 1 > UINT64_MAX - at->start)
            return false;
        if (any && (at->start <= before.start || interval_holds(&before, at->start)))
            return false;
        before = *at;
        any = true;
    }
    return true;
}

// How many of the intervals make the first leaf: of the densest kind that can be.
static unsigned first_leaf(const struct interval *intervals, size_t count)
{
    enum leaf_kind kind = LEAF_NARROW;
    for (;; kind++) {
        unsigned fill = interval_leaf_fill(kind);
        unsigned take = count < fill ? (unsigned)count : fill;
        if (kind == LEAF_WIDE || leaf_kind_for(intervals, take) <= kind)
            return take;
    }
}

bool interval_map_append(struct interval_map *map, const struct interval *intervals, size_t count)
{
    if (!in_order(map, intervals, count))
        return false;
    sequence_write_begin(&map->sequence);
    for (size_t done = 0; done < count;) {
        unsigned take = first_leaf(intervals + done, count - done);
        done += interval_tree_append(map, intervals + done, take);
    }
    map->count += count;
    sequence_write_end(&map->sequence);
    return true;
}

void interval_map_settle(struct interval_map *map)
{
    sequence_write_begin(&map->sequence);
    line_index_settle(map);
    sequence_write_end(&map->sequence);
}

size_t interval_map_read(const struct interval_map *map, uint64_t key, struct interval *intervals,
                         size_t size)
{
    struct interval first;
    if (!interval_map_next(map, key, &first))
        return 0;
    if (first.start < key) {
        uint64_t end = first.start + first.length;
        if (end == 0 || !interval_map_next(map, end, &first))
            return 0;
    }
    const struct leaf *leaf = interval_tree_leaf(map, first.start);
    size_t count = 0;
    int place = leaf_find(leaf, first.start);
    for (; leaf != NULL && count < size; leaf = leaf->next, place = 0)
        for (; place != LEAF_BEHIND && count < size; place = leaf_next(leaf, place))
            intervals[count++] = leaf_get(leaf, place);
    return count;
}
