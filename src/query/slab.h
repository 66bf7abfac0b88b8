// SPDX-License-Identifier: BSD-2-Clause
// Objects of one size without an allocation for each: taken from blocks of many, given back to a
// free list. Nothing is allocated per packet once a node has seen its usual load.
#ifndef IVIP_QUERY_SLAB_H
#define IVIP_QUERY_SLAB_H

#include <stddef.h>

struct slab_block;
struct slab_free;

struct slab {
    size_t size; // bytes of an object
    size_t used; // objects handed out
    struct slab_block *blocks;
    struct slab_free *free;
};

// `size` is that of one object.
void slab_init(struct slab *slab, size_t size);
// Frees all memory, objects still in use included.
void slab_release(struct slab *slab);

// A zeroed object; it belongs to the caller until slab_give.
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *object);

#endif
