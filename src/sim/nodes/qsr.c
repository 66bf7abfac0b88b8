// SPDX-License-Identifier: BSD-2-Clause
// The QSRs and QSCs of the world, which are one core. A QSR may find its QSAs by itself (dns.c).
#include "sim/checks/checks.h"

// The set of MABs from upstream, as the shell takes it over (node/query/role_qsr.c)

static void forget_changed(struct world_qsr *qsr, struct instant now, const struct mab_set *a,
                           const struct mab_set *b)
{
    struct range units;
    const struct prefix *mab;
    for (size_t at = 0; (mab = mab_set_next_only(a, b, &at)) != NULL;)
        if (mab_check(mab, &units, NULL))
            qsr_forget(qsr->qsr, now, &units);
}

static void take_version(struct world_qsr *qsr)
{
    struct mab_list *list = qsr->list.list;
    const struct mab_set *set = mab_list_set(list);
    const struct mab_set *before = mab_list_set_before(list);
    struct instant now = engine_node_now(qsr->world->engine, qsr->node);
    struct mab_table *old = qsr->mabs;
    qsr->mabs = mab_table_new();
    for (size_t i = 0; i < set->mab_count; i++)
        (void)mab_table_add(qsr->mabs, &set->mabs[i], 0, NULL);
    qsr_set_mabs(qsr->qsr, qsr->mabs);
    mab_table_free(old);
    if (before->mab_count > 0) {
        forget_changed(qsr, now, before, set);
        forget_changed(qsr, now, set, before);
    }
    struct page_shelf *shelf = mab_list_shelf(list);
    qsr_set_pages(qsr->qsr, shelf);
    world_pages_set(qsr->world, &qsr->pages, shelf);
    page_shelf_release(shelf);
    world_note_lacking(qsr);
}

static void take_versions(struct world_qsr *qsr)
{
    while (world_list_next_version(&qsr->list))
        take_version(qsr);
}

void world_qsr_start(struct world_qsr *qsr)
{
    struct world *world = qsr->world;
    struct qsr_config config = {qsr->upstreams, world_teller_limits(world), 1000};
    struct endpoint others[TELLER_ALTERNATIVES_MAX];
    qsr->life++;
    config.querier.open_max = 1000;
    config.querier.cached_max = world->config.cached_max;
    qsr->qsr = qsr_new(&config, world_fresh_seed(world), engine_node_now(world->engine, qsr->node));
    enum world_role role = qsr->qsc ? WORLD_QSC : WORLD_QSR;
    qsr_set_alternatives(qsr->qsr, others, world_advice(world, role, others));
    qsr_set_load(qsr->qsr, world_load(world));
    world_note_discovery_start(qsr);
    if (qsr->discovers && !qsr->qsc)
        world_discovery_start(qsr);
    else
        world_list_start(&qsr->list, world, qsr->node, qsr->name, &qsr->upstreams);
    if (qsr->discovers && qsr->qsc)
        world_finder_start(&qsr->finder, world, qsr->node, qsr->name, false);
    engine_set_state(world->engine, qsr->node, qsr);
}

void world_qsr_take_servers(struct world_qsr *qsr, const struct querier_server *servers,
                            size_t count)
{
    qsr_set_group(qsr->qsr, engine_node_now(qsr->world->engine, qsr->node), 0, servers, count);
}

void world_qsr_stop(struct world_qsr *qsr)
{
    world_note_discovery_stop(qsr);
    world_discovery_stop(qsr);
    world_finder_stop(&qsr->finder);
    world_list_stop(&qsr->list);
    qsr_free(qsr->qsr);
    mab_table_free(qsr->mabs);
    qsr->qsr = NULL;
    qsr->mabs = NULL;
    qsr->pages = (struct world_pages){0};
}

static void qsr_core_input(void *state, struct instant now, const struct endpoint *from,
                           const uint8_t *bytes, size_t length)
{
    struct world_qsr *qsr = state;
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    bytes = world_as_heard(qsr->world, qsr->node, bytes, &length, buffer);
    if (!world_list_input(&qsr->list, now, from, bytes, length))
        qsr_input(qsr->qsr, now, from, bytes, length);
    take_versions(qsr);
}

static size_t qsr_core_output(void *state, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    struct world_qsr *qsr = state;
    size_t length = qsr_next_output(qsr->qsr, now, to, buffer);
    return length > 0 ? length : world_list_output(&qsr->list, now, to, buffer);
}

static struct instant qsr_core_deadline(const void *state)
{
    const struct world_qsr *qsr = state;
    struct instant deadline =
        instant_earlier(qsr_next_deadline(qsr->qsr), world_list_deadline(&qsr->list));
    deadline = instant_earlier(deadline, world_finder_deadline(&qsr->finder));
    return qsr->discovery == NULL ? deadline
                                  : instant_earlier(deadline, discovery_deadline(qsr->discovery));
}

static void qsr_core_tick(void *state, struct instant now)
{
    struct world_qsr *qsr = state;
    qsr_tick(qsr->qsr, now);
    world_list_tick(&qsr->list, now);
    world_find(&qsr->finder);
    if (qsr->discovery != NULL)
        world_discover(qsr);
}

const struct engine_core world_qsr_core = {qsr_core_input, qsr_core_output, qsr_core_deadline,
                                           qsr_core_tick};
