// SPDX-License-Identifier: BSD-2-Clause
// A number for each IPv4 /24, found in one or two accesses: which MAB a packet is for is asked once
// a packet.
//
//     first[65536]    none | number | block    ->    blocks[i][256]    none | number
//     by upper 16 bits                               by the next 8
#ifndef IVIP_MAPPING_DIRECT_TABLE_H
#define IVIP_MAPPING_DIRECT_TABLE_H

#include <stdint.h>

#define DIRECT_FIRST 65536
#define DIRECT_BLOCK 256

// Entries: 0 none; DIRECT_NUMBER and the number; DIRECT_IN_BLOCK and the block's place.
#define DIRECT_NUMBER   ((uint64_t)1 << 32)
#define DIRECT_IN_BLOCK ((uint64_t)1 << 33)

struct direct_table {
    uint64_t *first;
    uint64_t (*blocks)[DIRECT_BLOCK]; // never given back: at most 65536
    uint32_t block_count;
};

void direct_table_init(struct direct_table *table);
void direct_table_release(struct direct_table *table);
// Sets the numbers of `count` /24s from `start` (an address's upper 24 bits) on: a power of two,
// aligned to its size.
void direct_table_set(struct direct_table *table, uint32_t start, uint32_t count, uint32_t number);
void direct_table_clear(struct direct_table *table, uint32_t start, uint32_t count);

// The entry for an address (host byte order): DIRECT_NUMBER and the number, or 0.
static inline uint64_t direct_table_entry(const struct direct_table *table, uint32_t address)
{
    uint64_t entry = table->first[address >> 16];
    if ((entry & DIRECT_IN_BLOCK) != 0)
        entry = table->blocks[(uint32_t)entry][address >> 8 & (DIRECT_BLOCK - 1)];
    return entry;
}

#endif
