// SPDX-License-Identifier: BSD-2-Clause
// One face for the two halves of the mapping engine: the flat map of an IPv4 MAB, the interval map
// of an IPv6 MAB. Positions are units (whole, not relative to the MAB), values are indices of an
// etr_table.
#ifndef IVIP_MAPPING_STORE_H
#define IVIP_MAPPING_STORE_H

#include "base/range.h"
#include "mapping/flat_map.h"
#include "mapping/interval_map.h"

struct store {
    struct interval_map *tree; // NULL for IPv4
    struct flat_map flat;
    struct range units; // of the MAB
};

// All of `units` one gap.
void store_init(struct store *store, const struct range *units);
void store_release(struct store *store);
size_t store_memory(const struct store *store);

// The micronet that a unit of the MAB is in, or the whole gap, with value ETR_GAP.
struct interval store_find(const struct store *store, uint64_t unit);
// The values of many units.
void store_value_many(const struct store *store, const struct unit *units, size_t count,
                      uint32_t *values);
// The first micronet that contains `unit` (in the MAB) or starts after it.
bool store_next(const struct store *store, uint64_t unit, struct interval *micronet);

// Brings what is needed to change micronets at some units of the MAB into the cache, all side by
// side.
void store_warm(const struct store *store, const uint64_t *units, size_t count);

// Changing: a micronet is added in a gap, and removed or given another value when it is exactly
// one.
void store_add(struct store *store, const struct interval *micronet);
void store_remove(struct store *store, const struct interval *micronet);
void store_set(struct store *store, const struct interval *micronet, uint32_t value);

// Bulk: `count` micronets in order, behind all that are there.
void store_append(struct store *store, const struct interval *micronets, size_t count);
// Says that bulk has ended.
void store_end_bulk(struct store *store);
// Says how many micronets are to come in bulk.
void store_expect(struct store *store, uint64_t micronets);
// Copies out up to `size` micronets that start at `unit` (in the MAB) or after it, and returns how
// many. Not beside the writer.
size_t store_read(const struct store *store, uint64_t unit, struct interval *micronets,
                  size_t size);

#endif
