// SPDX-License-Identifier: BSD-2-Clause
#include "push/subscription.h"

#include <assert.h>
#include <string.h>

#define RETRY_FIRST_MS     50 // payloads: a gap is to be filled within a second
#define RETRY_MOST_MS      400
#define SILENT_RETRY_MS    5000 // most between two questions to a RUAS that is silent
#define DIRECTORY_RETRY_MS 250
#define DIRECTORY_MOST_MS  5000
#define UNFILLED_TRIES_MAX 8 // sound answers that did not help, before a gap is given up

void subscription_init(struct subscription *subscription, size_t index,
                       const struct public_key *key, struct instant now,
                       struct random_source *random)
{
    memset(subscription, 0, sizeof(*subscription));
    subscription->index = index;
    subscription->key = *key;
    subscription->id = key_id(key);
    stream_init(&subscription->stream);
    list_init(&subscription->active);
    list_init(&subscription->replicas);
    heap_init(&subscription->snapshots);
    subscription->directory_at = now;
    subscription->gap_at = INSTANT_NEVER;
    subscription->silence = duration_ms(SILENCE_MS + random_below(random, SILENCE_MS / 2));
    subscription->silence_at = INSTANT_NEVER;
    subscription->behind = true;
    subscription->behind_since = now;
}

void subscription_release(struct subscription *subscription)
{
    stream_release(&subscription->stream);
    heap_release(&subscription->snapshots);
}

static void forget_place(struct subscription *subscription)
{
    subscription->reading = false;
    subscription->check = false;
    subscription->gap_at = INSTANT_NEVER;
    subscription->gap_attempts = 0;
    assembly_reset(&subscription->assembly);
}

void subscription_restart(struct subscription *subscription, struct instant now, uint64_t epoch,
                          uint64_t next, bool synced)
{
    forget_place(subscription);
    stream_restart(&subscription->stream, epoch, next);
    subscription->synced = synced;
    subscription->silence_at = instant_add(now, subscription->silence);
    if (!synced)
        subscription->directory_at = instant_earlier(subscription->directory_at, now);
}

void subscription_rebase(struct subscription *subscription, struct instant now, uint64_t position)
{
    forget_place(subscription);
    stream_rebase(&subscription->stream, position + 1);
    subscription->silence_at = instant_add(now, subscription->silence);
    subscription->synced = true;
}

void subscription_heard(struct subscription *subscription, struct instant now, bool fetched,
                        const struct payload_header *header)
{
    if (!subscription->heard || header->sequence >= subscription->stream.highest) {
        subscription->heard = true; // not by what comes late to fill a gap
        subscription->heard_at = now;
        subscription->time = header->time;
    }
    if (fetched)
        return;
    subscription->silence_at = instant_add(now, subscription->silence);
    subscription->silence_attempts = 0;
}

// Between half of a delay and all of it, so that many receivers do not act at once.
static struct instant soon(struct instant now, uint64_t ms, struct random_source *random)
{
    uint64_t half = duration_ms(ms).ns / 2;
    return instant_add(now, (struct duration){half + random_below(random, half + 1)});
}

static uint64_t backoff_ms(uint64_t first, uint64_t most, unsigned attempts)
{
    uint64_t delay = first << (attempts < 16 ? attempts : 16);
    return delay < most ? delay : most;
}

void subscription_resync(struct subscription *subscription, struct instant now,
                         struct random_source *random)
{
    if (subscription->directory_epoch != subscription->stream.epoch ||
        subscription->stream.next > subscription->directory_position + 1)
        subscription->resyncs = 0;
    struct instant at = now;
    if (subscription->resyncs > 0)
        at = soon(now, backoff_ms(DIRECTORY_RETRY_MS, DIRECTORY_MOST_MS, subscription->resyncs - 1),
                  random);
    subscription->resyncs++;
    forget_place(subscription);
    subscription->synced = false;
    subscription->directory_at = instant_earlier(subscription->directory_at, at);
}

void subscription_want_directory(struct subscription *subscription, struct instant now,
                                 struct duration delay, struct random_source *random)
{
    struct instant at = soon(now, delay.ns / 1000000, random);
    subscription->directory_at = instant_earlier(subscription->directory_at, at);
}

void subscription_directory_done(struct subscription *subscription, struct instant now, bool good,
                                 struct random_source *random)
{
    subscription->directory_fetching = false;
    if (good) {
        subscription->directory_attempts = 0;
        // What was wanted while this one was on its way still is.
        subscription_want_directory(subscription, now, duration_s(DIRECTORY_SECONDS), random);
        return;
    }
    uint64_t delay =
        backoff_ms(DIRECTORY_RETRY_MS, DIRECTORY_MOST_MS, subscription->directory_attempts++);
    subscription->directory_at = soon(now, delay, random);
}

static void set_behind(struct subscription *subscription, struct instant now, bool behind)
{
    if (behind && !subscription->behind)
        subscription->behind_since = now;
    subscription->behind = behind;
}

void subscription_schedule(struct subscription *subscription, struct instant now,
                           struct random_source *random)
{
    uint64_t first = 0;
    uint64_t last = 0;
    bool gap = stream_gap(&subscription->stream, 1, &first, &last);
    set_behind(subscription, now, gap || !subscription->synced);
    if (!gap || !subscription->synced)
        subscription->gap_at = INSTANT_NEVER;
    else if (subscription->gap_at.ns == INSTANT_NEVER.ns && !subscription->payloads_fetching) {
        subscription->gap_at = soon(now, 2 * (uint64_t)GAP_WAIT_MS, random);
        subscription->gap_attempts = 0;
    }
}

// When to ask for payloads next.
static struct instant payloads_at(const struct subscription *subscription)
{
    if (!subscription->synced || subscription->payloads_fetching)
        return INSTANT_NEVER;
    bool gap = subscription->gap_at.ns != INSTANT_NEVER.ns;
    return gap ? subscription->gap_at : subscription->silence_at;
}

bool subscription_fetch_due(struct subscription *subscription, struct instant now, uint64_t *first,
                            uint64_t *last)
{
    if (!instant_reached(now, payloads_at(subscription)))
        return false;
    if (!stream_gap(&subscription->stream, FETCH_PAYLOADS, first, last)) {
        *first = subscription->stream.highest + 1;
        *last = *first + FETCH_PAYLOADS - 1;
    }
    subscription->payloads_fetching = true;
    subscription->asked_first = *first;
    return true;
}

// A question that was asked because of the silence came back: when to ask again.
static void silence_done(struct subscription *subscription, struct instant now,
                         enum fetch_result result, struct random_source *random)
{
    uint64_t delay = SILENCE_MS;
    if (result == FETCH_DONE) {
        subscription->silence_attempts = 0;
        uint64_t got = subscription->stream.highest + 1 - subscription->asked_first;
        delay = got >= FETCH_PAYLOADS ? 0 : SILENCE_MS; // there may be more at once
    } else
        delay = backoff_ms(SILENCE_MS, SILENT_RETRY_MS, subscription->silence_attempts++);
    subscription->silence_at = soon(now, delay, random);
}

bool subscription_payloads_done(struct subscription *subscription, struct instant now,
                                enum fetch_result result, struct random_source *random)
{
    subscription->payloads_fetching = false;
    if (!subscription->synced)
        return false;
    if (result == FETCH_GONE)
        return true;
    uint64_t first = 0;
    uint64_t last = 0;
    if (!stream_gap(&subscription->stream, 1, &first, &last)) {
        subscription->gap_at = INSTANT_NEVER;
        silence_done(subscription, now, result, random);
        return false;
    }
    if (first != subscription->asked_first) {
        subscription->gap_attempts = 0; // that helped; what else is missing at once
        subscription->gap_at = now;
        return false;
    }
    if (result != FETCH_FAILED && subscription->gap_attempts >= UNFILLED_TRIES_MAX)
        return true;
    uint64_t delay = backoff_ms(RETRY_FIRST_MS, RETRY_MOST_MS, subscription->gap_attempts++);
    subscription->gap_at = soon(now, delay, random);
    return false;
}

// When to ask for a snapshot next.
static struct instant snapshots_at(const struct subscription *subscription)
{
    return subscription->snapshots_fetching < SNAPSHOT_FETCHES_MAX
               ? heap_deadline(&subscription->snapshots)
               : INSTANT_NEVER;
}

bool subscription_snapshot_due(struct subscription *subscription, struct instant now,
                               struct replica **replica)
{
    if (!instant_reached(now, snapshots_at(subscription)))
        return false;
    *replica = container_of(heap_first(&subscription->snapshots), struct replica, fetch);
    heap_remove(&subscription->snapshots, &(*replica)->fetch);
    (*replica)->fetching = true;
    subscription->snapshots_fetching++;
    return true;
}

struct instant subscription_deadline(const struct subscription *subscription)
{
    struct instant deadline = INSTANT_NEVER;
    if (!subscription->directory_fetching)
        deadline = subscription->directory_at;
    deadline = instant_earlier(deadline, payloads_at(subscription));
    deadline = instant_earlier(deadline, snapshots_at(subscription));
    if (subscription->behind && !subscription->lost)
        deadline = instant_earlier(
            deadline, instant_add(subscription->behind_since, duration_s(STALE_SECONDS)));
    return deadline;
}
