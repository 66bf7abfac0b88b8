// SPDX-License-Identifier: BSD-2-Clause
#include "query/latency.h"

#include <stddef.h>

const double latency_bounds[LATENCY_BUCKETS] = {0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01,
                                                0.02,   0.05,   0.1,   0.2,   0.5,   1};

void latency_add(struct latency *latency, struct duration time)
{
    double seconds = (double)time.ns / 1e9;
    size_t bucket = 0;
    while (bucket < LATENCY_BUCKETS && seconds > latency_bounds[bucket])
        bucket++;
    latency->buckets[bucket]++;
    latency->count++;
    latency->seconds += seconds;
}

void latency_sum(struct latency *sum, const struct latency *part)
{
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++)
        sum->buckets[i] += part->buckets[i];
    sum->count += part->count;
    sum->seconds += part->seconds;
}
