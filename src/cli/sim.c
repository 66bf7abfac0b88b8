// SPDX-License-Identifier: BSD-2-Clause
#include "sim/world.h"

#include "base/random.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/scenario.h"
#include "sim/scenario/scenario.h"
#include "sim/scenario/shrink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RUNS_DEFAULT 10
#define RUNS_MAX     1000000
#define BAR_WIDTH    30
#define SEED_OF_FILE UINT64_MAX // stands for the seed that the file names

// An option that is a number; true with `value` as it was where the option is not given.
static bool read_number(const struct arguments *arguments, const char *name, uint64_t least,
                        uint64_t most, uint64_t *value, int *status)
{
    const char *text = option_value(arguments, name);
    if (text == NULL)
        return true;
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value >= least &&
        *value <= most)
        return true;
    *status =
        usage_error(arguments, "--%s takes a number from %" PRIu64 " to %" PRIu64 ", not \"%.40s\"",
                    name, least, most, text);
    return false;
}

static double seconds_now(void)
{
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static json_t *to_json(const struct world_config *config, const struct world_report *report,
                       double took)
{
    json_t *json = json_pack(
        "{s:I, s:b, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}",
        "seed", (json_int_t)config->seed, "held", (int)!report->failed, "virtual_s",
        (double)report->ended.ns / 1e9, "took_s", took, "changes", (json_int_t)report->changes,
        "questions", (json_int_t)report->questions, "answered", (json_int_t)report->answered,
        "datagrams", (json_int_t)report->datagrams, "updates", (json_int_t)report->updates,
        "crashes", (json_int_t)report->crashes, "cuts", (json_int_t)report->cuts, "attacks",
        (json_int_t)report->attacks, "packets", (json_int_t)report->packets, "tunnelled",
        (json_int_t)report->tunnelled, "payloads", (json_int_t)report->payloads, "stalest_s",
        (double)report->stalest.ns / 1e9, "allowed_s", (double)report->bound.ns / 1e9);
    if (report->failed)
        (void)json_object_set_new(json, "failure", json_string(report->failure));
    return json;
}

static void print_run(const struct world_config *config, const struct world_report *report,
                      double took)
{
    (void)printf("%s%s%s  seed %" PRIu64 ": %.0f s in %.2f s, %zu QSA, %zu QSR, %zu QSC, %zu ITR, "
                 "%" PRIu64 " datagrams, %" PRIu64 " changes, %" PRIu64 " crashes, %" PRIu64
                 " cuts, %" PRIu64 " forgeries; stalest mapping %.2f s of %.2f s allowed\n",
                 report->failed ? color_bad() : color_good(), report->failed ? "broke" : "held",
                 color_end(), config->seed, (double)report->ended.ns / 1e9, took,
                 world_count(config, WORLD_QSA), world_count(config, WORLD_QSR),
                 world_count(config, WORLD_QSC), world_count(config, WORLD_ITR), report->datagrams,
                 report->changes, report->crashes, report->cuts, report->attacks,
                 (double)report->stalest.ns / 1e9, (double)report->bound.ns / 1e9);
    (void)fflush(stdout);
}

// The bar

static bool shows_progress(const struct arguments *arguments)
{
    return !arguments->json && isatty(STDERR_FILENO) == 1;
}

static void show_progress(const char *what, uint64_t done, uint64_t all)
{
    char bar[BAR_WIDTH + 1];
    size_t full = all == 0 ? 0 : (size_t)(done * BAR_WIDTH / all);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full < BAR_WIDTH ? full : BAR_WIDTH);
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r%s [%s] %" PRIu64 " of %" PRIu64 " ", what, bar, done, all);
    if (done >= all)
        (void)fprintf(stderr, "\r\033[K");
}

static void shrinking(void *state, size_t runs, const struct world_config *smallest)
{
    (void)smallest;
    if (*(const bool *)state)
        show_progress("making it smaller", runs, SHRINK_RUNS_DEFAULT);
}

// Runs

// Says what broke, and writes the smallest scenario in which it still does.
static void tell_failure(const struct arguments *arguments, const struct world_config *config,
                         const struct world_report *report)
{
    bool bar = shows_progress(arguments);
    struct world_report smallest_report = *report;
    char remark[sizeof(report->failure) + 16];
    print_error("%s (seed %" PRIu64 ")", report->failure, config->seed);
    if (option_value(arguments, "no-shrink") != NULL)
        return;
    struct shrink_limits limits = {.progress = shrinking, .state = &bar};
    struct world_config smallest = shrink(config, &smallest_report, &limits);
    if (bar)
        (void)fprintf(stderr, "\r\033[K");
    (void)snprintf(remark, sizeof(remark), "Breaks: %s", smallest_report.failure);
    scenario_write(&smallest, remark, stderr);
    world_config_release(&smallest);
}

static struct world_report run_one(const struct arguments *arguments,
                                   const struct world_config *config, json_t *list)
{
    bool trace = option_value(arguments, "trace") != NULL;
    double began = seconds_now();
    struct world_report report =
        trace ? world_run_traced(config, stderr) : world_run(config, stderr);
    double took = seconds_now() - began;
    if (arguments->json)
        (void)json_array_append_new(list, to_json(config, &report, took));
    else
        print_run(config, &report, took);
    if (report.failed)
        tell_failure(arguments, config, &report);
    return report;
}

// The configs to run: one from a file, or one for each seed.
static int run_all(const struct arguments *arguments, uint64_t seed, uint64_t runs)
{
    int status = STATUS_DONE;
    json_t *list = json_array();
    for (uint64_t i = 0; i < runs; i++) {
        uint64_t this_seed = seed + i;
        struct world_config config;
        struct error error = {0};
        if (arguments->count == 0)
            config = world_config_random(this_seed);
        else if (!scenario_read(arguments->words[0], seed == SEED_OF_FILE ? NULL : &this_seed,
                                &config, &error)) {
            json_decref(list);
            return report_error(&error, arguments->json);
        }
        if (run_one(arguments, &config, list).failed)
            status = STATUS_REFUSED;
        world_config_release(&config);
        if (shows_progress(arguments) && runs > 1)
            show_progress("runs", i + 1, runs);
    }
    if (arguments->json)
        (void)print_json(
            json_pack("{s:i, s:b, s:O}", "v", 1, "held", status == STATUS_DONE, "runs", list));
    json_decref(list);
    return status;
}

static int run(const struct arguments *arguments)
{
    struct random_source random;
    random_init(&random, random_seed_from_system());
    uint64_t seed = arguments->count > 0 ? SEED_OF_FILE : random_below(&random, UINT32_MAX);
    uint64_t runs = arguments->count > 0 ? 1 : RUNS_DEFAULT;
    int status = STATUS_DONE;
    if (!read_number(arguments, "seed", 0, INT64_MAX - RUNS_MAX, &seed, &status) ||
        !read_number(arguments, "runs", 1, RUNS_MAX, &runs, &status))
        return status;
    if (seed == SEED_OF_FILE && runs > 1)
        return usage_error(arguments, "--runs of a file needs --seed, from which to count");
    return run_all(arguments, seed, runs);
}

static const struct command_option options[] = {
    {"seed", "NUMBER", "of the first run; the following count up (random)"},
    {"runs", "NUMBER", "how many networks (10; of a file 1)"},
    {"trace", NULL, "print what happened, also where nothing broke"},
    {"no-shrink", NULL, "do not look for a smaller scenario where one broke"},
    {0},
};

const struct cli_command cli_sim = {
    .name = "sim",
    .synopsis = "[FILE] [--seed NUMBER] [--runs NUMBER] [--trace]",
    .summary = "simulate Ivip networks in virtual time",
    .help =
        "Runs whole networks of a RUAS, query servers and ITRs, the very code that nodes run,\n"
        "in virtual time: one from a scenario file, or made from seeds, with loss, reordering,\n"
        "duplication, cuts, crashes, clock steps and forged packets, and checks what must\n"
        "always hold. The same seed runs the same way every time. Where something breaks, what\n"
        "led to it is printed, and the smallest scenario in which it still does, as a file.\n\n"
        "Examples:\n"
        "  ivip sim\n"
        "  ivip sim --seed 1 --runs 1000\n"
        "  ivip sim contrib/scenarios/feed-cut.yaml --trace\n"
        "  ivip sim --json --runs 100 | jq '[.runs[].stalest_s] | max'\n",
    .read_on = "docs/simulator.md",
    .options = options,
    .words_max = 1,
    .run = run,
};
