// SPDX-License-Identifier: BSD-2-Clause
// Whatever the network does, a copy is what it claims to be; and when the network is well again,
// all copies are the master's. The world checks each claim at each step.
//
//     test_push_in_step [--seeds N] [--from SEED]     N worlds (60) from that seed on (1)
//
// A failure names its seed; `--seeds 1 --from SEED` shows it again. `make soak` tries ever new
// ones.
#include "../check.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 60

static uint64_t seeds = SEEDS_DEFAULT;
static uint64_t first_seed = 1;
static uint64_t seed_now; // for the checks of the world, which do not know it

static struct weather random_weather(struct random_source *random)
{
    return (struct weather){
        .lost = (unsigned)random_below(random, 400),
        .repeated = (unsigned)random_below(random, 200),
        .corrupted = (unsigned)random_below(random, 200),
        .forged = (unsigned)random_below(random, 200),
        .replayed = (unsigned)random_below(random, 200),
        .http_failed = (unsigned)random_below(random, 600),
        .http_cut = (unsigned)random_below(random, 300),
        .delay_ms = 1 + random_below(random, 120),
    };
}

// Something that happens in the life of a RUAS or a receiver.
static void random_mishap(struct world *world, struct random_source *random)
{
    switch (random_below(random, 6)) {
    case 0:
        world_stop_ruas(world);
        world_run(world, duration_ms(random_below(random, 3000)));
        world_start_ruas(world, false);
        break;
    case 1:
        world_back_up(world);
        world_run(world, duration_ms(random_below(random, 1500)));
        world_stop_ruas(world);
        world_start_ruas(world, true);
        break;
    case 2:
        world_restart_receiver(world, random_below(random, WORLD_RECEIVERS));
        break;
    case 3:
        world_lose_next(world, (unsigned)random_below(random, 60));
        break;
    case 4:
        world_list_mab(world, 1, false);
        world_run(world, duration_ms(random_below(random, 2000)));
        world_list_mab(world, 1, true);
        break;
    default:
        break;
    }
}

static bool all_in_step(struct world *world)
{
    for (size_t i = 0; i < WORLD_RECEIVERS; i++)
        if (!world_in_step(world, i))
            return false;
    return true;
}

// Runs until all are in step; the milliseconds that took, or `most` + 1.
static uint64_t until_in_step(struct world *world, uint64_t most_ms)
{
    for (uint64_t ms = 0; ms <= most_ms; ms += 10) {
        if (all_in_step(world))
            return ms;
        world_run(world, duration_ms(10));
    }
    return most_ms + 1;
}

static bool any_behind(struct world *world)
{
    for (size_t i = 0; i < WORLD_RECEIVERS; i++)
        if (receiver_ruas(world_receiver(world, i), 0).behind)
            return true;
    return false;
}

// What befell all receivers of all worlds: a test in which nothing happens proves nothing.
static struct receiver_counters total;

static void add_counters(struct world *world)
{
    for (size_t i = 0; i < WORLD_RECEIVERS; i++) {
        const struct receiver_counters *counters = receiver_counters(world_receiver(world, i));
        const uint64_t *from = (const uint64_t *)counters;
        uint64_t *to = (uint64_t *)&total;
        for (size_t n = 0; n < sizeof(total) / sizeof(uint64_t); n++)
            to[n] += from[n];
    }
}

static void check_counters(void)
{
    print_message("%lu payloads, %lu sets, %lu forged, %lu repeated, %lu gaps, %lu resyncs, "
                  "%lu epochs, %lu diverged, %lu reloaded\n",
                  total.applied_payloads, total.applied_sets, total.forged, total.repeated,
                  total.gaps, total.resyncs, total.epochs, total.diverged, total.reloaded);
    assert_true(total.applied_sets > 1000 && total.applied_updates > total.applied_sets);
    assert_true(total.forged > 0 && total.repeated > 0 && total.stale_epoch > 0);
    assert_true(total.malformed[DECODE_SHORT] > 0 && total.malformed[DECODE_LENGTH] > 0 &&
                total.malformed[DECODE_MAGIC] > 0 && total.unknown_ruas > 0);
    assert_true(total.gaps > 0 && total.fetched > 0 && total.fetch_failures > 0);
    assert_true(total.resyncs > 0 && total.epochs > 0 && total.diverged > 0);
    assert_true(total.reloaded > 0 && total.snapshots_refused > 0 && total.unknown_mab > 0);
    assert_true(total.directories > 0 && total.directories_refused > 0);
}

static void run_seed(uint64_t seed)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(seed ^ 0x5eed));
    struct world *world = world_new(seed);
    world_set_rate(world, 5 + (unsigned)random_below(&random, 25));
    for (int i = 0; i < 3; i++) {
        world_set_weather(world, random_weather(&random));
        world_run(world, duration_ms(1000 + random_below(&random, 2000)));
        random_mishap(world, &random);
    }
    world_run(world, duration_s(1));

    // The network is well again, changes go on: soon all are in step.
    world_set_weather(world, fair_weather);
    world_run(world, duration_s(8)); // the longest wait between two tries, and the fetches
    world_set_rate(world, 0);
    uint64_t ms = until_in_step(world, 1500);
    if (ms > 1500)
        fail_msg("seed %lu: not in step again after the network was well", (unsigned long)seed);

    // A gap is filled within a second.
    for (int i = 0; i < 3; i++) {
        world_lose_next(world, 1 + (unsigned)random_below(&random, 3));
        for (int n = 0; n < 4; n++)
            world_change(world, random_below(&random, WORLD_MABS), 3);
        ms = until_in_step(world, 1000);
        if (ms > 1000 || any_behind(world))
            fail_msg("seed %lu: a gap was not filled within a second", (unsigned long)seed);
    }
    add_counters(world);
    world_free(world);
}

static void test_copies_are_what_they_claim(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < seeds; i++) {
        seed_now = first_seed + i;
        run_seed(seed_now);
    }
    if (seeds >= SEEDS_DEFAULT)
        check_counters();
}

int main(int count, char **arguments)
{
    for (int i = 1; i + 1 < count; i += 2) {
        uint64_t number = strtoull(arguments[i + 1], NULL, 10);
        if (strcmp(arguments[i], "--seeds") == 0)
            seeds = number;
        else if (strcmp(arguments[i], "--from") == 0)
            first_seed = number;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copies_are_what_they_claim)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed != 0)
        (void)fprintf(stderr, "again: test_push_in_step --seeds 1 --from %lu\n",
                      (unsigned long)seed_now);
    return failed;
}
