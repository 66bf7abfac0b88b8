// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/direct_table.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

void direct_table_init(struct direct_table *table)
{
    memset(table, 0, sizeof(*table));
    table->first = memory_new_array((size_t)1 << DIRECT_FIRST_BITS, sizeof(*table->first));
}

void direct_table_release(struct direct_table *table)
{
    memory_free(table->first);
    memory_free(table->blocks);
}

// A new block with `entry` in all places; gives the entry that leads to it.
static uint32_t new_block(struct direct_table *table, uint32_t entry)
{
    assert(table->block_count < DIRECT_IN_BLOCK);
    table->blocks = memory_resize(table->blocks, (table->block_count + 1) * sizeof(*table->blocks));
    for (unsigned i = 0; i < DIRECT_BLOCK; i++)
        table->blocks[table->block_count][i] = entry;
    return DIRECT_IN_BLOCK | table->block_count++;
}

// Writes an entry to a run of places; where a place leads to a block, to all of that block.
static void fill(struct direct_table *table, uint32_t *places, unsigned count, uint32_t entry)
{
    for (unsigned i = 0; i < count; i++) {
        if ((places[i] & DIRECT_IN_BLOCK) != 0)
            fill(table, table->blocks[places[i] & ~DIRECT_IN_BLOCK], DIRECT_BLOCK, entry);
        else
            places[i] = entry;
    }
}

static void write_prefix(struct direct_table *table, uint64_t bits, unsigned length, uint32_t entry)
{
    assert(length >= 8 && length <= 48);
    uint32_t *places = table->first;
    unsigned level_bits = DIRECT_FIRST_BITS;
    int64_t block = -1; // that `places` are of
    while (length > level_bits) {
        uint64_t at = bits >> (64 - level_bits);
        if ((places[at] & DIRECT_IN_BLOCK) == 0) {
            uint32_t fresh = new_block(table, places[at]);
            places = block < 0 ? table->first : table->blocks[block]; // blocks may have moved
            places[at] = fresh;
        }
        block = places[at] & ~DIRECT_IN_BLOCK;
        places = table->blocks[block];
        bits <<= level_bits;
        length -= level_bits;
        level_bits = DIRECT_BLOCK_BITS;
    }
    fill(table, places + (bits >> (64 - level_bits)), 1u << (level_bits - length), entry);
}

void direct_table_set(struct direct_table *table, uint64_t bits, unsigned length, uint32_t number)
{
    assert(number < DIRECT_NUMBER);
    write_prefix(table, bits, length, DIRECT_NUMBER | number);
}

void direct_table_clear(struct direct_table *table, uint64_t bits, unsigned length)
{
    write_prefix(table, bits, length, 0);
}
