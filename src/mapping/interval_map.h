// SPDX-License-Identifier: BSD-2-Clause
// Ordered map from non-overlapping intervals of 64-bit keys to 32-bit values.
//
// The IPv6 half of the mapping engine, and every cache and registry that is asked "what covers
// this unit?": QSR and ITR caches, who was told what, UABs, MABs. A cache-conscious B+-tree.
// One writer; readers may run in other threads at the same time (see interval_map_find).
#ifndef IVIP_MAPPING_INTERVAL_MAP_H
#define IVIP_MAPPING_INTERVAL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interval {
    uint64_t start;
    uint64_t length; // at least 1; start + length - 1 does not overflow
    uint32_t value;
};

struct interval_map;

// The caller owns the map and gives it back to interval_map_free.
struct interval_map *interval_map_new(void);
// The same for a map that grows by an interval now and then while packets wait: it does without
// huge pages, of which the kernel would clear one now and then in the middle of an insertion
// (pool.h).
struct interval_map *interval_map_new_growing(void);
void interval_map_free(struct interval_map *map);

size_t interval_map_count(const struct interval_map *map);
// Bytes of memory in use.
size_t interval_map_memory(const struct interval_map *map);

// The interval that contains `key`. Takes no lock and may run beside the writer: what it finds
// was true at some moment during the call.
bool interval_map_find(const struct interval_map *map, uint64_t key, struct interval *found);
// Just the value of the interval that contains `key`; 0 where there is none. Also beside the
// writer.
uint32_t interval_map_value(const struct interval_map *map, uint64_t key);
// The same for `count` keys, hiding the memory latency of one key behind the others.
void interval_map_value_many(const struct interval_map *map, const uint64_t *keys, size_t count,
                             uint32_t *values);
// For each of `count` keys, its interval; `found[i].length` is 0 where there is none. Hides the
// memory latency of one key behind the others.
void interval_map_find_many(const struct interval_map *map, const uint64_t *keys, size_t count,
                            struct interval *found);
// For the writer: brings what is needed to change intervals at these keys into the cache, side by
// side.
void interval_map_warm(const struct interval_map *map, const uint64_t *keys, size_t count);
// The first interval that contains `key` or starts after it.
bool interval_map_next(const struct interval_map *map, uint64_t key, struct interval *found);
// The last interval that contains `key` or ends before it.
bool interval_map_previous(const struct interval_map *map, uint64_t key, struct interval *found);

// Adds an interval. False, and nothing changes, where it overlaps one that is there.
bool interval_map_insert(struct interval_map *map, const struct interval *interval);
// Takes out the interval that starts at `start`; false where none does.
bool interval_map_remove(struct interval_map *map, uint64_t start);
// Gives the interval that starts at `start` another value; false where none does.
bool interval_map_set_value(struct interval_map *map, uint64_t start, uint32_t value);

// Bulk, for the writer alone.

// Adds intervals that are in order and start behind all that are there, several times as fast as
// one by one. False, and nothing changes, where they are not.
bool interval_map_append(struct interval_map *map, const struct interval *intervals, size_t count);
// Makes lookups as fast as they can be, at the price of a walk over the leaves: after the last of
// many interval_map_append.
void interval_map_settle(struct interval_map *map);
// Copies out up to `size` intervals that start at `key` or after it, in order, and returns how
// many.
size_t interval_map_read(const struct interval_map *map, uint64_t key, struct interval *intervals,
                         size_t size);

#endif
