// SPDX-License-Identifier: BSD-2-Clause
#include "query/range_map.h"

#include "base/memory.h"
#include "mapping/interval_map.h"

#include <assert.h>
#include <string.h>

#define CAPACITY_FIRST 64

void range_map_init(struct range_map *map)
{
    memset(map, 0, sizeof(*map));
    map->families[0] = interval_map_new_growing();
    map->families[1] = interval_map_new_growing();
}

void range_map_release(struct range_map *map)
{
    interval_map_free(map->families[0]);
    interval_map_free(map->families[1]);
    memory_free(map->objects);
    memory_free(map->free_numbers);
    memset(map, 0, sizeof(*map));
}

size_t range_map_count(const struct range_map *map)
{
    return map->numbered - map->free_count;
}

size_t range_map_memory(const struct range_map *map)
{
    return interval_map_memory(map->families[0]) + interval_map_memory(map->families[1]) +
           map->numbered * (sizeof(void *) + sizeof(uint32_t));
}

static struct interval_map *intervals(const struct range_map *map, enum family family)
{
    assert(family == FAMILY_IPV4 || family == FAMILY_IPV6);
    return map->families[family == FAMILY_IPV6];
}

void *range_map_find(const struct range_map *map, enum family family, struct unit unit)
{
    struct interval found;
    if (!interval_map_find(intervals(map, family), unit.index, &found))
        return NULL;
    assert(found.value < map->numbered);
    return map->objects[found.value];
}

void *range_map_first_in(const struct range_map *map, const struct range *range)
{
    struct interval found;
    if (!interval_map_next(intervals(map, range->family), range->start.index, &found))
        return NULL;
    if (found.start > range_last(range).index)
        return NULL;
    return map->objects[found.value];
}

static void resize(struct range_map *map, uint32_t capacity)
{
    assert(capacity > map->capacity);
    map->objects = memory_resize(map->objects, capacity * sizeof(void *));
    map->free_numbers = memory_resize(map->free_numbers, capacity * sizeof(uint32_t));
    map->capacity = capacity;
}

void range_map_reserve(struct range_map *map, size_t count)
{
    assert(map->numbered == 0 && count <= UINT32_MAX);
    if (count > map->capacity)
        resize(map, (uint32_t)count);
}

// A number that no object has: one given back, or else the next.
static uint32_t take_number(struct range_map *map)
{
    if (map->free_count > 0)
        return map->free_numbers[--map->free_count];
    if (map->numbered == map->capacity)
        resize(map, map->capacity == 0 ? CAPACITY_FIRST : map->capacity * 2);
    return map->numbered++;
}

void range_map_insert(struct range_map *map, const struct range *range, void *object)
{
    uint32_t number = take_number(map);
    map->objects[number] = object;
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
    map->objects[found.value] = NULL;
    map->free_numbers[map->free_count++] = found.value;
}
