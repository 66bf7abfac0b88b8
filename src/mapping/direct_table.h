// SPDX-License-Identifier: BSD-2-Clause
// A number for each of the MABs of one family, found in a few accesses: which MAB a packet is for
// is asked once a packet.
//
//     first[65536]     none | number | block    ->   block[256]   none | number | block  -> ...
//     by the upper 16 bits                           by the next 8                 8 bits each
#ifndef IVIP_MAPPING_DIRECT_TABLE_H
#define IVIP_MAPPING_DIRECT_TABLE_H

#include "base/address.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DIRECT_FIRST_BITS 16
#define DIRECT_BLOCK_BITS 8
#define DIRECT_BLOCK      (1 << DIRECT_BLOCK_BITS)

// Entries: 0 none; DIRECT_NUMBER and the number; DIRECT_IN_BLOCK and the block's place. Of four
// octets, as a /48 far from all others takes four blocks.
#define DIRECT_NUMBER   (UINT32_C(1) << 30)
#define DIRECT_IN_BLOCK (UINT32_C(1) << 31)

struct direct_table {
    uint32_t *first;
    uint32_t (*blocks)[DIRECT_BLOCK]; // never given back
    uint32_t block_count;
};

void direct_table_init(struct direct_table *table);
void direct_table_release(struct direct_table *table);
// Sets the number, below DIRECT_NUMBER, of a prefix of `length` bits, 8 to 48; `bits` are its bits,
// left-aligned in 64.
void direct_table_set(struct direct_table *table, uint64_t bits, unsigned length, uint32_t number);
// Takes out a prefix that was set.
void direct_table_clear(struct direct_table *table, uint64_t bits, unsigned length);

// The first 64 bits of an address; of an IPv4 address the lower 32 are zero.
static inline uint64_t address_bits(const struct address *address)
{
    uint64_t octets = 0;
    memcpy(&octets, address->octets, sizeof(octets));
    return be64toh(octets);
}

// The entry for an address, left-aligned in 64 bits: DIRECT_NUMBER and the number, or 0.
static inline uint32_t direct_table_entry(const struct direct_table *table, uint64_t bits)
{
    uint32_t entry = table->first[bits >> (64 - DIRECT_FIRST_BITS)];
    bits <<= DIRECT_FIRST_BITS;
    while ((entry & DIRECT_IN_BLOCK) != 0) {
        entry = table->blocks[entry & ~DIRECT_IN_BLOCK][bits >> (64 - DIRECT_BLOCK_BITS)];
        bits <<= DIRECT_BLOCK_BITS;
    }
    return entry;
}

static inline uint32_t direct_table_number(uint32_t entry)
{
    return entry & (DIRECT_NUMBER - 1);
}

#endif
