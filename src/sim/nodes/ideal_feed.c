// SPDX-License-Identifier: BSD-2-Clause
// The ideal feed: a QSA has each set a fixed time after the master, unless it falls out of step.
#include "sim/checks/checks.h"

#include <assert.h>

#define LOADING_MS_MAX 4000 // a QSA loads for so long at most

static bool has_heard(const struct world_qsa *qsa, const struct master_set *set)
{
    return instant_reached(engine_now(qsa->world->engine), instant_add(set->at, qsa->lag));
}

static void feed(void *state, struct instant now)
{
    struct world_qsa *qsa = state;
    const struct master *master = &qsa->world->master;
    (void)now;
    if (qsa->qsa == NULL || !qsa->in_step)
        return;
    for (; qsa->applied < master->set_count; qsa->applied++) {
        const struct master_set *set = &master->sets[qsa->applied];
        if (!has_heard(qsa, set))
            break;
        const struct prefix *mab = &master->prefixes[set->mab];
        bool good =
            mapping_apply(database_get(qsa->database, mab), set->updates, set->count, NULL, NULL);
        assert(good);
        (void)good;
        world_check_copy(qsa, set->mab, set->sequence);
        qsa_changed(qsa->qsa, engine_node_now(qsa->world->engine, qsa->node), mab, set->sequence,
                    set->updates, set->count);
    }
    engine_touched(qsa->world->engine, qsa->node);
}

// The copy of one MAB as of what the QSA has heard.
static struct mapping *replay(const struct world_qsa *qsa, size_t mab, uint64_t *sequence)
{
    const struct master *master = &qsa->world->master;
    struct mapping *mapping = mapping_new(&master->prefixes[mab], NULL);
    *sequence = 0;
    for (size_t i = 0; i < master->set_count && has_heard(qsa, &master->sets[i]); i++) {
        const struct master_set *set = &master->sets[i];
        if (set->mab != mab)
            continue;
        bool good = mapping_apply(mapping, set->updates, set->count, NULL, NULL);
        assert(good);
        (void)good;
        *sequence = set->sequence;
    }
    return mapping;
}

static void load(void *state, struct instant now)
{
    struct world_qsa *qsa = state;
    const struct master *master = &qsa->world->master;
    (void)now;
    if (qsa->qsa == NULL || qsa->in_step)
        return;
    for (size_t mab = 0; mab < MASTER_MABS; mab++) {
        uint64_t sequence = 0;
        struct mapping *mapping = replay(qsa, mab, &sequence);
        bool good = database_put(qsa->database, mapping, NULL);
        assert(good);
        (void)good;
        world_check_copy(qsa, mab, sequence);
        qsa_mab_reloaded(qsa->qsa, engine_node_now(qsa->world->engine, qsa->node),
                         &master->prefixes[mab], mapping, sequence);
        mapping_free(database_take_replaced(qsa->database, &master->prefixes[mab]));
        qsa_mab_ready(qsa->qsa, &master->prefixes[mab]);
    }
    qsa->applied = 0;
    while (qsa->applied < master->set_count && has_heard(qsa, &master->sets[qsa->applied]))
        qsa->applied++;
    qsa->in_step = true;
    engine_note(qsa->world->engine, "%s is in step at set %zu", qsa->name, qsa->applied);
    engine_touched(qsa->world->engine, qsa->node);
}

// It no longer follows the master until it has loaded everything anew. Meanwhile it may go on with
// what it has, or know better.
static void lose_step(struct world_qsa *qsa, bool lost, struct duration length)
{
    struct world *world = qsa->world;
    qsa->in_step = false;
    for (size_t mab = 0; lost && mab < MASTER_MABS; mab++)
        qsa_mab_lost(qsa->qsa, engine_node_now(world->engine, qsa->node),
                     &world->master.prefixes[mab]);
    engine_schedule(world->engine, instant_add(engine_now(world->engine), length), load, qsa);
}

void world_feed_start(struct world_qsa *qsa)
{
    struct random_source *random = engine_random(qsa->world->engine);
    struct duration loading = {random_below(random, duration_ms(LOADING_MS_MAX).ns)};
    lose_step(qsa, true, loading);
}

void world_feed(struct world *world)
{
    for (size_t i = 0; i < world->qsa_count; i++)
        engine_schedule(world->engine, instant_add(engine_now(world->engine), world->qsas[i].lag),
                        feed, &world->qsas[i]);
}

void world_misstep(struct world *world, const struct world_event *event)
{
    struct world_qsa *qsa = &world->qsas[event->node];
    if (qsa->qsa == NULL || !qsa->in_step)
        return;
    engine_note(world->engine, "%s loses step", qsa->name);
    lose_step(qsa, event->both, event->length);
    engine_touched(world->engine, qsa->node);
}
