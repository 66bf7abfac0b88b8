// SPDX-License-Identifier: BSD-2-Clause
// A limit on how often something may happen: `burst` times at once, and `rate` times a second in
// the long run.
#ifndef IVIP_TUNNEL_TOKEN_BUCKET_H
#define IVIP_TUNNEL_TOKEN_BUCKET_H

#include "base/instant.h"

#include <stdbool.h>
#include <stdint.h>

struct token_bucket {
    uint64_t interval_ns; // time in which one token grows
    uint64_t capacity_ns; // a full bucket, as time
    struct instant full;  // when it was or will be full; earlier than now: it is full
};

// `rate` and `burst` are at least 1. It starts full.
static inline struct token_bucket token_bucket_new(uint64_t rate, uint64_t burst)
{
    uint64_t interval = UINT64_C(1000000000) / rate;
    return (struct token_bucket){interval, interval * burst, {0}};
}

// Takes one token; false where there is none now.
static inline bool token_bucket_take(struct token_bucket *bucket, struct instant now)
{
    uint64_t full = bucket->full.ns > now.ns ? bucket->full.ns : now.ns;
    if (full + bucket->interval_ns > now.ns + bucket->capacity_ns)
        return false;
    bucket->full.ns = full + bucket->interval_ns;
    return true;
}

#endif
