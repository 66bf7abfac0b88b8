// SPDX-License-Identifier: BSD-2-Clause
#include "push/sender.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"

#include <assert.h>
#include <string.h>

#define STATE_OCTETS (SECTION_HEADER_BYTES + STATE_BODY_BYTES)
// States go round a little faster than promised, so that pacing cannot break the promise.
#define STATE_ROUND_SECONDS (STATE_SECONDS - 10)

struct sender_mab {
    struct table_node node;
    struct sender_mab_state sent; // as receivers know it once they have all payloads so far
    struct pending_set *last;     // its newest set in the queue, or NULL
    bool announce;                // a snapshot is to be announced
    struct list_node announce_node;
    struct payload_section snapshot;
};

// A set in the queue.
struct pending_set {
    struct list_node node;
    struct sender_mab *mab;
    uint64_t sequence;
    struct sender_mab_state after; // how the MAB stands after it, and after sets refused behind it
    size_t octets;                 // of all its updates
    uint16_t parts;
    size_t count;
    struct update updates[];
};

struct sender {
    struct sender_config config;
    uint64_t ruas;
    struct history *history;
    struct hash_key hash_key; // zero: the MABs are the RUAS's own
    struct table by_prefix;
    struct sender_mab **mabs; // in the order they were added
    size_t mab_count;
    size_t mab_capacity;
    struct list_node announcements;

    struct list_node queue;
    size_t queue_bytes;  // of memory
    size_t queue_octets; // on the wire
    uint16_t next_part;  // of the set at the head of the queue
    size_t next_update;

    uint64_t sequence; // of the last payload
    uint64_t position; // of the last payload that left no set half
    struct instant last_sent;
    struct instant last_updates;
    struct instant batch_due; // when the queue's head has waited long enough
    struct instant pace;      // not before this
    struct duration silence;  // how long it may last now

    size_t state_next;       // whose state comes next
    size_t states_urgent;    // so many at once: MABs newly added
    struct instant state_at; // when the next one is due otherwise
    struct sender_counters counters;
};

struct sender *sender_new(const struct sender_config *config, struct instant now)
{
    assert(config->epoch > 0);
    struct sender *sender = memory_new(sizeof(*sender));
    sender->config = *config;
    if (sender->config.bytes_second == 0)
        sender->config.bytes_second = SENDER_BYTES_SECOND_DEFAULT;
    if (sender->config.queue_bytes == 0)
        sender->config.queue_bytes = SENDER_QUEUE_BYTES_MAX;
    sender->history = history_new(HISTORY_BYTES_MAX);
    struct public_key key = key_public(&config->secret);
    sender->ruas = key_id(&key);
    table_init(&sender->by_prefix);
    list_init(&sender->announcements);
    list_init(&sender->queue);
    sender->last_sent = now;
    sender->silence = duration_ms(HEARTBEAT_MS);
    sender->batch_due = INSTANT_NEVER;
    sender->state_at = INSTANT_NEVER;
    return sender;
}

static void free_queue(struct sender *sender)
{
    struct list_node *node = list_first(&sender->queue);
    for (; node != NULL; node = list_first(&sender->queue)) {
        list_remove(node);
        memory_free(container_of(node, struct pending_set, node));
    }
}

void sender_free(struct sender *sender)
{
    if (sender == NULL)
        return;
    free_queue(sender);
    for (size_t i = 0; i < sender->mab_count; i++)
        memory_free(sender->mabs[i]);
    memory_free(sender->mabs);
    table_release(&sender->by_prefix);
    history_free(sender->history);
    key_wipe(&sender->config.secret);
    memory_free(sender);
}

static bool prefix_matches(const struct table_node *node, const void *key)
{
    return prefix_equal(&container_of(node, struct sender_mab, node)->sent.mab, key);
}

static struct sender_mab *find_mab(const struct sender *sender, const struct prefix *mab)
{
    struct table_node *node =
        table_find(&sender->by_prefix, hash_prefix(&sender->hash_key, mab), prefix_matches, mab);
    return node == NULL ? NULL : container_of(node, struct sender_mab, node);
}

void sender_add_mab(struct sender *sender, const struct prefix *mab, uint64_t sequence,
                    const struct mapping_hash *hash)
{
    assert(find_mab(sender, mab) == NULL);
    if (sender->mab_count == sender->mab_capacity) {
        sender->mab_capacity = sender->mab_capacity == 0 ? 16 : 2 * sender->mab_capacity;
        sender->mabs =
            memory_resize(sender->mabs, sender->mab_capacity * sizeof(struct sender_mab *));
    }
    struct sender_mab *added = memory_new(sizeof(*added));
    added->sent = (struct sender_mab_state){*mab, sequence, true, *hash};
    list_init(&added->announce_node);
    table_insert(&sender->by_prefix, &added->node, hash_prefix(&sender->hash_key, mab));
    sender->mabs[sender->mab_count++] = added;
    sender->states_urgent = sender->mab_count; // a whole round: the new one is in it
}

// The wire octets of a set that has a payload for itself, or shares one.
static size_t section_octets(const struct pending_set *set)
{
    return SECTION_HEADER_BYTES + UPDATES_HEADER_BYTES + set->octets;
}

static size_t set_memory(const struct pending_set *set)
{
    return sizeof(*set) + set->count * sizeof(struct update);
}

static struct pending_set *new_set(struct sender_mab *mab, const struct sender_mab_state *after,
                                   const struct update *updates, size_t count)
{
    enum family family = (enum family)mab->sent.mab.address.family;
    struct pending_set *set = memory_new(sizeof(*set) + count * sizeof(*updates));
    set->mab = mab;
    set->sequence = after->sequence;
    set->after = *after;
    set->count = count;
    memcpy(set->updates, updates, count * sizeof(*updates));
    for (size_t i = 0; i < count; i++)
        set->octets += update_octets(family, &updates[i]);
    set->parts = updates_parts(family, updates, count);
    return set;
}

// A set that will not be sent: receivers see it missing by the next set or state of its MAB.
static void refuse_set(struct sender *sender, struct sender_mab *mab,
                       const struct sender_mab_state *after)
{
    if (mab->last == NULL)
        mab->sent = *after;
    else
        mab->last->after = *after;
    sender->counters.refused_full++;
}

static void append_set(struct sender *sender, struct instant now, struct pending_set *set)
{
    if (list_empty(&sender->queue)) {
        struct duration quiet = instant_since(now, sender->last_updates);
        bool at_once = quiet.ns >= duration_ms(SENDER_QUIET_MS).ns;
        struct instant later = instant_add(sender->last_updates, duration_ms(SENDER_BATCH_MS));
        sender->batch_due = at_once ? now : later;
    }
    list_append(&sender->queue, &set->node);
    sender->queue_bytes += set_memory(set);
    sender->queue_octets += section_octets(set);
    if (sender->queue_octets >= PAYLOAD_SECTION_ROOM)
        sender->batch_due = instant_earlier(sender->batch_due, now);
    set->mab->last = set;
}

bool sender_set(struct sender *sender, struct instant now, const struct prefix *mab_prefix,
                uint64_t mab_sequence, const struct update *updates, size_t count,
                const struct mapping_hash *hash)
{
    assert(count > 0 && count <= UPDATE_SET_MAX);
    struct sender_mab *mab = find_mab(sender, mab_prefix);
    assert(mab != NULL);
    assert(mab_sequence > (mab->last == NULL ? &mab->sent : &mab->last->after)->sequence);
    struct sender_mab_state after = {*mab_prefix, mab_sequence, hash != NULL, {{0}}};
    if (hash != NULL)
        after.hash = *hash;
    if (sender->queue_bytes >= sender->config.queue_bytes) {
        refuse_set(sender, mab, &after);
        return false;
    }
    append_set(sender, now, new_set(mab, &after, updates, count));
    return true;
}

void sender_announce(struct sender *sender, const struct payload_section *snapshot)
{
    assert(snapshot->type == SECTION_SNAPSHOT);
    struct sender_mab *mab = find_mab(sender, &snapshot->mab);
    assert(mab != NULL);
    mab->snapshot = *snapshot;
    if (!mab->announce)
        list_append(&sender->announcements, &mab->announce_node);
    mab->announce = true;
}

// The set at the head of the queue is sent whole: receivers know its MAB so far.
static void finish_set(struct sender *sender, struct pending_set *set)
{
    set->mab->sent = set->after;
    if (set->mab->last == set)
        set->mab->last = NULL;
    sender->counters.sets++;
    sender->counters.updates += set->count;
    sender->queue_bytes -= set_memory(set);
    sender->queue_octets -= section_octets(set);
    sender->next_part = 0;
    sender->next_update = 0;
    list_remove(&set->node);
    memory_free(set);
}

// Adds the next part of the queue's head, or all of it; false where it must wait for the next
// payload.
static bool add_set(struct sender *sender, struct payload_writer *payload, struct pending_set *set)
{
    bool fits = set->parts == 1 ? section_octets(set) <= payload_room(payload)
                                : payload_empty(payload); // each part needs all the room
    if (!fits)
        return false;
    sender->next_update += payload_add_updates(
        payload, &set->mab->sent.mab, set->sequence, sender->next_part, set->parts,
        set->updates + sender->next_update, set->count - sender->next_update);
    sender->next_part++;
    if (sender->next_part < set->parts)
        return false;
    assert(sender->next_update == set->count);
    finish_set(sender, set);
    return true;
}

static void fill_updates(struct sender *sender, struct payload_writer *payload, struct instant now)
{
    struct list_node *node = list_first(&sender->queue);
    if (node == NULL || sender->states_urgent > 0)
        return; // an epoch begins with states: a copy in doubt takes no sets before
    while (node != NULL && add_set(sender, payload, container_of(node, struct pending_set, node)))
        node = list_first(&sender->queue);
    sender->last_updates = now;
    sender->silence = duration_ms(HEARTBEAT_FIRST_MS);
    sender->batch_due = list_empty(&sender->queue) ? INSTANT_NEVER : now;
}

static void fill_announcements(struct sender *sender, struct payload_writer *payload)
{
    struct list_node *node = list_first(&sender->announcements);
    for (; node != NULL; node = list_first(&sender->announcements)) {
        struct sender_mab *mab = container_of(node, struct sender_mab, announce_node);
        if (!payload_add_section(payload, &mab->snapshot))
            return;
        mab->announce = false;
        list_remove(node);
        sender->counters.snapshots++;
    }
}

static struct duration state_interval(const struct sender *sender)
{
    return (struct duration){duration_s(STATE_ROUND_SECONDS).ns / sender->mab_count};
}

// Steps to the next state to be sent, which is due later by its share of the round.
static void step_state(struct sender *sender, struct instant now)
{
    sender->state_next = (sender->state_next + 1) % sender->mab_count;
    if (sender->states_urgent > 0) {
        sender->states_urgent--;
        sender->state_at = instant_add(now, state_interval(sender));
    } else
        sender->state_at = instant_add(sender->state_at, state_interval(sender));
}

static void fill_states(struct sender *sender, struct payload_writer *payload, struct instant now)
{
    for (size_t i = 0; i < sender->mab_count; i++) {
        bool due = sender->states_urgent > 0 || instant_reached(now, sender->state_at);
        if (!due || payload_room(payload) < STATE_OCTETS)
            return;
        const struct sender_mab_state *sent =
            &sender->mabs[sender->state_next % sender->mab_count]->sent;
        if (sent->hash_known) {
            struct payload_section section = {.type = SECTION_STATE,
                                              .mab = sent->mab,
                                              .mab_sequence = sent->sequence,
                                              .hash = sent->hash};
            (void)payload_add_section(payload, &section);
            sender->counters.states++;
        }
        step_state(sender, now);
    }
}

// Moves the moment before which nothing more may be sent.
static void pace_output(struct sender *sender, struct instant now, size_t length)
{
    struct duration burst = duration_ms(SENDER_BURST_MS);
    uint64_t earliest = now.ns > burst.ns ? now.ns - burst.ns : 0;
    if (sender->pace.ns < earliest)
        sender->pace.ns = earliest;
    uint64_t cost = (uint64_t)length * 1000000000 / sender->config.bytes_second;
    sender->pace = instant_add(sender->pace, (struct duration){cost});
}

static size_t finish_payload(struct sender *sender, struct payload_writer *payload,
                             struct instant now, uint8_t *buffer)
{
    size_t length = payload_seal(payload, &sender->config.secret);
    assert(length > 0);
    memcpy(buffer, payload->bytes, length);
    history_add(sender->history, now, sender->sequence, payload->bytes, length);
    if (sender->next_part == 0)
        sender->position = sender->sequence;
    sender->last_sent = now;
    sender->counters.payloads++;
    sender->counters.bytes += length;
    pace_output(sender, now, length);
    return length;
}

size_t sender_next_output(struct sender *sender, struct instant now, struct wall_time wall,
                          uint8_t *buffer)
{
    if (!instant_reached(now, sender_next_deadline(sender)))
        return 0;
    struct payload_header header = {sender->ruas, sender->config.epoch, ++sender->sequence, wall};
    struct payload_writer payload;
    payload_begin(&payload, &header);
    if (sender->states_urgent > 0)
        fill_states(sender, &payload, now);
    fill_updates(sender, &payload, now);
    fill_announcements(sender, &payload);
    fill_states(sender, &payload, now);
    if (payload_empty(&payload)) {
        (void)payload_add_section(&payload, &(struct payload_section){.type = SECTION_HEARTBEAT});
        sender->counters.heartbeats++;
        if (sender->silence.ns < duration_ms(HEARTBEAT_MS).ns)
            sender->silence.ns *= 2;
        if (sender->silence.ns > duration_ms(HEARTBEAT_MS).ns)
            sender->silence = duration_ms(HEARTBEAT_MS);
    }
    return finish_payload(sender, &payload, now, buffer);
}

// When so many states are due that they fill a payload; fewer wait for the next one.
static struct instant states_due(const struct sender *sender)
{
    if (sender->mab_count == 0)
        return INSTANT_NEVER;
    uint64_t full = PAYLOAD_SECTION_ROOM / STATE_OCTETS;
    return instant_add(sender->state_at, (struct duration){(full - 1) * state_interval(sender).ns});
}

struct instant sender_next_deadline(const struct sender *sender)
{
    struct instant due = instant_add(sender->last_sent, sender->silence);
    due = instant_earlier(due, sender->batch_due);
    due = instant_earlier(due, states_due(sender));
    if (sender->states_urgent > 0)
        due = sender->pace;
    return instant_before(due, sender->pace) ? sender->pace : due;
}

size_t sender_mab_count(const struct sender *sender)
{
    return sender->mab_count;
}

struct sender_mab_state sender_mab_state(const struct sender *sender, size_t i)
{
    assert(i < sender->mab_count);
    return sender->mabs[i]->sent;
}

uint64_t sender_position(const struct sender *sender)
{
    return sender->position;
}

uint64_t sender_epoch(const struct sender *sender)
{
    return sender->config.epoch;
}

const struct history *sender_history(const struct sender *sender)
{
    return sender->history;
}

const struct sender_counters *sender_counters(const struct sender *sender)
{
    return &sender->counters;
}

size_t sender_queued(const struct sender *sender)
{
    return sender->queue_bytes;
}
