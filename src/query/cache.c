// SPDX-License-Identifier: BSD-2-Clause
#include "query/cache.h"

#include <assert.h>
#include <string.h>

void cache_init(struct cache *cache, struct hash_key key, size_t entries)
{
    memset(cache, 0, sizeof(*cache));
    cache->key = key;
    slab_init_numbered(&cache->slab, sizeof(struct learned));
    range_map_init(&cache->ranges);
    table_init(&cache->nonces);
    table_reserve(&cache->nonces, entries);
    heap_init(&cache->expiries);
    heap_reserve(&cache->expiries, entries);
    list_init(&cache->uses);
}

void cache_release(struct cache *cache)
{
    heap_release(&cache->expiries);
    table_release(&cache->nonces);
    range_map_release(&cache->ranges);
    slab_release(&cache->slab);
}

struct learned *cache_find(const struct cache *cache, enum family family, struct unit unit)
{
    uint32_t number = 0;
    bool found = range_map_find(&cache->ranges, family, unit, &number);
    return found ? slab_at(&cache->slab, number) : NULL;
}

static bool nonce_matches(const struct table_node *node, const void *key)
{
    return container_of(node, const struct learned, by_nonce)->nonce == *(const uint64_t *)key;
}

static uint64_t nonce_hash(const struct cache *cache, uint64_t nonce)
{
    return hash_bytes(&cache->key, &nonce, sizeof(nonce));
}

struct learned *cache_find_nonce(const struct cache *cache, uint64_t nonce)
{
    struct table_node *node =
        table_find(&cache->nonces, nonce_hash(cache, nonce), nonce_matches, &nonce);
    return node == NULL ? NULL : container_of(node, struct learned, by_nonce);
}

struct learned *cache_first_in(const struct cache *cache, const struct range *range)
{
    uint32_t number = 0;
    bool found = range_map_first_in(&cache->ranges, range, &number);
    return found ? slab_at(&cache->slab, number) : NULL;
}

struct learned *cache_oldest(struct cache *cache)
{
    for (unsigned spared = 0;; spared++) {
        struct list_node *node = list_first(&cache->uses);
        if (node == NULL)
            return NULL;
        struct learned *learned = container_of(node, struct learned, use);
        if (!learned->used || spared == CACHE_SPARED_MAX)
            return learned;
        learned->used = false;
        list_remove(node);
        list_append(&cache->uses, node);
    }
}

struct learned *cache_first_to_expire(const struct cache *cache)
{
    struct heap_node *node = heap_first(&cache->expiries);
    return node == NULL ? NULL : container_of(node, struct learned, expiry);
}

struct learned *cache_add(struct cache *cache, const struct range *range, uint64_t nonce,
                          struct instant expires)
{
    struct learned *learned = slab_take(&cache->slab);
    learned->range = *range;
    learned->nonce = nonce;
    list_init(&learned->of_upstream);
    list_init(&learned->event.node);
    range_map_insert(&cache->ranges, range, slab_number(&cache->slab, learned));
    table_insert(&cache->nonces, &learned->by_nonce, nonce_hash(cache, nonce));
    heap_set(&cache->expiries, &learned->expiry, expires);
    list_append(&cache->uses, &learned->use);
    cache->count++;
    return learned;
}

void cache_renew(struct cache *cache, struct learned *learned, uint64_t nonce,
                 struct instant expires)
{
    assert(!learned->doomed);
    if (learned->nonce != nonce) {
        table_remove(&cache->nonces, &learned->by_nonce);
        learned->nonce = nonce;
        table_insert(&cache->nonces, &learned->by_nonce, nonce_hash(cache, nonce));
    }
    heap_set(&cache->expiries, &learned->expiry, expires);
}

void cache_touch(struct learned *learned)
{
    assert(!learned->doomed);
    learned->used = true;
}

void cache_doom(struct cache *cache, struct learned *learned)
{
    assert(!learned->doomed && cache->count > 0);
    range_map_remove(&cache->ranges, &learned->range);
    table_remove(&cache->nonces, &learned->by_nonce);
    heap_remove(&cache->expiries, &learned->expiry);
    list_remove(&learned->use);
    list_remove(&learned->of_upstream);
    learned->doomed = true;
    cache->count--;
}

void cache_free_doomed(struct cache *cache, struct learned *learned)
{
    assert(learned->doomed);
    list_remove(&learned->event.node);
    slab_give(&cache->slab, learned);
}

size_t cache_memory(const struct cache *cache)
{
    return range_map_memory(&cache->ranges) + cache->slab.used * cache->slab.size +
           cache->nonces.bucket_count * sizeof(void *) +
           cache->expiries.count * sizeof(struct heap_slot);
}
