// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/usage.h"

#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"

#include <assert.h>

struct record {
    struct table_node by_range;
    struct list_node free;
    struct usage usage; // length 0: free
};

struct usage_table {
    struct hash_key key;
    size_t limit;
    struct record *records;
    struct list_node free;
    struct table by_range;
    size_t take_place; // where the search for the next record to take goes on
    struct usage uncounted;
};

struct usage_table *usage_new(size_t limit, struct hash_key key)
{
    assert(limit > 0);
    struct usage_table *table = memory_new(sizeof(*table));
    table->key = key;
    table->limit = limit;
    table->records = memory_new_array(limit, sizeof(struct record));
    list_init(&table->free);
    for (size_t i = 0; i < limit; i++)
        list_append(&table->free, &table->records[i].free);
    table_init(&table->by_range);
    return table;
}

void usage_free(struct usage_table *table)
{
    if (table == NULL)
        return;
    table_release(&table->by_range);
    memory_free(table->records);
    memory_free(table);
}

static bool record_matches(const struct table_node *node, const void *key)
{
    return range_equal(&container_of(node, struct record, by_range)->usage.range, key);
}

static struct record *find_or_make(struct usage_table *table, const struct range *range)
{
    uint64_t words[3] = {(uint64_t)range->family, range->start.index, range->length.units};
    uint64_t hash = hash_bytes(&table->key, words, sizeof(words));
    struct table_node *node = table_find(&table->by_range, hash, record_matches, range);
    if (node != NULL)
        return container_of(node, struct record, by_range);
    struct list_node *free = list_first(&table->free);
    if (free == NULL)
        return NULL;
    list_remove(free);
    struct record *record = container_of(free, struct record, free);
    record->usage = (struct usage){*range, 0, 0};
    table_insert(&table->by_range, &record->by_range, hash);
    return record;
}

void usage_add(struct usage_table *table, const struct range *range, uint64_t packets,
               uint64_t octets)
{
    assert(range->length.units > 0);
    struct record *record = find_or_make(table, range);
    struct usage *usage = record == NULL ? &table->uncounted : &record->usage;
    usage->packets += packets;
    usage->octets += octets;
}

bool usage_take(struct usage_table *table, struct usage *usage)
{
    if (table->by_range.count == 0)
        return false;
    while (table->records[table->take_place].usage.range.length.units == 0)
        table->take_place = (table->take_place + 1) % table->limit;
    struct record *record = &table->records[table->take_place];
    *usage = record->usage;
    table_remove(&table->by_range, &record->by_range);
    record->usage = (struct usage){0};
    list_append(&table->free, &record->free);
    return true;
}

bool usage_next(const struct usage_table *table, size_t *place, struct usage *usage)
{
    for (; *place < table->limit; (*place)++) {
        const struct usage *record = &table->records[*place].usage;
        if (record->range.length.units > 0) {
            *usage = *record;
            (*place)++;
            return true;
        }
    }
    return false;
}

size_t usage_count(const struct usage_table *table)
{
    return table->by_range.count;
}

struct usage usage_uncounted(const struct usage_table *table)
{
    return table->uncounted;
}

void usage_add_uncounted(struct usage_table *table, uint64_t packets, uint64_t octets)
{
    table->uncounted.packets += packets;
    table->uncounted.octets += octets;
}

struct usage usage_take_uncounted(struct usage_table *table)
{
    struct usage taken = table->uncounted;
    table->uncounted = (struct usage){0};
    return taken;
}
