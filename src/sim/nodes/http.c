// SPDX-License-Identifier: BSD-2-Clause
// The HTTP of the world: what receivers fetch from the RUAS takes time, and fails where a path is
// cut, the RUAS is down, or TCP gives up.
#include "sim/world_state.h"

#include "base/memory.h"

#include <assert.h>

#define TIMEOUT_MS      300 // until a fetch that gets no answer has failed
#define LOSS_WITH_TCP   3   // its repeats make a fetch fail so many times less than a datagram
#define MILLION         1000000
#define DELAYS_OF_FETCH 3 // a connection takes more than one way there

struct fetch {
    struct list_node place;
    struct world_qsa *qsa;
    unsigned life;
    struct receiver_event question;
    enum fetch_result result;
    struct directory directory;
    struct snapshot_info info;
    struct mapping *mapping;
    uint8_t *bytes;
    size_t length;
};

static void free_fetch(struct fetch *fetch)
{
    list_remove(&fetch->place);
    directory_release(&fetch->directory);
    mapping_free(fetch->mapping);
    memory_free(fetch->bytes);
    memory_free(fetch);
}

void world_free_fetches(struct world *world)
{
    while (!list_empty(&world->fetches))
        free_fetch(container_of(world->fetches.next, struct fetch, place));
}

static bool gets_through(struct world *world, const struct world_qsa *qsa)
{
    struct network *network = engine_network(world->engine);
    uint64_t loss = world->quiet ? 0 : world->config.paths.loss / LOSS_WITH_TCP;
    bool lost = random_below(engine_random(world->engine), MILLION) < loss;
    return !lost && world->ruas.sender != NULL &&
           !network_is_cut(network, world->ruas.node, qsa->feed_node) &&
           !network_is_cut(network, qsa->feed_node, world->ruas.node);
}

static void answer_directory(struct world *world, struct fetch *fetch)
{
    struct directory_mab mabs[MASTER_MABS];
    struct directory directory = {.ruas = key_public(&world->ruas.key),
                                  .epoch = world->ruas.epoch,
                                  .sequence = sender_position(world->ruas.sender),
                                  .time = world_wall_time(world),
                                  .mab_count = MASTER_MABS,
                                  .mabs = mabs};
    for (size_t i = 0; i < directory.mab_count; i++) {
        struct sender_mab_state state = sender_mab_state(world->ruas.sender, i);
        mabs[i] = (struct directory_mab){state.mab, state.sequence, state.hash_known, state.hash};
    }
    size_t length = 0;
    char *text = directory_write(&directory, &world->ruas.key, &length);
    if (directory_read(text, length, &directory.ruas, &fetch->directory, NULL))
        fetch->result = FETCH_DONE;
    else
        world_fail(world, WORLD_CHECK_COPIES, "a directory cannot be read");
    memory_free(text);
}

static void answer_payloads(struct world *world, struct fetch *fetch)
{
    const struct receiver_event *question = &fetch->question;
    fetch->result = FETCH_GONE;
    if (question->epoch != world->ruas.epoch)
        return;
    enum history_answer answer = history_read(sender_history(world->ruas.sender), question->first,
                                              question->last, &fetch->bytes, &fetch->length);
    if (answer == HISTORY_FOUND)
        fetch->result = FETCH_DONE;
    else if (answer == HISTORY_NOT_YET)
        fetch->result = FETCH_NOT_YET;
}

static void answer_snapshot(struct world *world, struct fetch *fetch)
{
    size_t mab = 0;
    while (!prefix_equal(&fetch->question.mab, &world->master.prefixes[mab]))
        mab++;
    struct public_key key = key_public(&world->ruas.key);
    struct snapshot_info info = {.ruas = key_id(&key),
                                 .epoch = world->ruas.epoch,
                                 .sequence = ruas_sequence(world->ruas.ruas, mab),
                                 .time = world_wall_time(world)};
    struct snapshot_bytes snapshot;
    bool good = snapshot_write(ruas_mapping(world->ruas.ruas, mab), &info, &world->ruas.key,
                               &snapshot, NULL);
    assert(good);
    if (snapshot_read(snapshot.bytes, snapshot.length, &key, &fetch->info, &fetch->mapping, NULL))
        fetch->result = FETCH_DONE;
    else
        world_fail(world, WORLD_CHECK_COPIES, "a snapshot cannot be read");
    memory_free(snapshot.bytes);
}

static void deliver(void *state, struct instant now)
{
    struct fetch *fetch = state;
    struct world_qsa *qsa = fetch->qsa;
    const struct receiver_event *question = &fetch->question;
    (void)now;
    if (qsa->receiver != NULL && qsa->life == fetch->life) {
        struct instant its_now = engine_node_now(qsa->world->engine, qsa->feed_node);
        bool good = fetch->result == FETCH_DONE;
        struct mapping *mapping = fetch->mapping;
        fetch->mapping = NULL; // is taken over
        if (question->kind == RECEIVER_FETCH_DIRECTORY)
            receiver_directory(qsa->receiver, its_now, 0, good ? &fetch->directory : NULL);
        else if (question->kind == RECEIVER_FETCH_PAYLOADS)
            receiver_payloads(qsa->receiver, its_now, 0, fetch->result, fetch->bytes,
                              fetch->length);
        else
            receiver_snapshot(qsa->receiver, its_now, &question->mab, &fetch->info, mapping, NULL);
        world_take_events(qsa);
        engine_touched(qsa->world->engine, qsa->feed_node);
    }
    free_fetch(fetch);
}

static struct duration way(struct world *world)
{
    const struct path_conditions *paths = &world->config.paths;
    uint64_t jitter = random_below(engine_random(world->engine), paths->jitter.ns + 1);
    return (struct duration){DELAYS_OF_FETCH * (paths->delay.ns + jitter)};
}

static void arrive(void *state, struct instant now)
{
    struct fetch *fetch = state;
    struct world *world = fetch->qsa->world;
    struct duration answered = way(world);
    // What is held is stored before anything is shown.
    if (!gets_through(world, fetch->qsa) || !world_settle(world))
        answered = duration_ms(TIMEOUT_MS);
    else if (fetch->question.kind == RECEIVER_FETCH_DIRECTORY)
        answer_directory(world, fetch);
    else if (fetch->question.kind == RECEIVER_FETCH_PAYLOADS)
        answer_payloads(world, fetch);
    else
        answer_snapshot(world, fetch);
    engine_schedule(world->engine, instant_add(now, answered), deliver, fetch);
}

void world_fetch(struct world_qsa *qsa, const struct receiver_event *event)
{
    struct world *world = qsa->world;
    struct fetch *fetch = memory_new(sizeof(*fetch));
    fetch->qsa = qsa;
    fetch->life = qsa->life;
    fetch->question = *event;
    fetch->result = FETCH_FAILED;
    list_append(&world->fetches, &fetch->place);
    world->report.fetches++;
    engine_schedule(world->engine, instant_add(engine_now(world->engine), way(world)), arrive,
                    fetch);
}
