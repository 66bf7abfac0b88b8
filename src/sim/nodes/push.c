// SPDX-License-Identifier: BSD-2-Clause
// Fast push in the world: the RUAS's sender, whose payloads go to every QSA, and the receivers that
// keep the QSAs' copies. The shells of a real node do the same with sockets (src/node/push).
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define WALL_MS_AT_START 1900000000000 // 2030

struct wall_time world_wall_time(const struct world *world)
{
    uint64_t true_ms = WALL_MS_AT_START + engine_now(world->engine).ns / 1000000;
    return (struct wall_time){true_ms + (uint64_t)world->ruas.clock_ms};
}

// The RUAS

static void ruas_input(void *state, struct instant now, const struct endpoint *from,
                       const uint8_t *bytes, size_t length)
{
    (void)state, (void)now, (void)from, (void)bytes, (void)length; // feeds do not answer
}

// Each payload goes to one QSA after the other.
static size_t ruas_output(void *state, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    struct world *world = state;
    struct world_ruas *ruas = &world->ruas;
    if (ruas->sender == NULL)
        return 0;
    if (ruas->sent_to == world->qsa_count || ruas->length == 0) {
        ruas->length = sender_next_output(ruas->sender, now, world_wall_time(world), ruas->payload);
        ruas->sent_to = 0;
    }
    if (ruas->length == 0)
        return 0;
    *to = world_endpoint(world->qsas[ruas->sent_to++].feed_node);
    memcpy(buffer, ruas->payload, ruas->length);
    return ruas->length;
}

static struct instant ruas_deadline(const void *state)
{
    const struct world *world = state;
    struct instant due = world_next_due(world);
    return world->ruas.sender == NULL
               ? due
               : instant_earlier(due, sender_next_deadline(world->ruas.sender));
}

static void ruas_tick(void *state, struct instant now)
{
    (void)now; // the sender's outputs are what is due of it
    world_execute_due(state);
}

static const struct engine_core ruas_core = {ruas_input, ruas_output, ruas_deadline, ruas_tick};

static void start_sender(struct world *world)
{
    struct world_ruas *ruas = &world->ruas;
    struct sender_config config = {.epoch = ++ruas->epoch, .secret = ruas->key};
    ruas->sender = sender_new(&config, engine_node_now(world->engine, ruas->node));
    ruas->length = 0;
    for (size_t mab = 0; mab < MASTER_MABS; mab++) {
        struct mapping_hash hash = mapping_hash(ruas_mapping(ruas->ruas, mab));
        sender_add_mab(ruas->sender, &world->master.prefixes[mab], ruas_sequence(ruas->ruas, mab),
                       &hash);
    }
}

void world_ruas_start(struct world *world)
{
    world_authority_start(world);
    if (!world->config.ideal_feed)
        start_sender(world);
    engine_set_state(world->engine, world->ruas.node, world);
}

void world_ruas_stop(struct world *world)
{
    if (world->ruas.ruas == NULL)
        return;
    world_authority_stop(world);
    if (world->ruas.sender != NULL)
        world->report.payloads += sender_counters(world->ruas.sender)->payloads;
    sender_free(world->ruas.sender);
    world->ruas.sender = NULL;
}

// The receivers

static size_t mab_of(const struct world *world, const struct prefix *prefix)
{
    size_t mab = 0;
    while (!prefix_equal(&world->master.prefixes[mab], prefix)) {
        mab++;
        assert(mab < MASTER_MABS);
    }
    return mab;
}

static void has_sequence(struct world_qsa *qsa, const struct receiver_event *event)
{
    size_t mab = mab_of(qsa->world, &event->mab);
    qsa->loaded[mab] = true;
    qsa->sequences[mab] = event->sequence;
    world_check_copy(qsa, mab, event->sequence);
    world_note_copy(qsa, mab, event->sequence);
}

// The QSA takes the copy that is there now; those from before are looked at no more.
static void reload(struct world_qsa *qsa, const struct receiver_event *event, struct instant now)
{
    const struct mapping *mapping = database_get(qsa->database, &event->mab);
    struct mapping *replaced = NULL;
    if (mapping == NULL)
        return; // removed meanwhile, which is the next event
    qsa_mab_reloaded(qsa->qsa, now, &event->mab, mapping, event->sequence);
    while ((replaced = database_take_replaced(qsa->database, &event->mab)) != NULL)
        mapping_free(replaced);
}

static void take_event(struct world_qsa *qsa, const struct receiver_event *event)
{
    struct instant now = engine_node_now(qsa->world->engine, qsa->node);
    switch (event->kind) {
    case RECEIVER_APPLIED:
        qsa->world->report.payload_sets++;
        has_sequence(qsa, event);
        qsa_changed(qsa->qsa, now, &event->mab, event->sequence, event->updates, event->count);
        break;
    case RECEIVER_RELOADED:
        qsa->world->report.reloads++;
        engine_note(qsa->world->engine, "%s loads MAB %zu at sequence %llu", qsa->name,
                    mab_of(qsa->world, &event->mab), (unsigned long long)event->sequence);
        has_sequence(qsa, event);
        reload(qsa, event, now);
        break;
    case RECEIVER_READY:
        qsa_mab_ready(qsa->qsa, &event->mab);
        break;
    case RECEIVER_LOST:
        engine_note(qsa->world->engine, "%s loses MAB %zu", qsa->name,
                    mab_of(qsa->world, &event->mab));
        qsa_mab_lost(qsa->qsa, now, &event->mab);
        break;
    case RECEIVER_REMOVED:
        world_fail(qsa->world, WORLD_CHECK_COPIES, "%s gives up a MAB that its RUAS still has",
                   qsa->name);
        break;
    case RECEIVER_FETCH_DIRECTORY:
    case RECEIVER_FETCH_PAYLOADS:
    case RECEIVER_FETCH_SNAPSHOT:
        world_fetch(qsa, event);
        break;
    }
}

void world_take_events(struct world_qsa *qsa)
{
    struct engine *engine = qsa->world->engine;
    struct receiver_event event;
    while (receiver_next_event(qsa->receiver, engine_node_now(engine, qsa->feed_node), &event))
        take_event(qsa, &event);
    engine_touched(engine, qsa->node);
}

static void receiver_core_input(void *state, struct instant now, const struct endpoint *from,
                                const uint8_t *bytes, size_t length)
{
    struct world_qsa *qsa = state;
    receiver_input(qsa->receiver, now, from, bytes, length);
    world_take_events(qsa);
}

static size_t receiver_core_output(void *state, struct instant now, struct endpoint *to,
                                   uint8_t *buffer)
{
    (void)state, (void)now, (void)to, (void)buffer; // it asks by HTTP alone
    return 0;
}

static struct instant receiver_core_deadline(const void *state)
{
    return receiver_next_deadline(((const struct world_qsa *)state)->receiver);
}

static void receiver_core_tick(void *state, struct instant now)
{
    struct world_qsa *qsa = state;
    receiver_tick(qsa->receiver, now);
    world_take_events(qsa);
}

static const struct engine_core receiver_core = {receiver_core_input, receiver_core_output,
                                                 receiver_core_deadline, receiver_core_tick};

void world_receiver_start(struct world_qsa *qsa)
{
    struct world *world = qsa->world;
    struct public_key key = key_public(&world->ruas.key);
    struct receiver_config config = {.ruas_count = 1, .ruas = &key};
    qsa->receiver = receiver_new(&config, qsa->database, world_fresh_seed(world),
                                 engine_node_now(world->engine, qsa->feed_node));
    memset(qsa->loaded, 0, sizeof(qsa->loaded));
    memset(qsa->sequences, 0, sizeof(qsa->sequences));
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        list_init(&qsa->missing[mab]);
    qsa->open_since = engine_now(world->engine);
    engine_set_state(world->engine, qsa->feed_node, qsa);
    world_take_events(qsa);
    engine_touched(world->engine, qsa->feed_node);
}

void world_receiver_stop(struct world_qsa *qsa)
{
    if (qsa->receiver == NULL)
        return;
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        world_note_copy(qsa, mab, UINT64_MAX);
    receiver_free(qsa->receiver);
    qsa->receiver = NULL;
}

void world_push_add_nodes(struct world *world)
{
    uint8_t seed[32];
    random_bytes(engine_random(world->engine), seed, sizeof(seed));
    key_from_seed(seed, &world->ruas.key);
    struct endpoint endpoint = world_endpoint(world->config.node_count);
    world->ruas.node = engine_add_node(world->engine, "RUAS", &endpoint, &ruas_core, NULL);
    for (size_t i = 0; i < world->qsa_count && !world->config.ideal_feed; i++) {
        struct world_qsa *qsa = &world->qsas[i];
        endpoint = world_endpoint(world->config.node_count + 1 + i);
        (void)snprintf(qsa->feed_name, sizeof(qsa->feed_name), "%s feed", qsa->name);
        qsa->feed_node =
            engine_add_node(world->engine, qsa->feed_name, &endpoint, &receiver_core, NULL);
    }
    world_ruas_start(world);
}
