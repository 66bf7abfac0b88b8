// SPDX-License-Identifier: BSD-2-Clause
#include "query/slab.h"

#include "base/memory.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#define BLOCK_OBJECTS 128

struct slab_block {
    struct slab_block *next;
    alignas(max_align_t) unsigned char objects[];
};

struct slab_free {
    struct slab_free *next;
};

void slab_init(struct slab *slab, size_t size)
{
    size_t unit = alignof(max_align_t);
    assert(size > 0);
    memset(slab, 0, sizeof(*slab));
    slab->size = (size + unit - 1) / unit * unit;
    assert(slab->size >= sizeof(struct slab_free));
}

void slab_release(struct slab *slab)
{
    while (slab->blocks != NULL) {
        struct slab_block *block = slab->blocks;
        slab->blocks = block->next;
        memory_free(block);
    }
    slab->free = NULL;
    slab->used = 0;
}

static void put_free(struct slab *slab, void *object)
{
    struct slab_free *free_object = object;
    free_object->next = slab->free;
    slab->free = free_object;
}

static void add_block(struct slab *slab)
{
    struct slab_block *block = memory_new(sizeof(*block) + BLOCK_OBJECTS * slab->size);
    block->next = slab->blocks;
    slab->blocks = block;
    for (size_t i = BLOCK_OBJECTS; i-- > 0;)
        put_free(slab, block->objects + i * slab->size);
}

void *slab_take(struct slab *slab)
{
    if (slab->free == NULL)
        add_block(slab);
    struct slab_free *object = slab->free;
    slab->free = object->next;
    slab->used++;
    memset(object, 0, slab->size);
    return object;
}

void slab_give(struct slab *slab, void *object)
{
    assert(slab->used > 0);
    slab->used--;
    put_free(slab, object);
}
