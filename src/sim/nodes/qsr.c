// SPDX-License-Identifier: BSD-2-Clause
// The QSRs and QSCs of the world, which are one core. A QSR may find its QSAs by itself (dns.c).
#include "sim/world_state.h"

void world_qsr_start(struct world_qsr *qsr)
{
    struct world *world = qsr->world;
    struct qsr_config config = {qsr->upstreams, world_teller_limits(world), 1000};
    qsr->life++;
    config.querier.open_max = 1000;
    config.querier.cached_max = world->config.cached_max;
    qsr->qsr = qsr_new(&config, world_fresh_seed(world), engine_node_now(world->engine, qsr->node));
    if (qsr->discovers)
        world_discovery_start(qsr);
    engine_set_state(world->engine, qsr->node, qsr);
}

void world_qsr_stop(struct world_qsr *qsr)
{
    world_discovery_stop(qsr);
    qsr_free(qsr->qsr);
    qsr->qsr = NULL;
}

static void qsr_core_input(void *state, struct instant now, const struct endpoint *from,
                           const uint8_t *bytes, size_t length)
{
    qsr_input(((struct world_qsr *)state)->qsr, now, from, bytes, length);
}

static size_t qsr_core_output(void *state, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    return qsr_next_output(((struct world_qsr *)state)->qsr, now, to, buffer);
}

static struct instant qsr_core_deadline(const void *state)
{
    const struct world_qsr *qsr = state;
    struct instant deadline = qsr_next_deadline(qsr->qsr);
    return qsr->discovery == NULL ? deadline
                                  : instant_earlier(deadline, discovery_deadline(qsr->discovery));
}

static void qsr_core_tick(void *state, struct instant now)
{
    struct world_qsr *qsr = state;
    qsr_tick(qsr->qsr, now);
    if (qsr->discovery != NULL)
        world_discover(qsr);
}

const struct engine_core world_qsr_core = {qsr_core_input, qsr_core_output, qsr_core_deadline,
                                           qsr_core_tick};
