// SPDX-License-Identifier: BSD-2-Clause
// Once all is well again, every ITR gets right answers, and believes nothing that is not true.
#include "sim/checks/checks.h"

#include <inttypes.h>

#define ROUNDS   6
#define ROUND_MS 5000
// A scheduled set may be executed still: how long after it an ITR may believe what was before.
#define FOLLOW_MS 2000

// That it was learned counts, not that it still is: a server short of memory may flush it at once.
static void check_all_learn(struct world *world, size_t mab, size_t i)
{
    struct engine *engine = world->engine;
    char text[ADDRESS_TEXT_MAX];
    const struct range *units = mapping_units(world->master.mappings[mab]);
    const struct cell *cell = &world->master.cells[mab].at[i];
    struct address address = unit_address(units->family, (struct unit){units->start.index + i});
    struct address etr = cell->etr;
    for (size_t n = 0; n < world->itr_count; n++)
        world_itr_ask(&world->itrs[n], &address);
    engine_run(engine, instant_add(engine_now(engine), duration_ms(ROUND_MS)));
    for (size_t n = 0; n < world->itr_count; n++) {
        const struct querier_event *answer = &world->itrs[n].last_answer;
        if (!address_equal(&answer->question, &address) ||
            (!address_equal(&answer->etr, &etr) && // a scheduled set was due
             !address_equal(&answer->etr, &cell->etr)))
            world_fail(world, WORLD_CHECK_RECOVERY,
                       "%s does not learn the mapping of %s when all is well again",
                       world->itrs[n].name, address_print(&address, text));
    }
}

// Whatever was lost on the way before, nobody goes on with it.
static void check_true(const struct world_itr *itr, size_t mab, size_t i)
{
    struct world *world = itr->world;
    const struct belief *belief = &itr->beliefs[mab][i];
    struct instant ended = {0};
    char etr[ADDRESS_TEXT_MAX];
    if (!belief->known)
        return;
    bool was = mapping_history_was(world->master.histories[mab], i, &belief->etr, &ended);
    uint64_t ms = instant_since(engine_now(world->engine), ended).ns / duration_ms(1).ns;
    if (!was || ms > FOLLOW_MS)
        world_fail(world, WORLD_CHECK_RECOVERY,
                   "%s believes that unit %zu of MAB %zu is mapped to %s, which ended %" PRIu64
                   " ms ago, when all is well again",
                   itr->name, i, mab, address_print(&belief->etr, etr), ms);
}

void world_check_recovered(struct world *world)
{
    for (size_t round = 0; round < ROUNDS && !world->report.failed; round++)
        check_all_learn(world, round % MASTER_MABS,
                        random_below(engine_random(world->engine), MASTER_UNITS));
    for (size_t n = 0; n < world->itr_count; n++)
        for (size_t mab = 0; mab < MASTER_MABS; mab++)
            for (size_t i = 0; i < MASTER_UNITS; i++)
                check_true(&world->itrs[n], mab, i);
}
