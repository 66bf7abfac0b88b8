// SPDX-License-Identifier: BSD-2-Clause
// Time as typed values.
//
// Protocol cores never read a clock: the daemon, the simulator and the tests pass the time in.
// Two kinds of time must not be mixed, so each is a struct of one field:
//   - struct instant: monotonic, nanoseconds since an arbitrary start; for deadlines and delays.
//   - struct wall_time: milliseconds since 1970-01-01 UTC; only for what people and other
//     machines read (payload times, snapshots, "--at TIME").
#ifndef IVIP_BASE_INSTANT_H
#define IVIP_BASE_INSTANT_H

#include <stdbool.h>
#include <stdint.h>

struct instant {
    uint64_t ns;
};

struct duration {
    uint64_t ns;
};

struct wall_time {
    uint64_t ms;
};

// "No deadline": later than every other instant.
#define INSTANT_NEVER ((struct instant){UINT64_MAX})

static inline struct duration duration_us(uint64_t us)
{
    return (struct duration){us * 1000};
}

static inline struct duration duration_ms(uint64_t ms)
{
    return (struct duration){ms * 1000000};
}

static inline struct duration duration_s(uint64_t s)
{
    return (struct duration){s * 1000000000};
}

// The instant `delay` after `at`; INSTANT_NEVER where that would overflow.
static inline struct instant instant_add(struct instant at, struct duration delay)
{
    uint64_t ns = at.ns + delay.ns;
    return (struct instant){ns < at.ns ? UINT64_MAX : ns};
}

// Time from `earlier` to `later`; zero when `later` is not later.
static inline struct duration instant_since(struct instant later, struct instant earlier)
{
    return (struct duration){later.ns > earlier.ns ? later.ns - earlier.ns : 0};
}

// True once `now` has reached `deadline`.
static inline bool instant_reached(struct instant now, struct instant deadline)
{
    return now.ns >= deadline.ns;
}

static inline bool instant_before(struct instant a, struct instant b)
{
    return a.ns < b.ns;
}

static inline struct instant instant_earlier(struct instant a, struct instant b)
{
    return a.ns < b.ns ? a : b;
}

#endif
