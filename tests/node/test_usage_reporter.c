// SPDX-License-Identifier: BSD-2-Clause
// The ITR's loop never waits for the disk while it counts and reports; and what is under way when
// the node stops loses nothing. Syncs to the disk are held up here.
#include "../check.h"
#include "node/tunnel/usage_reporter.h"
#include "node/tunnel/usage_spool.h"
#include "test_node.h"
#include "wire/usage_report.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OCTETS 100

static pthread_t loop_thread;
static atomic_bool held_up; // syncs wait for `go_on`
static atomic_bool waiting; // one does
static atomic_uint in_loop; // syncs that the loop's thread waited for
static sem_t go_on;

// SQLite calls these in place of the C library's.
static int sync_file(long call, int file)
{
    if (pthread_equal(pthread_self(), loop_thread) != 0) {
        in_loop++;
    } else if (held_up) {
        waiting = true;
        (void)sem_wait(&go_on);
    }
    return (int)syscall(call, file);
}

int fsync(int file)
{
    return sync_file(SYS_fsync, file);
}

int fdatasync(int file)
{
    return sync_file(SYS_fdatasync, file);
}

struct bench {
    char folder[64];
    struct node *node;
    uv_timer_t tick; // a loop in which nothing is under way has no time
    struct usage_reporter *reporter;
    struct usage_table *table;
    uint64_t counted;
};

static void count(struct bench *bench, uint64_t packets)
{
    struct range micronet = {FAMILY_IPV4, {(20u << 24) + bench->counted % 7}, {1}};
    usage_add(bench->table, &micronet, packets, packets * OCTETS);
    bench->counted += packets;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static struct bench *begin(void)
{
    static struct bench bench;
    static const uint8_t seed[32] = {9};
    static const struct hash_key hash = {{1}};
    struct error error = {0};
    struct secret_key key;
    char text[512];
    bench = (struct bench){.folder = "/tmp/ivip-usage-reporter-XXXXXX"};
    assert_non_null(mkdtemp(bench.folder));
    (void)snprintf(text, sizeof(text),
                   "{name: itr, key: none, state: %s, control: %s/itr.sock, itr: {upstreams: "
                   "[127.0.0.1], mabs: [20.0.0.0/14], usage_to: \"http://127.0.0.1:1\", "
                   "usage_every: 1s}}",
                   bench.folder, bench.folder);
    struct config *config = config_load(test_file(text), &error);
    if (config == NULL)
        fail_msg("%s", error.text);
    assert_non_null(config);
    key_from_seed(seed, &key);
    bench.node = node_new(config, &key);
    assert_int_equal(uv_timer_init(node_loop(bench.node), &bench.tick), 0);
    assert_int_equal(uv_timer_start(&bench.tick, on_tick, 1, 1), 0);
    bench.reporter = usage_reporter_open(bench.node, node_config(bench.node)->itr, &error);
    if (bench.reporter == NULL)
        fail_msg("%s", error.text);
    bench.table = usage_new_in(usage_reporter_memory(bench.reporter), hash);
    usage_reporter_start(bench.reporter, bench.table);
    loop_thread = pthread_self();
    held_up = true;
    waiting = false;
    in_loop = 0;
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    return &bench;
}

static void turn(struct bench *bench)
{
    count(bench, 1);
    usage_reporter_watch(bench->reporter);
    (void)uv_run(node_loop(bench->node), UV_RUN_ONCE);
}

// Counts and lets the loop turn until a worker waits for the disk.
static void run_until_held_up(struct bench *bench)
{
    while (!waiting) {
        assert_int_equal(in_loop, 0);
        turn(bench);
    }
}

static void release(void)
{
    held_up = false;
    assert_int_equal(sem_post(&go_on), 0);
}

// The reports that are on disk when the process is gone hold all that was counted, once.
static void check_all(const struct bench *bench)
{
    static struct usage_report report;
    static uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    struct error error = {0};
    uint64_t number;
    uint64_t packets = 0;
    size_t length;
    struct usage_spool *spool = usage_spool_open(bench->folder, &error);
    assert_non_null(spool);
    while ((length = usage_spool_first(spool, &number, bytes)) > 0) {
        assert_true(usage_report_read(bytes, length, &report, &error));
        assert_true(report.from.ms <= report.to.ms);
        for (uint32_t i = 0; i < report.count; i++) {
            packets += report.records[i].packets;
            assert_int_equal(report.records[i].octets, report.records[i].packets * OCTETS);
        }
        assert_true(usage_spool_drop(spool, number));
    }
    usage_spool_close(spool);
    assert_int_equal(packets, bench->counted);
}

static void end(struct bench *bench)
{
    char command[128];
    usage_free(bench->table);
    usage_reporter_free(bench->reporter);
    uv_close((uv_handle_t *)&bench->tick, NULL);
    node_free(bench->node);
    check_all(bench);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", bench->folder);
    assert_int_equal(system(command), 0);
    test_files_remove();
}

static void set_disk_full(bool full)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// Whether health says that usage is not kept.
static bool says_not_kept(const struct bench *bench)
{
    char why[512] = "";
    return !usage_reporter_healthy(bench->reporter, why, sizeof(why)) &&
           strstr(why, "usage is counted on, but not kept") != NULL;
}

static json_int_t reports_waiting(const struct bench *bench)
{
    json_t *status = usage_reporter_status(bench->reporter);
    json_int_t reports = json_integer_value(json_object_get(status, "waiting"));
    json_decref(status);
    return reports;
}

static void test_the_loop_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    struct bench *bench = begin();
    run_until_held_up(bench);
    for (int i = 0; i < 100; i++) { // packets go on
        count(bench, 3);
        usage_reporter_watch(bench->reporter);
        (void)uv_run(node_loop(bench->node), UV_RUN_NOWAIT);
    }
    assert_int_equal(reports_waiting(bench), 0);
    release();
    while (reports_waiting(bench) < 2) // the next period, too
        turn(bench);
    assert_int_equal(in_loop, 0);
    usage_reporter_stop(bench->reporter);
    end(bench);
}

// The disk is full for some periods: health says so, and in the end nothing is lost.
static void test_a_full_disk(void **state)
{
    (void)state;
    struct bench *bench = begin();
    held_up = false;
    set_disk_full(true);
    while (!says_not_kept(bench))
        turn(bench);
    for (int i = 0; i < 1500; i++)
        turn(bench);
    set_disk_full(false);
    while (says_not_kept(bench))
        turn(bench);
    assert_int_equal(in_loop, 0);
    usage_reporter_stop(bench->reporter);
    end(bench);
}

static void *release_later(void *state)
{
    (void)state;
    (void)usleep(20000);
    release();
    return NULL;
}

// The node stops while a worker waits for the disk.
static void test_a_stop_in_between(void **state)
{
    (void)state;
    struct bench *bench = begin();
    pthread_t releaser;
    run_until_held_up(bench);
    count(bench, 5);
    assert_int_equal(pthread_create(&releaser, NULL, release_later, NULL), 0);
    usage_reporter_stop(bench->reporter);
    assert_int_equal(pthread_join(releaser, NULL), 0);
    end(bench);
}

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loop_does_not_wait_for_the_disk),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_a_stop_in_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
