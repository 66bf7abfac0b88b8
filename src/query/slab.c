// SPDX-License-Identifier: BSD-2-Clause
// An object's number stands behind it, where it stays while the object is free.
#include "query/slab.h"

#include "base/memory.h"

#include <stdalign.h>
#include <string.h>

#define BLOCKS_FIRST 16

struct slab_free {
    struct slab_free *next;
};

void slab_init(struct slab *slab, size_t size)
{
    size_t unit = alignof(max_align_t);
    assert(size >= sizeof(struct slab_free));
    memset(slab, 0, sizeof(*slab));
    slab->size = (size + sizeof(uint32_t) + unit - 1) / unit * unit;
}

void slab_release(struct slab *slab)
{
    for (size_t i = 0; i < slab->block_count; i++)
        memory_free(slab->blocks[i]);
    memory_free(slab->blocks);
    *slab = (struct slab){.size = slab->size};
}

static void put_free(struct slab *slab, void *object)
{
    struct slab_free *free_object = object;
    free_object->next = slab->free;
    slab->free = free_object;
}

static size_t number_offset(const struct slab *slab)
{
    return slab->size - sizeof(uint32_t);
}

uint32_t slab_number(const struct slab *slab, const void *object)
{
    uint32_t number = 0;
    memcpy(&number, (const unsigned char *)object + number_offset(slab), sizeof(number));
    return number;
}

static void add_block(struct slab *slab)
{
    if (slab->block_count == slab->block_capacity) {
        slab->block_capacity = slab->block_count == 0 ? BLOCKS_FIRST : 2 * slab->block_count;
        slab->blocks = memory_resize(slab->blocks, slab->block_capacity * sizeof(*slab->blocks));
    }
    uint32_t first = (uint32_t)(slab->block_count * SLAB_BLOCK_OBJECTS);
    slab->blocks[slab->block_count++] = memory_new_array(SLAB_BLOCK_OBJECTS, slab->size);
    for (uint32_t i = SLAB_BLOCK_OBJECTS; i-- > 0;) {
        uint32_t number = first + i;
        unsigned char *object = slab_at(slab, number);
        memcpy(object + number_offset(slab), &number, sizeof(number));
        put_free(slab, object);
    }
}

void *slab_take(struct slab *slab)
{
    if (slab->free == NULL)
        add_block(slab);
    struct slab_free *object = slab->free;
    slab->free = object->next;
    slab->used++;
    memset(object, 0, number_offset(slab));
    return object;
}

void slab_give(struct slab *slab, void *object)
{
    assert(slab->used > 0);
    slab->used--;
    put_free(slab, object);
}
