// SPDX-License-Identifier: BSD-2-Clause
#include "push/receiver.h"

#include "base/memory.h"
#include "push/receiver_state.h"
#include "wire/payload.h"

#include <assert.h>
#include <string.h>

#define UNSURE_DIRECTORY_MS 2000 // a new epoch's states should have come by then

struct receiver *receiver_new(const struct receiver_config *config, struct database *database,
                              struct random_seed seed, struct instant now)
{
    struct receiver *receiver = memory_new(sizeof(*receiver));
    receiver->database = database;
    size_t buffer = config->buffer_bytes == 0 ? RECEIVER_BUFFER_BYTES_MAX : config->buffer_bytes;
    receiver->buffer_max = config->ruas_count == 0 ? 0 : buffer / config->ruas_count;
    random_init(&receiver->random, seed);
    random_bytes(&receiver->random, receiver->hash_key.bytes, sizeof(receiver->hash_key.bytes));
    suspicion_init(&receiver->suspicion, &receiver->random);
    table_init(&receiver->by_prefix);
    list_init(&receiver->active);
    list_init(&receiver->changed);
    heap_init(&receiver->timers);
    heap_init(&receiver->stales);
    receiver->subscription_count = config->ruas_count;
    receiver->subscriptions =
        memory_new_array(config->ruas_count, sizeof(*receiver->subscriptions));
    for (size_t i = 0; i < config->ruas_count; i++) {
        subscription_init(&receiver->subscriptions[i], i, &config->ruas[i], now, &receiver->random);
        receiver_activate(receiver, &receiver->subscriptions[i]);
    }
    return receiver;
}

void receiver_free(struct receiver *receiver)
{
    if (receiver == NULL)
        return;
    for (struct list_node *node = list_first(&receiver->changed); node != NULL;
         node = list_first(&receiver->changed)) {
        struct replica *replica = container_of(node, struct replica, changed);
        list_remove(node);
        if (replica->removed)
            replica_free(replica);
    }
    for (size_t i = 0; i < receiver->subscription_count; i++) {
        struct subscription *subscription = &receiver->subscriptions[i];
        for (struct list_node *node = list_first(&subscription->replicas); node != NULL;
             node = list_first(&subscription->replicas))
            replica_free(container_of(node, struct replica, of_ruas));
        subscription_release(subscription);
    }
    memory_free(receiver->subscriptions);
    table_release(&receiver->by_prefix);
    heap_release(&receiver->timers);
    heap_release(&receiver->stales);
    memory_free(receiver);
}

static bool prefix_matches(const struct table_node *node, const void *key)
{
    return prefix_equal(&container_of(node, struct replica, by_prefix)->mab, key);
}

struct replica *receiver_find(const struct receiver *receiver, const struct prefix *mab)
{
    struct table_node *node = table_find(
        &receiver->by_prefix, hash_prefix(&receiver->hash_key, mab), prefix_matches, mab);
    return node == NULL ? NULL : container_of(node, struct replica, by_prefix);
}

struct replica *receiver_add_replica(struct receiver *receiver, const struct prefix *mab,
                                     struct subscription *subscription)
{
    struct replica *replica = replica_new(mab, subscription->index);
    table_insert(&receiver->by_prefix, &replica->by_prefix, hash_prefix(&receiver->hash_key, mab));
    list_append(&subscription->replicas, &replica->of_ruas);
    subscription->replica_count++;
    return replica;
}

void receiver_remove_replica(struct receiver *receiver, struct replica *replica)
{
    struct subscription *subscription = &receiver->subscriptions[replica->ruas];
    subscription->replica_count--;
    subscription->buffered -= replica->buffer_bytes;
    if (replica->fetching)
        subscription->snapshots_fetching--;
    heap_remove(&subscription->snapshots, &replica->fetch);
    heap_remove(&receiver->stales, &replica->stale);
    table_remove(&receiver->by_prefix, &replica->by_prefix);
    list_remove(&replica->of_ruas);
    if (replica->mapping != NULL)
        (void)database_remove(receiver->database, &replica->mab);
    replica->mapping = NULL;
    replica->removed = true;
    receiver_changed(receiver, replica);
}

static struct subscription *find_ruas(const struct receiver *receiver, uint64_t id)
{
    for (size_t i = 0; i < receiver->subscription_count; i++)
        if (receiver->subscriptions[i].id == id)
            return &receiver->subscriptions[i];
    return NULL;
}

// All copies are in doubt until states, or the directory, of the new epoch agree with them.
static void doubt_all(struct receiver *receiver, struct subscription *subscription,
                      struct instant now)
{
    receiver->counters.epochs++;
    for (struct list_node *node = subscription->replicas.next; node != &subscription->replicas;
         node = node->next) {
        struct replica *replica = container_of(node, struct replica, of_ruas);
        subscription->buffered -= replica->buffer_bytes;
        replica_doubt(replica);
        receiver_follow_up(receiver, now, replica, REPLICA_PASSED);
    }
}

// A genuine payload of a higher epoch than any before. Its states are at the beginning: where that
// is not too far back, what is missing of it is fetched.
static void begin_epoch(struct receiver *receiver, struct subscription *subscription,
                        struct instant now, const struct payload_header *header)
{
    bool boot = subscription->stream.epoch == 0;
    bool from_start = !boot && header->sequence <= STREAM_WINDOW;
    subscription_restart(subscription, now, header->epoch, from_start ? 1 : header->sequence,
                         from_start);
    doubt_all(receiver, subscription, now);
    if (from_start)
        subscription_want_directory(subscription, now, duration_ms(UNSURE_DIRECTORY_MS),
                                    &receiver->random);
}

// True when every section and update of a genuine payload can be read, and none is of a type that
// must not be stepped over.
static bool sections_usable(struct reader sections)
{
    struct payload_section section;
    struct update update;
    while (payload_next_section(&sections, &section)) {
        if (section.type > SECTION_STATE && section.critical)
            return false;
        if (section.type != SECTION_UPDATES)
            continue;
        while (update_decode(&section.updates, (enum family)section.mab.address.family, &update))
            continue;
        if (section.updates.failed)
            return false;
    }
    return !sections.failed;
}

// Checks the signature; `from` is NULL for what was fetched, where there is nobody to flood.
static bool is_genuine(struct receiver *receiver, const struct subscription *subscription,
                       struct instant now, const struct endpoint *from, const uint8_t *bytes,
                       size_t length)
{
    if (from != NULL && !suspicion_allows(&receiver->suspicion, now, &from->address)) {
        receiver->counters.suppressed++;
        return false;
    }
    bool genuine = payload_verify(bytes, length, &subscription->key);
    if (from != NULL)
        suspicion_note(&receiver->suspicion, now, &from->address, genuine);
    if (!genuine)
        receiver->counters.forged++;
    return genuine;
}

// Puts a genuine payload of the present epoch in its place.
static void hold(struct receiver *receiver, struct subscription *subscription,
                 const struct payload_header *header, struct reader sections, const uint8_t *bytes,
                 size_t length)
{
    switch (stream_judge(&subscription->stream, header->sequence)) {
    case STREAM_FRESH:
        stream_hold(&subscription->stream, header->sequence, sections_usable(sections), bytes,
                    length);
        break;
    case STREAM_BEYOND:
        receiver->counters.beyond++;
        stream_note(&subscription->stream, header->sequence);
        break;
    case STREAM_REPEAT:
        receiver->counters.repeated++;
        break;
    }
}

static void take_payload(struct receiver *receiver, struct instant now, const struct endpoint *from,
                         const uint8_t *bytes, size_t length)
{
    struct payload_header header;
    struct reader sections;
    receiver->counters.received++;
    enum decode_reason reason = payload_open(bytes, length, &header, &sections);
    if (reason != DECODE_OK) {
        receiver->counters.malformed[reason]++;
        return;
    }
    struct subscription *subscription = find_ruas(receiver, header.ruas);
    if (subscription == NULL) {
        receiver->counters.unknown_ruas++;
        return;
    }
    const struct stream *stream = &subscription->stream;
    if (header.epoch < stream->epoch) {
        receiver->counters.stale_epoch++;
        return;
    }
    if (header.epoch == stream->epoch && stream_judge(stream, header.sequence) == STREAM_REPEAT) {
        receiver->counters.repeated++;
        return;
    }
    if (!is_genuine(receiver, subscription, now, from, bytes, length))
        return;
    if (header.epoch > stream->epoch)
        begin_epoch(receiver, subscription, now, &header);
    receiver_activate(receiver, subscription);
    subscription_heard(subscription, now, from == NULL, &header);
    hold(receiver, subscription, &header, sections, bytes, length);
}

void receiver_input(struct receiver *receiver, struct instant now, const struct endpoint *from,
                    const uint8_t *bytes, size_t length)
{
    assert(from != NULL);
    take_payload(receiver, now, from, bytes, length);
}

void receiver_payloads(struct receiver *receiver, struct instant now, size_t ruas,
                       enum fetch_result result, const uint8_t *bytes, size_t length)
{
    assert(ruas < receiver->subscription_count);
    struct subscription *subscription = &receiver->subscriptions[ruas];
    if (!subscription->payloads_fetching)
        return;
    receiver_activate(receiver, subscription);
    struct reader reader = reader_over(bytes, result == FETCH_DONE ? length : 0);
    while (reader_left(&reader) > 0) {
        size_t octets = reader_u16(&reader);
        const uint8_t *payload = reader_take(&reader, octets);
        if (payload == NULL)
            break;
        receiver->counters.fetched++;
        take_payload(receiver, now, NULL, payload, octets);
    }
    if (reader.failed)
        result = FETCH_FAILED; // cut off: what came whole is used
    if (result == FETCH_FAILED)
        receiver->counters.fetch_failures++;
    if (subscription_payloads_done(subscription, now, result, &receiver->random)) {
        receiver->counters.resyncs++;
        subscription_resync(subscription, now, &receiver->random);
    }
}

// How a directory relates to where the stream is.
enum moment { MOMENT_PAST, MOMENT_NOW, MOMENT_TO_COME };

static enum moment moment_of(const struct subscription *subscription, uint64_t position)
{
    uint64_t next = subscription->stream.next;
    if (position + 1 == next)
        return MOMENT_NOW;
    return position + 1 < next ? MOMENT_PAST : MOMENT_TO_COME;
}

// Gives one MAB of a directory to its replica, which is made where there is none.
static void take_mab(struct receiver *receiver, struct subscription *subscription,
                     struct instant now, const struct directory_mab *listed, enum moment moment)
{
    struct replica *replica = receiver_find(receiver, &listed->mab);
    if (replica == NULL) {
        replica = receiver_add_replica(receiver, &listed->mab, subscription);
        replica_restart(replica, listed->sequence);
        replica->listed = true;
        receiver_follow_up(receiver, now, replica, REPLICA_PASSED);
        return;
    }
    if (replica->ruas != subscription->index)
        return; // another RUAS had it first
    replica->listed = true;
    replica->expected = listed->sequence;
    replica->expected_hash_known = listed->hash_known;
    replica->expected_hash = listed->hash;
    replica->check = moment == MOMENT_TO_COME;
    if (moment == MOMENT_TO_COME)
        return;
    size_t before = replica->buffer_bytes;
    enum replica_outcome outcome = replica_compare(
        replica, listed->sequence, listed->hash_known ? &listed->hash : NULL, moment == MOMENT_NOW);
    subscription->buffered += replica->buffer_bytes - before;
    receiver_follow_up(receiver, now, replica, outcome);
}

// Takes over the list of MABs: those not in it are gone.
static void take_mabs(struct receiver *receiver, struct subscription *subscription,
                      struct instant now, const struct directory *directory, enum moment moment)
{
    struct list_node *head = &subscription->replicas;
    for (struct list_node *node = head->next; node != head; node = node->next)
        container_of(node, struct replica, of_ruas)->listed = false;
    for (size_t i = 0; i < directory->mab_count; i++)
        take_mab(receiver, subscription, now, &directory->mabs[i], moment);
    bool unsure = false;
    for (struct list_node *node = head->next; node != head;) {
        struct replica *replica = container_of(node, struct replica, of_ruas);
        node = node->next;
        if (!replica->listed)
            receiver_remove_replica(receiver, replica);
        else
            unsure |= replica->state == REPLICA_UNSURE && moment != MOMENT_TO_COME;
    }
    if (unsure)
        subscription_want_directory(subscription, now, duration_ms(UNSURE_DIRECTORY_MS),
                                    &receiver->random);
}

// True for a directory that is not older than what is known already.
static bool is_current(const struct subscription *subscription, const struct directory *directory)
{
    if (directory->epoch != subscription->stream.epoch)
        return directory->epoch > subscription->stream.epoch;
    return directory->epoch != subscription->directory_epoch ||
           directory->sequence >= subscription->directory_position;
}

void receiver_directory(struct receiver *receiver, struct instant now, size_t ruas,
                        const struct directory *directory)
{
    assert(ruas < receiver->subscription_count);
    struct subscription *subscription = &receiver->subscriptions[ruas];
    bool good = directory != NULL && is_current(subscription, directory);
    receiver_activate(receiver, subscription);
    if (!good)
        receiver->counters.directories_refused++;
    subscription_directory_done(subscription, now, good, &receiver->random);
    if (!good)
        return;
    receiver->counters.directories++;
    subscription->directory_epoch = directory->epoch;
    subscription->directory_position = directory->sequence;
    if (directory->epoch > subscription->stream.epoch) {
        subscription_restart(subscription, now, directory->epoch, directory->sequence + 1, true);
        doubt_all(receiver, subscription, now);
    } else if (!subscription->synced)
        subscription_rebase(subscription, now, directory->sequence);
    enum moment moment = moment_of(subscription, directory->sequence);
    subscription->check = moment == MOMENT_TO_COME;
    subscription->check_position = directory->sequence;
    take_mabs(receiver, subscription, now, directory, moment);
}

void receiver_snapshot(struct receiver *receiver, struct instant now, const struct prefix *mab,
                       const struct snapshot_info *info, struct mapping *mapping,
                       struct error *error)
{
    struct replica *replica = receiver_find(receiver, mab);
    if (replica == NULL || !replica->fetching) { // removed meanwhile
        mapping_free(mapping);
        return;
    }
    struct subscription *subscription = &receiver->subscriptions[replica->ruas];
    replica->fetching = false;
    subscription->snapshots_fetching--;
    receiver_activate(receiver, subscription); // there is room for another
    enum replica_outcome outcome = REPLICA_TOO_OLD;
    size_t before = replica->buffer_bytes;
    if (mapping != NULL &&
        (info->ruas != subscription->id || info->epoch != subscription->stream.epoch ||
         !prefix_equal(&info->mab, mab)))
        mapping_free(mapping);
    else if (mapping != NULL)
        outcome = replica_load(replica, info, mapping, receiver->database, error);
    subscription->buffered += replica->buffer_bytes - before;
    if (outcome == REPLICA_APPLIED) {
        receiver->counters.reloaded++;
        replica->reloaded = true;
        replica->attempts = 0;
    } else if (outcome != REPLICA_PASSED) {
        receiver->counters.snapshots_refused++;
        replica->attempts++;
    }
    receiver_follow_up(receiver, now, replica, outcome);
}

bool receiver_mab(const struct receiver *receiver, const struct prefix *mab,
                  struct receiver_mab_status *status)
{
    const struct replica *replica = receiver_find(receiver, mab);
    if (replica == NULL)
        return false;
    const struct subscription *subscription = &receiver->subscriptions[replica->ruas];
    *status = (struct receiver_mab_status){
        .mab = *mab,
        .ruas = replica->ruas,
        .sequence = replica->mapping == NULL ? 0 : replica->sequence,
        .has_copy = replica->mapping != NULL,
        .in_step = replica->state == REPLICA_READY && !subscription->behind,
        .answering = replica->told_ready,
    };
    return true;
}

struct receiver_ruas_status receiver_ruas(const struct receiver *receiver, size_t ruas)
{
    assert(ruas < receiver->subscription_count);
    const struct subscription *subscription = &receiver->subscriptions[ruas];
    struct receiver_ruas_status status = {
        .epoch = subscription->stream.epoch,
        .sequence = subscription->stream.next - 1,
        .synced = subscription->synced,
        .behind = subscription->behind,
        .heard = subscription->heard,
        .heard_at = subscription->heard_at,
        .time = subscription->time,
        .mabs = subscription->replica_count,
    };
    const struct list_node *head = &subscription->replicas;
    for (const struct list_node *node = head->next; node != head; node = node->next)
        status.mabs_ready += container_of(node, struct replica, of_ruas)->state == REPLICA_READY;
    return status;
}

const struct receiver_counters *receiver_counters(const struct receiver *receiver)
{
    return &receiver->counters;
}
