// SPDX-License-Identifier: BSD-2-Clause
// Objects of one size without an allocation for each: taken from blocks of many, given back to a
// free list. Nothing is allocated per packet once a node has seen its usual load.
//
//     blocks -> [128 objects] [128 objects] [128 objects] ...      object 300 is in the third
//
// Objects may have numbers, by which a map can name them in 4 octets; a number leads to its object
// without a list of all of them, of which each look-up would have to wait for a part.
#ifndef IVIP_QUERY_SLAB_H
#define IVIP_QUERY_SLAB_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_BLOCK_OBJECTS 128

struct slab_free;

struct slab {
    size_t size; // bytes of an object, and of its number where it has one
    bool numbered;
    size_t used;            // objects handed out
    unsigned char **blocks; // owned, and so is each
    size_t block_count;
    size_t block_capacity; // of `blocks`
    struct slab_free *free;
};

// `size` is that of one object.
void slab_init(struct slab *slab, size_t size);
// The same, where objects have numbers.
void slab_init_numbered(struct slab *slab, size_t size);
// Frees all memory, objects still in use included.
void slab_release(struct slab *slab);

// A zeroed object; it belongs to the caller until slab_give.
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *object);

// The number of an object in use, of a slab with numbers: unique among those, and small.
uint32_t slab_number(const struct slab *slab, const void *object);
// The object in use that has the number.
static inline void *slab_at(const struct slab *slab, uint32_t number)
{
    assert(number / SLAB_BLOCK_OBJECTS < slab->block_count);
    return slab->blocks[number / SLAB_BLOCK_OBJECTS] + number % SLAB_BLOCK_OBJECTS * slab->size;
}

#endif
