// SPDX-License-Identifier: BSD-2-Clause
// How long questions took: a histogram with fixed bounds.
#ifndef IVIP_QUERY_LATENCY_H
#define IVIP_QUERY_LATENCY_H

#include "base/instant.h"

#include <stdint.h>

#define LATENCY_BUCKETS 12

// Upper bounds of the buckets, in seconds.
extern const double latency_bounds[LATENCY_BUCKETS];

struct latency {
    uint64_t buckets[LATENCY_BUCKETS + 1]; // the last is for longer times than all bounds
    uint64_t count;
    double seconds; // of all together
};

void latency_add(struct latency *latency, struct duration time);
// Adds what another histogram counted.
void latency_sum(struct latency *sum, const struct latency *part);

#endif
