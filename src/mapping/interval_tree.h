// SPDX-License-Identifier: BSD-2-Clause
// What the two halves of the interval map share: interval_find.c looks, interval_map.c changes.
#ifndef IVIP_MAPPING_INTERVAL_TREE_H
#define IVIP_MAPPING_INTERVAL_TREE_H

#include "mapping/interval_node.h"
#include "mapping/line_index.h"
#include "mapping/pool.h"

// Levels of inner nodes. Nodes on the way to the root are merged when they get empty, so even
// with few children each, 16 levels hold more than 2^64 keys.
#define INTERVAL_HEIGHT_MAX 16

// Bulk building fills leaves this far, so that the first updates find room.
#define LEAF_NARROW_FILL 30
#define LEAF_WIDE_FILL   22

// The looking half, compiled for one kind of machine; the functions are those of interval_map.h.
struct interval_finder {
    bool (*find)(const struct interval_map *map, uint64_t key, struct interval *found);
    void (*find_many)(const struct interval_map *map, const uint64_t *keys, size_t count,
                      struct interval *found);
    uint32_t (*value)(const struct interval_map *map, uint64_t key);
    void (*value_many)(const struct interval_map *map, const uint64_t *keys, size_t count,
                       uint32_t *values);
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

// The leaf that a key leads to. For the writer.
const struct leaf *interval_tree_leaf(const struct interval_map *map, uint64_t key);
// Puts up to `count` intervals (which fit one leaf) behind all others: into the last leaf as far as
// it takes them, or else all into a new one. Returns how many. The caller has begun a change.
unsigned interval_tree_append(struct interval_map *map, const struct interval *intervals,
                              unsigned count);

#endif
