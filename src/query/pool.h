// SPDX-License-Identifier: BSD-2-Clause
// Objects of one size without an allocation for each: taken from blocks of many, given back to a
// free list. Nothing is allocated per packet once a node has seen its usual load.
#ifndef IVIP_QUERY_POOL_H
#define IVIP_QUERY_POOL_H

#include <stddef.h>

struct pool_block;
struct pool_free;

struct pool {
    size_t size; // bytes of an object
    size_t used; // objects handed out
    struct pool_block *blocks;
    struct pool_free *free;
};

// `size` is that of one object.
void pool_init(struct pool *pool, size_t size);
// Frees all memory, objects still in use included.
void pool_release(struct pool *pool);

// A zeroed object; it belongs to the caller until pool_give.
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *object);

#endif
