// SPDX-License-Identifier: BSD-2-Clause
// Every copy of a MAB at a QSA equals the truth at the sequence it claims, and follows it; one that
// its QSA knows to be behind is not answered from for long.
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <inttypes.h>

// How long fast push may take at most to bring a copy into step, with nothing in its way for all
// that time but loss: half a minute of fetches that fail, with pauses that double. In a calm
// network, sets wait for company and for payloads that they overtook.
#define FEED_MS      30000
#define FEED_CALM_MS 100

// How long a QSA may tell from a copy that it knows to be behind (docs/push.md, "In step, and fit
// to answer"), and what its clock may be late by.
#define UNFIT_MS 10001

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

// Fit to answer

// A sequence of a MAB that a payload named first. Those that a copy lacks are kept in their order.
struct missing {
    struct list_node node;
    uint64_t sequence;
    struct instant named;
};

void world_note_copy(struct world_qsa *qsa, size_t mab, uint64_t sequence)
{
    struct list_node *node;
    while ((node = list_first(&qsa->missing[mab])) != NULL) {
        struct missing *missing = container_of(node, struct missing, node);
        if (missing->sequence > sequence)
            return;
        list_remove(node);
        memory_free(missing);
    }
}

static void note_named(struct world_qsa *qsa, size_t mab, uint64_t sequence)
{
    struct list_node *last = qsa->missing[mab].previous;
    uint64_t known = list_empty(&qsa->missing[mab])
                         ? qsa->sequences[mab]
                         : container_of(last, struct missing, node)->sequence;
    if (sequence <= known)
        return;
    struct missing *missing = memory_new(sizeof(*missing));
    missing->sequence = sequence;
    missing->named = engine_now(qsa->world->engine);
    list_append(&qsa->missing[mab], &missing->node);
}

static void note_section(struct world_qsa *qsa, const struct payload_section *section)
{
    const struct master *master = &qsa->world->master;
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        if (section->type != SECTION_HEARTBEAT &&
            prefix_equal(&section->mab, &master->prefixes[mab]))
            note_named(qsa, mab, section->mab_sequence);
}

void world_note_payload(struct world *world, const struct engine_datagram *datagram)
{
    struct payload_header header;
    struct payload_section section;
    struct reader sections;
    size_t i = 0;
    while (i < world->qsa_count && world->qsas[i].feed_node != datagram->to_node)
        i++;
    if (i == world->qsa_count ||
        payload_open(datagram->bytes, datagram->length, &header, &sections) != DECODE_OK)
        return;
    while (payload_next_section(&sections, &section))
        note_section(&world->qsas[i], &section);
}

void world_check_fit(const struct world_qsa *qsa, size_t mab)
{
    struct world *world = qsa->world;
    const struct list_node *first =
        world->config.ideal_feed ? NULL : list_first(&qsa->missing[mab]);
    if (first == NULL)
        return;
    struct instant since = container_of(first, const struct missing, node)->named;
    struct duration behind = instant_since(engine_now(world->engine), since);
    if (behind.ns > duration_ms(UNFIT_MS).ns)
        world_fail(world, WORLD_CHECK_COPIES,
                   "%s tells from a copy of MAB %zu that it knew to be behind for %" PRIu64 " ms",
                   qsa->name, mab, behind.ns / duration_ms(1).ns);
}

// Following

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
