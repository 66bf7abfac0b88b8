// SPDX-License-Identifier: BSD-2-Clause
#include "base/table.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define BUCKETS_FIRST 64

void table_init(struct table *table)
{
    memset(table, 0, sizeof(*table));
}

void table_release(struct table *table)
{
    memory_free(table->buckets);
    table_init(table);
}

static struct table_node **bucket_of(const struct table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->bucket_count - 1)];
}

// Doubles the buckets; called when there is one element a bucket, or as many as there was to be
// room for.
static void grow(struct table *table)
{
    struct table old = *table;
    table->bucket_count = old.bucket_count == 0 ? BUCKETS_FIRST : old.bucket_count * 2;
    table->room = table->bucket_count;
    table->buckets = memory_new_array(table->bucket_count, sizeof(struct table_node *));
    for (size_t i = 0; i < old.bucket_count; i++) {
        for (struct table_node *node = old.buckets[i]; node != NULL;) {
            struct table_node *next = node->next;
            struct table_node **bucket = bucket_of(table, node->hash);
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    memory_free(old.buckets);
}

void table_reserve(struct table *table, size_t count)
{
    assert(table->count == 0);
    size_t buckets = BUCKETS_FIRST;
    while (buckets + buckets / 2 < count)
        buckets *= 2;
    memory_free(table->buckets);
    table->buckets = memory_new_array(buckets, sizeof(struct table_node *));
    table->bucket_count = buckets;
    table->room = count > buckets ? count : buckets;
}

void table_insert(struct table *table, struct table_node *node, uint64_t hash)
{
    if (table->count == table->room)
        grow(table);
    struct table_node **bucket = bucket_of(table, hash);
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void table_foresee(const struct table *table, uint64_t hash)
{
    if (table->bucket_count > 0)
        __builtin_prefetch(bucket_of(table, hash), 1);
}

struct table_node *table_find(const struct table *table, uint64_t hash, table_match *match,
                              const void *key)
{
    if (table->bucket_count == 0)
        return NULL;
    for (struct table_node *node = *bucket_of(table, hash); node != NULL; node = node->next)
        if (node->hash == hash && match(node, key))
            return node;
    return NULL;
}

void table_remove(struct table *table, struct table_node *node)
{
    assert(table->count > 0);
    struct table_node **link = bucket_of(table, node->hash);
    while (*link != node) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    table->count--;
}

struct table_node *table_next(const struct table *table, const struct table_node *node)
{
    size_t bucket = 0;
    if (node != NULL) {
        if (node->next != NULL)
            return node->next;
        bucket = (node->hash & (table->bucket_count - 1)) + 1;
    }
    for (; bucket < table->bucket_count; bucket++)
        if (table->buckets[bucket] != NULL)
            return table->buckets[bucket];
    return NULL;
}
