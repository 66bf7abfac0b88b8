// SPDX-License-Identifier: BSD-2-Clause
// One thing at a time. What all of it comes to is in test_in_step.
#include "receiver_fixture.h"

static void test_boot_with_sets_on_the_way(void **state)
{
    (void)state;
    struct bench bench = start(0);
    struct prefix prefix = mab(two_mabs[0]);
    send_set(&bench, 0, 11, &prefix, 3); // before the directory is here
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    expect_nothing(&bench);
    give_directory(&bench, 0, EPOCH, 10, two_mabs, (uint64_t[]){2, 2}, 1);
    expect(&bench, RECEIVER_FETCH_SNAPSHOT);
    send_set(&bench, 0, 12, &prefix, 4);
    expect_nothing(&bench);
    give_snapshot(&bench, &prefix, 1); // lacks set 2, which is not buffered
    expect_nothing(&bench);
    assert_false(status(&bench, &prefix).has_copy);
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_SNAPSHOT);
    assert_int_equal(bench.event.attempt, 1);
    give_snapshot(&bench, &prefix, 3);
    expect(&bench, RECEIVER_RELOADED);
    assert_int_equal(bench.event.sequence, 4);
    expect(&bench, RECEIVER_READY);
    struct mapping_hash is = mapping_hash(database_get(bench.database, &prefix));
    struct mapping_hash should = master_hash(&prefix, 4);
    assert_true(mapping_hash_equal(&is, &should));
    send_set(&bench, 0, 13, &prefix, 5);
    expect(&bench, RECEIVER_APPLIED);
    assert_true(bench.event.sequence == 5 && bench.event.count == 1);
    assert_int_equal(bench.event.updates[0].range.start.index, 0x14000005);
    expect_nothing(&bench);
    stop(&bench);
}

static void test_one_diverged_mab_reloads_alone(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix first = mab(two_mabs[0]);
    struct prefix second = mab(two_mabs[1]);
    send_state(&bench, EPOCH, 11, &first, 2, true);
    expect_nothing(&bench);
    assert_true(status(&bench, &first).in_step);
    send_state(&bench, EPOCH, 12, &first, 2, false);
    expect_nothing(&bench);
    assert_false(status(&bench, &first).in_step);
    assert_true(status(&bench, &first).answering); // for a while
    assert_true(status(&bench, &second).in_step);
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_SNAPSHOT);
    assert_true(prefix_equal(&bench.event.mab, &first));
    // The source has nothing: the old copy answers until it is too old, and not a moment longer.
    receiver_snapshot(bench.receiver, bench.now, &first, NULL, NULL, NULL);
    struct instant diverged = {9000000000};
    bool lost = false;
    for (uint64_t n = 12; !lost; n++) {
        send_heartbeat(&bench, EPOCH, n + 1);
        while (!lost && wait_event(&bench, 200)) {
            lost = bench.event.kind == RECEIVER_LOST;
            assert_true(lost || bench.event.kind == RECEIVER_FETCH_SNAPSHOT);
            if (!lost)
                receiver_snapshot(bench.receiver, bench.now, &first, NULL, NULL, NULL);
        }
        assert_true(n < 200);
    }
    assert_true(prefix_equal(&bench.event.mab, &first));
    assert_int_equal(bench.now.ns, instant_add(diverged, duration_s(STALE_SECONDS)).ns);
    assert_false(status(&bench, &first).answering);
    assert_true(status(&bench, &second).in_step);
    while (!(wait_event(&bench, 10000) && bench.event.kind == RECEIVER_FETCH_SNAPSHOT))
        continue;
    give_snapshot(&bench, &first, 2);
    expect(&bench, RECEIVER_RELOADED);
    expect(&bench, RECEIVER_READY);
    stop(&bench);
}

static void test_a_set_that_does_not_follow(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    send_set(&bench, 0, 11, &prefix, 4); // where is 3?
    expect_nothing(&bench);
    assert_int_equal(receiver_counters(bench.receiver)->diverged, 1);
    assert_int_equal(status(&bench, &prefix).sequence, 2);
    assert_true(wait_event(&bench, 1000));
    give_snapshot(&bench, &prefix, 2); // needs 3
    expect_nothing(&bench);
    assert_true(wait_event(&bench, 1000));
    give_snapshot(&bench, &prefix, 3); // and 4 was kept
    expect(&bench, RECEIVER_RELOADED);
    assert_int_equal(bench.event.sequence, 4);
    stop(&bench);
}

static void test_a_set_that_cannot_be_applied(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    struct payload_writer payload;
    struct payload_header header = header_of(&bench, 0, EPOCH, 11);
    struct update update = define(&prefix, 1); // that address is mapped already
    payload_begin(&payload, &header);
    (void)payload_add_updates(&payload, &prefix, 3, 0, 1, &update, 1);
    send(&bench, &payload, 0);
    expect_nothing(&bench);
    assert_int_equal(receiver_counters(bench.receiver)->diverged, 1);
    struct mapping_hash is = mapping_hash(database_get(bench.database, &prefix));
    struct mapping_hash should = master_hash(&prefix, 2);
    assert_true(mapping_hash_equal(&is, &should));
    stop(&bench);
}

// A payload with a section of a type to come, which must not be stepped over.
static void send_what_must_be_known(struct bench *bench, uint64_t sequence)
{
    struct payload_writer payload;
    struct payload_header header = header_of(bench, 0, EPOCH, sequence);
    payload_begin(&payload, &header);
    writer_u8(&payload.writer, 200);
    writer_u8(&payload.writer, 1); // critical
    writer_u16(&payload.writer, 0);
    send(bench, &payload, 0);
}

static void test_a_section_that_must_not_be_stepped_over(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    send_what_must_be_known(&bench, 11);
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    assert_int_equal(receiver_counters(bench.receiver)->unusable, 1);
    give_directory(&bench, 0, EPOCH, 11, two_mabs, (uint64_t[]){2, 3}, 2);
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_SNAPSHOT);
    struct prefix second = mab(two_mabs[1]);
    assert_true(prefix_equal(&bench.event.mab, &second));
    stop(&bench);
}

static void test_drops_change_nothing_but_a_counter(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    const struct receiver_counters *counters = receiver_counters(bench.receiver);
    send_set(&bench, 0, 11, &prefix, 3);
    expect(&bench, RECEIVER_APPLIED);
    send_set(&bench, 0, 11, &prefix, 4);
    assert_int_equal(counters->repeated, 1);
    send_heartbeat(&bench, EPOCH - 1, 12);
    assert_int_equal(counters->stale_epoch, 1);
    struct secret_key own = bench.keys[0];
    struct payload_header header = header_of(&bench, 0, EPOCH + 1, 12);
    struct payload_writer payload;
    payload_begin(&payload, &header);
    (void)payload_add_section(&payload, &(struct payload_section){.type = SECTION_HEARTBEAT});
    send(&bench, &payload, 1); // in the name of RUAS 0, signed by RUAS 1
    assert_int_equal(counters->forged, 1);
    header.ruas ^= 1;
    payload_begin(&payload, &header);
    (void)payload_add_section(&payload, &(struct payload_section){.type = SECTION_HEARTBEAT});
    send(&bench, &payload, 0);
    assert_int_equal(counters->unknown_ruas, 1);
    receiver_input(bench.receiver, bench.now, &source, (const uint8_t *)"Iv", 2);
    assert_int_equal(counters->malformed[DECODE_SHORT], 1);
    expect_nothing(&bench);
    assert_true(status(&bench, &prefix).in_step);
    assert_int_equal(status(&bench, &prefix).sequence, 3);
    key_wipe(&own);
    stop(&bench);
}

static void test_a_ruas_cannot_change_the_mab_of_another(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    // It even claims the MAB in its directory.
    give_directory(&bench, 1, 1, 0, two_mabs, (uint64_t[]){0, 0}, 1);
    struct payload_writer payload;
    struct payload_header header = header_of(&bench, 1, 1, 1);
    struct update update = define(&prefix, 200);
    payload_begin(&payload, &header);
    (void)payload_add_updates(&payload, &prefix, 3, 0, 1, &update, 1);
    send(&bench, &payload, 1);
    expect_nothing(&bench);
    assert_int_equal(receiver_counters(bench.receiver)->unknown_mab, 1);
    assert_int_equal(status(&bench, &prefix).ruas, 0);
    assert_int_equal(status(&bench, &prefix).sequence, 2);
    // Nor does the end of its directory take it away.
    give_directory(&bench, 1, 1, 1, two_mabs, (uint64_t[]){0, 0}, 0);
    expect_nothing(&bench);
    assert_true(status(&bench, &prefix).in_step);
    stop(&bench);
}

// How often a directory of a RUAS is asked for within `ms`; each time, it is the one of `sequence`
// again.
static unsigned directories_asked(struct bench *bench, size_t ruas, uint64_t ms, uint64_t epoch,
                                  uint64_t sequence, size_t mabs)
{
    struct instant end = instant_add(bench->now, duration_ms(ms));
    unsigned asked = 0;
    while (instant_before(bench->now, end) && asked < 10000) {
        while (receiver_next_event(bench->receiver, bench->now, &bench->event) && asked < 10000) {
            if (bench->event.kind == RECEIVER_FETCH_PAYLOADS)
                receiver_payloads(bench->receiver, bench->now, bench->event.ruas, FETCH_NOT_YET,
                                  NULL, 0);
            if (bench->event.kind != RECEIVER_FETCH_DIRECTORY || bench->event.ruas != ruas)
                continue;
            asked++;
            give_directory(bench, ruas, epoch, sequence, two_mabs, (uint64_t[]){2, 2}, mabs);
        }
        struct instant deadline = receiver_next_deadline(bench->receiver);
        bench->now = instant_earlier(instant_before(bench->now, deadline) ? deadline : end, end);
        receiver_tick(bench->receiver, bench->now);
    }
    return asked;
}

// What a RUAS says of a MAB that another had first is no reason to fetch its directory again and
// again.
static void test_the_mab_of_another_asks_for_no_directory(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    give_directory(&bench, 1, 1, 0, two_mabs, (uint64_t[]){2, 0}, 1);
    unsigned asked = 0;
    for (uint64_t sequence = 1; sequence <= 20; sequence++) {
        struct payload_writer payload;
        struct payload_header header = header_of(&bench, 1, 1, sequence);
        struct update update = define(&prefix, 200);
        payload_begin(&payload, &header);
        (void)payload_add_updates(&payload, &prefix, 2 + sequence, 0, 1, &update, 1);
        send(&bench, &payload, 1);
        asked += directories_asked(&bench, 1, 1000, 1, sequence, 1);
    }
    assert_int_equal(receiver_counters(bench.receiver)->unknown_mab, 20);
    assert_true(asked <= 1); // the one that is looked at now and then
    stop(&bench);
}

// A directory of the time before a payload that cannot be used leads back to it. The next may be
// as old: the RUAS, or a cache before it, is not asked as fast as it can answer.
static void test_old_directories_do_not_make_a_flood(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    send_what_must_be_known(&bench, 11);
    unsigned asked = directories_asked(&bench, 0, 20000, EPOCH, 10, 2);
    assert_true(asked >= 5 && asked <= 20);
    give_directory(&bench, 0, EPOCH, 11, two_mabs, (uint64_t[]){2, 2}, 2);
    send_heartbeat(&bench, EPOCH, 12);
    assert_true(directories_asked(&bench, 0, 5000, EPOCH, 12, 2) <= 1); // sought already
    struct prefix prefix = mab(two_mabs[0]);
    assert_true(status(&bench, &prefix).in_step);
    stop(&bench);
}

static void test_a_new_epoch_confirms_by_states(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix first = mab(two_mabs[0]);
    struct prefix second = mab(two_mabs[1]);
    send_state(&bench, EPOCH + 1, 1, &first, 2, true);
    expect_nothing(&bench);
    assert_true(status(&bench, &first).in_step);
    assert_false(status(&bench, &second).in_step);
    assert_true(status(&bench, &second).answering);
    send_state(&bench, EPOCH + 1, 2, &second, 1, true); // restored: set 2 is undone
    expect_nothing(&bench);
    assert_int_equal(receiver_counters(bench.receiver)->diverged, 1);
    // Snapshots of the epoch before are of no use.
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_SNAPSHOT);
    give_snapshot(&bench, &second, 1);
    expect_nothing(&bench);
    assert_int_equal(receiver_counters(bench.receiver)->snapshots_refused, 1);
    stop(&bench);
}

// However long the snapshots of one RUAS are on their way, those of another are fetched.
static void test_a_slow_ruas_does_not_hold_up_others(void **state)
{
    (void)state;
    struct bench bench = start(0);
    static const char *const slow[] = {"20.1.0.0/24", "20.1.1.0/24", "20.1.2.0/24", "20.1.3.0/24"};
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    give_directory(&bench, 1, EPOCH, 0, slow, (uint64_t[]){1, 1, 1, 1}, 4);
    for (size_t i = 0; i < SNAPSHOT_FETCHES_MAX; i++) {
        expect(&bench, RECEIVER_FETCH_SNAPSHOT);
        assert_int_equal(bench.event.ruas, 1);
    }
    give_directory(&bench, 0, EPOCH, 0, two_mabs, (uint64_t[]){1, 1}, 2);
    for (size_t i = 0; i < 2; i++) {
        expect(&bench, RECEIVER_FETCH_SNAPSHOT);
        assert_int_equal(bench.event.ruas, 0);
    }
    expect_nothing(&bench);
    stop(&bench);
}

// No more than so many of one RUAS at a time; each that ends makes room for the next.
static void test_snapshots_are_fetched_a_few_at_a_time(void **state)
{
    (void)state;
    struct bench bench = start(0);
    struct directory_mab mabs[SNAPSHOT_FETCHES_MAX + 2];
    struct prefix asked[SNAPSHOT_FETCHES_MAX + 2];
    size_t count = SNAPSHOT_FETCHES_MAX + 2;
    for (size_t i = 0; i < count; i++) {
        mabs[i] = (struct directory_mab){.mab = mab("20.0.0.0/24"), .sequence = 1};
        mabs[i].mab.address.octets[2] = (uint8_t)i;
    }
    struct directory directory = {
        .ruas = key_public(&bench.keys[0]), .epoch = EPOCH, .mab_count = count, .mabs = mabs};
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    receiver_directory(bench.receiver, bench.now, 0, &directory);
    for (size_t i = 0; i < count; i++) {
        if (i >= SNAPSHOT_FETCHES_MAX) {
            expect_nothing(&bench);
            give_snapshot(&bench, &asked[i - SNAPSHOT_FETCHES_MAX], 1);
            expect(&bench, RECEIVER_RELOADED);
            expect(&bench, RECEIVER_READY);
        }
        expect(&bench, RECEIVER_FETCH_SNAPSHOT);
        asked[i] = bench.event.mab;
    }
    stop(&bench);
}

static void test_mabs_come_and_go(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix second = mab(two_mabs[1]);
    struct prefix third = mab("20.0.2.0/24");
    send_set(&bench, 0, 11, &third, 1);
    expect_nothing(&bench);
    assert_true(wait_event(&bench, 2000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_DIRECTORY);
    static const char *const mabs[] = {"20.0.0.0/24", "20.0.2.0/24"};
    give_directory(&bench, 0, EPOCH, 11, mabs, (uint64_t[]){2, 1}, 2);
    expect(&bench, RECEIVER_REMOVED);
    assert_true(prefix_equal(&bench.event.mab, &second));
    assert_null(database_get(bench.database, &second));
    expect(&bench, RECEIVER_FETCH_SNAPSHOT);
    assert_true(prefix_equal(&bench.event.mab, &third));
    give_snapshot(&bench, &third, 1);
    expect(&bench, RECEIVER_RELOADED);
    expect(&bench, RECEIVER_READY);
    struct receiver_mab_status gone;
    assert_false(receiver_mab(bench.receiver, &second, &gone));
    stop(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_with_sets_on_the_way),
        cmocka_unit_test(test_one_diverged_mab_reloads_alone),
        cmocka_unit_test(test_a_set_that_does_not_follow),
        cmocka_unit_test(test_a_set_that_cannot_be_applied),
        cmocka_unit_test(test_a_section_that_must_not_be_stepped_over),
        cmocka_unit_test(test_drops_change_nothing_but_a_counter),
        cmocka_unit_test(test_a_ruas_cannot_change_the_mab_of_another),
        cmocka_unit_test(test_the_mab_of_another_asks_for_no_directory),
        cmocka_unit_test(test_old_directories_do_not_make_a_flood),
        cmocka_unit_test(test_a_new_epoch_confirms_by_states),
        cmocka_unit_test(test_a_slow_ruas_does_not_hold_up_others),
        cmocka_unit_test(test_snapshots_are_fetched_a_few_at_a_time),
        cmocka_unit_test(test_mabs_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
