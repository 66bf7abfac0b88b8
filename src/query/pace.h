// SPDX-License-Identifier: BSD-2-Clause
// How fast Cache Updates go to one querier. A change, or a server that was lost, may concern
// hundreds of thousands of ranges that it was told; sent all at once they would fill queues on the
// way and be lost there, with what others send.
//
//     places in time    |.|.|.|.|.|.|.|.|.|.|...      each update takes the next, when that has
//                       `-- burst --' now             come; so many of the past are free at most
//
// Each acknowledgement, while updates wait, brings the places a little closer together, each time
// that one is missing sets them twice as far apart: so they double their number while all arrives,
// and halve it where not, as congestion control does (RFC 8085 §3.1). One that comes while none
// wait says nothing of how many more there may be, and what the path could carry it need not carry
// for ever (RFC 7661).
#ifndef IVIP_QUERY_PACE_H
#define IVIP_QUERY_PACE_H

#include "base/instant.h"

#include <stdbool.h>
#include <stdint.h>

#define PACE_BURST           256               // some 25 kB
#define PACE_INTERVAL_NS     UINT32_C(100000)  // at first: 10,000 updates a second
#define PACE_INTERVAL_NS_MIN UINT32_C(2000)    // 500,000
#define PACE_INTERVAL_NS_MAX UINT32_C(5000000) // 200; but see pace_init
#define PACE_GAIN            256               // acknowledgements that make it e times as fast
#define PACE_VALID_S         10 // so long it is faster than at first, when nothing waits any more
// An update is sent again after that, or twice the measured time to its acknowledgement, where that
// is more; then doubling, to at most the second, or the first if that is more.
#define PACE_PATIENCE_MS     50
#define PACE_PATIENCE_MS_MAX 1000

struct pace {
    struct instant next;      // the first place that is free
    struct instant quickened; // when it was last, and when
    struct instant slowed;    // ... it was slowed last; 0: never
    uint32_t interval_ns;     // from place to place
    uint32_t round_trip_us;   // from an update to its acknowledgement, smoothed; 0: not known
};

// `interval_ns` 0: PACE_INTERVAL_NS.
void pace_init(struct pace *pace, uint32_t interval_ns);

// The next place that is free: an update may be sent once that has come. `burst` 0: PACE_BURST.
struct instant pace_next(const struct pace *pace, struct instant now, uint32_t burst);
// Takes it.
void pace_take(struct pace *pace, struct instant now, uint32_t burst);
// An update was acknowledged that was sent once, so long ago; or 0 where it was sent more often.
// `waiting`: others wait for their places.
void pace_acknowledged(struct pace *pace, struct instant now, struct duration after, bool waiting);
// An update was not acknowledged in time. Many at once count once.
void pace_missed(struct pace *pace, struct instant now);
// How long to wait for the acknowledgement of an update that was sent `tries` times, from 1 on.
struct duration pace_patience(const struct pace *pace, unsigned tries);

#endif
