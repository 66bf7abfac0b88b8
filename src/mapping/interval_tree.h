// SPDX-License-Identifier: BSD-2-Clause
// What the two halves of the interval map share: interval_find.c looks, interval_map.c changes.
#ifndef IVIP_MAPPING_INTERVAL_TREE_H
#define IVIP_MAPPING_INTERVAL_TREE_H

#include "mapping/interval_node.h"
#include "mapping/pool.h"

// Levels of inner nodes. Nodes on the way to the root are merged when they get empty, so even
// with few children each, 16 levels hold more than 2^64 keys.
#define INTERVAL_HEIGHT_MAX 16

struct interval_map {
    struct sequence sequence;
    void *root;      // an inner node, or a leaf where height is 0; never NULL
    unsigned height; // levels of inner nodes
    size_t count;
    struct pool pool;
};

#endif
