// SPDX-License-Identifier: BSD-2-Clause
// Once all is well again, every ITR gets right answers.
#include "sim/world_state.h"

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
