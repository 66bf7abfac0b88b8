// SPDX-License-Identifier: BSD-2-Clause
// What ITRs believe and where they tunnel to: what is true, or was until so lately that nobody
// could have told them yet; and that in a calm network every question is answered.
#include "sim/checks/checks.h"

#include <inttypes.h>

// How long a change may take over one leg at most: twelve tries of an update are lost, then the
// querier hears of it at its next alive check (rules 5 and 8).
#define LEG_MS 24000

// How long what a server told may be believed that is not heard of any more: ten seconds, then
// three alive checks a second apart (rule 8).
#define SILENT_SERVER_MS 13001

// How long a QSA loads that lost step, with the ideal feed.
#define LOADING_MS 4000

// After that the QSAs have loaded for the first time, and questions from before have ended.
#define SETTLED_NS 8000000000

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
    if (world_itr_has_mab(itr, etr))
        world_fail(world, WORLD_CHECK_FORWARDING, "%s tunnels to %s, which is in a MAB", itr->name,
                   address_print(etr, text));
    if (world_itr_refuses(itr, etr))
        world_fail(world, WORLD_CHECK_FORWARDING, "%s tunnels to %s, which is refused", itr->name,
                   address_print(etr, text));
    const struct range *units = mapping_units(world->master.mappings[mab]);
    size_t i = (size_t)(unit_of_address(destination).index - units->start.index);
    check_age(itr, WORLD_CHECK_FORWARDING, mab, i, etr, bound_for(world, itr->hops));
    const struct belief *belief = &itr->beliefs[mab][i];
    if (!belief->known || !address_equal(&belief->etr, etr))
        world_fail(world, WORLD_CHECK_FORWARDING, "%s tunnels to %s, which it does not believe",
                   itr->name, address_print(etr, text));
}

// A packet to an address that is in a MAB by all that the ITR knows must not go on as it came; in a
// calm network every ITR knows the MABs before long.
void world_check_passed(struct world_itr *itr, const struct address *destination)
{
    struct world *world = itr->world;
    char text[ADDRESS_TEXT_MAX];
    bool settled = !instant_before(engine_now(world->engine), (struct instant){SETTLED_NS});
    bool always = false; // in the set of MABs, in a calm network
    for (size_t mab = 0; mab < MASTER_MABS; mab++)
        always |= world->calm && prefix_contains(&world->master.prefixes[mab], destination);
    world->report.passed++;
    if ((settled && always) || world_itr_serves(itr, destination))
        world_fail(world, WORLD_CHECK_FORWARDING,
                   "%s lets a packet to %s, which is in a MAB, go on as it came", itr->name,
                   address_print(destination, text));
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

// What is believed is forgotten when its time is over, or when its server has been silent for long.
static void check_belief(struct world_itr *itr, size_t mab, size_t i, struct duration bound)
{
    const struct belief *belief = &itr->beliefs[mab][i];
    struct instant now = engine_now(itr->world->engine);
    if (!belief->known)
        return;
    check_age(itr, WORLD_CHECK_AGE, mab, i, &belief->etr, bound);
    if (instant_before(belief->until, now))
        world_fail(itr->world, WORLD_CHECK_AGE,
                   "%s believes unit %zu of MAB %zu %" PRIu64 " ms after its caching time",
                   itr->name, i, mab, instant_since(now, belief->until).ns / duration_ms(1).ns);
    struct instant heard = itr->world->heard_from[itr->node][belief->server];
    if (instant_since(now, heard).ns > duration_ms(SILENT_SERVER_MS).ns)
        world_fail(itr->world, WORLD_CHECK_AGE,
                   "%s believes what %s told, of which it has heard nothing for %" PRIu64 " ms",
                   itr->name, itr->world->config.nodes[belief->server].name,
                   instant_since(now, heard).ns / duration_ms(1).ns);
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
                check_belief(itr, mab, i, bound);
    }
}
