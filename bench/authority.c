// SPDX-License-Identifier: BSD-2-Clause
// Benchmark of the RUAS's master database: sets made durable each second, and the time that a start
// takes to load what is stored. Prints Markdown.
//
//     authority [MICRONETS [DIRECTORY]]     1000000, and a new directory below /tmp
#include "measure.h"

#include "authority/ruas.h"
#include "base/memory.h"
#include "node/authority/master.h"
#include "node/authority/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BASE      0x14000000u // 20.0.0.0
#define BIG_SET   UPDATE_SET_MAX
#define SMALL_SET 1
#define GROUP     64 // sets that arrive in one turn of the loop
#define SECONDS   3.0

struct bench {
    char *directory;
    uint64_t micronets;
    struct master master;
    struct instant now; // goes on a minute with each set, so that no user's limit is reached
    struct wall_time time;
};

static void open_master(struct bench *bench)
{
    struct prefix mab;
    struct error error = {0};
    (void)prefix_parse("20.0.0.0/8", &mab, &error);
    struct ruas_config config = {.mabs = &mab, .mab_count = 1};
    memset(&bench->master, 0, sizeof(bench->master));
    bench->master.ruas = ruas_new(&config, random_seed_from_number(1), &error);
    bench->master.store = store_open(bench->directory, bench->time, &error);
    if (bench->master.store == NULL || !store_load(bench->master.store, bench->master.ruas, &error))
        bench_stop(error.text);
}

static void close_master(struct bench *bench)
{
    master_end(&bench->master);
    store_close(bench->master.store);
    ruas_free(bench->master.ruas);
}

static void end_change(struct bench *bench, const struct change *change, bool hold)
{
    struct error error = {0};
    struct audit audit = {
        .time = bench->time, .who = "anna", .with = "bench", .action = "commands", .what = "null"};
    bool good = hold ? master_hold(&bench->master, change, 1, &audit, &error)
                     : master_commit(&bench->master, change, &audit, &error);
    if (!good)
        bench_stop(error.text);
}

static void add_user(struct bench *bench)
{
    struct change change;
    struct error error = {0};
    struct range range = {FAMILY_IPV4, {BASE}, {1 << 24}};
    if (!ruas_prepare_user_add(bench->master.ruas, "anna", "none", bench->time, &change, &error))
        bench_stop(error.text);
    end_change(bench, &change, false);
    if (!ruas_prepare_uab_add(bench->master.ruas, &range, "anna", UINT32_MAX, bench->time, &change,
                              &error))
        bench_stop(error.text);
    end_change(bench, &change, false);
}

// One set of `count` commands on the single addresses from `first` on.
static void send_set(struct bench *bench, enum command_kind kind, uint64_t first, size_t count,
                     uint32_t etr, bool hold)
{
    struct change change;
    struct error error = {0};
    size_t failed = 0;
    bench->now = instant_add(bench->now, duration_s(60));
    struct ruas_request request = {.grant = {.user = "anna", .scope = SCOPE_ALL},
                                   .set = command_set_new(),
                                   .now = bench->now,
                                   .time = bench->time};
    for (size_t i = 0; i < count; i++) {
        struct command *command = command_set_add(request.set, kind);
        command->micronet = (struct range){FAMILY_IPV4, {BASE + first + i}, {1}};
        command->etr = address_from_ipv4(0xc6120000u | (etr & 0x1ffff));
    }
    if (!ruas_prepare(bench->master.ruas, &request, &change, &failed, &error))
        bench_stop(error.text);
    end_change(bench, &change, hold);
    command_set_free(request.set);
}

static void report_sets(const char *what, uint64_t sets, size_t size, double taken)
{
    (void)printf("| %s | %.0f sets/s | %.0f updates/s |\n", what, (double)sets / taken,
                 (double)(sets * size) / taken);
}

static void measure_fill(struct bench *bench)
{
    double begun = bench_clock_seconds();
    uint64_t sets = bench->micronets / BIG_SET;
    for (uint64_t i = 0; i < sets; i++)
        send_set(bench, COMMAND_DEFINE, i * BIG_SET, BIG_SET, (uint32_t)(i * 7919), false);
    report_sets("define, 1,024 in a set, durable", sets, BIG_SET, bench_clock_seconds() - begun);
}

static void measure_maps(struct bench *bench, const char *what, size_t size)
{
    uint64_t sets = 0;
    double begun = bench_clock_seconds();
    while (bench_clock_seconds() - begun < SECONDS) {
        uint64_t first = sets * 1000003 % (bench->micronets / BIG_SET) * BIG_SET;
        send_set(bench, COMMAND_MAP, first, size, (uint32_t)sets, false);
        sets++;
    }
    report_sets(what, sets, size, bench_clock_seconds() - begun);
}

static void measure_groups(struct bench *bench)
{
    uint64_t sets = 0;
    double begun = bench_clock_seconds();
    while (bench_clock_seconds() - begun < SECONDS) {
        for (int i = 0; i < GROUP; i++, sets++)
            send_set(bench, COMMAND_MAP, sets * 1000003 % bench->micronets / BIG_SET * BIG_SET, 1,
                     (uint32_t)sets, true);
        master_settle(&bench->master);
    }
    report_sets("map, 1 in a set, 64 sets settled together", sets, 1,
                bench_clock_seconds() - begun);
}

static void measure_load(struct bench *bench)
{
    close_master(bench);
    double begun = bench_clock_seconds();
    open_master(bench);
    double taken = bench_clock_seconds() - begun;
    uint64_t count = mapping_count(ruas_mapping(bench->master.ruas, 0));
    (void)printf("| start with %" PRIu64 " micronets | %.2f s | %.0f micronets/s |\n", count, taken,
                 (double)count / taken);
}

static void remove_files(const struct bench *bench)
{
    char path[512];
    close_master((struct bench *)(uintptr_t)bench);
    (void)snprintf(path, sizeof(path), "%s/" STORE_FILE, bench->directory);
    (void)unlink(path);
    (void)rmdir(bench->directory);
}

int main(int count, char **words)
{
    char directory[] = "/tmp/ivip-bench-XXXXXX";
    struct bench bench = {.micronets = 1000000, .time = {1800000000000}};
    if (count > 1)
        bench.micronets = strtoull(words[1], NULL, 10);
    bench.directory = count > 2 ? words[2] : mkdtemp(directory);
    if (bench.directory == NULL || bench.micronets < BIG_SET || bench.micronets > 1 << 24)
        bench_stop("usage: authority [MICRONETS (1024 to 16777216) [DIRECTORY]]");
    open_master(&bench);
    add_user(&bench);
    (void)printf("| RUAS master database | | |\n| --- | ---: | ---: |\n");
    measure_fill(&bench);
    measure_maps(&bench, "map, 1 in a set, durable", SMALL_SET);
    measure_maps(&bench, "map, 1,024 in a set, durable", BIG_SET);
    measure_groups(&bench);
    measure_load(&bench);
    remove_files(&bench);
    return 0;
}
