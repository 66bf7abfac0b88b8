// SPDX-License-Identifier: BSD-2-Clause
// Which of the compiled searches this machine runs.
#include "mapping/interval_tree.h"

const struct interval_finder *interval_finder_pick(void)
{
#ifdef INTERVAL_FINDERS_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt"))
        return &interval_finder_avx512;
#endif
    return &interval_finder_any;
}

bool interval_map_find(const struct interval_map *map, uint64_t key, struct interval *found)
{
    return map->finder->find(map, key, found);
}

void interval_map_find_many(const struct interval_map *map, const uint64_t *keys, size_t count,
                            struct interval *found)
{
    map->finder->find_many(map, keys, count, found);
}

uint32_t interval_map_value(const struct interval_map *map, uint64_t key)
{
    return map->finder->value(map, key);
}

void interval_map_value_many(const struct interval_map *map, const uint64_t *keys, size_t count,
                             uint32_t *values)
{
    map->finder->value_many(map, keys, count, values);
}

void interval_map_warm(const struct interval_map *map, const uint64_t *keys, size_t count)
{
    map->finder->warm(map, keys, count);
}

bool interval_map_next(const struct interval_map *map, uint64_t key, struct interval *found)
{
    return map->finder->next(map, key, found);
}

bool interval_map_previous(const struct interval_map *map, uint64_t key, struct interval *found)
{
    return map->finder->previous(map, key, found);
}
