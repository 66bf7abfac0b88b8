// SPDX-License-Identifier: BSD-2-Clause
// Nodes of one size, taken from growing chunks and given back to a free list.
//
//     chunks   [4 nodes] -> [4] -> [8] -> [16] ... -> [32768 nodes, huge pages]
//
// Huge pages are for random lookups in millions of nodes, which would otherwise spend as much on
// address translation as on the nodes. But the kernel clears 2 MiB when the first node of one is
// touched, which takes 0.1 to 3 ms: pools that grow while someone waits do without.
//
// Memory of a node stays mapped until the pool is released, also after the node was given back,
// so a lock-free reader that still looks at it reads old or new bytes, but never faults.
#ifndef IVIP_MAPPING_POOL_H
#define IVIP_MAPPING_POOL_H

#include <stdbool.h>
#include <stddef.h>

#define POOL_NODE_BYTES 512

struct pool_chunk;

struct pool {
    struct pool_chunk *chunks; // newest first
    void *free;                // given back; linked through their first bytes
    bool small_pages;          // no huge ones
    size_t nodes;              // in all chunks
    size_t taken;              // ever taken from a chunk: the nodes that cost memory
};

void pool_init(struct pool *pool, bool small_pages);
void pool_release(struct pool *pool);
// POOL_NODE_BYTES bytes, aligned to as many; what is in them is arbitrary.
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *node);
// Bytes of memory touched.
size_t pool_memory(const struct pool *pool);

#endif
