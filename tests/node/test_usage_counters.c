// SPDX-License-Identifier: BSD-2-Clause
// The counters of usage in a file: an ITR that is killed between any two instructions loses no
// packet that it counted and counts none twice, and whatever is in the file, it starts.
#include "../check.h"
#include "node/tunnel/usage_counters.h"
#include "node/tunnel/usage_spool.h"
#include "tunnel/usage_collector.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED_LIMIT  8
#define KILLED_KINDS  11 // of micronets, some of them in the common record
#define KILLED_OCTETS 100

struct counting {
    struct usage_spool *spool;
    struct usage_counters *counters;
    struct usage_table *table;
    struct usage_collector collector;
};

static void open_counting(struct counting *counting, const char *folder)
{
    struct error error = {0};
    struct hash_key hash = {{3}};
    char control[128];
    (void)snprintf(control, sizeof(control), "%s/itr.sock", folder);
    counting->spool = usage_spool_open(folder, &error);
    assert_non_null(counting->spool);
    counting->counters = usage_counters_open(
        control, KILLED_LIMIT, usage_spool_owner(counting->spool),
        usage_spool_reported(counting->spool), (struct wall_time){1000}, &error);
    assert_non_null(counting->counters);
    assert_int_equal(usage_counters_dropped(counting->counters), 0);
    counting->table = usage_new_in(usage_counters_memory(counting->counters), hash);
    counting->collector = (struct usage_collector){1, duration_s(60)};
}

static void close_counting(struct counting *counting)
{
    usage_free(counting->table);
    usage_counters_close(counting->counters);
    usage_spool_close(counting->spool);
}

static void keep_reports(struct counting *counting)
{
    static uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    static struct usage_report report;
    static const uint8_t seed[32] = {1};
    struct secret_key key;
    struct error error = {0};
    key_from_seed(seed, &key);
    size_t place = 0;
    size_t made = 0;
    struct usage_memory *memory = usage_counters_memory(counting->counters);
    if (usage_memory_closed(memory) == 0 && !usage_close(counting->table, (struct wall_time){2000}))
        return;
    for (; usage_collector_report(&counting->collector, memory, &place,
                                  usage_spool_next_number(counting->spool), &report);
         made++)
        if (!usage_spool_put(counting->spool, bytes, usage_report_write(&report, &key, bytes),
                             &error))
            _exit(1);
    if (!usage_spool_commit(counting->spool, usage_memory_closed(memory), &error))
        _exit(1);
    usage_memory_drop_closed(memory);
}

// Counts packets, and says in `counted` how many, until it is killed.
_Noreturn static void count_for_ever(const char *folder, volatile uint64_t *counted)
{
    struct counting counting;
    open_counting(&counting, folder);
    for (uint64_t i = 0;; i++) {
        struct range micronet = {FAMILY_IPV4, {(20u << 24) + i % KILLED_KINDS}, {1}};
        usage_add(counting.table, &micronet, 1, KILLED_OCTETS);
        ++*counted;
        if (i % 5000 == 4999)
            keep_reports(&counting);
    }
}

// Packets in all reports of the spool and in the counters; octets must go with them.
static uint64_t packets_kept(struct counting *counting)
{
    static uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    static struct usage_report report;
    for (int i = 0; i < 2; i++) // what was closed, and what was not
        keep_reports(counting);
    uint64_t packets = 0;
    uint64_t octets = 0;
    uint64_t number;
    size_t length;
    while ((length = usage_spool_first(counting->spool, &number, bytes)) > 0) {
        assert_true(usage_report_read(bytes, length, &report, NULL));
        packets += report.other_packets;
        octets += report.other_octets;
        for (uint32_t i = 0; i < report.count; i++) {
            packets += report.records[i].packets;
            octets += report.records[i].octets;
        }
        assert_true(usage_spool_drop(counting->spool, number));
    }
    assert_int_equal(octets, packets * KILLED_OCTETS);
    return packets;
}

static void remove_folder(const char *folder)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

// The last packet it may have counted without having said so.
static void test_killed_while_it_counts(void **state)
{
    (void)state;
    char folder[] = "/tmp/ivip-usage-count-XXXXXX";
    assert_non_null(mkdtemp(folder));
    volatile uint64_t *counted =
        mmap(NULL, sizeof(*counted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(counted, MAP_FAILED);
    uint64_t kept = 0;
    for (unsigned round = 0; round < 30; round++) {
        pid_t child = fork();
        if (child == 0)
            count_for_ever(folder, counted);
        uint64_t before = *counted;
        while (*counted < before + 2000 + 1777 * round)
            (void)usleep(100);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        struct counting counting;
        open_counting(&counting, folder);
        kept += packets_kept(&counting);
        close_counting(&counting);
        assert_in_range(kept, *counted, *counted + round + 1);
    }
    assert_int_equal(munmap((void *)(uintptr_t)counted, sizeof(*counted)), 0);
    remove_folder(folder);
}

// Whatever is in the file, the ITR starts, says so, and counts.
static void test_damaged_counters(void **state)
{
    (void)state;
    static const char *const damages[] = {
        "truncate -s 100 itr.usage",
        "truncate -s +1 itr.usage",
        "head -c 99999 /dev/zero | tr '\\0' '\\377' >itr.usage",
        "printf x | dd of=itr.usage conv=notrunc status=none",
        "rm usage.sqlite*", // counters of another spool
    };
    char folder[] = "/tmp/ivip-usage-damage-XXXXXX";
    char control[128];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(control, sizeof(control), "%s/itr.sock", folder);
    struct counting counting;
    open_counting(&counting, folder);
    close_counting(&counting);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        char command[256];
        struct error error = {0};
        (void)snprintf(command, sizeof(command), "cd '%s' && %s", folder, damages[i]);
        assert_int_equal(system(command), 0);
        struct usage_spool *spool = usage_spool_open(folder, &error);
        struct usage_counters *counters =
            usage_counters_open(control, KILLED_LIMIT, usage_spool_owner(spool),
                                usage_spool_reported(spool), (struct wall_time){1000}, &error);
        assert_non_null(counters);
        assert_int_equal(usage_counters_dropped(counters), 1);
        struct usage_counters *second = usage_counters_open(
            control, KILLED_LIMIT, usage_spool_owner(spool), 0, (struct wall_time){1000}, &error);
        assert_null(second);
        assert_string_equal(error.reason, "counters-in-use");
        usage_counters_close(counters);
        usage_spool_close(spool);
        open_counting(&counting, folder); // in order again
        assert_int_equal(usage_count(counting.table), 0);
        close_counting(&counting);
    }
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_while_it_counts),
        cmocka_unit_test(test_damaged_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
