// SPDX-License-Identifier: BSD-2-Clause
// The snapshots that a RUAS keeps: rolled forward in a worker, and written from the master where
// that fails.
#include "../check.h"
#include "base/memory.h"
#include "node/push/snapshot_keeper.h"
#include "test_node.h"

#define SPACING_MS 20

static struct node *node;
static struct mapping *master;
static struct snapshot_keeper *keeper;
static uint64_t sequence;

static struct snapshot_file *given;
static bool was_given;
static size_t made;

static void on_made(void *state, const struct snapshot_info *info)
{
    (void)state;
    (void)info;
    made++;
}

static void on_given(void *state, struct snapshot_file *file)
{
    (void)state;
    given = file;
    was_given = true;
}

static int set_up(void **state)
{
    (void)state;
    struct prefix mab;
    struct error error = {0};
    node = test_node();
    assert_true(prefix_parse("20.0.0.0/14", &mab, NULL));
    master = mapping_new(&mab, NULL);
    struct snapshot_keeper_config config = {.epoch = 1,
                                            .every = duration_s(600),
                                            .spacing = duration_ms(SPACING_MS),
                                            .sending_bytes = 1};
    keeper = snapshot_keeper_new(node, &config, on_made, NULL);
    sequence = 0;
    made = 0;
    assert_true(snapshot_keeper_add(keeper, master, 0, &error));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    snapshot_keeper_stop(keeper);
    node_free(node);
    mapping_free(master);
    test_files_remove();
    return 0;
}

// One more micronet in the master.
static struct update define_next(void)
{
    struct update update = {.kind = UPDATE_DEFINE, .range = *mapping_units(master)};
    update.range.start.index += ++sequence;
    update.range.length.units = 1;
    update.etr = address_from_ipv4(0xc6120301);
    assert_true(mapping_apply(master, &update, 1, NULL, NULL));
    return update;
}

// A set of it; the keeper is told the hash, or not, as when the master is further on already.
static void change(bool hash_known)
{
    struct update update = define_next();
    struct mapping_hash hash = mapping_hash(master);
    snapshot_keeper_set(keeper, mapping_mab(master), sequence, &update, 1,
                        hash_known ? &hash : NULL);
}

// Waits for a snapshot with all sets so far, and checks that it is the master's.
static void expect_latest(void)
{
    struct error error = {0};
    was_given = false;
    assert_true(
        snapshot_keeper_latest(keeper, mapping_mab(master), sequence, on_given, NULL, &error));
    test_run_until(node, &was_given);
    assert_non_null(given);
    struct public_key key = key_public(node_key(node));
    struct snapshot_info info;
    struct mapping *copy = NULL;
    if (!snapshot_read(given->bytes, given->length, &key, &info, &copy, &error))
        fail_msg("%s", error.text);
    assert_int_equal(info.sequence, sequence);
    struct mapping_hash is = mapping_hash(copy);
    struct mapping_hash should = mapping_hash(master);
    assert_true(mapping_hash_equal(&is, &should));
    mapping_free(copy);
    snapshot_file_release(given);
}

static void test_is_rolled_forward(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        change(i % 3 == 0);
    expect_latest();
    assert_int_equal(made, 1);
    assert_int_equal(snapshot_keeper_counters(keeper)->failed, 0);
}

// The worker finds the snapshot before damaged. The next is written from the master, as soon as the
// keeper knows that it stands where the sets do; and then all goes on as before.
static void test_is_written_anew(void **state)
{
    (void)state;
    struct snapshot_file *first = snapshot_keeper_find(keeper, mapping_mab(master), 0);
    assert_non_null(first);
    first->bytes[first->length / 2] ^= 1;
    change(true);
    change(false);
    struct error error = {0};
    was_given = false;
    assert_true(
        snapshot_keeper_latest(keeper, mapping_mab(master), sequence, on_given, NULL, &error));
    while (snapshot_keeper_counters(keeper)->failed == 0)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    change(false); // the sets that come meanwhile are in the master, too
    change(true);
    test_run_until(node, &was_given);
    assert_non_null(given);
    assert_int_equal(given->info.sequence, sequence);
    snapshot_file_release(given);
    snapshot_file_release(first);
    assert_int_equal(made, 1);
    change(true);
    expect_latest();
    assert_int_equal(made, 2);
    assert_int_equal(snapshot_keeper_counters(keeper)->failed, 1);
}

static void on_pause_over(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

// While too much of snapshots of before is being sent, no further one is made.
static void test_waits_for_slow_clients(void **state)
{
    (void)state;
    struct error error = {0};
    struct snapshot_file *slow = snapshot_keeper_find(keeper, mapping_mab(master), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(snapshot_keeper_counters(keeper)->sending_bytes, 0);
        change(true);
        expect_latest();
    }
    assert_int_equal(snapshot_keeper_counters(keeper)->sending_bytes, slow->length);
    assert_null(snapshot_keeper_find(keeper, mapping_mab(master), 0));
    change(true);
    was_given = false;
    assert_true(
        snapshot_keeper_latest(keeper, mapping_mab(master), sequence, on_given, NULL, &error));
    uv_timer_t pause;
    bool over = false;
    (void)uv_timer_init(node_loop(node), &pause);
    pause.data = &over;
    (void)uv_timer_start(&pause, on_pause_over, SPACING_MS + 1000, 0);
    test_run_until(node, &over);
    uv_close((uv_handle_t *)&pause, NULL);
    assert_false(was_given);
    snapshot_file_release(slow);
    assert_int_equal(snapshot_keeper_counters(keeper)->sending_bytes, 0);
    test_run_until(node, &was_given);
    assert_int_equal(given->info.sequence, sequence);
    snapshot_file_release(given);
}

// What was waited for is answered when the keeper ends, and what is being sent outlives it.
static void test_stops(void **state)
{
    (void)state;
    struct error error = {0};
    struct snapshot_file *file = snapshot_keeper_find(keeper, mapping_mab(master), 0);
    change(true);
    was_given = false;
    assert_true(snapshot_keeper_latest(keeper, mapping_mab(master), 1, on_given, NULL, &error));
    assert_false(was_given);
    assert_false(snapshot_keeper_latest(keeper, mapping_mab(master), 2, on_given, NULL, &error));
    assert_string_equal(error.reason, "no-such-sequence");
    snapshot_keeper_stop(keeper);
    keeper = NULL;
    assert_true(was_given);
    assert_null(given);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
    assert_int_equal(file->info.sequence, 0);
    snapshot_file_release(file);
}

// The keeper ends while a snapshot that it gave up is still being sent.
static void test_stops_while_it_sends(void **state)
{
    (void)state;
    struct snapshot_file *file = snapshot_keeper_find(keeper, mapping_mab(master), 0);
    for (int i = 0; i < 2; i++) {
        change(true);
        expect_latest();
    }
    assert_non_null(file->keeper);
    snapshot_keeper_stop(keeper);
    keeper = NULL;
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
    snapshot_file_release(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_is_rolled_forward, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_written_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waits_for_slow_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops_while_it_sends, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
