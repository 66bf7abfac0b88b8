// SPDX-License-Identifier: BSD-2-Clause
#include "query/upstream.h"

#include <assert.h>
#include <string.h>

void upstream_init(struct upstream *upstream, const struct endpoint *endpoint, struct instant now)
{
    memset(upstream, 0, sizeof(*upstream));
    upstream->endpoint = *endpoint;
    upstream->heard = now;
    upstream->penalty = duration_ms(UPSTREAM_PENALTY_MS);
    upstream->probe_at = now;
    upstream->share = UPSTREAM_SHARE_FULL;
    upstream->step_at = now;
    list_init(&upstream->learned);
}

struct duration upstream_retry_time(const struct upstream *upstream)
{
    if (!upstream->measured)
        return duration_ms(RETRY_MS_DEFAULT);
    uint64_t ns = upstream->smoothed.ns + 4 * upstream->variation.ns;
    if (ns < duration_ms(RETRY_MS_MIN).ns)
        return duration_ms(RETRY_MS_MIN);
    if (ns > duration_ms(RETRY_MS_MAX).ns)
        return duration_ms(RETRY_MS_MAX);
    return (struct duration){ns};
}

static void measure(struct upstream *upstream, struct duration sample)
{
    if (!upstream->measured) {
        upstream->measured = true;
        upstream->smoothed = sample;
        upstream->variation.ns = sample.ns / 2;
        return;
    }
    uint64_t smoothed = upstream->smoothed.ns;
    uint64_t error = sample.ns > smoothed ? sample.ns - smoothed : smoothed - sample.ns;
    upstream->variation.ns = (3 * upstream->variation.ns + error) / 4;
    upstream->smoothed.ns = (7 * smoothed + sample.ns) / 8;
}

void upstream_answered(struct upstream *upstream, struct instant now, struct duration after)
{
    measure(upstream, after);
    upstream->heard = now;
    upstream->alive_tries = 0;
    if (upstream->samples < UPSTREAM_PROBES_FIRST)
        upstream->samples++;
    bool first = upstream->samples < UPSTREAM_PROBES_FIRST;
    // Spread by index, so that not all are probed at once.
    uint64_t wait = first ? UPSTREAM_PROBE_FIRST_MS
                          : UPSTREAM_PROBE_MS + upstream->index * 769u % UPSTREAM_PROBE_FIRST_MS;
    upstream->probe_at = instant_add(now, duration_ms(wait));
    upstream->timeouts = 0;
    upstream->check_at = upstream->avoided_until;
    if (upstream->avoided && instant_reached(now, upstream->avoided_until)) {
        upstream->avoided = false;
        upstream->recovered = now;
    }
}

void upstream_failed(struct upstream *upstream, struct instant now)
{
    bool again_soon = upstream->avoided ||
                      instant_since(now, upstream->recovered).ns < duration_ms(UPSTREAM_GOOD_MS).ns;
    bool first = upstream->recovered.ns == 0 && !upstream->avoided;
    if (!again_soon || first)
        upstream->penalty = duration_ms(UPSTREAM_PENALTY_MS);
    else if (upstream->penalty.ns < duration_ms(UPSTREAM_PENALTY_MS_MAX).ns)
        upstream->penalty.ns *= 2;
    upstream->avoided = true;
    upstream->avoided_until = instant_add(now, upstream->penalty);
    upstream->check_at = upstream->avoided_until;
    upstream->timeouts = 0;
}

void upstream_timed_out(struct upstream *upstream, struct instant now)
{
    upstream->timeouts++;
    if (upstream->timeouts < UPSTREAM_TIMEOUTS_MAX || upstream->avoided)
        return;
    upstream_failed(upstream, now);
    // What it told hangs on whether it lives: find out now, not at the end of the penalty.
    if (!list_empty(&upstream->learned))
        upstream->check_at = now;
}

void upstream_busy(struct upstream *upstream, struct instant now)
{
    upstream->spared_until = instant_add(now, duration_ms(UPSTREAM_BUSY_MS));
}

unsigned upstream_rank(const struct upstream *upstream, struct instant now)
{
    if (upstream->avoided)
        return 2;
    return instant_before(now, upstream->spared_until) ? 1 : 0;
}

// Load and shares

void upstream_told_load(struct upstream *upstream, uint8_t load)
{
    upstream->load = load;
    upstream->load_told = true;
}

static void step(struct upstream *upstream)
{
    unsigned share = upstream->share;
    uint8_t load = upstream->load_told ? upstream->load : 0;
    if (load == QUERY_LOAD_FULL)
        share /= 2;
    else if (load >= QUERY_LOAD_SHED)
        share -= share / UPSTREAM_SHARE_PART;
    else if (load < QUERY_LOAD_ROOM)
        share += share / UPSTREAM_SHARE_PART;
    if (share < UPSTREAM_SHARE_LEAST)
        share = UPSTREAM_SHARE_LEAST;
    upstream->share = share < UPSTREAM_SHARE_FULL ? (uint16_t)share : UPSTREAM_SHARE_FULL;
    upstream->load_told = false;
}

uint16_t upstream_share(struct upstream *upstream, struct instant now)
{
    struct duration length = duration_ms(UPSTREAM_SHARE_STEP_MS);
    if (!instant_reached(now, upstream->step_at))
        return upstream->share;
    uint64_t steps = 1 + instant_since(now, upstream->step_at).ns / length.ns;
    upstream->step_at.ns += steps * length.ns;
    // From the least to the full it takes fewer.
    for (uint64_t i = 0; i < steps && i < UPSTREAM_SHARE_FULL / UPSTREAM_SHARE_PART; i++)
        step(upstream);
    return upstream->share;
}

enum instance_change upstream_instance(struct upstream *upstream, uint64_t instance,
                                       uint64_t sequence)
{
    assert(instance != 0);
    bool later = upstream->instance == 0 || sequence > upstream->instance_sequence;
    if (instance == upstream->instance) {
        if (later)
            upstream->instance_sequence = sequence;
        return INSTANCE_SAME;
    }
    if (!later)
        return INSTANCE_STALE;
    bool known = upstream->instance != 0;
    upstream->instance = instance;
    upstream->instance_sequence = sequence;
    return known ? INSTANCE_NEW : INSTANCE_SAME;
}

struct instant upstream_deadline(const struct upstream *upstream)
{
    unsigned tries = upstream->alive_tries;
    if (tries > 0)
        return instant_add(upstream->alive[tries - 1].sent, duration_ms(ALIVE_RETRY_MS));
    struct instant deadline = INSTANT_NEVER;
    if (upstream->avoided)
        deadline = upstream->check_at;
    else if (upstream->probed)
        deadline = upstream->probe_at;
    if (!list_empty(&upstream->learned))
        deadline =
            instant_earlier(deadline, instant_add(upstream->heard, duration_ms(ALIVE_SILENCE_MS)));
    return deadline;
}

enum upstream_action upstream_due(struct upstream *upstream, struct instant now)
{
    if (!instant_reached(now, upstream_deadline(upstream)))
        return UPSTREAM_NOTHING;
    if (upstream->alive_tries < ALIVE_TRIES_MAX)
        return UPSTREAM_ASK_ALIVE;
    upstream->alive_tries = 0;
    upstream->heard = now;
    upstream_failed(upstream, now);
    return UPSTREAM_LOST;
}

const struct alive_request *upstream_alive_find(const struct upstream *upstream, uint64_t nonce)
{
    for (unsigned i = 0; i < upstream->alive_tries; i++)
        if (upstream->alive[i].nonce == nonce)
            return &upstream->alive[i];
    return NULL;
}

void upstream_alive_asked(struct upstream *upstream, struct instant now, uint64_t nonce,
                          uint64_t sequence)
{
    assert(upstream->alive_tries < ALIVE_TRIES_MAX);
    upstream->alive[upstream->alive_tries++] = (struct alive_request){nonce, sequence, now};
}
