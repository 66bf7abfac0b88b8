// SPDX-License-Identifier: BSD-2-Clause
// The inner nodes of the interval map: the way to a leaf, and how leaves are added and dropped at
// its end. A full node splits, a nearly empty one is merged into a sibling.
#include "mapping/interval_tree.h"

#include <assert.h>
#include <string.h>

// A node with fewer children is merged with a sibling where the two have no more than INNER_MERGED.
#define INNER_FEW    7
#define INNER_MERGED 21

struct leaf *interval_path_descend(const struct interval_map *map, uint64_t key,
                                   struct interval_path *path)
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
    if (place == inner->count && place < INNER_CHILDREN) {
        inner_append(inner, added);
        return false;
    }
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

void interval_path_add(struct interval_map *map, const struct interval_path *path, uint64_t key,
                       struct leaf *leaf)
{
    struct inner_entry added = {key, leaf};
    for (unsigned level = map->height; level > 0; level--)
        if (!add_or_split(map, path->nodes[level - 1], path->places[level - 1] + 1, &added))
            return;
    new_root(map, &added);
}

static void drop_child(struct interval_map *map, const struct interval_path *path, unsigned level,
                       unsigned place);

// Merges the child at `place` of `parent` with the one behind it where both are inner nodes with
// few children; `level` is the parent's.
static bool merge_inner(struct interval_map *map, const struct interval_path *path, unsigned level,
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
static void drop_child(struct interval_map *map, const struct interval_path *path, unsigned level,
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

void interval_path_drop(struct interval_map *map, const struct interval_path *path, unsigned place)
{
    drop_child(map, path, map->height - 1, place);
}
