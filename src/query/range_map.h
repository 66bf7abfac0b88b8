// SPDX-License-Identifier: BSD-2-Clause
// From ranges of units, which do not overlap, to numbers of the caller's, such as those of a slab's
// objects: a cache of mappings, or the memory of what was told. Both families in one map.
#ifndef IVIP_QUERY_RANGE_MAP_H
#define IVIP_QUERY_RANGE_MAP_H

#include "base/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interval_map;

struct range_map {
    struct interval_map *families[2]; // IPv4, IPv6; owned
};

void range_map_init(struct range_map *map);
void range_map_release(struct range_map *map);

size_t range_map_count(const struct range_map *map);
// Bytes of memory in use.
size_t range_map_memory(const struct range_map *map);

// The number of the range that contains the unit; false where none does.
bool range_map_find(const struct range_map *map, enum family family, struct unit unit,
                    uint32_t *number);
// The number of the first range that overlaps `range`; false where none does. To visit all of them,
// remove it or go on behind it with a shorter range.
bool range_map_first_in(const struct range_map *map, const struct range *range, uint32_t *number);
// Puts a range in; nothing in the map may overlap it.
void range_map_insert(struct range_map *map, const struct range *range, uint32_t number);
// Takes out exactly this range, which must be there.
void range_map_remove(struct range_map *map, const struct range *range);

#endif
