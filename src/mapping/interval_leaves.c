// SPDX-License-Identifier: BSD-2-Clause
// How the leaves of the interval map stay dense. (The essay is at the head of interval_map.c.)
#include "mapping/interval_tree.h"

#include <assert.h>
#include <string.h>

// A leaf with fewer intervals is merged with a sibling where the two fill no more than LEAF_MERGED.
#define LEAF_FEW    9
#define LEAF_MERGED 26
// A sibling takes intervals from a full leaf while it has at least this many places free. Fewer
// make leaves fuller (with 4: 87 % instead of 88 %), and make them share more often.
#define SHARE_FREE 2
// Bulk building fills leaves this far, so that the first updates find room.
#define FILL_NARROW 30
#define FILL_FAR    26
#define FILL_WIDE   22
// Full leaves that are split together into one more: with 3 leaves they are 87 % full in the long
// run, with 1, 82 %; it takes no longer, since splits get fewer.
#define ROW_LEAVES    5
#define ROW_INTERVALS (ROW_LEAVES * NARROW_INTERVALS + 1)

struct leaf *interval_leaf_new(struct interval_map *map)
{
    struct leaf *leaf = pool_take(&map->pool);
    leaf->previous = NULL;
    leaf->next = NULL;
    leaf->layout = 0;
    leaf_clear(leaf);
    map->index.leaves++;
    map->index.changes++;
    return leaf;
}

static void give_leaf(struct interval_map *map, struct leaf *leaf)
{
    pool_give(&map->pool, leaf);
    map->index.leaves--;
    map->index.changes++;
}

static void link_behind(struct leaf *leaf, struct leaf *added)
{
    assert(leaf != NULL);
    added->previous = leaf;
    added->next = leaf->next;
    if (leaf->next != NULL)
        leaf->next->previous = added;
    leaf->next = added;
}

static void unlink_leaf(struct leaf *leaf)
{
    if (leaf->previous != NULL)
        leaf->previous->next = leaf->next;
    if (leaf->next != NULL)
        leaf->next->previous = leaf->previous;
}

// Takes a leaf out of the index, before all of it is written anew or given back.
static void leave_index(struct interval_map *map, const struct leaf *leaf)
{
    struct leaf_shape shape = leaf_shape(leaf);
    line_index_forget(&map->index, leaf, &shape);
}

// Neighbouring leaves below one inner node, among which intervals are spread evenly.
struct row {
    struct leaf *leaves[ROW_LEAVES + 1]; // one may be added to a whole row
    unsigned count;
    unsigned place; // of the first one in the inner node
};

static struct row row_at(const struct inner *parent, unsigned place, unsigned count)
{
    struct row row = {.count = count, .place = place};
    for (unsigned i = 0; i < count; i++)
        row.leaves[i] = inner_get(parent, place + i).child;
    return row;
}

// Copies out what the leaves hold, with one more interval among them, and returns how many.
static unsigned row_read(const struct row *row, const struct interval *added,
                         struct interval intervals[ROW_INTERVALS])
{
    unsigned count = 0;
    for (unsigned i = 0; i < row->count; i++)
        leaf_warm(row->leaves[i]);
    for (unsigned i = 0; i < row->count; i++)
        count += leaf_read(row->leaves[i], intervals + count);
    unsigned rank = count++;
    for (; rank > 0 && intervals[rank - 1].start > added->start; rank--)
        intervals[rank] = intervals[rank - 1];
    intervals[rank] = *added;
    return count;
}

// The first interval of the i-th leaf when so many are spread over `leaves`.
static unsigned part_start(unsigned count, unsigned leaves, unsigned i)
{
    assert(leaves > 0);
    return count * i / leaves;
}

static bool row_fits(const struct interval *intervals, unsigned count, unsigned leaves)
{
    for (unsigned i = 0; i < leaves; i++) {
        unsigned start = part_start(count, leaves, i);
        if (!leaf_fits(intervals + start, part_start(count, leaves, i + 1) - start))
            return false;
    }
    return true;
}

// Writes all leaves of a row anew, with intervals that fit. A leaf that was just added is in no
// index yet, and empty: leaving it does nothing.
static void row_write(struct interval_map *map, const struct row *row,
                      const struct interval *intervals, unsigned count)
{
    for (unsigned i = 0; i < row->count; i++)
        leave_index(map, row->leaves[i]);
    for (unsigned i = row->count; i-- > 0;) {
        unsigned start = part_start(count, row->count, i);
        leaf_write(row->leaves[i], intervals + start, part_start(count, row->count, i + 1) - start);
        line_index_put(&map->index, row->leaves[i]);
    }
}

// Spreads a row's intervals and one more over its leaves; false where they do not fit.
static bool row_share(struct interval_map *map, struct inner *parent, const struct row *row,
                      const struct interval *added)
{
    struct interval intervals[ROW_INTERVALS];
    unsigned count = row_read(row, added, intervals);
    if (!row_fits(intervals, count, row->count))
        return false;
    row_write(map, row, intervals, count);
    for (unsigned i = 1; i < row->count; i++)
        inner_set_key(parent, row->place + i, intervals[part_start(count, row->count, i)].start);
    return true;
}

static bool can_share(const struct leaf *leaf)
{
    assert(leaf != NULL); // there is one where the inner node has another child
    return leaf->count + SHARE_FREE <= leaf_capacity(leaf);
}

// Lets the sibling behind (or before) the leaf at the end of the path take some of its intervals,
// so that one more finds room; false where none can.
static bool share(struct interval_map *map, const struct interval_path *path,
                  const struct leaf *leaf, const struct interval *added)
{
    struct inner *parent = path->nodes[map->height - 1];
    unsigned place = path->places[map->height - 1];
    struct row row = {0};
    if (place + 1 < parent->count && can_share(leaf->next)) {
        row = row_at(parent, place, 2);
        if (row_share(map, parent, &row, added))
            return true;
    }
    if (place > 0 && can_share(leaf->previous)) {
        row = row_at(parent, place - 1, 2);
        return row_share(map, parent, &row, added);
    }
    return false;
}

// The leaf at the end of the path and the full ones beside it.
static struct row row_around(const struct interval_map *map, const struct interval_path *path)
{
    if (map->height == 0)
        return (struct row){.leaves = {map->root}, .count = 1};
    const struct inner *parent = path->nodes[map->height - 1];
    unsigned place = path->places[map->height - 1];
    unsigned first = place > 0 ? place - 1 : 0;
    unsigned left = (unsigned)parent->count - first;
    return row_at(parent, first, left < ROW_LEAVES ? left : ROW_LEAVES);
}

// Adds a leaf to a row, and spreads its intervals and one more over all; false where they do not
// fit.
static bool row_split(struct interval_map *map, struct interval_path *path, struct row *row,
                      const struct interval *added)
{
    struct interval intervals[ROW_INTERVALS];
    unsigned before = row->count;
    unsigned count = row_read(row, added, intervals);
    if (!row_fits(intervals, count, before + 1))
        return false;
    struct leaf *leaf = interval_leaf_new(map);
    link_behind(row->leaves[before - 1], leaf);
    row->leaves[row->count++] = leaf;
    row_write(map, row, intervals, count);
    for (unsigned i = 1; i < before; i++)
        inner_set_key(path->nodes[map->height - 1], row->place + i,
                      intervals[part_start(count, row->count, i)].start);
    if (map->height > 0)
        path->places[map->height - 1] = row->place + before - 1;
    interval_path_add(map, path, intervals[part_start(count, row->count, before)].start, leaf);
    line_index_tend(map);
    return true;
}

// Puts an interval behind all others into a leaf of its own, so that what arrives in order fills
// leaves.
static void append_leaf(struct interval_map *map, const struct interval_path *path,
                        struct leaf *last, const struct interval *added)
{
    struct leaf *leaf = interval_leaf_new(map);
    leaf_write(leaf, added, 1);
    line_index_put(&map->index, leaf);
    link_behind(last, leaf);
    interval_path_add(map, path, added->start, leaf);
    line_index_tend(map);
}

void interval_leaf_overflow(struct interval_map *map, struct leaf *leaf,
                            const struct interval *added)
{
    struct row alone = {.leaves = {leaf}, .count = 1};
    struct interval intervals[ROW_INTERVALS];
    unsigned count = row_read(&alone, added, intervals);
    if (leaf_fits(intervals, count)) { // as another kind of leaf
        row_write(map, &alone, intervals, count);
        return;
    }
    struct interval_path path;
    const struct leaf *same = interval_path_descend(map, added->start, &path);
    assert(same == leaf);
    (void)same;
    if (leaf->next == NULL && intervals[count - 1].start == added->start) {
        append_leaf(map, &path, leaf, added);
        return;
    }
    if (map->height > 0 && share(map, &path, leaf, added))
        return;
    struct row row = row_around(map, &path);
    if (row_split(map, &path, &row, added))
        return;
    // Leaves of several kinds, which do not fit each other's: any full leaf fits two.
    alone.place = map->height > 0 ? path.places[map->height - 1] : 0;
    bool split = row_split(map, &path, &alone, added);
    assert(split);
    (void)split;
}

// Merges the leaf at `place` of `parent` with the one behind it where they are small enough.
static bool merge_leaves(struct interval_map *map, const struct interval_path *path, unsigned place)
{
    unsigned level = map->height - 1;
    struct inner *parent = path->nodes[level];
    if (place + 1 >= parent->count)
        return false;
    struct leaf *left = inner_get(parent, place).child;
    struct leaf *right = inner_get(parent, place + 1).child;
    if (left->count + right->count > LEAF_MERGED)
        return false;
    struct interval intervals[2 * NARROW_INTERVALS];
    unsigned count = leaf_read(left, intervals);
    count += leaf_read(right, intervals + count);
    if (!leaf_fits(intervals, count))
        return false;
    leave_index(map, left);
    leave_index(map, right);
    leaf_write(left, intervals, count);
    line_index_put(&map->index, left);
    unlink_leaf(right);
    give_leaf(map, right);
    interval_path_drop(map, path, place + 1);
    line_index_tend(map);
    return true;
}

// Takes out the empty leaf at the end of the path. Its keys then lead to a neighbour.
static void drop_leaf(struct interval_map *map, const struct interval_path *path, struct leaf *leaf)
{
    leave_index(map, leaf);
    unlink_leaf(leaf);
    give_leaf(map, leaf);
    interval_path_drop(map, path, path->places[map->height - 1]);
    line_index_tend(map);
}

void interval_leaf_shrunk(struct interval_map *map, uint64_t start, struct leaf *leaf)
{
    if (map->height == 0 || leaf->count >= LEAF_FEW)
        return;
    struct interval_path path;
    (void)interval_path_descend(map, start, &path);
    unsigned place = path.places[map->height - 1];
    if (leaf->count == 0)
        drop_leaf(map, &path, leaf);
    else if (!merge_leaves(map, &path, place) && place > 0)
        (void)merge_leaves(map, &path, place - 1);
}

unsigned interval_leaf_fill(enum leaf_kind kind)
{
    return kind == LEAF_NARROW ? FILL_NARROW : kind == LEAF_FAR ? FILL_FAR : FILL_WIDE;
}

// Adds intervals behind those of the last leaf as far as it takes them. Returns how many.
static unsigned append_to_leaf(struct interval_map *map, struct leaf *last,
                               const struct interval *intervals, unsigned count)
{
    unsigned room = interval_leaf_fill((enum leaf_kind)last->kind);
    if (last->count >= room)
        return 0;
    unsigned taken = 0;
    struct leaf_shape before = leaf_shape(last);
    while (taken < count && last->count < room &&
           leaf_insert(last, leaf_last(last), &intervals[taken]))
        taken++;
    line_index_update(&map->index, last, &before);
    return taken;
}

unsigned interval_tree_append(struct interval_map *map, const struct interval *intervals,
                              unsigned count)
{
    struct interval_path path;
    struct leaf *last = interval_path_descend(map, UINT64_MAX, &path);
    bool empty = last->count == 0;
    unsigned taken = empty ? 0 : append_to_leaf(map, last, intervals, count);
    if (taken > 0)
        return taken;
    struct leaf *leaf = empty ? last : interval_leaf_new(map);
    leaf_write(leaf, intervals, count);
    line_index_put(&map->index, leaf);
    if (empty)
        return count;
    link_behind(last, leaf);
    interval_path_add(map, &path, intervals[0].start, leaf);
    return count;
}
