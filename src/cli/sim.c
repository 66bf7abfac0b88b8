// SPDX-License-Identifier: BSD-2-Clause
#include "sim/world.h"

#include "base/random.h"
#include "cli/command.h"
#include "cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define RUNS_DEFAULT 10
#define RUNS_MAX     1000000

// An option that is a number; true with `value` as it was where the option is not given.
static bool read_number(const struct arguments *arguments, const char *name, uint64_t most,
                        uint64_t *value, int *status)
{
    const char *text = option_value(arguments, name);
    if (text == NULL)
        return true;
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value <= most)
        return true;
    *status = usage_error(arguments->command,
                          "--%s takes a number up to %" PRIu64 ", not \"%.40s\"", name, most, text);
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
        "{s:I, s:b, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "seed",
        (json_int_t)config->seed, "held", (int)!report->failed, "virtual_s",
        (double)report->ended.ns / 1e9, "took_s", took, "changes", (json_int_t)report->changes,
        "questions", (json_int_t)report->questions, "answered", (json_int_t)report->answered,
        "datagrams", (json_int_t)report->datagrams, "updates", (json_int_t)report->updates,
        "crashes", (json_int_t)report->crashes, "cuts", (json_int_t)report->cuts, "attacks",
        (json_int_t)report->attacks, "stalest_s", (double)report->stalest.ns / 1e9, "allowed_s",
        (double)report->bound.ns / 1e9);
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
                 color_end(), config->seed, (double)report->ended.ns / 1e9, took, config->qsas,
                 config->qsrs, config->qscs, config->itrs, report->datagrams, report->changes,
                 report->crashes, report->cuts, report->attacks, (double)report->stalest.ns / 1e9,
                 (double)report->bound.ns / 1e9);
    (void)fflush(stdout);
    if (report->failed)
        print_error("%s; `ivip sim --seed %" PRIu64 " --runs 1` shows it again", report->failure,
                    config->seed);
}

static int run(const struct arguments *arguments)
{
    struct random_source random;
    random_init(&random, random_seed_from_system());
    uint64_t seed = random_below(&random, UINT32_MAX);
    uint64_t runs = RUNS_DEFAULT;
    int status = STATUS_DONE;
    if (!read_number(arguments, "seed", INT64_MAX - RUNS_MAX, &seed, &status) ||
        !read_number(arguments, "runs", RUNS_MAX, &runs, &status))
        return status;
    json_t *list = json_array();
    for (uint64_t i = 0; i < runs; i++) {
        struct world_config config = world_config_random(seed + i);
        double began = seconds_now();
        struct world_report report = world_run(&config, stderr);
        double took = seconds_now() - began;
        if (report.failed)
            status = STATUS_REFUSED;
        if (arguments->json)
            (void)json_array_append_new(list, to_json(&config, &report, took));
        else
            print_run(&config, &report, took);
    }
    if (arguments->json)
        (void)print_json(
            json_pack("{s:i, s:b, s:O}", "v", 1, "held", status == STATUS_DONE, "runs", list));
    json_decref(list);
    return status;
}

static const struct command_option options[] = {
    {"seed", "NUMBER", "of the first run; the following count up (random)"},
    {"runs", "NUMBER", "how many networks (10)"},
    {0},
};

const struct cli_command cli_sim = {
    .name = "sim",
    .synopsis = "[--seed NUMBER] [--runs NUMBER]",
    .summary = "simulate query systems in virtual time",
    .help = "Runs whole networks of query servers and ITRs, the very code that nodes run, in\n"
            "virtual time: each made from its seed, with loss, reordering, duplication, cuts,\n"
            "crashes and forged packets, and checked against what must always hold. The same\n"
            "seed runs the same way every time; a run that breaks prints what led to it.\n\n"
            "Examples:\n"
            "  ivip sim\n"
            "  ivip sim --seed 1 --runs 1000\n"
            "  ivip sim --json --runs 100 | jq '[.runs[].stalest_s] | max'\n",
    .read_on = "docs/simulator.md",
    .options = options,
    .run = run,
};
