// SPDX-License-Identifier: BSD-2-Clause
// The IPv4 half of the mapping engine: a flat array of values, and a bitmap of where runs start.
//
//     place      0  1  2  3  4  5  6  7  8  9 ...
//     values     0  0  5  5  5  1  1  0  0  7        0: gap (ETR_GAP), else of a micronet
//     starts     1  .  1  .  .  1  .  1  .  1        level 0: one bit a place
//                '----- 64 places: one word -----'
//     level 1    1 bit a word of level 0 that is not all zero; level 2: 1 bit a word of level 1 ...
//
// The value of a place is one access to the array. Its run (a micronet, or all of a gap) is
// bounded by the nearest starts before and behind, found in a few words: up the levels until a
// word has one, and down again. Neighbouring gaps are always one run.
//
// The array is memory mapped: pages that no micronet ever was on cost nothing. One writer; finding
// and flat_map_value may run beside it under a sequence lock, and then may give nonsense, but
// never leave the arrays.
#ifndef IVIP_MAPPING_FLAT_MAP_H
#define IVIP_MAPPING_FLAT_MAP_H

#include "mapping/interval_map.h"
#include "mapping/sequence.h"

#include <stdint.h>

#define FLAT_LEVELS_MAX 4 // 64^4 = 2^24 places, an IPv4 /8

struct flat_map {
    uint32_t *values;
    uint64_t *levels[FLAT_LEVELS_MAX];
    uint32_t size; // places: 2^8 to 2^24
    unsigned level_count;
    size_t starts_bytes; // of all levels
    size_t mapped_bytes; // of values
    uint64_t *touched;   // one bit a page of values ever written
    size_t touched_count;
    uint32_t dense; // 1: huge pages were asked for
};

// One gap of `size` places, a power of two.
void flat_map_init(struct flat_map *map, uint32_t size);
void flat_map_release(struct flat_map *map);
// Bytes of memory in use.
size_t flat_map_memory(const struct flat_map *map);
// Says that most of the places will be in micronets: huge pages are worth it.
void flat_map_expect_dense(struct flat_map *map);

SEQUENCE_READER static inline uint32_t flat_map_value(const struct flat_map *map, uint32_t place)
{
    return SEQUENCE_LOAD(&map->values[place]);
}

// Asks for the memory around a place.
static inline void flat_map_warm(const struct flat_map *map, uint32_t place)
{
    __builtin_prefetch(&map->values[place], 1);
    __builtin_prefetch(&map->levels[0][place / 64], 1);
}

// The run that a place is in.
struct interval flat_map_find(const struct flat_map *map, uint32_t place);

// Makes a micronet of a range that lies in one gap.
void flat_map_add(struct flat_map *map, const struct interval *micronet);
// Makes a gap of a range that is exactly a micronet.
void flat_map_remove(struct flat_map *map, const struct interval *micronet);
// Gives a range that is exactly a micronet another value (not 0).
void flat_map_set(struct flat_map *map, const struct interval *micronet, uint32_t value);

#endif
