// SPDX-License-Identifier: BSD-2-Clause
// Structs that hold nothing but counters, all of them uint64_t: added up where several of a kind
// report as one.
#ifndef IVIP_BASE_COUNTERS_H
#define IVIP_BASE_COUNTERS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Adds each counter of `part` to the same one of `sum`; `size` is that of the struct in bytes.
static inline void counters_add(void *sum, const void *part, size_t size)
{
    assert(size % sizeof(uint64_t) == 0);
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t total = 0;
        uint64_t more = 0;
        memcpy(&total, (const char *)sum + at, sizeof(total));
        memcpy(&more, (const char *)part + at, sizeof(more));
        total += more;
        memcpy((char *)sum + at, &total, sizeof(total));
    }
}

#endif
