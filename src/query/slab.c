// SPDX-License-Identifier: BSD-2-Clause
// An object's number stands behind it, where it stays while the object is free.
#include "query/slab.h"

#include "base/memory.h"

#include <string.h>

#define BLOCKS_FIRST 16
#define CACHE_LINE   64 // octets

struct slab_free {
    struct slab_free *next;
};

static void init(struct slab *slab, size_t size, bool numbered)
{
    size_t unit = CACHE_LINE / 2; // so one of up to 96 octets is in two lines, not in three
    assert(size >= sizeof(struct slab_free));
    size += numbered ? sizeof(uint32_t) : 0;
    *slab = (struct slab){.size = (size + unit - 1) / unit * unit, .numbered = numbered};
}

void slab_init(struct slab *slab, size_t size)
{
    init(slab, size, false);
}

void slab_init_numbered(struct slab *slab, size_t size)
{
    init(slab, size, true);
}

void slab_release(struct slab *slab)
{
    for (size_t i = 0; i < slab->block_count; i++)
        memory_free(slab->blocks[i]);
    memory_free(slab->blocks);
    *slab = (struct slab){.size = slab->size, .numbered = slab->numbered};
}

static void put_free(struct slab *slab, void *object)
{
    struct slab_free *free_object = object;
    free_object->next = slab->free;
    slab->free = free_object;
}

// Where the octets of the object itself end.
static size_t object_end(const struct slab *slab)
{
    return slab->size - (slab->numbered ? sizeof(uint32_t) : 0);
}

uint32_t slab_number(const struct slab *slab, const void *object)
{
    uint32_t number = 0;
    assert(slab->numbered);
    memcpy(&number, (const unsigned char *)object + object_end(slab), sizeof(number));
    return number;
}

static void add_block(struct slab *slab)
{
    if (slab->block_count == slab->block_capacity) {
        slab->block_capacity = slab->block_count == 0 ? BLOCKS_FIRST : 2 * slab->block_count;
        slab->blocks = memory_resize(slab->blocks, slab->block_capacity * sizeof(*slab->blocks));
    }
    uint32_t first = (uint32_t)(slab->block_count * SLAB_BLOCK_OBJECTS);
    slab->blocks[slab->block_count++] =
        memory_new_aligned(CACHE_LINE, SLAB_BLOCK_OBJECTS * slab->size);
    for (uint32_t i = SLAB_BLOCK_OBJECTS; i-- > 0;) {
        uint32_t number = first + i;
        unsigned char *object = slab_at(slab, number);
        if (slab->numbered)
            memcpy(object + object_end(slab), &number, sizeof(number));
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
    memset(object, 0, object_end(slab));
    return object;
}

void slab_give(struct slab *slab, void *object)
{
    assert(slab->used > 0);
    slab->used--;
    put_free(slab, object);
}
