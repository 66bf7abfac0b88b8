// SPDX-License-Identifier: BSD-2-Clause
// Many simulated query systems, each from a seed. A failing seed is printed with its config and the
// end of its trace; run it again with
//
//     test_sim_world --seed N            one seed, with its trace on failure
//     test_sim_world --seeds N           seeds 1 to N
//     test_sim_world --seeds N --from M  seeds M to M+N-1
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 200

struct total {
    uint64_t runs, changes, questions, answered, failed_questions;
    uint64_t datagrams, updates, crashes, cuts, attacks;
    uint64_t packets, tunnelled, payloads, payload_sets, fetches, reloads, clock_steps;
    uint64_t refused, scheduled, taken_back, power_cuts;
    uint64_t zones, versions, dns_answers, dns_failures;
    uint64_t lists, pages, passed;
};

static bool run_seed(uint64_t seed, struct total *total, bool tell)
{
    struct world_config config = world_config_random(seed);
    struct world_report report = world_run(&config, stdout);
    total->runs++;
    total->changes += report.changes;
    total->questions += report.questions;
    total->answered += report.answered;
    total->failed_questions += report.failed_questions;
    total->datagrams += report.datagrams;
    total->updates += report.updates;
    total->crashes += report.crashes;
    total->cuts += report.cuts;
    total->attacks += report.attacks;
    total->packets += report.packets;
    total->tunnelled += report.tunnelled;
    total->payloads += report.payloads;
    total->payload_sets += report.payload_sets;
    total->fetches += report.fetches;
    total->reloads += report.reloads;
    total->clock_steps += report.clock_steps;
    total->refused += report.refused;
    total->scheduled += report.scheduled;
    total->taken_back += report.taken_back;
    total->power_cuts += report.power_cuts;
    total->zones += report.zones;
    total->versions += report.versions;
    total->dns_answers += report.dns_answers;
    total->dns_failures += report.dns_failures;
    total->lists += report.lists;
    total->pages += report.pages;
    total->passed += report.passed;
    if (tell || report.failed) {
        world_config_print(&config, stdout);
        (void)printf("  %" PRIu64 " changes, %" PRIu64 " questions (%" PRIu64 " failed), %" PRIu64
                     " datagrams; stalest belief %.3f s of %.3f s allowed\n",
                     report.changes, report.questions, report.failed_questions, report.datagrams,
                     (double)report.stalest.ns / 1e9, (double)report.bound.ns / 1e9);
    }
    if (report.failed)
        (void)printf("seed %" PRIu64 " FAILED after %.3f s: %s\n", seed,
                     (double)report.ended.ns / 1e9, report.failure);
    world_config_release(&config);
    return !report.failed;
}

// A run must repeat exactly, or no failure could be looked into.
static bool repeats_exactly(uint64_t seed)
{
    struct world_config config = world_config_random(seed);
    struct world_report first = world_run(&config, NULL);
    struct world_report second = world_run(&config, NULL);
    world_config_release(&config);
    if (memcmp(&first, &second, sizeof(first)) == 0)
        return true;
    (void)printf("seed %" PRIu64 " FAILED: two runs of it differ\n", seed);
    return false;
}

// The checks must be able to fail: a system whose bound is impossibly short has to break it.
static bool notices_what_is_wrong(void)
{
    struct world_config config = world_config_random(1);
    struct world_rates rates = {.change = duration_ms(20)};
    world_config_release(&config);
    world_add_random_events(&config, &rates);
    config.paths = (struct path_conditions){.delay = duration_ms(1)};
    config.ask_every = duration_ms(20);
    config.bound_for_test = duration_us(1);
    struct world_report report = world_run(&config, NULL);
    world_config_release(&config);
    if (!report.failed)
        (void)printf("FAILED: beliefs a millisecond old pass as younger than a microsecond\n");
    return report.failed;
}

int main(int count, char **arguments)
{
    uint64_t first = 1;
    uint64_t seeds = SEEDS_DEFAULT;
    struct total total = {0};
    bool one = false;
    for (int i = 1; i + 1 < count; i += 2) {
        uint64_t number = strtoull(arguments[i + 1], NULL, 10);
        one |= strcmp(arguments[i], "--seed") == 0;
        if (strcmp(arguments[i], "--seeds") == 0)
            seeds = number;
        else
            first = number;
    }
    if (one)
        return run_seed(first, &total, true) ? 0 : 1;
    bool good = notices_what_is_wrong() && repeats_exactly(first);
    uint64_t failed = 0;
    for (uint64_t seed = first; seed < first + seeds && failed < 3; seed++)
        failed += run_seed(seed, &total, false) ? 0 : 1;
    (void)printf("%" PRIu64 " seeds, %" PRIu64 " failed: %" PRIu64 " changes, %" PRIu64
                 " questions (%" PRIu64 " failed), %" PRIu64 " updates, %" PRIu64
                 " datagrams, %" PRIu64 " crashes, %" PRIu64 " cuts, %" PRIu64 " attacks\n",
                 total.runs, failed, total.changes, total.questions, total.failed_questions,
                 total.updates, total.datagrams, total.crashes, total.cuts, total.attacks);
    (void)printf("%" PRIu64 " packets, %" PRIu64 " of them tunnelled; %" PRIu64
                 " payloads, %" PRIu64 " sets applied from them, %" PRIu64 " fetches, %" PRIu64
                 " copies loaded, %" PRIu64 " clock steps\n",
                 total.packets, total.tunnelled, total.payloads, total.payload_sets, total.fetches,
                 total.reloads, total.clock_steps);
    (void)printf("%" PRIu64 " sets refused, %" PRIu64 " scheduled sets ended, %" PRIu64
                 " turns taken back for a full disk, %" PRIu64 " power cuts within a sync\n",
                 total.refused, total.scheduled, total.taken_back, total.power_cuts);
    (void)printf("%" PRIu64 " versions of zones, %" PRIu64 " taken over by QSRs; %" PRIu64
                 " answers of DNS, %" PRIu64 " of them bad\n",
                 total.zones, total.versions, total.dns_answers, total.dns_failures);
    (void)printf("%" PRIu64 " sets of MABs learned from query servers, in %" PRIu64
                 " Page Replies; %" PRIu64 " packets before their MAB was known\n",
                 total.lists, total.pages, total.passed);
    return good && failed == 0 ? 0 : 1;
}
