// SPDX-License-Identifier: BSD-2-Clause
// From ranges of units, which do not overlap, to objects of the caller: a cache of mappings, or
// the memory of what was told. Both families in one map.
//
//     family -> interval_map: [start, length] -> number -> objects[number] -> the caller's object
#ifndef IVIP_QUERY_RANGE_MAP_H
#define IVIP_QUERY_RANGE_MAP_H

#include "base/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interval_map;

struct range_map {
    struct interval_map *families[2]; // IPv4, IPv6; owned
    void **objects;                   // owned array; what it points at belongs to the caller
    uint32_t *free_numbers;           // owned
    uint32_t capacity;                // of both arrays
    uint32_t numbered; // numbers ever given to an object: of these on, none is touched
    uint32_t free_count;
};

void range_map_init(struct range_map *map);
void range_map_release(struct range_map *map);

// Makes room for that many at once, so that it need not move when it grows. Memory is used as it is
// filled. Only while the map never held anything.
void range_map_reserve(struct range_map *map, size_t count);

size_t range_map_count(const struct range_map *map);
// Bytes of memory in use.
size_t range_map_memory(const struct range_map *map);

// The object whose range contains the unit, or NULL.
void *range_map_find(const struct range_map *map, enum family family, struct unit unit);
// The object of the first range that overlaps `range`, or NULL. To visit all of them, remove it or
// go on behind it with a shorter range.
void *range_map_first_in(const struct range_map *map, const struct range *range);
// Puts an object in; nothing in the map may overlap its range.
void range_map_insert(struct range_map *map, const struct range *range, void *object);
// Takes out the object with exactly this range, which must be there.
void range_map_remove(struct range_map *map, const struct range *range);

#endif
