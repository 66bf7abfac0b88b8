// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/direct_table.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

void direct_table_init(struct direct_table *table)
{
    memset(table, 0, sizeof(*table));
    table->first = memory_new_array(DIRECT_FIRST, sizeof(*table->first));
}

void direct_table_release(struct direct_table *table)
{
    memory_free(table->first);
    memory_free(table->blocks);
}

static uint64_t *block_of(struct direct_table *table, uint32_t first)
{
    uint64_t *entry = &table->first[first];
    if (*entry == 0) {
        table->blocks =
            memory_resize(table->blocks, (table->block_count + 1) * sizeof(*table->blocks));
        memset(table->blocks[table->block_count], 0, sizeof(*table->blocks));
        *entry = DIRECT_IN_BLOCK | table->block_count++;
    }
    assert((*entry & DIRECT_IN_BLOCK) != 0);
    return table->blocks[(uint32_t)*entry];
}

static void fill(struct direct_table *table, uint32_t start, uint32_t count, uint64_t entry)
{
    assert((count & (count - 1)) == 0 && (start & (count - 1)) == 0);
    for (uint32_t i = 0; i < count;) {
        uint32_t first = (start + i) / DIRECT_BLOCK;
        uint32_t piece = count < DIRECT_BLOCK ? count : DIRECT_BLOCK;
        i += piece;
        if (piece == DIRECT_BLOCK && (table->first[first] & DIRECT_IN_BLOCK) == 0) {
            table->first[first] = entry;
            continue;
        }
        uint64_t *entries = block_of(table, first) + start % DIRECT_BLOCK;
        for (uint32_t j = 0; j < piece; j++)
            entries[j] = entry;
    }
}

void direct_table_set(struct direct_table *table, uint32_t start, uint32_t count, uint32_t number)
{
    fill(table, start, count, DIRECT_NUMBER | number);
}

void direct_table_clear(struct direct_table *table, uint32_t start, uint32_t count)
{
    fill(table, start, count, 0);
}
