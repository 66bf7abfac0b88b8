// SPDX-License-Identifier: BSD-2-Clause
// Every copy of a MAB at a QSA equals the truth at the sequence it claims, and follows it.
#include "sim/world_state.h"

#include <inttypes.h>

// How long fast push may take at most to bring a copy into step, with nothing in its way for all
// that time but loss: half a minute of fetches that fail, with pauses that double. In a calm
// network, sets wait for company and for payloads that they overtook.
#define FEED_MS      30000
#define FEED_CALM_MS 100

void world_check_copy(struct world_qsa *qsa, size_t mab, uint64_t sequence)
{
    const struct master *master = &qsa->world->master;
    const struct mapping *copy = database_get(qsa->database, &master->prefixes[mab]);
    struct mapping_hash hash = mapping_hash(copy);
    struct mapping_hash empty = {{0, 0}};
    if (sequence > master->sequences[mab]) {
        world_fail(qsa->world, WORLD_CHECK_COPIES, "%s has a set of MAB %zu that nobody made",
                   qsa->name, mab);
        return;
    }
    const struct mapping_hash *true_hash =
        sequence == 0 ? &empty : &master_set_at(master, mab, sequence)->hash;
    if (!mapping_hash_equal(&hash, true_hash))
        world_fail(qsa->world, WORLD_CHECK_COPIES,
                   "%s has a copy of MAB %zu that is not the master at sequence %" PRIu64,
                   qsa->name, mab, sequence);
}

// For how long a change has been missing in a copy.
static struct duration copy_lag(const struct world_qsa *qsa, size_t mab)
{
    const struct master *master = &qsa->world->master;
    if (!qsa->loaded[mab] || qsa->sequences[mab] == master->sequences[mab])
        return (struct duration){0};
    const struct master_set *missing = master_set_at(master, mab, qsa->sequences[mab] + 1);
    return instant_since(engine_now(qsa->world->engine), missing->at);
}

static void check_feed(struct world_qsa *qsa)
{
    struct world *world = qsa->world;
    struct instant now = engine_now(world->engine);
    const struct path_conditions *paths = &world->config.paths;
    const struct network *network = engine_network(world->engine);
    struct duration most = duration_ms(FEED_MS);
    if (world->calm)
        most = (struct duration){paths->delay.ns + paths->jitter.ns + duration_ms(FEED_CALM_MS).ns};
    if (world->ruas.sender == NULL || qsa->qsa == NULL ||
        network_is_cut(network, world->ruas.node, qsa->feed_node) ||
        network_is_cut(network, qsa->feed_node, world->ruas.node))
        qsa->open_since = now;
    bool long_open = instant_since(now, qsa->open_since).ns > duration_ms(FEED_MS).ns;
    for (size_t mab = 0; mab < MASTER_MABS && qsa->qsa != NULL; mab++) {
        struct duration lag = copy_lag(qsa, mab);
        if (lag.ns > world->report.feed_stalest.ns)
            world->report.feed_stalest = lag;
        if (long_open && !qsa->loaded[mab])
            world_fail(world, WORLD_CHECK_COPIES, "%s does not get a copy of MAB %zu", qsa->name,
                       mab);
        if ((long_open || world->calm) && lag.ns > most.ns)
            world_fail(world, WORLD_CHECK_COPIES,
                       "the copy of MAB %zu at %s lacks a change of %" PRIu64 " ms ago", mab,
                       qsa->name, lag.ns / duration_ms(1).ns);
    }
}

void world_check_feeds(struct world *world)
{
    for (size_t i = 0; i < world->qsa_count && !world->config.ideal_feed; i++)
        check_feed(&world->qsas[i]);
}
