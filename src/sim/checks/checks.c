// SPDX-License-Identifier: BSD-2-Clause
// The invariants that every run is held to (docs/simulator.md).
#include "sim/world_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

// How long a change may take over one leg at most: twelve tries of an update are lost, then the
// querier hears of it at its next alive check (rules 5 and 8).
#define LEG_MS 24000

// How long a QSA loads that lost step, with the ideal feed.
#define LOADING_MS 4000

// How long fast push may take at most to bring a copy into step, with nothing in its way for all
// that time but loss: half a minute of fetches that fail, with pauses that double. In a calm
// network, sets wait for company and for payloads that they overtook.
#define FEED_MS      30000
#define FEED_CALM_MS 100

// After that the QSAs have loaded for the first time, and questions from before have ended.
#define SETTLED_NS 8000000000

void world_fail(struct world *world, enum world_check check, const char *format, ...)
{
    if (world->report.failed || (world->config.unchecked & check) != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(world->report.failure, sizeof(world->report.failure), format, arguments);
    va_end(arguments);
    world->report.failed = true;
    world->report.broken = check;
    engine_note(world->engine, "FAILED: %s", world->report.failure);
    engine_stop(world->engine);
}

// Nobody believes what is no longer true, for longer than allowed

// In a calm network an update goes straight through; it may have to wait for the acknowledgement
// that proves the address of a new querier.
static struct duration bound_for(const struct world *world, size_t hops)
{
    const struct world_config *config = &world->config;
    if (config->bound_for_test.ns > 0)
        return config->bound_for_test;
    uint64_t leg = world->calm
                       ? 3 * (config->paths.delay.ns + config->paths.jitter.ns) + duration_ms(1).ns
                       : duration_ms(LEG_MS).ns;
    uint64_t lag = config->feed_lag.ns + (world->calm ? 0 : duration_ms(LOADING_MS).ns);
    if (!config->ideal_feed) // as seen at the last check, and what it may have grown by since
        lag = world->report.feed_stalest.ns + duration_ms(WORLD_CHECK_EVERY_MS).ns;
    return (struct duration){lag + hops * leg};
}

// Whether a mapping may still be believed or used: it is true, or has not been over for too long.
static void check_age(struct world_itr *itr, enum world_check check, size_t mab, size_t i,
                      const struct address *etr, struct duration bound)
{
    struct world *world = itr->world;
    struct instant ended;
    char address[ADDRESS_TEXT_MAX];
    char etr_text[ADDRESS_TEXT_MAX];
    bool was = mapping_history_was(world->master.histories[mab], i, etr, &ended);
    struct duration stale = {was ? instant_since(engine_now(world->engine), ended).ns : 0};
    if (stale.ns > world->report.stalest.ns)
        world->report.stalest = stale;
    if (was && stale.ns <= bound.ns)
        return;
    const struct range *units = mapping_units(world->master.mappings[mab]);
    struct address unit = unit_address(units->family, (struct unit){units->start.index + i});
    const char *what = check == WORLD_CHECK_AGE ? "believes" : "tunnels as if it believed";
    (void)address_print(&unit, address);
    (void)address_print(etr, etr_text);
    if (was)
        world_fail(world, check, "%s %s that %s is mapped to %s, which ended %" PRIu64 " ms ago",
                   itr->name, what, address, etr_text, stale.ns / duration_ms(1).ns);
    else
        world_fail(world, check, "%s %s that %s is mapped to %s, which it never was", itr->name,
                   what, address, etr_text);
}

// A packet goes to the mapped ETR or nowhere: never to a MAB address, never to a refused prefix.
void world_check_forwarding(struct world_itr *itr, const struct address *destination,
                            const struct address *etr)
{
    struct world *world = itr->world;
    size_t mab = destination->family == FAMILY_IPV6;
    char text[ADDRESS_TEXT_MAX];
    if (world_is_in_mab(world, etr))
        world_fail(world, WORLD_CHECK_FORWARDING, "%s tunnels to %s, which is in a MAB", itr->name,
                   address_print(etr, text));
    if (world_is_refused(etr))
        world_fail(world, WORLD_CHECK_FORWARDING, "%s tunnels to %s, which is refused", itr->name,
                   address_print(etr, text));
    const struct range *units = mapping_units(world->master.mappings[mab]);
    size_t i = (size_t)(unit_of_address(destination).index - units->start.index);
    check_age(itr, WORLD_CHECK_FORWARDING, mab, i, etr, bound_for(world, itr->hops));
}

// In a calm network with memory enough every question is answered, once the QSAs have loaded.
void world_check_failed_question(struct world *world, const char *itr,
                                 const struct address *question)
{
    char text[ADDRESS_TEXT_MAX];
    world->report.failed_questions++;
    bool loading = instant_before(engine_now(world->engine), (struct instant){SETTLED_NS});
    if (world->calm && world->config.told_max >= MASTER_UNITS * 10 && !loading)
        world_fail(world, WORLD_CHECK_ANSWERS, "%s gets no answer for %s in a calm network", itr,
                   address_print(question, text));
}

void world_check_beliefs(struct world *world)
{
    for (size_t n = 0; n < world->itr_count; n++) {
        struct world_itr *itr = &world->itrs[n];
        struct duration bound = bound_for(world, itr->hops);
        if (bound.ns > world->report.bound.ns)
            world->report.bound = bound;
        for (size_t mab = 0; mab < MASTER_MABS; mab++)
            for (size_t i = 0; i < MASTER_UNITS; i++)
                if (itr->beliefs[mab][i].known)
                    check_age(itr, WORLD_CHECK_AGE, mab, i, &itr->beliefs[mab][i].etr, bound);
    }
}

// Every copy equals the master at the sequence it claims, and follows it

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

// Once all is well again, every ITR gets right answers

#define ROUNDS   6
#define ROUND_MS 5000

// That it was learned counts, not that it still is: a server short of memory may flush it at once.
static void check_all_learn(struct world *world, size_t mab, size_t i)
{
    struct engine *engine = world->engine;
    char text[ADDRESS_TEXT_MAX];
    const struct range *units = mapping_units(world->master.mappings[mab]);
    struct unit unit = {units->start.index + i};
    struct address address = unit_address(units->family, unit);
    struct address etr = mapping_etr(world->master.mappings[mab], unit);
    for (size_t n = 0; n < world->itr_count; n++)
        world_itr_ask(&world->itrs[n], &address);
    engine_run(engine, instant_add(engine_now(engine), duration_ms(ROUND_MS)));
    struct address now = mapping_etr(world->master.mappings[mab], unit); // a scheduled set was due
    for (size_t n = 0; n < world->itr_count; n++) {
        const struct querier_event *answer = &world->itrs[n].last_answer;
        if (!address_equal(&answer->question, &address) ||
            (!address_equal(&answer->etr, &etr) && !address_equal(&answer->etr, &now)))
            world_fail(world, WORLD_CHECK_RECOVERY,
                       "%s does not learn the mapping of %s when all is well again",
                       world->itrs[n].name, address_print(&address, text));
    }
}

void world_check_recovered(struct world *world)
{
    for (size_t round = 0; round < ROUNDS && !world->report.failed; round++)
        check_all_learn(world, round % MASTER_MABS,
                        random_below(engine_random(world->engine), MASTER_UNITS));
}
