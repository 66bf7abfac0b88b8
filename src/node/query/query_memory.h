// SPDX-License-Identifier: BSD-2-Clause
// How many ranges a query server remembers, where that is not configured: as many as is usual, or
// on a small machine what a part of its memory holds.
#ifndef IVIP_NODE_QUERY_QUERY_MEMORY_H
#define IVIP_NODE_QUERY_QUERY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

// Of one range told to one querier, or of one cached, with its share of all that finds it; tests
// hold the cores to it.
#define QUERY_RANGE_BYTES 384
// What is told, and what is cached, each take one such part of the machine's memory.
#define QUERY_MEMORY_PART 4

// One querier may be told such a part of what all are: with the usual limits as much as a QSR or
// QSC caches, which may ask for nothing else. Where there is no room for others because of that,
// whoever was told more than twice the average gives way (docs/query.md, "Limits").
#define QUERY_QUERIER_PART 4

// The limit for what was configured, or where that is 0 the usual one, as far as there is memory:
// of the machine or of what the kernel lets the process have. At least 1.
size_t query_memory_ranges(uint32_t configured, size_t usual);
// The same for so many octets of memory.
size_t query_memory_ranges_in(uint64_t bytes, uint32_t configured, size_t usual);
// How many ranges one querier may be told, where all may be told so many. At least 1.
size_t query_memory_of_querier(size_t told_max);

#endif
