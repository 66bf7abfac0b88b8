// SPDX-License-Identifier: BSD-2-Clause
// Usage from the ITR's counters to the RUAS's ledger, over kills of both, lost answers and disks
// that are full: every packet counts exactly once.
#include "../check.h"
#include "base/memory.h"
#include "base/random.h"
#include "node/authority/usage_ledger.h"
#include "node/tunnel/usage_spool.h"
#include "tunnel/usage_collector.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS     25
#define STEPS     150
#define MICRONETS 30

struct world {
    struct random_source random;
    char itr_folder[64];
    char ruas_folder[64];
    struct secret_key key;
    void *counters; // what outlives the ITR
    struct usage_memory *memory;
    struct usage_table *table;
    struct usage_collector collector;
    struct usage_spool *spool;
    struct usage_ledger *ledger;
    struct wall_time now;
    uint64_t counted[MICRONETS]; // octets that must be in the ledger in the end
    uint64_t boots;
};

// As a process that finds what the one before it left.
static void start_itr(struct world *world)
{
    struct hash_key hash = {{1, 2}};
    struct error error = {0};
    size_t dropped;
    world->spool = usage_spool_open(world->itr_folder, &error);
    assert_non_null(world->spool);
    struct usage_memory *memory = usage_memory_resume(
        world->counters, usage_memory_size(MICRONETS), MICRONETS, usage_spool_owner(world->spool),
        usage_spool_reported(world->spool), world->now, &dropped, &error);
    assert_int_equal(dropped, 0);
    if (memory == NULL) {
        assert_int_equal(world->boots, 0);
        memory = usage_memory_begin(world->counters, MICRONETS, usage_spool_owner(world->spool),
                                    usage_spool_reported(world->spool), world->now);
    }
    world->memory = memory;
    world->table = usage_new_in(memory, hash);
    world->collector = (struct usage_collector){++world->boots, duration_s(60)};
}

static void stop_itr(struct world *world)
{
    usage_spool_close(world->spool);
    usage_free(world->table);
}

static void start_ruas(struct world *world)
{
    struct error error = {0};
    world->ledger = usage_ledger_open(world->ruas_folder, &error);
    assert_non_null(world->ledger);
}

static void count_traffic(struct world *world)
{
    uint64_t i = random_below(&world->random, MICRONETS);
    uint64_t octets = 1 + random_below(&world->random, 100000);
    struct range micronet = {FAMILY_IPV4, {(20u << 24) + i * 16}, {16}};
    usage_add(world->table, &micronet, 1, octets);
    world->counted[i] += octets;
}

// From now on no file may grow: as on a full disk.
static void set_disk_full(bool full)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool put_reports(struct world *world, size_t *made)
{
    static uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    static struct usage_report report;
    struct error error = {0};
    size_t place = 0;
    for (*made = 0; usage_collector_report(&world->collector, world->memory, &place,
                                           usage_spool_next_number(world->spool), &report);
         (*made)++)
        if (!usage_spool_put(world->spool, bytes, usage_report_write(&report, &world->key, bytes),
                             &error))
            return false;
    return *made == 0 ||
           usage_spool_commit(world->spool, usage_memory_closed(world->memory), &error);
}

// Ends a period, unless one that ended could not be kept yet; traffic goes on while it is kept. The
// ITR may be killed when its reports are durable, and before it knows that.
static void report(struct world *world, bool full, bool killed)
{
    world->now.ms += 60000;
    assert_true(usage_collector_due(&world->collector, world->table, world->now));
    if (usage_memory_closed(world->memory) == 0 && !usage_close(world->table, world->now))
        return;
    uint64_t period = usage_memory_closed(world->memory);
    count_traffic(world);
    size_t waiting = usage_spool_count(world->spool);
    size_t made;
    set_disk_full(full);
    bool kept = put_reports(world, &made);
    set_disk_full(false);
    assert_int_equal(kept, !full);
    assert_int_equal(usage_spool_count(world->spool), waiting + (kept ? made : 0));
    if (killed) {
        stop_itr(world);
        start_itr(world);
        assert_int_equal(usage_memory_closed(world->memory), kept ? 0 : period);
    } else if (kept) {
        usage_memory_drop_closed(world->memory);
        assert_int_equal(usage_memory_closed(world->memory), 0);
    }
    assert_true(usage_count(world->table) > 0);
}

// What is still counted, without further traffic.
static void report_last(struct world *world)
{
    size_t made;
    assert_int_equal(usage_memory_closed(world->memory), 0);
    if (!usage_close(world->table, world->now))
        return;
    assert_true(put_reports(world, &made));
    usage_memory_drop_closed(world->memory);
}

// Sends the oldest report. The request, the answer, or one of the two machines may be lost.
static void deliver(struct world *world, bool may_fail)
{
    static uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    static struct usage_report report;
    struct error error = {0};
    uint64_t number = 0;
    size_t length = usage_spool_first(world->spool, &number, bytes);
    if (length == 0 || (may_fail && random_below(&world->random, 10) < 3))
        return;
    assert_true(usage_report_read(bytes, length, &report, &error));
    assert_int_equal(report.number, number);
    if (may_fail && random_below(&world->random, 10) == 0) {
        uint64_t repeated = usage_ledger_counters(world->ledger)->repeated;
        set_disk_full(true);
        bool taken = usage_ledger_take(world->ledger, &report, &error);
        set_disk_full(false);
        // Nothing needs to be written for one that is there already.
        assert_int_equal(taken, usage_ledger_counters(world->ledger)->repeated > repeated);
        if (!taken)
            return;
    }
    assert_true(usage_ledger_take(world->ledger, &report, &error));
    if (may_fail && random_below(&world->random, 10) < 3)
        return;
    assert_true(usage_spool_drop(world->spool, number));
}

struct totals {
    uint64_t octets[MICRONETS];
    size_t lines;
};

static void add_line(void *state, const struct usage_line *line)
{
    struct totals *totals = state;
    uint64_t i = (line->micronet.start.index - (20u << 24)) / 16;
    assert_true(i < MICRONETS);
    totals->octets[i] += line->octets;
    totals->lines++;
}

static void check_totals(struct world *world)
{
    struct error error = {0};
    struct usage_question ways[] = {
        {.to = {INT64_MAX / 2}, .by_micronet = true, .most = 100000},
        {.to = {INT64_MAX / 2},
         .by_micronet = true,
         .by_itr = true,
         .step_ms = 60000,
         .most = 100000},
    };
    for (size_t way = 0; way < 2; way++) {
        struct totals totals = {0};
        assert_true(usage_ledger_sum(world->ruas_folder, &ways[way], add_line, &totals, &error));
        for (size_t i = 0; i < MICRONETS; i++)
            assert_int_equal(totals.octets[i], world->counted[i]);
    }
}

static void remove_folder(const char *folder)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

static void run_seed(uint64_t seed)
{
    struct world world = {.now = {UINT64_C(1700000040000)}};
    uint8_t key_seed_bytes[32] = {(uint8_t)seed};
    random_init(&world.random, random_seed_from_number(seed));
    key_from_seed(key_seed_bytes, &world.key);
    strcpy(world.itr_folder, "/tmp/ivip-usage-itr-XXXXXX");
    strcpy(world.ruas_folder, "/tmp/ivip-usage-ruas-XXXXXX");
    assert_non_null(mkdtemp(world.itr_folder));
    assert_non_null(mkdtemp(world.ruas_folder));
    world.counters = memory_new(usage_memory_size(MICRONETS));
    start_itr(&world);
    start_ruas(&world);
    for (int step = 0; step < STEPS; step++) {
        uint64_t what = random_below(&world.random, 100);
        if (what < 55)
            count_traffic(&world);
        else if (what < 70)
            report(&world, random_below(&world.random, 10) < 2,
                   random_below(&world.random, 10) < 2);
        else if (what < 92)
            deliver(&world, true);
        else if (what < 96) {
            stop_itr(&world);
            start_itr(&world);
        } else {
            usage_ledger_close(world.ledger);
            start_ruas(&world);
        }
    }
    for (int i = 0; i < 2; i++) // one that could not be kept, and the last
        report(&world, false, false);
    report_last(&world);
    while (usage_spool_count(world.spool) > 0)
        deliver(&world, false);
    check_totals(&world);
    stop_itr(&world);
    usage_ledger_close(world.ledger);
    memory_free(world.counters);
    remove_folder(world.itr_folder);
    remove_folder(world.ruas_folder);
}

static void test_totals_are_equal_whatever_fails(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
}

static void add_packets(void *state, const struct usage_line *line)
{
    *(uint64_t *)state += line->packets;
}

static uint64_t packets_in(const char *folder)
{
    struct usage_question all = {.to = {INT64_MAX / 2}, .most = 10};
    struct error error = {0};
    uint64_t packets = 0;
    assert_true(usage_ledger_sum(folder, &all, add_packets, &packets, &error));
    return packets;
}

// Takes reports of one packet each, numbered from 1 on, until it is killed.
_Noreturn static void take_for_ever(const char *folder, struct usage_report *report)
{
    struct error error = {0};
    struct usage_ledger *ledger = usage_ledger_open(folder, &error);
    if (ledger == NULL)
        _exit(1);
    for (report->number = 1;; report->number++)
        (void)usage_ledger_take(ledger, report, &error);
}

// Killed at any moment, the ledger has each report whole or not at all, and once when it comes
// again.
static void test_killed_while_it_stores(void **state)
{
    (void)state;
    static struct usage_report report = {.boot = 7, .to = {60000}, .count = 1};
    char folder[] = "/tmp/ivip-usage-kill-XXXXXX";
    struct error error = {0};
    assert_non_null(mkdtemp(folder));
    report.records[0] = (struct usage_record){{FAMILY_IPV4, {20u << 24}, {16}}, 1, 10};
    uint64_t before = 0;
    for (unsigned round = 0; round < 10; round++) {
        pid_t child = fork();
        if (child == 0)
            take_for_ever(folder, &report);
        (void)usleep(20000 + 7000 * round);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        struct usage_ledger *ledger = usage_ledger_open(folder, &error);
        assert_non_null(ledger);
        uint64_t stored = packets_in(folder);
        assert_true(stored >= before);
        before = stored + 5;
        for (report.number = 1; report.number <= before; report.number++)
            assert_true(usage_ledger_take(ledger, &report, &error));
        assert_int_equal(packets_in(folder), before);
        usage_ledger_close(ledger);
    }
    assert_true(before > 50); // the children did store
    remove_folder(folder);
}

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

// Takes a report of two packets of each micronet, of a minute.
static void take_minute(struct usage_ledger *ledger, uint64_t number, uint64_t from_ms)
{
    static struct usage_report report = {.boot = 7, .count = 3, .other_packets = 9};
    struct error error = {0};
    report.number = number;
    report.from.ms = from_ms;
    report.to.ms = from_ms + 60000;
    for (uint64_t i = 0; i < report.count; i++)
        report.records[i] =
            (struct usage_record){{FAMILY_IPV4, {(20u << 24) + i * 16}, {16}}, 2, 20};
    assert_true(usage_ledger_take(ledger, &report, &error));
}

struct days {
    char text[512]; // "DAY:MICRONET:PACKETS " of each line
};

static void add_day(void *state, const struct usage_line *line)
{
    struct days *days = state;
    size_t used = strlen(days->text);
    (void)snprintf(days->text + used, sizeof(days->text) - used, "%d:%d:%d ",
                   (int)(line->from.ms / DAY_MS),
                   (int)(line->micronet.start.index - (20u << 24)) / 16, (int)line->packets);
}

static const char *days_of(struct usage_ledger *ledger, const char *only, uint64_t from_day,
                           uint64_t days_count, size_t most)
{
    static struct days days;
    struct range range;
    struct error error = {0};
    days.text[0] = '\0';
    assert_true(range_parse(only, &range, &error));
    struct wall_time from = {from_day * DAY_MS + 5};
    struct wall_time to = {(from_day + days_count) * DAY_MS};
    assert_true(usage_ledger_days(ledger, &range, from, to, most, add_day, &days, &error));
    return days.text;
}

static void forget_days(const char *folder)
{
    char path[128];
    sqlite3 *database = NULL;
    (void)snprintf(path, sizeof(path), "%s/usage-ledger.sqlite", folder);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "DROP TABLE days", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

// What end users are shown: their micronets, by days, also after a restart of the RUAS.
static void test_days(void **state)
{
    (void)state;
    char folder[] = "/tmp/ivip-usage-days-XXXXXX";
    struct error error = {0};
    assert_non_null(mkdtemp(folder));
    struct usage_ledger *ledger = usage_ledger_open(folder, &error);
    take_minute(ledger, 1, 100 * DAY_MS);
    take_minute(ledger, 2, 101 * DAY_MS - 60000);
    take_minute(ledger, 2, 101 * DAY_MS - 60000); // again: counts once
    take_minute(ledger, 3, 101 * DAY_MS);
    usage_ledger_close(ledger);
    ledger = usage_ledger_open(folder, &error);
    assert_string_equal(days_of(ledger, "20.0.0.0/24", 99, 5, 100),
                        "100:0:4 100:1:4 100:2:4 101:0:2 101:1:2 101:2:2 ");
    assert_string_equal(days_of(ledger, "20.0.0.16/28", 99, 5, 100), "100:1:4 101:1:2 ");
    assert_string_equal(days_of(ledger, "20.0.0.0/24", 101, 1, 100), "101:0:2 101:1:2 101:2:2 ");
    assert_string_equal(days_of(ledger, "20.0.0.0/24", 99, 5, 4),
                        "100:0:4 100:1:4 100:2:4 101:0:2 ");
    assert_string_equal(days_of(ledger, "20.0.0.0/24", 102, 50, 100), "");
    assert_string_equal(days_of(ledger, "2001:db8::/64", 99, 5, 100), "");
    assert_int_equal(packets_in(folder), 3 * (3 * 2 + 9));
    usage_ledger_close(ledger);
    forget_days(folder); // as if they had not been kept: they are made of the minutes
    ledger = usage_ledger_open(folder, &error);
    assert_string_equal(days_of(ledger, "20.0.0.0/24", 99, 5, 4),
                        "100:0:4 100:1:4 100:2:4 101:0:2 ");
    uint64_t packets = 0;
    struct usage_question day = {
        .from = {100 * DAY_MS}, .to = {101 * DAY_MS}, .by_micronet = true, .most = 100};
    assert_true(usage_ledger_sum(folder, &day, add_packets, &packets, &error));
    assert_int_equal(packets, 2 * (3 * 2 + 9));
    day.from.ms += 60000; // not a whole day any more, and without its first minute
    packets = 0;
    assert_true(usage_ledger_sum(folder, &day, add_packets, &packets, &error));
    assert_int_equal(packets, 3 * 2 + 9);
    usage_ledger_close(ledger);
    remove_folder(folder);
}

// Whatever a listed ITR says it counted, the sums can be read: they end at the greatest number.
static void test_sums_do_not_overflow(void **state)
{
    (void)state;
    char folder[] = "/tmp/ivip-usage-huge-XXXXXX";
    static struct usage_report report = {.boot = 7, .to = {60000}, .count = 2};
    struct error error = {0};
    assert_non_null(mkdtemp(folder));
    struct usage_ledger *ledger = usage_ledger_open(folder, &error);
    report.records[0] =
        (struct usage_record){{FAMILY_IPV4, {20u << 24}, {16}}, USAGE_COUNT_MAX, USAGE_COUNT_MAX};
    report.records[1] = (struct usage_record){{FAMILY_IPV4, {21u << 24}, {16}}, 3, 30};
    for (report.number = 1; report.number <= 5; report.number++) {
        report.itr.bytes[0] = (uint8_t)report.number; // lines of their own, until they are added
        assert_true(usage_ledger_take(ledger, &report, &error));
        assert_int_equal(packets_in(folder), report.number == 1 ? USAGE_COUNT_MAX + 3 : INT64_MAX);
    }
    for (int restarts = 0; restarts < 2; restarts++) {
        uint64_t packets = 0;
        struct usage_question days = {.to = {DAY_MS}, .by_micronet = true, .most = 100};
        assert_true(usage_ledger_sum(folder, &days, add_packets, &packets, &error));
        assert_int_equal(packets, (uint64_t)INT64_MAX + 15);
        usage_ledger_close(ledger);
        forget_days(folder);
        ledger = usage_ledger_open(folder, &error);
    }
    usage_ledger_close(ledger);
    remove_folder(folder);
}

static void test_bad_reports_are_refused(void **state)
{
    (void)state;
    static struct usage_report report = {.boot = 7, .number = 1, .to = {60000}, .count = 2};
    static struct usage_report read;
    static uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    struct secret_key key;
    struct error error = {0};
    uint8_t seed[32] = {1};
    key_from_seed(seed, &key);
    report.records[0] = (struct usage_record){{FAMILY_IPV4, {20u << 24}, {16}}, 1, 10};
    report.records[1] = (struct usage_record){{FAMILY_IPV6, {UINT64_C(1) << 63}, {4}}, 2, 20};
    size_t length = usage_report_write(&report, &key, bytes);
    assert_int_equal(length, USAGE_HEADER_BYTES + 2 * USAGE_RECORD_BYTES + SIGNATURE_BYTES);
    assert_true(usage_report_read(bytes, length, &read, &error));
    assert_true(range_equal(&read.records[1].range, &report.records[1].range));
    assert_int_equal(read.records[1].octets, 20);
    struct public_key public = key_public(&key);
    assert_true(key_equal(&read.itr, &public));
    for (size_t shorter = 0; shorter < length; shorter++)
        assert_false(usage_report_read(bytes, shorter, &read, &error));
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 1;
        assert_false(usage_report_read(bytes, length, &read, &error));
        bytes[i] ^= 1;
    }
    report.records[0].octets = USAGE_COUNT_MAX + 1;
    length = usage_report_write(&report, &key, bytes);
    assert_false(usage_report_read(bytes, length, &read, &error));
}

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals_are_equal_whatever_fails),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_sums_do_not_overflow),
        cmocka_unit_test(test_bad_reports_are_refused),
        cmocka_unit_test(test_killed_while_it_stores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
