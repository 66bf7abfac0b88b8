// SPDX-License-Identifier: BSD-2-Clause
// What the two halves of the interval map share: interval_find.c looks, interval_map.c changes.
#ifndef IVIP_MAPPING_INTERVAL_TREE_H
#define IVIP_MAPPING_INTERVAL_TREE_H

#include "mapping/interval_node.h"
#include "mapping/pool.h"

// Levels of inner nodes. Nodes on the way to the root are merged when they get empty, so even
// with few children each, 16 levels hold more than 2^64 keys.
#define INTERVAL_HEIGHT_MAX 16

// Bulk building fills leaves this far, so that the first updates find room.
#define LEAF_NARROW_FILL 36
#define LEAF_WIDE_FILL   22

struct interval_map {
    struct sequence sequence;
    void *root;      // an inner node, or a leaf where height is 0; never NULL
    unsigned height; // levels of inner nodes
    size_t count;
    struct pool pool;
};

// The leaf that a key leads to. For the writer.
const struct leaf *interval_tree_leaf(const struct interval_map *map, uint64_t key);
// Puts up to `count` intervals (which fit one leaf) behind all others: into the last leaf as far as
// it takes them, or else all into a new one. Returns how many. The caller has begun a change.
unsigned interval_tree_append(struct interval_map *map, const struct interval *intervals,
                              unsigned count);

#endif
