// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/usage.h"

#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"

#include <assert.h>

// Where a micronet's slot is found. What it counted is in the memory alone.
struct entry {
    struct table_node by_range;
    struct list_node free;
};

struct usage_table {
    struct hash_key key;
    struct usage_memory *memory;
    void *own; // the memory, where it is the table's
    size_t limit;
    struct entry *entries; // of slots 1 to limit; [0] is not used
    struct list_node free;
    struct table by_range;
    size_t take_place; // where the search for the next record to take goes on
};

static uint64_t hash_range(const struct usage_table *table, const struct range *range)
{
    uint64_t words[3] = {(uint64_t)range->family, range->start.index, range->length.units};
    return hash_bytes(&table->key, words, sizeof(words));
}

struct usage_table *usage_new_in(struct usage_memory *memory, struct hash_key key)
{
    struct usage_table *table = memory_new(sizeof(*table));
    table->key = key;
    table->memory = memory;
    table->limit = usage_memory_limit(memory);
    table->entries = memory_new_array(table->limit + 1, sizeof(struct entry));
    list_init(&table->free);
    table_init(&table->by_range);
    table->take_place = 1;
    for (size_t slot = 1; slot <= table->limit; slot++) {
        struct entry *entry = &table->entries[slot];
        struct usage usage;
        if (usage_memory_read(memory, slot, &usage))
            table_insert(&table->by_range, &entry->by_range, hash_range(table, &usage.range));
        else
            list_append(&table->free, &entry->free);
    }
    return table;
}

struct usage_table *usage_new(size_t limit, struct hash_key key)
{
    void *own = memory_new(usage_memory_size(limit));
    struct usage_table *table =
        usage_new_in(usage_memory_begin(own, limit, 0, 0, (struct wall_time){0}), key);
    table->own = own;
    return table;
}

void usage_free(struct usage_table *table)
{
    if (table == NULL)
        return;
    table_release(&table->by_range);
    memory_free(table->entries);
    memory_free(table->own);
    memory_free(table);
}

struct search {
    const struct usage_table *table;
    const struct range *range;
};

static size_t slot_of(const struct usage_table *table, const struct entry *entry)
{
    return (size_t)(entry - table->entries);
}

static bool entry_matches(const struct table_node *node, const void *key)
{
    const struct search *search = key;
    struct usage usage;
    size_t slot = slot_of(search->table, container_of(node, struct entry, by_range));
    return usage_memory_read(search->table->memory, slot, &usage) &&
           range_equal(&usage.range, search->range);
}

// The slot of a micronet; the common one where there is none free.
static size_t find_or_make(struct usage_table *table, const struct range *range)
{
    uint64_t hash = hash_range(table, range);
    const struct search search = {table, range};
    struct table_node *node = table_find(&table->by_range, hash, entry_matches, &search);
    if (node != NULL)
        return slot_of(table, container_of(node, struct entry, by_range));
    struct list_node *free = list_first(&table->free);
    if (free == NULL)
        return 0;
    list_remove(free);
    struct entry *entry = container_of(free, struct entry, free);
    usage_memory_assign(table->memory, slot_of(table, entry), range);
    table_insert(&table->by_range, &entry->by_range, hash);
    return slot_of(table, entry);
}

void usage_add(struct usage_table *table, const struct range *range, uint64_t packets,
               uint64_t octets)
{
    assert(range->length.units > 0);
    usage_memory_count(table->memory, find_or_make(table, range), packets, octets);
}

static void forget(struct usage_table *table, struct entry *entry)
{
    table_remove(&table->by_range, &entry->by_range);
    list_append(&table->free, &entry->free);
}

bool usage_take(struct usage_table *table, struct usage *usage)
{
    if (table->by_range.count == 0)
        return false;
    while (!usage_memory_read(table->memory, table->take_place, usage))
        table->take_place = table->take_place % table->limit + 1;
    forget(table, &table->entries[table->take_place]);
    usage_memory_release(table->memory, table->take_place);
    return true;
}

bool usage_next(const struct usage_table *table, size_t *place, struct usage *usage)
{
    while (*place < table->limit)
        if (usage_memory_read(table->memory, ++*place, usage))
            return true;
    return false;
}

size_t usage_count(const struct usage_table *table)
{
    return table->by_range.count;
}

struct usage usage_uncounted(const struct usage_table *table)
{
    struct usage usage = {0};
    (void)usage_memory_read(table->memory, 0, &usage);
    return usage;
}

struct usage usage_take_uncounted(struct usage_table *table)
{
    struct usage usage = usage_uncounted(table);
    usage_memory_release(table->memory, 0);
    return usage;
}

struct wall_time usage_since(const struct usage_table *table)
{
    return usage_memory_since(table->memory);
}

bool usage_close(struct usage_table *table, struct wall_time now)
{
    struct usage common;
    if (table->by_range.count == 0 && !usage_memory_read(table->memory, 0, &common)) {
        usage_memory_set_since(table->memory, now);
        return false;
    }
    struct table_node *node = table_next(&table->by_range, NULL);
    while (node != NULL) {
        struct table_node *next = table_next(&table->by_range, node);
        forget(table, container_of(node, struct entry, by_range));
        node = next;
    }
    usage_memory_close(table->memory, now);
    return true;
}
