// SPDX-License-Identifier: BSD-2-Clause
// The QSAs of the world: the QSA core over a database that a feed keeps in step.
#include "sim/world_state.h"

// The set of MABs for those who ask it, as the shell of a QSA makes it (node/query/role_qsa.c).
static void publish_pages(struct world_qsa *qsa)
{
    struct world *world = qsa->world;
    struct mab_entry entries[MASTER_MABS + 1];
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        entries[mab] = (struct mab_entry){.prefix = world->master.prefixes[mab], .dsoc = "here"};
    entries[MASTER_MABS] = (struct mab_entry){.prefix = world->dns.zone.refused, .dsoc = "-"};
    struct page_shelf *shelf = page_shelf_of_entries(entries, MASTER_MABS + 1);
    teller_set_pages(qsa_teller(qsa->qsa), shelf);
    world_pages_set(world, &qsa->pages, shelf);
    page_shelf_release(shelf);
}

void world_qsa_start(struct world_qsa *qsa)
{
    struct world *world = qsa->world;
    // Servers need not agree: each gives less time than the one before.
    struct duration caching_time = {world->config.caching_time.ns / (1 + qsa->node)};
    struct qsa_config config = {world_teller_limits(world), caching_time};
    struct endpoint others[TELLER_ALTERNATIVES_MAX];
    qsa->life++;
    qsa->database = database_new();
    database_keep_replaced(qsa->database); // until the QSA heard of it: see push.c
    qsa->qsa = qsa_new(&config, world_fresh_seed(world), engine_node_now(world->engine, qsa->node));
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        (void)qsa_mab_add(qsa->qsa, &world->master.prefixes[mab], NULL);
    qsa_set_complete(qsa->qsa, true);
    teller_set_alternatives(qsa_teller(qsa->qsa), others, world_advice(world, WORLD_QSA, others));
    teller_set_load(qsa_teller(qsa->qsa), world_load(world));
    publish_pages(qsa);
    if (world->config.ideal_feed)
        world_feed_start(qsa);
    else
        world_receiver_start(qsa);
    engine_set_state(world->engine, qsa->node, qsa);
}

void world_qsa_stop(struct world_qsa *qsa)
{
    if (qsa->qsa == NULL)
        return;
    world_receiver_stop(qsa);
    qsa_free(qsa->qsa);
    database_free(qsa->database);
    qsa->qsa = NULL;
    qsa->database = NULL;
    qsa->pages = (struct world_pages){0};
}

static void qsa_core_input(void *state, struct instant now, const struct endpoint *from,
                           const uint8_t *bytes, size_t length)
{
    qsa_input(((struct world_qsa *)state)->qsa, now, from, bytes, length);
}

static size_t qsa_core_output(void *state, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    return qsa_next_output(((struct world_qsa *)state)->qsa, now, to, buffer);
}

static struct instant qsa_core_deadline(const void *state)
{
    return qsa_next_deadline(((const struct world_qsa *)state)->qsa);
}

static void qsa_core_tick(void *state, struct instant now)
{
    qsa_tick(((struct world_qsa *)state)->qsa, now);
}

const struct engine_core world_qsa_core = {qsa_core_input, qsa_core_output, qsa_core_deadline,
                                           qsa_core_tick};
