// SPDX-License-Identifier: BSD-2-Clause
// How much traffic each micronet got: packets and octets of inner packets, as they leave the ITR
// (each segment of a super-packet counts). What the operator of a DITR charges MABOCs by, and they
// their end users (DRTM §3.1).
//
// Bounded: with `limit` micronets counted, traffic of further ones goes to one common record until
// records are taken out.
#ifndef IVIP_TUNNEL_USAGE_H
#define IVIP_TUNNEL_USAGE_H

#include "base/hash.h"
#include "base/instant.h"
#include "base/range.h"
#include "tunnel/usage_memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct usage_table;

struct usage {
    struct range range;
    uint64_t packets;
    uint64_t octets;
};

// Counters in memory of the table's own, of at most `limit` micronets.
struct usage_table *usage_new(size_t limit, struct hash_key key);
// Counters in memory that outlives the process (usage_memory.h): those in it go on. The memory
// stays the caller's and must outlive the table.
struct usage_table *usage_new_in(struct usage_memory *memory, struct hash_key key);
void usage_free(struct usage_table *table);

void usage_add(struct usage_table *table, const struct range *range, uint64_t packets,
               uint64_t octets);
// Takes one record out, in no particular order; false when there is none. What is taken is the
// caller's to keep: its counting starts again from nothing.
bool usage_take(struct usage_table *table, struct usage *usage);
// Walks all without taking: from *place 0 on; false at the end.
bool usage_next(const struct usage_table *table, size_t *place, struct usage *usage);
size_t usage_count(const struct usage_table *table);
// The common record; its range means nothing.
struct usage usage_uncounted(const struct usage_table *table);
// The same, taken out.
struct usage usage_take_uncounted(struct usage_table *table);
// When the period that counts began.
struct wall_time usage_since(const struct usage_table *table);
// Closes the period, as if at once, and begins the next with nothing counted (usage_memory.h); only
// where none is closed. False where there is nothing to report: then only the time is noted.
bool usage_close(struct usage_table *table, struct wall_time now);

#endif
