// SPDX-License-Identifier: BSD-2-Clause
// ETR addresses interned: each address once, named by a 32-bit index, counted.
//
//     index      0      1      2             3            ...
//     address    -      -      198.18.3.1    2001:db8::1
//                gap    zero   ETRs
//
// Micronets hold references. An index whose last reference was dropped keeps its address until
// etr_table_sweep, so a change can be taken back. One writer; etr_table_get may run beside it:
// when the array of addresses grows, the old one stays mapped until the table is released, but for
// its ends without memory behind it: who still looks there, looks again.
#ifndef IVIP_MAPPING_ETR_TABLE_H
#define IVIP_MAPPING_ETR_TABLE_H

#include "base/address.h"
#include "base/hash.h"
#include "mapping/sequence.h"

#include <stddef.h>
#include <stdint.h>

#define ETR_GAP   0 // no micronet
#define ETR_ZERO  1 // a micronet mapped to zero
#define ETR_FIRST 2 // the lowest index of an ETR

struct __attribute__((packed, aligned(4))) etr_slot {
    uint64_t references : 63;
    uint64_t listed : 1; // already among the unreferenced
    uint32_t next;       // in the same bucket, or in the list of free indices; 0 ends
};

struct etr_table {
    struct address *addresses; // by index; readers look here
    struct etr_slot *slots;    // by index
    uint32_t *buckets;         // as many as `capacity`, a power of two
    uint32_t *unreferenced;    // candidates for etr_table_sweep
    uint32_t unreferenced_count;
    uint32_t capacity;
    uint32_t used; // indices ever given out, ETR_FIRST included
    uint32_t free; // first free index; 0: none
    size_t count;  // addresses in the table
    void **retired;
    size_t retired_count;
    struct hash_key key;
};

void etr_table_init(struct etr_table *table);
void etr_table_release(struct etr_table *table);
// Bytes of memory in use.
size_t etr_table_memory(const struct etr_table *table);

// The index of an address, with `references` more held on it; ETR_ZERO for the address zero.
uint32_t etr_table_take(struct etr_table *table, const struct address *address,
                        uint64_t references);
// More references, one less; nothing to do for ETR_GAP and ETR_ZERO.
void etr_table_hold(struct etr_table *table, uint32_t index, uint64_t references);
void etr_table_drop(struct etr_table *table, uint32_t index);
// Forgets the addresses that nothing refers to any more.
void etr_table_sweep(struct etr_table *table);

// The addresses by index: good for indices that were validated before they are asked for.
SEQUENCE_READER static inline const struct address *
etr_table_addresses(const struct etr_table *table)
{
    return SEQUENCE_LOAD(&table->addresses);
}

// The address of an index that the reader has validated (sequence_retry); zero for ETR_GAP and
// ETR_ZERO.
SEQUENCE_READER static inline struct address etr_table_get(const struct etr_table *table,
                                                           uint32_t index)
{
    return etr_table_addresses(table)[index];
}

#endif
