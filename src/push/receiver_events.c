// SPDX-License-Identifier: BSD-2-Clause
// What follows from what a receiver took in: sets applied in order, things told to its owner,
// fetches asked for.
#include "push/receiver_state.h"

#include <assert.h>
#include <string.h>

#define UNKNOWN_MAB_DIRECTORY_MS 1000 // a MAB not in the directory was named: look again
#define SNAPSHOT_SPREAD_MS       200  // so that not all receivers fetch in the same moment
#define SNAPSHOT_RETRY_MS        250
#define SNAPSHOT_RETRY_MOST_MS   8000

void receiver_activate(struct receiver *receiver, struct subscription *subscription)
{
    if (list_empty(&subscription->active)) // it is in no list
        list_append(&receiver->active, &subscription->active);
}

void receiver_changed(struct receiver *receiver, struct replica *replica)
{
    list_remove(&replica->changed);
    list_append(&receiver->changed, &replica->changed);
}

bool receiver_may_answer(const struct receiver *receiver, struct instant now,
                         const struct replica *replica)
{
    if (replica->mapping == NULL || receiver->subscriptions[replica->ruas].lost)
        return false;
    return replica->state == REPLICA_READY || instant_before(now, replica->answers_until);
}

// When to ask for a snapshot: at once for a MAB that has no copy and was not asked for yet.
static struct instant fetch_at(struct receiver *receiver, struct instant now,
                               const struct replica *replica)
{
    if (replica->attempts == 0 && replica->mapping == NULL)
        return now;
    uint64_t most = SNAPSHOT_SPREAD_MS;
    if (replica->attempts > 0) {
        unsigned doublings = replica->attempts < 8 ? replica->attempts - 1 : 7;
        most = (uint64_t)SNAPSHOT_RETRY_MS << doublings;
    }
    most = most < SNAPSHOT_RETRY_MOST_MS ? most : SNAPSHOT_RETRY_MOST_MS;
    uint64_t half = duration_ms(most).ns / 2;
    return instant_add(now, (struct duration){half + random_below(&receiver->random, half + 1)});
}

void receiver_follow_up(struct receiver *receiver, struct instant now, struct replica *replica,
                        enum replica_outcome outcome)
{
    struct subscription *subscription = &receiver->subscriptions[replica->ruas];
    bool ready = replica->state == REPLICA_READY;
    bool loading = replica->state == REPLICA_LOADING;
    if (outcome == REPLICA_DIVERGED)
        receiver->counters.diverged++;
    if (ready)
        heap_remove(&receiver->stales, &replica->stale);
    else if (replica->mapping != NULL && replica->told_ready && replica->stale.place == 0) {
        // Where payloads were missing, what the copy lacks may have been in the first of them.
        struct instant since = subscription->behind ? subscription->behind_since : now;
        replica->answers_until = instant_add(since, duration_s(STALE_SECONDS));
        heap_set(&receiver->stales, &replica->stale, replica->answers_until);
    }
    if (!loading || !replica->floor_known || replica->fetching)
        heap_remove(&subscription->snapshots, &replica->fetch);
    else if (replica->fetch.place == 0) {
        heap_set(&subscription->snapshots, &replica->fetch, fetch_at(receiver, now, replica));
        receiver_activate(receiver, subscription); // it may be the next thing to do
    }
    if (ready != replica->told_ready || replica->reloaded)
        receiver_changed(receiver, replica);
}

// The next thing that the owner does not know yet of a replica; false where there is none.
static bool tell(struct receiver *receiver, struct instant now, struct replica *replica,
                 struct receiver_event *event)
{
    *event = (struct receiver_event){
        .ruas = replica->ruas, .mab = replica->mab, .sequence = replica->sequence};
    if (replica->reloaded) {
        replica->reloaded = false;
        event->kind = RECEIVER_RELOADED;
        return true;
    }
    bool ready = receiver_may_answer(receiver, now, replica);
    if (ready == replica->told_ready)
        return false;
    replica->told_ready = ready;
    event->kind = ready ? RECEIVER_READY : RECEIVER_LOST;
    return true;
}

static bool next_change(struct receiver *receiver, struct instant now, struct receiver_event *event)
{
    for (struct list_node *node = list_first(&receiver->changed); node != NULL;
         node = list_first(&receiver->changed)) {
        struct replica *replica = container_of(node, struct replica, changed);
        if (replica->removed) {
            *event = (struct receiver_event){
                .kind = RECEIVER_REMOVED, .ruas = replica->ruas, .mab = replica->mab};
            replica_free(replica);
            return true;
        }
        if (tell(receiver, now, replica, event))
            return true;
        list_remove(node);
    }
    return false;
}

// The set that a section completes; a replica that lost parts of one has diverged.
static bool apply_updates(struct receiver *receiver, struct subscription *subscription,
                          struct instant now, struct replica *replica,
                          struct payload_section *section, struct receiver_event *event)
{
    struct assembly *assembly = &subscription->assembly;
    enum assembly_outcome assembled = assembly_add(assembly, section);
    if (assembled == ASSEMBLY_PART)
        return false;
    enum replica_outcome outcome = REPLICA_PASSED;
    size_t before = replica->buffer_bytes;
    if (assembled == ASSEMBLY_WHOLE)
        outcome = replica_set(replica, section->mab_sequence, assembly->updates, assembly->count,
                              receiver->buffer_max - subscription->buffered);
    else if (replica_has(replica) < section->mab_sequence) {
        replica_restart(replica, section->mab_sequence);
        outcome = REPLICA_DIVERGED;
    }
    subscription->buffered += replica->buffer_bytes - before;
    if (outcome != REPLICA_APPLIED) {
        receiver_follow_up(receiver, now, replica, outcome);
        return false;
    }
    receiver->counters.applied_sets++;
    receiver->counters.applied_updates += assembly->count;
    *event = (struct receiver_event){.kind = RECEIVER_APPLIED,
                                     .ruas = subscription->index,
                                     .mab = replica->mab,
                                     .sequence = replica->sequence,
                                     .updates = assembly->updates,
                                     .count = assembly->count};
    return true;
}

// Compares a replica with what the RUAS says of its MAB.
static void compare(struct receiver *receiver, struct instant now, struct replica *replica,
                    uint64_t sequence, const struct mapping_hash *hash)
{
    size_t before = replica->buffer_bytes;
    enum replica_outcome outcome = replica_compare(replica, sequence, hash, true);
    receiver->subscriptions[replica->ruas].buffered += replica->buffer_bytes - before;
    receiver_follow_up(receiver, now, replica, outcome);
}

// A snapshot was made: where it is of the very sequence that the copy has, they must be equal.
// A replica that waits for a snapshot need not wait any longer.
static void announced(struct receiver *receiver, struct instant now, struct replica *replica,
                      const struct payload_section *section)
{
    if (replica->state != REPLICA_LOADING && replica->sequence == section->mab_sequence)
        compare(receiver, now, replica, section->mab_sequence, &section->hash);
    else if (replica->fetch.place != 0 && replica->floor <= section->mab_sequence) {
        uint64_t spread = duration_ms(SNAPSHOT_SPREAD_MS).ns;
        struct instant at =
            instant_add(now, (struct duration){random_below(&receiver->random, spread)});
        if (instant_before(at, replica->fetch.deadline))
            heap_set(&receiver->subscriptions[replica->ruas].snapshots, &replica->fetch, at);
    }
}

// Applies one section; true when it made an event.
static bool apply_section(struct receiver *receiver, struct subscription *subscription,
                          struct instant now, struct payload_section *section,
                          struct receiver_event *event)
{
    if (section->type == SECTION_HEARTBEAT || section->type > SECTION_STATE)
        return false;
    struct replica *replica = receiver_find(receiver, &section->mab);
    if (replica == NULL || replica->ruas != subscription->index) {
        receiver->counters.unknown_mab++;
        if (replica == NULL) // while another RUAS has it, no directory of this one would help
            subscription_want_directory(subscription, now, duration_ms(UNKNOWN_MAB_DIRECTORY_MS),
                                        &receiver->random);
        return false;
    }
    if (section->type == SECTION_UPDATES)
        return apply_updates(receiver, subscription, now, replica, section, event);
    if (section->type == SECTION_STATE)
        compare(receiver, now, replica, section->mab_sequence, &section->hash);
    else
        announced(receiver, now, replica, section);
    return false;
}

// The stream has come to where a directory told how all MABs stand.
static void compare_all(struct receiver *receiver, struct subscription *subscription,
                        struct instant now)
{
    subscription->check = false;
    struct list_node *head = &subscription->replicas;
    for (struct list_node *node = head->next; node != head; node = node->next) {
        struct replica *replica = container_of(node, struct replica, of_ruas);
        if (!replica->check)
            continue;
        replica->check = false;
        compare(receiver, now, replica, replica->expected,
                replica->expected_hash_known ? &replica->expected_hash : NULL);
    }
}

// Begins to read the payload at the front of the stream; false where there is none to read.
static bool begin_payload(struct receiver *receiver, struct subscription *subscription,
                          struct instant now)
{
    const struct stream_slot *slot = stream_front(&subscription->stream);
    if (slot == NULL)
        return false;
    if (!slot->usable) {
        receiver->counters.unusable++;
        receiver->counters.resyncs++;
        subscription_resync(subscription, now, &receiver->random);
        return false;
    }
    struct payload_header header;
    enum decode_reason reason =
        payload_open(slot->bytes, slot->length, &header, &subscription->sections);
    assert(reason == DECODE_OK && header.sequence == slot->sequence);
    (void)reason;
    subscription->reading = true;
    return true;
}

// Goes through the payloads that are next in order, up to the next event.
static bool advance(struct receiver *receiver, struct subscription *subscription,
                    struct instant now, struct receiver_event *event)
{
    while (subscription->synced) {
        if (subscription->check && subscription->stream.next > subscription->check_position)
            compare_all(receiver, subscription, now);
        if (!subscription->reading && !begin_payload(receiver, subscription, now))
            return false;
        struct payload_section section;
        while (payload_next_section(&subscription->sections, &section))
            if (apply_section(receiver, subscription, now, &section, event))
                return true;
        subscription->reading = false;
        stream_advance(&subscription->stream);
        receiver->counters.applied_payloads++;
    }
    return false;
}

// The RUAS's MABs may answer again, or no more: after payloads were missing for too long.
static void set_lost(struct receiver *receiver, struct subscription *subscription, bool lost)
{
    if (subscription->lost == lost)
        return;
    subscription->lost = lost;
    struct list_node *head = &subscription->replicas;
    for (struct list_node *node = head->next; node != head; node = node->next)
        receiver_changed(receiver, container_of(node, struct replica, of_ruas));
}

static bool next_fetch(struct receiver *receiver, struct subscription *subscription,
                       struct instant now, struct receiver_event *event)
{
    if (!subscription->directory_fetching && instant_reached(now, subscription->directory_at)) {
        subscription->directory_fetching = true;
        subscription->directory_at = INSTANT_NEVER;
        *event = (struct receiver_event){.kind = RECEIVER_FETCH_DIRECTORY,
                                         .ruas = subscription->index,
                                         .attempt = subscription->directory_attempts};
        return true;
    }
    uint64_t first = 0;
    uint64_t last = 0;
    if (!subscription_fetch_due(subscription, now, &first, &last))
        return false;
    if (first <= subscription->stream.highest)
        receiver->counters.gaps++;
    *event = (struct receiver_event){.kind = RECEIVER_FETCH_PAYLOADS,
                                     .ruas = subscription->index,
                                     .attempt = subscription->gap_attempts +
                                                subscription->silence_attempts,
                                     .epoch = subscription->stream.epoch,
                                     .first = first,
                                     .last = last};
    return true;
}

static bool next_snapshot(struct subscription *subscription, struct instant now,
                          struct receiver_event *event)
{
    struct replica *replica = NULL;
    if (!subscription_snapshot_due(subscription, now, &replica))
        return false;
    *event = (struct receiver_event){.kind = RECEIVER_FETCH_SNAPSHOT,
                                     .ruas = replica->ruas,
                                     .attempt = replica->attempts,
                                     .mab = replica->mab,
                                     .sequence = replica->floor};
    return true;
}

// The next event of one subscription; without one, it is left alone until its time comes.
static bool next_of(struct receiver *receiver, struct subscription *subscription,
                    struct instant now, struct receiver_event *event)
{
    if (advance(receiver, subscription, now, event))
        return true;
    subscription_schedule(subscription, now, &receiver->random);
    if (!subscription->behind)
        set_lost(receiver, subscription, false);
    if (next_fetch(receiver, subscription, now, event) || next_snapshot(subscription, now, event))
        return true;
    list_remove(&subscription->active);
    heap_set(&receiver->timers, &subscription->timer, subscription_deadline(subscription));
    return false;
}

bool receiver_next_event(struct receiver *receiver, struct instant now,
                         struct receiver_event *event)
{
    if (next_change(receiver, now, event))
        return true;
    for (struct list_node *node = list_first(&receiver->active); node != NULL;
         node = list_first(&receiver->active))
        if (next_of(receiver, container_of(node, struct subscription, active), now, event))
            return true;
    return next_change(receiver, now, event);
}

struct instant receiver_next_deadline(const struct receiver *receiver)
{
    return instant_earlier(heap_deadline(&receiver->timers), heap_deadline(&receiver->stales));
}

// The node of the heap whose time has come, taken out; NULL where there is none.
static struct heap_node *take_due(struct heap *heap, struct instant now)
{
    struct heap_node *node = heap_first(heap);
    if (node == NULL || !instant_reached(now, node->deadline))
        return NULL;
    heap_remove(heap, node);
    return node;
}

void receiver_tick(struct receiver *receiver, struct instant now)
{
    struct heap_node *node = NULL;
    while ((node = take_due(&receiver->stales, now)) != NULL)
        receiver_changed(receiver, container_of(node, struct replica, stale));
    while ((node = take_due(&receiver->timers, now)) != NULL) {
        struct subscription *subscription = container_of(node, struct subscription, timer);
        struct instant until = instant_add(subscription->behind_since, duration_s(STALE_SECONDS));
        if (subscription->behind && instant_reached(now, until))
            set_lost(receiver, subscription, true);
        receiver_activate(receiver, subscription);
    }
}
