// SPDX-License-Identifier: BSD-2-Clause
#include "sim/world_state.h"

#include <assert.h>
#include <string.h>

#define LOADING_MS_MAX 4000  // a QSA loads for so long at most
#define DOWN_MS_MAX    20000 // a crashed node stays down for so long at most

struct endpoint world_endpoint(size_t node)
{
    return (struct endpoint){address_from_ipv4(0x0a000001 + (uint32_t)node), 4746};
}

static struct random_seed fresh_seed(struct world *world)
{
    return random_seed_from_number(random_u64(engine_random(world->engine)));
}

static struct duration random_time(struct world *world, uint64_t most_ms)
{
    return (struct duration){random_below(engine_random(world->engine), duration_ms(most_ms).ns)};
}

static struct teller_config teller_limits(const struct world *world)
{
    return (struct teller_config){
        .queriers_max = 1000,
        .unproven_max = 20, // so that attacks reach it
        .told_max = world->config.told_max,
        .told_per_querier_max = world->config.told_max,
    };
}

// QSA

static bool has_heard(const struct world_qsa *qsa, const struct master_set *set)
{
    return instant_reached(engine_now(qsa->world->engine), instant_add(set->at, qsa->lag));
}

static void qsa_feed(void *state, struct instant now)
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

static void qsa_load(void *state, struct instant now)
{
    struct world_qsa *qsa = state;
    const struct master *master = &qsa->world->master;
    (void)now;
    if (qsa->qsa == NULL || qsa->in_step)
        return;
    for (size_t mab = 0; mab < MASTER_MABS; mab++) {
        uint64_t sequence = 0;
        bool good = database_put(qsa->database, replay(qsa, mab, &sequence), NULL);
        assert(good);
        (void)good;
        qsa_mab_reloaded(qsa->qsa, engine_node_now(qsa->world->engine, qsa->node),
                         &master->prefixes[mab], sequence);
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
static void qsa_lose_step(struct world_qsa *qsa, bool lost)
{
    struct world *world = qsa->world;
    qsa->in_step = false;
    for (size_t mab = 0; lost && mab < MASTER_MABS; mab++)
        qsa_mab_lost(qsa->qsa, engine_node_now(world->engine, qsa->node),
                     &world->master.prefixes[mab]);
    engine_schedule(world->engine,
                    instant_add(engine_now(world->engine), random_time(world, LOADING_MS_MAX)),
                    qsa_load, qsa);
}

static void qsa_start(struct world_qsa *qsa)
{
    struct world *world = qsa->world;
    struct qsa_config config = {teller_limits(world), world->config.caching_time};
    qsa->database = database_new();
    qsa->qsa = qsa_new(&config, fresh_seed(world), engine_node_now(world->engine, qsa->node),
                       qsa->database);
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        (void)qsa_mab_add(qsa->qsa, &world->master.prefixes[mab], NULL);
    qsa_set_complete(qsa->qsa, true);
    qsa_lose_step(qsa, true);
    engine_set_state(world->engine, qsa->node, qsa);
}

static void qsa_stop(struct world_qsa *qsa)
{
    if (qsa->qsa == NULL)
        return;
    qsa_free(qsa->qsa);
    database_free(qsa->database);
    qsa->qsa = NULL;
    qsa->database = NULL;
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

static const struct engine_core qsa_core = {qsa_core_input, qsa_core_output, qsa_core_deadline,
                                            qsa_core_tick};

void world_feed(struct world *world)
{
    for (size_t i = 0; i < world->config.qsas; i++)
        engine_schedule(world->engine, instant_add(engine_now(world->engine), world->qsas[i].lag),
                        qsa_feed, &world->qsas[i]);
}

void world_misstep(struct world *world)
{
    struct world_qsa *qsa =
        &world->qsas[random_below(engine_random(world->engine), world->config.qsas)];
    if (qsa->qsa == NULL || !qsa->in_step)
        return;
    engine_note(world->engine, "%s loses step", qsa->name);
    qsa_lose_step(qsa, random_below(engine_random(world->engine), 2) == 0);
    engine_touched(world->engine, qsa->node);
}

// QSR and QSC

static void qsr_start(struct world_qsr *qsr)
{
    struct world *world = qsr->world;
    struct qsr_config config = {qsr->upstreams, teller_limits(world), 1000};
    config.querier.open_max = 1000;
    config.querier.cached_max = world->config.cached_max;
    qsr->qsr = qsr_new(&config, fresh_seed(world), engine_node_now(world->engine, qsr->node));
    engine_set_state(world->engine, qsr->node, qsr);
}

static void qsr_stop(struct world_qsr *qsr)
{
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
    return qsr_next_deadline(((const struct world_qsr *)state)->qsr);
}

static void qsr_core_tick(void *state, struct instant now)
{
    qsr_tick(((struct world_qsr *)state)->qsr, now);
}

static const struct engine_core qsr_core = {qsr_core_input, qsr_core_output, qsr_core_deadline,
                                            qsr_core_tick};

// ITR

static void believe(struct world_itr *itr, const struct querier_event *event)
{
    size_t mab = event->range.family == FAMILY_IPV6;
    const struct range *units = mapping_units(itr->world->master.mappings[mab]);
    for (size_t i = 0; i < MASTER_UNITS; i++) {
        struct unit unit = {units->start.index + i};
        if (!range_contains_unit(&event->range, units->family, unit))
            continue;
        if (event->kind == QUERIER_LEARNED && event->status == QUERY_NOT_IN_MAB)
            world_fail(itr->world, "%s learned that an address of a MAB is in none", itr->name);
        itr->beliefs[mab][i].known = event->kind == QUERIER_LEARNED;
        itr->beliefs[mab][i].etr = event->etr;
    }
}

static void itr_take_events(struct world_itr *itr)
{
    struct querier_event event;
    while (querier_next_event(itr->querier, &event)) {
        if (event.kind == QUERIER_FAILED)
            world_check_failed_question(itr->world, itr->name, &event.question);
        else
            believe(itr, &event);
        if (event.kind == QUERIER_LEARNED && event.question.family != FAMILY_NONE) {
            itr->world->report.answered++;
            itr->last_answer = event;
        }
    }
}

void world_itr_ask(struct world_itr *itr, const struct address *address)
{
    struct engine *engine = itr->world->engine;
    itr->world->report.questions++;
    (void)querier_ask(itr->querier, engine_node_now(engine, itr->node), address);
    engine_touched(engine, itr->node);
}

static void itr_traffic(void *state, struct instant now)
{
    struct world_itr *itr = state;
    struct world *world = itr->world;
    if (world->quiet)
        return;
    struct address address = master_pick_address(&world->master, engine_random(world->engine));
    struct querier_event found;
    if (itr->querier != NULL && !querier_find(itr->querier, &address, &found))
        world_itr_ask(itr, &address);
    uint64_t mean = world->config.ask_every.ns;
    struct duration pause = {random_below(engine_random(world->engine), 2 * mean)};
    engine_schedule(world->engine, instant_add(now, pause), itr_traffic, itr);
}

static void itr_start(struct world_itr *itr)
{
    struct world *world = itr->world;
    struct querier_config config = itr->upstreams;
    config.open_max = 100;
    config.cached_max = world->config.cached_max;
    memset(itr->beliefs, 0, sizeof(itr->beliefs));
    itr->querier =
        querier_new(&config, fresh_seed(world), engine_node_now(world->engine, itr->node));
    engine_set_state(world->engine, itr->node, itr);
}

static void itr_stop(struct world_itr *itr)
{
    querier_free(itr->querier);
    itr->querier = NULL;
    memset(itr->beliefs, 0, sizeof(itr->beliefs));
}

static void itr_core_input(void *state, struct instant now, const struct endpoint *from,
                           const uint8_t *bytes, size_t length)
{
    struct world_itr *itr = state;
    querier_input(itr->querier, now, from, bytes, length);
    itr_take_events(itr);
}

static size_t itr_core_output(void *state, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    return querier_next_output(((struct world_itr *)state)->querier, now, to, buffer);
}

static struct instant itr_core_deadline(const void *state)
{
    return querier_next_deadline(((const struct world_itr *)state)->querier);
}

static void itr_core_tick(void *state, struct instant now)
{
    struct world_itr *itr = state;
    querier_tick(itr->querier, now);
    itr_take_events(itr);
}

static const struct engine_core itr_core = {itr_core_input, itr_core_output, itr_core_deadline,
                                            itr_core_tick};

// The attacker has no core; it sends from world_attack.c.

static void no_input(void *state, struct instant now, const struct endpoint *from,
                     const uint8_t *bytes, size_t length)
{
    (void)state, (void)now, (void)from, (void)bytes, (void)length;
}

static size_t no_output(void *state, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    (void)state, (void)now, (void)to, (void)buffer;
    return 0;
}

static struct instant no_deadline(const void *state)
{
    (void)state;
    return INSTANT_NEVER;
}

static void no_tick(void *state, struct instant now)
{
    (void)state, (void)now;
}

static const struct engine_core no_core = {no_input, no_output, no_deadline, no_tick};

// All of them

// Some of the nodes first .. first+count-1, in random order.
static struct querier_config pick_upstreams(struct world *world, size_t first, size_t count)
{
    struct random_source *random = engine_random(world->engine);
    struct querier_config config = {.upstream_count = 0};
    size_t wanted = 1 + random_below(random, count < 3 ? count : 3);
    size_t at = random_below(random, count);
    for (size_t i = 0; i < wanted; i++)
        config.upstreams[config.upstream_count++] = world_endpoint(first + (at + i) % count);
    return config;
}

static void add_qsas(struct world *world)
{
    for (size_t i = 0; i < world->config.qsas; i++) {
        struct world_qsa *qsa = &world->qsas[i];
        struct endpoint endpoint = world_endpoint(i);
        qsa->world = world;
        qsa->lag.ns = random_below(engine_random(world->engine), world->config.feed_lag.ns + 1);
        (void)snprintf(qsa->name, sizeof(qsa->name), "QSA%zu", i + 1);
        qsa->node = engine_add_node(world->engine, qsa->name, &endpoint, &qsa_core, NULL);
        qsa_start(qsa);
    }
}

static void add_qsrs(struct world *world)
{
    size_t qsas = world->config.qsas;
    world->qsr_count = world->config.qsrs + world->config.qscs;
    for (size_t i = 0; i < world->qsr_count; i++) {
        struct world_qsr *qsr = &world->qsrs[i];
        bool qsc = i >= world->config.qsrs;
        struct endpoint endpoint = world_endpoint(qsas + i);
        qsr->world = world;
        qsr->hops = qsc ? 2 : 1;
        (void)snprintf(qsr->name, sizeof(qsr->name), qsc ? "QSC%zu" : "QSR%zu",
                       qsc ? i - world->config.qsrs + 1 : i + 1);
        qsr->upstreams =
            qsc ? pick_upstreams(world, qsas, world->config.qsrs) : pick_upstreams(world, 0, qsas);
        qsr->node = engine_add_node(world->engine, qsr->name, &endpoint, &qsr_core, NULL);
        qsr_start(qsr);
    }
}

// An ITR asks QSCs, QSRs or, as in a DITR site, QSAs.
static void connect_itr(struct world *world, struct world_itr *itr)
{
    size_t firsts[3] = {0, world->config.qsas, world->config.qsas + world->config.qsrs};
    size_t counts[3] = {world->config.qsas, world->config.qsrs, world->config.qscs};
    size_t level = random_below(engine_random(world->engine), 3);
    while (counts[level] == 0)
        level--;
    itr->upstreams = pick_upstreams(world, firsts[level], counts[level]);
    itr->hops = level + 1;
}

static void add_itrs(struct world *world)
{
    for (size_t i = 0; i < world->config.itrs; i++) {
        struct world_itr *itr = &world->itrs[i];
        struct endpoint endpoint = world_endpoint(world->config.qsas + world->qsr_count + i);
        itr->world = world;
        connect_itr(world, itr);
        (void)snprintf(itr->name, sizeof(itr->name), "ITR%zu", i + 1);
        itr->node = engine_add_node(world->engine, itr->name, &endpoint, &itr_core, NULL);
        itr_start(itr);
        itr_traffic(itr, engine_now(world->engine));
    }
}

void world_add_nodes(struct world *world)
{
    add_qsas(world);
    add_qsrs(world);
    add_itrs(world);
    struct endpoint endpoint = {address_from_ipv4(0xc6336401), 4746}; // 198.51.100.1
    world->attacker = engine_add_node(world->engine, "attacker", &endpoint, &no_core, world);
}

void world_free_nodes(struct world *world)
{
    for (size_t i = 0; i < world->config.qsas; i++)
        qsa_stop(&world->qsas[i]);
    for (size_t i = 0; i < world->qsr_count; i++)
        qsr_stop(&world->qsrs[i]);
    for (size_t i = 0; i < world->config.itrs; i++)
        itr_stop(&world->itrs[i]);
}

// Crashes and restarts

static void restart(struct world *world, size_t node)
{
    size_t qsas = world->config.qsas;
    if (engine_node_up(world->engine, node))
        return;
    if (node < qsas)
        qsa_start(&world->qsas[node]);
    else if (node < qsas + world->qsr_count)
        qsr_start(&world->qsrs[node - qsas]);
    else
        itr_start(&world->itrs[node - qsas - world->qsr_count]);
}

void world_restart_all(struct world *world)
{
    for (size_t node = 0; node < world->attacker; node++)
        restart(world, node);
}

// Brings back all nodes that are down: an action carries no node number.
static void restart_some(void *state, struct instant now)
{
    struct world *world = state;
    (void)now;
    for (size_t node = 0; node < world->attacker; node++)
        if (!engine_node_up(world->engine, node) &&
            random_below(engine_random(world->engine), 2) == 0)
            restart(world, node);
}

void world_crash_some_node(struct world *world)
{
    size_t qsas = world->config.qsas;
    size_t node = random_below(engine_random(world->engine), world->attacker);
    engine_schedule(world->engine,
                    instant_add(engine_now(world->engine), random_time(world, DOWN_MS_MAX)),
                    restart_some, world);
    if (!engine_node_up(world->engine, node))
        return;
    world->report.crashes++;
    engine_set_state(world->engine, node, NULL);
    if (node < qsas)
        qsa_stop(&world->qsas[node]);
    else if (node < qsas + world->qsr_count)
        qsr_stop(&world->qsrs[node - qsas]);
    else
        itr_stop(&world->itrs[node - qsas - world->qsr_count]);
}
