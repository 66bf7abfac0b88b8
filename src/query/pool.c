// SPDX-License-Identifier: BSD-2-Clause
#include "query/pool.h"

#include "base/memory.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#define BLOCK_OBJECTS 128

struct pool_block {
    struct pool_block *next;
    alignas(max_align_t) unsigned char objects[];
};

struct pool_free {
    struct pool_free *next;
};

void pool_init(struct pool *pool, size_t size)
{
    size_t unit = alignof(max_align_t);
    assert(size > 0);
    memset(pool, 0, sizeof(*pool));
    pool->size = (size + unit - 1) / unit * unit;
    assert(pool->size >= sizeof(struct pool_free));
}

void pool_release(struct pool *pool)
{
    while (pool->blocks != NULL) {
        struct pool_block *block = pool->blocks;
        pool->blocks = block->next;
        memory_free(block);
    }
    pool->free = NULL;
    pool->used = 0;
}

static void put_free(struct pool *pool, void *object)
{
    struct pool_free *free_object = object;
    free_object->next = pool->free;
    pool->free = free_object;
}

static void add_block(struct pool *pool)
{
    struct pool_block *block = memory_new(sizeof(*block) + BLOCK_OBJECTS * pool->size);
    block->next = pool->blocks;
    pool->blocks = block;
    for (size_t i = BLOCK_OBJECTS; i-- > 0;)
        put_free(pool, block->objects + i * pool->size);
}

void *pool_take(struct pool *pool)
{
    if (pool->free == NULL)
        add_block(pool);
    struct pool_free *object = pool->free;
    pool->free = object->next;
    pool->used++;
    memset(object, 0, pool->size);
    return object;
}

void pool_give(struct pool *pool, void *object)
{
    assert(pool->used > 0);
    pool->used--;
    put_free(pool, object);
}
