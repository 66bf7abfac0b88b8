// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/etr_table.h"

#include "base/memory.h"
#include "base/random.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#define CAPACITY_FIRST 16
#define PAGE_BYTES     4096
#define REFERENCES     (UINT64_MAX >> 1) // the most that can be counted

void etr_table_init(struct etr_table *table)
{
    memset(table, 0, sizeof(*table));
    // Users choose ETR addresses, so the hash is keyed. Nothing that can be seen from outside
    // depends on this key, so simulations replay exactly all the same.
    struct random_seed seed = random_seed_from_system();
    memcpy(table->key.bytes, seed.bytes, sizeof(table->key.bytes));
    table->capacity = CAPACITY_FIRST;
    table->addresses = memory_new_array(table->capacity, sizeof(*table->addresses));
    table->slots = memory_new_array(table->capacity, sizeof(*table->slots));
    table->buckets = memory_new_array(table->capacity, sizeof(*table->buckets));
    table->unreferenced = memory_new_array(table->capacity, sizeof(*table->unreferenced));
    table->used = ETR_FIRST;
}

void etr_table_release(struct etr_table *table)
{
    for (size_t i = 0; i < table->retired_count; i++)
        memory_free(table->retired[i]);
    memory_free(table->retired);
    memory_free(table->addresses);
    memory_free(table->slots);
    memory_free(table->buckets);
    memory_free(table->unreferenced);
    memset(table, 0, sizeof(*table));
}

size_t etr_table_memory(const struct etr_table *table)
{
    // The arrays that grew have no memory yet where they were not used.
    size_t entry = sizeof(*table->slots) + sizeof(*table->addresses);
    return table->used * entry + table->capacity * sizeof(*table->buckets) +
           table->unreferenced_count * sizeof(*table->unreferenced);
}

static uint32_t *bucket_of(const struct etr_table *table, const struct address *address)
{
    uint64_t hash = hash_bytes(&table->key, address, sizeof(*address));
    return &table->buckets[hash & (table->capacity - 1)];
}

// Readers may still look at the old array, so it is kept; but what they find there does not count,
// since the writer is within a change. So whole pages of it are given back, and read as zeros.
static void retire(struct etr_table *table, struct address *addresses, size_t count)
{
    uintptr_t first = ((uintptr_t)addresses + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uintptr_t end = (uintptr_t)(addresses + count) / PAGE_BYTES * PAGE_BYTES;
    if (first < end)
        (void)madvise((void *)first, end - first, MADV_DONTNEED); // NOLINT: pages of an array
    table->retired =
        memory_resize(table->retired, (table->retired_count + 1) * sizeof(*table->retired));
    table->retired[table->retired_count++] = addresses;
}

static void grow(struct etr_table *table)
{
    uint32_t capacity = table->capacity * 2;
    assert(capacity > table->capacity);
    struct address *addresses = memory_new_array(capacity, sizeof(*addresses));
    memcpy(addresses, table->addresses, table->used * sizeof(*addresses));
    struct address *before = table->addresses;
    __atomic_store_n(&table->addresses, addresses, __ATOMIC_RELEASE);
    retire(table, before, table->capacity);
    table->slots = memory_resize(table->slots, capacity * sizeof(*table->slots));
    table->unreferenced =
        memory_resize(table->unreferenced, capacity * sizeof(*table->unreferenced));
    memory_free(table->buckets);
    table->buckets = memory_new_array(capacity, sizeof(*table->buckets));
    table->capacity = capacity;
    for (uint32_t i = ETR_FIRST; i < table->used; i++) {
        uint32_t *bucket = bucket_of(table, &addresses[i]);
        table->slots[i].next = *bucket;
        *bucket = i;
    }
}

// An index for a new address. Growing happens only when no index is free, so all below `used` are
// in buckets then.
static uint32_t new_index(struct etr_table *table)
{
    if (table->free != 0) {
        uint32_t index = table->free;
        table->free = table->slots[index].next;
        return index;
    }
    if (table->used == table->capacity)
        grow(table);
    return table->used++;
}

static void add_references(struct etr_slot *slot, uint64_t references)
{
    slot->references = (slot->references + references) & REFERENCES;
}

uint32_t etr_table_take(struct etr_table *table, const struct address *address, uint64_t references)
{
    if (address_is_zero(address))
        return ETR_ZERO;
    for (uint32_t i = *bucket_of(table, address); i != 0; i = table->slots[i].next)
        if (address_equal(&table->addresses[i], address)) {
            add_references(&table->slots[i], references);
            return i;
        }
    uint32_t index = new_index(table);
    uint32_t *bucket = bucket_of(table, address);
    table->addresses[index] = *address;
    table->slots[index] = (struct etr_slot){.references = references & REFERENCES, .next = *bucket};
    *bucket = index;
    table->count++;
    return index;
}

void etr_table_hold(struct etr_table *table, uint32_t index, uint64_t references)
{
    if (index >= ETR_FIRST)
        add_references(&table->slots[index], references);
}

void etr_table_drop(struct etr_table *table, uint32_t index)
{
    if (index < ETR_FIRST)
        return;
    struct etr_slot *slot = &table->slots[index];
    assert(slot->references > 0);
    if (--slot->references == 0 && !slot->listed) {
        slot->listed = 1;
        assert(table->unreferenced_count < table->capacity);
        table->unreferenced[table->unreferenced_count++] = index;
    }
}

static void forget(struct etr_table *table, uint32_t index)
{
    uint32_t *link = bucket_of(table, &table->addresses[index]);
    while (*link != index) {
        assert(*link != 0);
        link = &table->slots[*link].next;
    }
    *link = table->slots[index].next;
    table->slots[index].next = table->free;
    table->free = index;
    table->count--;
}

void etr_table_sweep(struct etr_table *table)
{
    while (table->unreferenced_count > 0) {
        uint32_t index = table->unreferenced[--table->unreferenced_count];
        table->slots[index].listed = 0;
        if (table->slots[index].references == 0)
            forget(table, index);
    }
}
