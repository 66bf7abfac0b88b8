// SPDX-License-Identifier: BSD-2-Clause
// So many things a second and no more: what was not used can be saved up for one second.
#ifndef SIPP_LIB_LIMITER_H
#define SIPP_LIB_LIMITER_H

#include "base/instant.h"

#define LIMITER_SECOND UINT64_C(1000000000)

struct limiter {
    uint64_t cost;  // of one thing, in nanoseconds of waiting
    uint64_t saved; // nanoseconds, up to LIMITER_SECOND
    struct instant at;
};

// `per_second` is at least 1. It begins with a whole second saved.
static inline struct limiter limiter_new(uint32_t per_second, struct instant now)
{
    return (struct limiter){LIMITER_SECOND / per_second, LIMITER_SECOND, now};
}

// True where one more may be done now; it is then counted as done.
static inline bool limiter_take(struct limiter *limiter, struct instant now)
{
    uint64_t waited = instant_since(now, limiter->at).ns;
    limiter->saved =
        waited >= LIMITER_SECOND - limiter->saved ? LIMITER_SECOND : limiter->saved + waited;
    limiter->at = now;
    if (limiter->saved < limiter->cost)
        return false;
    limiter->saved -= limiter->cost;
    return true;
}

#endif
