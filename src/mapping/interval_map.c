// SPDX-License-Identifier: BSD-2-Clause
// The changing half of the interval map: a B+-tree that stays dense.
//
//                    [ 40 | 90 ]               inner nodes: keys divide children
//                    |    |    |
//          [7 20 33]-[40 55]-[90 91 95]        leaves: intervals in order, linked both ways
//
// A full leaf first shares with a sibling that has room, and splits only when neither has: so
// leaves stay about four fifths full under random inserts, and memory below 24 bytes an interval
// (27 while the index is laid out anew). A leaf that gets nearly empty is merged into a sibling.
// Intervals that arrive in order fill each leaf to the end.
//
// An interval lies in the leaf that its start leads to, and may run past the key that divides
// that leaf from the next; so a search that finds no start at or below its key in a leaf looks at
// the end of the leaf before.
#include "mapping/interval_map.h"

#include "base/memory.h"
#include "mapping/interval_tree.h"

#include <assert.h>
#include <string.h>

// A leaf with fewer intervals is merged with a sibling where the two fill no more than LEAF_MERGED.
#define LEAF_FEW    9
#define LEAF_MERGED 26
// The same for the children of inner nodes.
#define INNER_FEW    7
#define INNER_MERGED 21
// A sibling takes intervals from a full leaf while it has at least this many places free.
#define SHARE_FREE 4

// The way from the root to a leaf: at each level, the node and the place of the child taken.
struct path {
    struct inner *nodes[INTERVAL_HEIGHT_MAX];
    unsigned places[INTERVAL_HEIGHT_MAX];
};

static struct leaf *new_leaf(struct interval_map *map)
{
    struct leaf *leaf = pool_take(&map->pool);
    leaf->previous = NULL;
    leaf->next = NULL;
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

static struct interval_map *new_map(bool small_pages)
{
    struct interval_map *map = memory_new(sizeof(*map));
    pool_init(&map->pool, small_pages);
    map->index.small_pages = small_pages;
    map->finder = interval_finder_pick();
    map->root = new_leaf(map);
    return map;
}

struct interval_map *interval_map_new(void)
{
    return new_map(false);
}

struct interval_map *interval_map_new_growing(void)
{
    return new_map(true);
}

void interval_map_free(struct interval_map *map)
{
    if (map == NULL)
        return;
    line_index_release(&map->index);
    pool_release(&map->pool);
    memory_free(map);
}

size_t interval_map_count(const struct interval_map *map)
{
    return map->count;
}

size_t interval_map_memory(const struct interval_map *map)
{
    return sizeof(*map) + pool_memory(&map->pool) + line_index_memory(&map->index);
}

static struct leaf *descend(const struct interval_map *map, uint64_t key, struct path *path)
{
    void *node = map->root;
    for (unsigned level = 0; level < map->height; level++) {
        struct inner *inner = node;
        path->nodes[level] = inner;
        path->places[level] = inner_place(inner, key);
        node = inner_get(inner, path->places[level]).child;
    }
    return node;
}

// The leaf that a key leads to, for the writer when it does not change the tree; and the place of
// the last interval there that starts at the key or before it.
static struct leaf *leaf_for(const struct interval_map *map, uint64_t key, int *place)
{
    struct leaf *leaf = leaf_of_entry(line_slots_find(&map->index.slots, key));
    if (leaf != NULL) {
        *place = leaf_find(leaf, key);
        // Where an interval starts at the key, or between two of the leaf, the key leads there.
        if (*place != LEAF_BEFORE &&
            (leaf_get(leaf, *place).start == key || leaf_next(leaf, *place) != LEAF_BEHIND))
            return leaf;
    }
    struct path path;
    leaf = descend(map, key, &path);
    *place = leaf_find(leaf, key);
    return leaf;
}

static void link_behind(struct leaf *leaf, struct leaf *added)
{
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

// Makes room for `added` at `place` of the entries.
static void open_entry(struct inner_entry *entries, unsigned count, unsigned place,
                       const struct inner_entry *added)
{
    memmove(entries + place + 1, entries + place, (count - place) * sizeof(*entries));
    entries[place] = *added;
}

// Puts a child in at `place`. Where the node is full it keeps one half; the other half, with the
// key that it begins at, is returned in `added`. False where there was room.
static bool add_or_split(struct interval_map *map, struct inner *inner, unsigned place,
                         struct inner_entry *added)
{
    struct inner_entry entries[INNER_CHILDREN + 1];
    unsigned count = inner_read(inner, entries);
    open_entry(entries, count, place, added);
    count++;
    if (count <= INNER_CHILDREN) {
        inner_write(inner, entries, count);
        return false;
    }
    // What arrives in order leaves full nodes behind.
    unsigned left = place == INNER_CHILDREN ? count - 2 : count / 2;
    struct inner *right = pool_take(&map->pool);
    inner_write(right, entries + left, count - left);
    inner_write(inner, entries, left);
    *added = (struct inner_entry){entries[left].key, right};
    return true;
}

static void new_root(struct interval_map *map, const struct inner_entry *right)
{
    assert(map->height < INTERVAL_HEIGHT_MAX);
    struct inner *root = pool_take(&map->pool);
    struct inner_entry entries[2] = {{0, map->root}, *right};
    inner_write(root, entries, 2);
    map->root = root;
    map->height++;
}

// Puts a leaf that starts at `key` in behind the one at the end of the path.
static void add_leaf(struct interval_map *map, const struct path *path, uint64_t key,
                     struct leaf *leaf)
{
    struct inner_entry added = {key, leaf};
    for (unsigned level = map->height; level > 0; level--)
        if (!add_or_split(map, path->nodes[level - 1], path->places[level - 1] + 1, &added))
            return;
    new_root(map, &added);
}

static void drop_child(struct interval_map *map, const struct path *path, unsigned level,
                       unsigned place);

// Merges the child at `place` of `parent` with the one behind it where both are inner nodes with
// few children; `level` is the parent's.
static bool merge_inner(struct interval_map *map, const struct path *path, unsigned level,
                        unsigned place)
{
    struct inner *parent = path->nodes[level];
    if (place + 1 >= parent->count)
        return false;
    struct inner *left = inner_get(parent, place).child;
    struct inner *right = inner_get(parent, place + 1).child;
    if (left->count + right->count > INNER_MERGED)
        return false;
    struct inner_entry entries[INNER_CHILDREN];
    unsigned boundary = inner_read(left, entries);
    unsigned total = boundary + inner_read(right, entries + boundary);
    entries[boundary].key = inner_get(parent, place + 1).key;
    inner_write(left, entries, total);
    pool_give(&map->pool, right);
    drop_child(map, path, level, place + 1);
    return true;
}

// While the root has one child only, that child is the root.
static void lower_root(struct interval_map *map)
{
    while (map->height > 0) {
        struct inner *root = map->root;
        if (root->count > 1)
            return;
        map->root = inner_get(root, 0).child;
        map->height--;
        pool_give(&map->pool, root);
    }
}

// Takes the child at `place` out of the path's node at `level`.
static void drop_child(struct interval_map *map, const struct path *path, unsigned level,
                       unsigned place)
{
    struct inner *inner = path->nodes[level];
    struct inner_entry entries[INNER_CHILDREN];
    unsigned count = inner_read(inner, entries) - 1;
    memmove(entries + place, entries + place + 1, (count - place) * sizeof(*entries));
    if (count == 0) {
        assert(level > 0); // a root with one child does not stay
        pool_give(&map->pool, inner);
        drop_child(map, path, level - 1, path->places[level - 1]);
        return;
    }
    inner_write(inner, entries, count);
    if (level == 0) {
        lower_root(map);
    } else if (count < INNER_FEW) {
        unsigned above = path->places[level - 1];
        if (!merge_inner(map, path, level - 1, above) && above > 0)
            (void)merge_inner(map, path, level - 1, above - 1);
    }
}

// Takes a leaf out of the index, before all of it is written anew or given back.
static void leave_index(struct interval_map *map, const struct leaf *leaf)
{
    struct leaf_shape shape = leaf_shape(leaf);
    line_index_forget(&map->index, leaf, &shape);
}

// Writes two neighbouring leaves anew; the second may be NULL.
static void rewrite(struct interval_map *map, struct leaf *left, struct leaf *right,
                    const struct interval *intervals, unsigned boundary, unsigned count)
{
    leave_index(map, left);
    if (right != NULL) {
        leave_index(map, right);
        leaf_write(right, intervals + boundary, count - boundary);
        line_index_put(&map->index, right);
    }
    leaf_write(left, intervals, boundary);
    line_index_put(&map->index, left);
}

// Writes `count` intervals into two neighbouring leaves, half each; false where they do not fit.
static bool write_halves(struct interval_map *map, struct leaf *left, struct leaf *right,
                         const struct interval *intervals, unsigned count)
{
    unsigned half = count / 2;
    if (!leaf_fits(intervals, half) || !leaf_fits(intervals + half, count - half))
        return false;
    rewrite(map, left, right, intervals, half, count);
    return true;
}

// Lets the sibling behind (or before) the leaf take some of its intervals; false where none has
// room.
static bool share(struct interval_map *map, const struct path *path, struct leaf *leaf,
                  const struct interval *intervals, unsigned count)
{
    if (map->height == 0)
        return false;
    struct interval both[2 * LEAF_NARROW + 1];
    struct inner *parent = path->nodes[map->height - 1];
    unsigned place = path->places[map->height - 1];
    if (place + 1 < parent->count && leaf->next->count + SHARE_FREE <= leaf_capacity(leaf->next)) {
        memcpy(both, intervals, count * sizeof(*both));
        unsigned total = count + leaf_read(leaf->next, both + count);
        if (write_halves(map, leaf, leaf->next, both, total)) {
            inner_set_key(parent, place + 1, both[total / 2].start);
            return true;
        }
    }
    if (place > 0 && leaf->previous->count + SHARE_FREE <= leaf_capacity(leaf->previous)) {
        unsigned before = leaf_read(leaf->previous, both);
        memcpy(both + before, intervals, count * sizeof(*both));
        if (write_halves(map, leaf->previous, leaf, both, before + count)) {
            inner_set_key(parent, place, both[(before + count) / 2].start);
            return true;
        }
    }
    return false;
}

// Puts an interval in where the leaf as it is cannot hold it.
static void insert_beyond(struct interval_map *map, struct leaf *leaf,
                          const struct interval *interval)
{
    struct interval intervals[LEAF_NARROW + 1];
    unsigned count = leaf_read(leaf, intervals);
    unsigned rank = 0;
    while (rank < count && intervals[rank].start < interval->start)
        rank++;
    memmove(intervals + rank + 1, intervals + rank, (count - rank) * sizeof(*intervals));
    intervals[rank] = *interval;
    count++;
    if (leaf_fits(intervals, count)) {
        rewrite(map, leaf, NULL, intervals, count, count);
        return;
    }
    struct path path;
    const struct leaf *same = descend(map, interval->start, &path);
    assert(same == leaf);
    (void)same;
    bool appended = rank == count - 1 && leaf->next == NULL;
    if (!appended && share(map, &path, leaf, intervals, count))
        return;
    unsigned left = appended ? count - 1 : count / 2;
    struct leaf *right = new_leaf(map);
    rewrite(map, leaf, right, intervals, left, count);
    link_behind(leaf, right);
    add_leaf(map, &path, intervals[left].start, right);
    line_index_tend(map);
}

// True when an interval may go into the leaf behind `place`: no neighbour overlaps it.
static bool is_free(const struct leaf *leaf, int place, const struct interval *interval)
{
    if (place != LEAF_BEFORE || leaf->previous != NULL) {
        struct interval before = place != LEAF_BEFORE
                                     ? leaf_get(leaf, place)
                                     : leaf_get(leaf->previous, leaf_last(leaf->previous));
        if (interval_holds(&before, interval->start))
            return false;
    }
    int next = leaf_next(leaf, place);
    if (next != LEAF_BEHIND || leaf->next != NULL) {
        struct interval behind =
            next != LEAF_BEHIND ? leaf_get(leaf, next) : leaf_get(leaf->next, 0);
        if (interval_holds(interval, behind.start))
            return false;
    }
    return true;
}

bool interval_map_insert(struct interval_map *map, const struct interval *interval)
{
    assert(interval->length > 0 && interval->length - 1 <= UINT64_MAX - interval->start);
    int place = 0;
    struct leaf *leaf = leaf_for(map, interval->start, &place);
    if (!is_free(leaf, place, interval))
        return false;
    struct leaf_shape before = leaf_shape(leaf);
    sequence_write_begin(&map->sequence);
    if (leaf_insert(leaf, place, interval))
        line_index_update(&map->index, leaf, &before);
    else
        insert_beyond(map, leaf, interval);
    map->count++;
    sequence_write_end(&map->sequence);
    return true;
}

// Merges the leaf at `place` of `parent` with the one behind it where they are small enough.
static bool merge_leaves(struct interval_map *map, const struct path *path, unsigned place)
{
    unsigned level = map->height - 1;
    struct inner *parent = path->nodes[level];
    if (place + 1 >= parent->count)
        return false;
    struct leaf *left = inner_get(parent, place).child;
    struct leaf *right = inner_get(parent, place + 1).child;
    if (left->count + right->count > LEAF_MERGED)
        return false;
    struct interval intervals[2 * LEAF_NARROW];
    unsigned count = leaf_read(left, intervals);
    count += leaf_read(right, intervals + count);
    if (!leaf_fits(intervals, count))
        return false;
    leave_index(map, right);
    rewrite(map, left, NULL, intervals, count, count);
    unlink_leaf(right);
    give_leaf(map, right);
    drop_child(map, path, level, place + 1);
    line_index_tend(map);
    return true;
}

// Takes out the empty leaf at the end of the path. Its keys then lead to a neighbour.
static void drop_leaf(struct interval_map *map, const struct path *path, struct leaf *leaf)
{
    leave_index(map, leaf);
    unlink_leaf(leaf);
    give_leaf(map, leaf);
    unsigned level = map->height - 1;
    drop_child(map, path, level, path->places[level]);
    line_index_tend(map);
}

// Mends the tree after the interval at `start` was taken out of the leaf.
static void shrink(struct interval_map *map, uint64_t start, struct leaf *leaf)
{
    if (map->height == 0 || leaf->count >= LEAF_FEW)
        return;
    struct path path;
    (void)descend(map, start, &path);
    unsigned place = path.places[map->height - 1];
    if (leaf->count == 0)
        drop_leaf(map, &path, leaf);
    else if (!merge_leaves(map, &path, place) && place > 0)
        (void)merge_leaves(map, &path, place - 1);
}

// The line that the index names, where an interval in it starts at `start`, and its place in the
// line; NULL where none does. Of the leaf nothing else is read: that would be one more miss.
static struct leaf_line *exact_by_index(const struct interval_map *map, uint64_t start,
                                        unsigned *within)
{
    struct leaf_line *line = line_of_entry(line_slots_find(&map->index.slots, start));
    uint64_t first = 0;
    unsigned holding = line == NULL ? 0 : line_find(line, start, &first);
    if (holding == 0 || line_get(line, holding, first).start != start)
        return NULL;
    *within = (unsigned)__builtin_ctz(holding);
    return line;
}

// The leaf and place of the interval that starts at `start`; NULL where none does.
static struct leaf *exact(const struct interval_map *map, uint64_t start, int *place)
{
    unsigned within = 0;
    const struct leaf_line *line = exact_by_index(map, start, &within);
    if (line != NULL) {
        struct leaf *leaf = leaf_of_entry((uintptr_t)line);
        *place = (int)(line - leaf->narrow.lines) * LINE_INTERVALS + (int)within;
        return leaf;
    }
    struct leaf *leaf = leaf_for(map, start, place);
    if (*place == LEAF_BEFORE || leaf_get(leaf, *place).start != start)
        return NULL;
    return leaf;
}

bool interval_map_remove(struct interval_map *map, uint64_t start)
{
    int place = 0;
    struct leaf *leaf = exact(map, start, &place);
    if (leaf == NULL)
        return false;
    struct leaf_shape before = leaf_shape(leaf);
    sequence_write_begin(&map->sequence);
    leaf_erase(leaf, place);
    line_index_update(&map->index, leaf, &before);
    map->count--;
    shrink(map, start, leaf);
    sequence_write_end(&map->sequence);
    return true;
}

bool interval_map_set_value(struct interval_map *map, uint64_t start, uint32_t value)
{
    unsigned within = 0;
    int place = 0;
    struct leaf_line *line = exact_by_index(map, start, &within);
    struct leaf *leaf = line == NULL ? exact(map, start, &place) : NULL;
    if (line == NULL && leaf == NULL)
        return false;
    sequence_write_begin(&map->sequence);
    if (line != NULL)
        line->values[within] = value;
    else
        leaf_set_value(leaf, place, value);
    sequence_write_end(&map->sequence);
    return true;
}

const struct leaf *interval_tree_leaf(const struct interval_map *map, uint64_t key)
{
    int place = 0;
    return leaf_for(map, key, &place);
}

// Adds intervals behind those of the last leaf as far as it takes them. Returns how many.
static unsigned append_to_leaf(struct interval_map *map, struct leaf *last,
                               const struct interval *intervals, unsigned count)
{
    unsigned room = last->wide ? LEAF_WIDE_FILL : LEAF_NARROW_FILL;
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
    struct path path;
    struct leaf *last = descend(map, UINT64_MAX, &path);
    bool empty = last->count == 0;
    unsigned taken = empty ? 0 : append_to_leaf(map, last, intervals, count);
    if (taken > 0)
        return taken;
    struct leaf *leaf = empty ? last : new_leaf(map);
    leaf_write(leaf, intervals, count);
    line_index_put(&map->index, leaf);
    if (empty)
        return count;
    link_behind(last, leaf);
    add_leaf(map, &path, intervals[0].start, leaf);
    return count;
}
