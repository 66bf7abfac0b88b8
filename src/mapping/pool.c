// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/pool.h"

#include "base/memory.h"
#include "mapping/huge_array.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_NODES_FIRST 4
#define CHUNK_NODES_MAX   32768 // 16 MiB

struct pool_chunk {
    struct pool_chunk *next;
    char *nodes; // owned
    size_t count;
    size_t taken;
};

void pool_init(struct pool *pool, bool small_pages)
{
    *pool = (struct pool){.small_pages = small_pages};
}

void pool_release(struct pool *pool)
{
    for (struct pool_chunk *chunk = pool->chunks; chunk != NULL;) {
        struct pool_chunk *next = chunk->next;
        free(chunk->nodes);
        memory_free(chunk);
        chunk = next;
    }
    pool_init(pool, pool->small_pages);
}

// Pages not yet touched cost nothing.
static char *chunk_memory(size_t bytes, bool huge_pages)
{
    size_t alignment = huge_pages ? HUGE_PAGE : POOL_NODE_BYTES;
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, bytes) != 0) {
        (void)fprintf(stderr, "ivip: out of memory: %zu bytes more could not be had\n", bytes);
        abort();
    }
    if (huge_pages)
        (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void grow(struct pool *pool)
{
    size_t count = pool->nodes < CHUNK_NODES_FIRST ? CHUNK_NODES_FIRST : pool->nodes;
    struct pool_chunk *chunk = memory_new(sizeof(*chunk));
    chunk->count = count < CHUNK_NODES_MAX ? count : CHUNK_NODES_MAX;
    size_t bytes = chunk->count * POOL_NODE_BYTES;
    chunk->nodes = chunk_memory(bytes, bytes >= HUGE_PAGE && !pool->small_pages);
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    pool->nodes += chunk->count;
}

void *pool_take(struct pool *pool)
{
    if (pool->free != NULL) {
        void *node = pool->free;
        memcpy(&pool->free, node, sizeof(pool->free));
        return node;
    }
    if (pool->chunks == NULL || pool->chunks->taken == pool->chunks->count)
        grow(pool);
    pool->taken++;
    return pool->chunks->nodes + POOL_NODE_BYTES * pool->chunks->taken++;
}

void pool_give(struct pool *pool, void *node)
{
    memcpy(node, &pool->free, sizeof(pool->free));
    pool->free = node;
}

size_t pool_memory(const struct pool *pool)
{
    return pool->taken * POOL_NODE_BYTES;
}
