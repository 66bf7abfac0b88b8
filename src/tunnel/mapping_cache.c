// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/mapping_cache.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "mapping/interval_map.h"

#include <assert.h>

struct entry {
    struct cached mapping;
    struct list_node recent;  // in cache->recent (least recently used first), or free
    struct list_node renewal; // in cache->renewals while an ask is due
    struct heap_node deadline;
    struct unit used_unit; // where it was last used
    bool in_use;
    bool used;     // since it was learned
    bool renewing; // the time to renew has come; the deadline is now its end
};

struct mapping_cache {
    size_t limit;
    size_t count;
    struct entry *entries;
    struct list_node free;
    struct list_node recent;
    struct list_node renewals;
    struct heap deadlines;
    struct interval_map *ipv4; // unit -> index of the entry
    struct interval_map *ipv6;
    struct mapping_cache_counters counters;
};

struct mapping_cache *mapping_cache_new(size_t limit)
{
    assert(limit > 0 && limit < UINT32_MAX);
    struct mapping_cache *cache = memory_new(sizeof(*cache));
    cache->limit = limit;
    cache->entries = memory_new_array(limit, sizeof(struct entry));
    list_init(&cache->free);
    list_init(&cache->recent);
    list_init(&cache->renewals);
    for (size_t i = 0; i < limit; i++) {
        list_append(&cache->free, &cache->entries[i].recent);
        list_init(&cache->entries[i].renewal);
    }
    heap_init(&cache->deadlines);
    cache->ipv4 = interval_map_new_growing();
    cache->ipv6 = interval_map_new_growing();
    return cache;
}

void mapping_cache_free(struct mapping_cache *cache)
{
    if (cache == NULL)
        return;
    interval_map_free(cache->ipv4);
    interval_map_free(cache->ipv6);
    heap_release(&cache->deadlines);
    memory_free(cache->entries);
    memory_free(cache);
}

static struct interval_map *map_of(const struct mapping_cache *cache, enum family family)
{
    assert(family == FAMILY_IPV4 || family == FAMILY_IPV6);
    return family == FAMILY_IPV4 ? cache->ipv4 : cache->ipv6;
}

static void remove_entry(struct mapping_cache *cache, struct entry *entry)
{
    assert(entry->in_use);
    const struct range *range = &entry->mapping.range;
    bool removed = interval_map_remove(map_of(cache, range->family), range->start.index);
    assert(removed);
    (void)removed;
    heap_remove(&cache->deadlines, &entry->deadline);
    list_remove(&entry->renewal);
    list_remove(&entry->recent);
    list_append(&cache->free, &entry->recent);
    entry->in_use = false;
    cache->count--;
}

// Removes all entries that touch the range; returns how many.
static uint64_t remove_touching(struct mapping_cache *cache, const struct range *range)
{
    struct interval_map *map = map_of(cache, range->family);
    struct interval found;
    uint64_t removed = 0;
    while (interval_map_next(map, range->start.index, &found) &&
           found.start <= range_last(range).index) {
        remove_entry(cache, &cache->entries[found.value]);
        removed++;
    }
    return removed;
}

// When to ask again, for a mapping learned now.
static struct instant renewal_time(struct instant now, struct instant expires)
{
    struct duration before = {instant_since(expires, now).ns / CACHE_RENEW_FRACTION};
    if (before.ns > duration_s(CACHE_RENEW_SECONDS_MAX).ns)
        before = duration_s(CACHE_RENEW_SECONDS_MAX);
    return (struct instant){expires.ns - before.ns};
}

void mapping_cache_learn(struct mapping_cache *cache, struct instant now,
                         const struct cached *mapping)
{
    assert(range_valid(&mapping->range));
    if (instant_reached(now, mapping->expires))
        return;
    cache->counters.replaced += remove_touching(cache, &mapping->range);
    if (list_empty(&cache->free)) {
        struct list_node *least = list_first(&cache->recent);
        assert(least != NULL);
        remove_entry(cache, container_of(least, struct entry, recent));
        cache->counters.displaced++;
    }
    struct list_node *node = list_first(&cache->free);
    assert(node != NULL);
    struct entry *entry = container_of(node, struct entry, recent);
    entry->mapping = *mapping;
    entry->used_unit = mapping->range.start;
    entry->in_use = true;
    entry->used = false;
    entry->renewing = false;
    list_remove(&entry->recent);
    list_append(&cache->recent, &entry->recent);
    heap_set(&cache->deadlines, &entry->deadline, renewal_time(now, mapping->expires));
    struct interval interval = {mapping->range.start.index, mapping->range.length.units,
                                (uint32_t)(entry - cache->entries)};
    bool inserted = interval_map_insert(map_of(cache, mapping->range.family), &interval);
    assert(inserted);
    (void)inserted;
    cache->count++;
    cache->counters.learned++;
}

void mapping_cache_forget(struct mapping_cache *cache, const struct range *range)
{
    cache->counters.forgotten += remove_touching(cache, range);
}

static struct entry *find(const struct mapping_cache *cache, struct instant now,
                          const struct address *address)
{
    struct interval found;
    if (!interval_map_find(map_of(cache, (enum family)address->family),
                           unit_of_address(address).index, &found))
        return NULL;
    struct entry *entry = &cache->entries[found.value];
    return instant_reached(now, entry->mapping.expires) ? NULL : entry;
}

const struct cached *mapping_cache_use(struct mapping_cache *cache, struct instant now,
                                       const struct address *address)
{
    struct entry *entry = find(cache, now, address);
    if (entry == NULL)
        return NULL;
    // The time for it has come already, but until now nobody needed it.
    if (entry->renewing && !entry->used)
        list_append(&cache->renewals, &entry->renewal);
    entry->used = true;
    entry->used_unit = unit_of_address(address);
    list_remove(&entry->recent);
    list_append(&cache->recent, &entry->recent);
    return &entry->mapping;
}

bool mapping_cache_next_renewal(struct mapping_cache *cache, struct address *address)
{
    struct list_node *node = list_first(&cache->renewals);
    if (node == NULL)
        return false;
    struct entry *entry = container_of(node, struct entry, renewal);
    list_remove(node);
    *address = unit_address(entry->mapping.range.family, entry->used_unit);
    cache->counters.renewals++;
    return true;
}

struct instant mapping_cache_next_deadline(const struct mapping_cache *cache)
{
    return heap_deadline(&cache->deadlines);
}

void mapping_cache_tick(struct mapping_cache *cache, struct instant now)
{
    while (instant_reached(now, heap_deadline(&cache->deadlines))) {
        struct entry *entry = container_of(heap_first(&cache->deadlines), struct entry, deadline);
        if (entry->renewing || instant_reached(now, entry->mapping.expires)) {
            remove_entry(cache, entry);
            cache->counters.expired++;
            continue;
        }
        entry->renewing = true;
        heap_set(&cache->deadlines, &entry->deadline, entry->mapping.expires);
        if (entry->used)
            list_append(&cache->renewals, &entry->renewal);
    }
}

size_t mapping_cache_count(const struct mapping_cache *cache)
{
    return cache->count;
}

bool mapping_cache_next(const struct mapping_cache *cache, size_t *place, struct cached *mapping)
{
    for (; *place < cache->limit; (*place)++) {
        if (cache->entries[*place].in_use) {
            *mapping = cache->entries[(*place)++].mapping;
            return true;
        }
    }
    return false;
}

const struct mapping_cache_counters *mapping_cache_counters(const struct mapping_cache *cache)
{
    return &cache->counters;
}
