// SPDX-License-Identifier: BSD-2-Clause
#include "query/pace.h"

#include <assert.h>
#include <string.h>

void pace_init(struct pace *pace, uint32_t interval_ns)
{
    memset(pace, 0, sizeof(*pace));
    pace->interval_ns = interval_ns == 0 ? PACE_INTERVAL_NS : interval_ns;
}

struct instant pace_next(const struct pace *pace, struct instant now, uint32_t burst)
{
    uint64_t past = (uint64_t)pace->interval_ns * (burst == 0 ? PACE_BURST : burst);
    struct instant first = {now.ns > past ? now.ns - past : 0};
    return instant_before(pace->next, first) ? first : pace->next;
}

void pace_take(struct pace *pace, struct instant now, uint32_t burst)
{
    if (pace->interval_ns < PACE_INTERVAL_NS && pace->quickened.ns != 0 &&
        instant_reached(now, instant_add(pace->quickened, duration_s(PACE_VALID_S))))
        pace->interval_ns = PACE_INTERVAL_NS;
    pace->next = instant_add(pace_next(pace, now, burst), (struct duration){pace->interval_ns});
}

static void quicken(struct pace *pace, struct instant now)
{
    uint32_t less = pace->interval_ns - pace->interval_ns / PACE_GAIN;
    if (less >= PACE_INTERVAL_NS_MIN)
        pace->interval_ns = less;
    pace->quickened = now;
}

void pace_acknowledged(struct pace *pace, struct instant now, struct duration after, bool waiting)
{
    if (waiting)
        quicken(pace, now);
    if (after.ns == 0)
        return;
    uint64_t us = after.ns / 1000;
    uint64_t smoothed =
        pace->round_trip_us == 0 ? us : (7 * (uint64_t)pace->round_trip_us + us) / 8;
    pace->round_trip_us = smoothed < UINT32_MAX ? (uint32_t)smoothed : UINT32_MAX;
}

void pace_missed(struct pace *pace, struct instant now)
{
    if (pace->slowed.ns != 0 &&
        !instant_reached(now, instant_add(pace->slowed, pace_patience(pace, 1))))
        return;
    pace->slowed = now;
    if (pace->interval_ns <= PACE_INTERVAL_NS_MAX / 2)
        pace->interval_ns *= 2;
    // What went unused is no reason to send much at once now.
    if (instant_before(pace->next, now))
        pace->next = now;
}

struct duration pace_patience(const struct pace *pace, unsigned tries)
{
    assert(tries > 0);
    uint64_t first = duration_ms(PACE_PATIENCE_MS).ns;
    uint64_t measured = 2000 * (uint64_t)pace->round_trip_us;
    first = measured > first ? measured : first;
    uint64_t most = duration_ms(PACE_PATIENCE_MS_MAX).ns;
    most = first > most ? first : most;
    uint64_t wait = tries < 16 ? first << (tries - 1) : most;
    return (struct duration){wait < most ? wait : most};
}
