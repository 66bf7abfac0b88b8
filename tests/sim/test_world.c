// SPDX-License-Identifier: BSD-2-Clause
// Many simulated query systems, each from a seed. A failing seed is printed with its config and the
// end of its trace; run it again with
//
//     test_sim_world --seed N            one seed, with its trace on failure
//     test_sim_world --seeds N           seeds 1 to N
//     test_sim_world --seeds N --from M  seeds M to M+N-1
#include "sim/world.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 200
#define SEEDS_MANY    50 // in so many seeds everything that a report counts happens

// What a report counts, and in which words the sum of all is printed.
static const struct count {
    size_t place;
    const char *what;
} counts[] = {
#define COUNT(field, what)                                                                         \
    {                                                                                              \
        offsetof(struct world_report, field), what                                                 \
    }
    COUNT(changes, "changes"),
    COUNT(questions, "questions"),
    COUNT(answered, "questions answered"),
    COUNT(failed_questions, "questions failed"),
    COUNT(updates, "updates"),
    COUNT(datagrams, "datagrams"),
    COUNT(crashes, "crashes"),
    COUNT(cuts, "cuts"),
    COUNT(attacks, "attacks"),
    COUNT(packets, "packets"),
    COUNT(tunnelled, "packets tunnelled"),
    COUNT(payloads, "payloads"),
    COUNT(payload_sets, "sets applied from payloads"),
    COUNT(fetches, "fetches"),
    COUNT(reloads, "copies loaded"),
    COUNT(clock_steps, "clock steps"),
    COUNT(refused, "sets refused"),
    COUNT(scheduled, "scheduled sets ended"),
    COUNT(taken_back, "turns taken back for a full disk"),
    COUNT(power_cuts, "power cuts within a sync"),
    COUNT(reports, "usage reports"),
    COUNT(zones, "versions of zones"),
    COUNT(versions, "versions taken over by QSRs"),
    COUNT(dns_answers, "answers of DNS"),
    COUNT(dns_failures, "bad answers of DNS"),
    COUNT(lists, "sets of MABs learned from query servers"),
    COUNT(pages, "Page Replies"),
    COUNT(passed, "packets before their MAB was known"),
#undef COUNT
};

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

struct total {
    uint64_t runs;
    uint64_t sums[COUNTS];
};

static uint64_t count_in(const struct world_report *report, size_t i)
{
    uint64_t number = 0;
    memcpy(&number, (const char *)report + counts[i].place, sizeof(number));
    return number;
}

static bool run_seed(uint64_t seed, struct total *total, bool tell)
{
    struct world_config config = world_config_random(seed);
    struct world_report report = world_run(&config, stdout);
    total->runs++;
    for (size_t i = 0; i < COUNTS; i++)
        total->sums[i] += count_in(&report, i);
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

// Prints the sums. What never happened was not proven: false, where there were seeds enough for it.
static bool sum_up(const struct total *total, uint64_t failed)
{
    bool good = true;
    (void)printf("%" PRIu64 " seeds, %" PRIu64 " failed: ", total->runs, failed);
    for (size_t i = 0; i < COUNTS; i++)
        (void)printf("%s%" PRIu64 " %s", i == 0 ? "" : ", ", total->sums[i], counts[i].what);
    (void)printf("\n");
    for (size_t i = 0; i < COUNTS; i++)
        if (total->sums[i] == 0 && total->runs >= SEEDS_MANY) {
            (void)printf("FAILED: in %" PRIu64 " seeds there were no %s\n", total->runs,
                         counts[i].what);
            good = false;
        }
    return good;
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
    good = sum_up(&total, failed) && good;
    return good && failed == 0 ? 0 : 1;
}
