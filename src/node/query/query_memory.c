// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/query_memory.h"

#include <stdbool.h>
#include <uv.h>

size_t query_memory_ranges_in(uint64_t bytes, uint32_t configured, size_t usual)
{
    if (configured > 0)
        return configured;
    uint64_t room = bytes / QUERY_MEMORY_PART / QUERY_RANGE_BYTES;
    if (room >= usual)
        return usual;
    return room > 0 ? (size_t)room : 1;
}

size_t query_memory_of_querier(size_t told_max)
{
    size_t part = told_max / QUERY_QUERIER_PART;
    return part > 0 ? part : 1;
}

size_t query_memory_ranges(uint32_t configured, size_t usual)
{
    uint64_t machine = uv_get_total_memory();
    uint64_t allowed = uv_get_constrained_memory(); // 0: not known, or no limit
    bool less = allowed > 0 && allowed < machine;
    // Where /proc is not mounted even the machine's is not known.
    uint64_t bytes = less ? allowed : machine;
    return query_memory_ranges_in(bytes > 0 ? bytes : UINT64_MAX, configured, usual);
}
