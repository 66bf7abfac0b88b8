// SPDX-License-Identifier: BSD-2-Clause
// What the files of the interval map share: interval_find.c looks; interval_map.c changes, with
// interval_leaves.c for what becomes of whole leaves and interval_path.c for the nodes above them.
#ifndef IVIP_MAPPING_INTERVAL_TREE_H
#define IVIP_MAPPING_INTERVAL_TREE_H

#include "mapping/interval_node.h"
#include "mapping/line_index.h"
#include "mapping/pool.h"

// Levels of inner nodes. Nodes on the way to the root are merged when they get empty, so even
// with few children each, 16 levels hold more than 2^64 keys.
#define INTERVAL_HEIGHT_MAX 16

// The looking half, compiled for one kind of machine; the functions are those of interval_map.h.
struct interval_finder {
    bool (*find)(const struct interval_map *map, uint64_t key, struct interval *found);
    void (*find_many)(const struct interval_map *map, const uint64_t *keys, size_t count,
                      struct interval *found);
    uint32_t (*value)(const struct interval_map *map, uint64_t key);
    void (*value_many)(const struct interval_map *map, const uint64_t *keys, size_t count,
                       uint32_t *values);
    void (*warm)(const struct interval_map *map, const uint64_t *keys, size_t count);
    bool (*next)(const struct interval_map *map, uint64_t key, struct interval *found);
    bool (*previous)(const struct interval_map *map, uint64_t key, struct interval *found);
};

extern const struct interval_finder interval_finder_any;
extern const struct interval_finder interval_finder_avx512;

// The best one for this machine.
const struct interval_finder *interval_finder_pick(void);

struct interval_map {
    struct sequence sequence;
    const struct interval_finder *finder;
    void *root;      // an inner node, or a leaf where height is 0; never NULL
    unsigned height; // levels of inner nodes
    size_t count;
    struct line_index index;
    struct pool pool;
};

// The way from the root to a leaf: at each level, the node and the place of the child taken.
struct interval_path {
    struct inner *nodes[INTERVAL_HEIGHT_MAX];
    unsigned places[INTERVAL_HEIGHT_MAX];
};

// The leaf that a key leads to, and the way there.
struct leaf *interval_path_descend(const struct interval_map *map, uint64_t key,
                                   struct interval_path *path);
// Puts a leaf that starts at `key` in behind the one at the end of the path.
void interval_path_add(struct interval_map *map, const struct interval_path *path, uint64_t key,
                       struct leaf *leaf);
// Takes the leaf at `place` of the path's last node out, which need not be the path's own.
void interval_path_drop(struct interval_map *map, const struct interval_path *path, unsigned place);

// An empty leaf in no place of the tree yet.
struct leaf *interval_leaf_new(struct interval_map *map);
// Puts an interval in where its leaf as it is cannot hold it.
void interval_leaf_overflow(struct interval_map *map, struct leaf *leaf,
                            const struct interval *added);
// Mends the tree after the interval at `start` was taken out of the leaf.
void interval_leaf_shrunk(struct interval_map *map, uint64_t start, struct leaf *leaf);

// How many intervals bulk building puts into a leaf of some kind.
unsigned interval_leaf_fill(enum leaf_kind kind);

// The leaf that a key leads to. For the writer.
struct leaf *interval_tree_leaf(const struct interval_map *map, uint64_t key);
// Puts up to `count` intervals (which fit one leaf) behind all others: into the last leaf as far as
// it takes them, or else all into a new one. Returns how many. The caller has begun a change.
unsigned interval_tree_append(struct interval_map *map, const struct interval *intervals,
                              unsigned count);

#endif
