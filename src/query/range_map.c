// SPDX-License-Identifier: BSD-2-Clause
#include "query/range_map.h"

#include "mapping/interval_map.h"

#include <assert.h>
#include <string.h>

void range_map_init(struct range_map *map)
{
    map->families[0] = interval_map_new_growing();
    map->families[1] = interval_map_new_growing();
}

void range_map_release(struct range_map *map)
{
    interval_map_free(map->families[0]);
    interval_map_free(map->families[1]);
    memset(map, 0, sizeof(*map));
}

size_t range_map_count(const struct range_map *map)
{
    return interval_map_count(map->families[0]) + interval_map_count(map->families[1]);
}

size_t range_map_memory(const struct range_map *map)
{
    return interval_map_memory(map->families[0]) + interval_map_memory(map->families[1]);
}

static struct interval_map *intervals(const struct range_map *map, enum family family)
{
    assert(family == FAMILY_IPV4 || family == FAMILY_IPV6);
    return map->families[family == FAMILY_IPV6];
}

bool range_map_find(const struct range_map *map, enum family family, struct unit unit,
                    uint32_t *number)
{
    struct interval found;
    if (!interval_map_find(intervals(map, family), unit.index, &found))
        return false;
    *number = found.value;
    return true;
}

bool range_map_first_in(const struct range_map *map, const struct range *range, uint32_t *number)
{
    struct interval found;
    if (!interval_map_next(intervals(map, range->family), range->start.index, &found) ||
        found.start > range_last(range).index)
        return false;
    *number = found.value;
    return true;
}

void range_map_insert(struct range_map *map, const struct range *range, uint32_t number)
{
    struct interval interval = {range->start.index, range->length.units, number};
    bool inserted = interval_map_insert(intervals(map, range->family), &interval);
    assert(inserted);
    (void)inserted;
}

void range_map_remove(struct range_map *map, const struct range *range)
{
    struct interval_map *family = intervals(map, range->family);
    struct interval found;
    bool there = interval_map_find(family, range->start.index, &found);
    assert(there && found.start == range->start.index && found.length == range->length.units);
    (void)there;
    (void)interval_map_remove(family, range->start.index);
}
