// SPDX-License-Identifier: BSD-2-Clause
// Payloads that do not come: gaps, silence, and what is kept meanwhile.
#include "receiver_fixture.h"

static void give_payloads(struct bench *bench, uint64_t first, uint64_t last)
{
    uint8_t bytes[16 * PAYLOAD_BYTES_MAX];
    struct writer writer = writer_over(bytes, sizeof(bytes));
    struct prefix prefix = mab(two_mabs[0]);
    for (uint64_t n = first; n <= last; n++) {
        struct payload_writer payload;
        struct payload_header header = header_of(bench, 0, EPOCH, n);
        struct update update = define(&prefix, (uint32_t)(n - 8));
        payload_begin(&payload, &header);
        (void)payload_add_updates(&payload, &prefix, n - 8, 0, 1, &update, 1);
        size_t length = payload_seal(&payload, &bench->keys[0]);
        writer_u16(&writer, (uint16_t)length);
        writer_bytes(&writer, payload.bytes, length);
    }
    assert_false(writer.failed);
    receiver_payloads(bench->receiver, bench->now, 0, FETCH_DONE, bytes, writer_length(&writer));
}

static void test_a_gap_is_fetched(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    send_set(&bench, 0, 13, &prefix, 5); // 11 and 12 are missing
    expect_nothing(&bench);
    assert_false(status(&bench, &prefix).in_step);
    struct instant noticed = bench.now;
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_PAYLOADS);
    assert_true(bench.event.epoch == EPOCH && bench.event.first == 11 && bench.event.last == 12);
    assert_true(instant_since(bench.now, noticed).ns <= duration_ms(2 * GAP_WAIT_MS).ns);
    receiver_payloads(bench.receiver, bench.now, 0, FETCH_FAILED, NULL, 0);
    assert_true(wait_event(&bench, 100));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_PAYLOADS);
    assert_int_equal(bench.event.attempt, 1);
    give_payloads(&bench, 11, 12);
    for (uint64_t sequence = 3; sequence <= 5; sequence++) {
        expect(&bench, RECEIVER_APPLIED);
        assert_int_equal(bench.event.sequence, sequence);
    }
    expect_nothing(&bench);
    assert_true(status(&bench, &prefix).in_step);
    stop(&bench);
}

static void test_a_payload_that_was_overtaken_is_not_fetched(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    send_set(&bench, 0, 12, &prefix, 4);
    expect_nothing(&bench);
    bench.now = instant_add(bench.now, duration_ms(GAP_WAIT_MS / 2));
    send_set(&bench, 0, 11, &prefix, 3);
    expect(&bench, RECEIVER_APPLIED);
    expect(&bench, RECEIVER_APPLIED);
    assert_false(wait_event(&bench, 500));
    assert_int_equal(receiver_counters(bench.receiver)->gaps, 0);
    stop(&bench);
}

static void test_a_gap_that_cannot_be_filled(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix first = mab(two_mabs[0]);
    struct prefix second = mab(two_mabs[1]);
    send_set(&bench, 0, 2000, &first, 9);
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_PAYLOADS);
    receiver_payloads(bench.receiver, bench.now, 0, FETCH_GONE, NULL, 0);
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    give_directory(&bench, 0, EPOCH, 2001, two_mabs, (uint64_t[]){9, 2}, 2);
    // The second lost nothing; the first must be loaded anew.
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_SNAPSHOT);
    assert_true(prefix_equal(&bench.event.mab, &first));
    assert_true(status(&bench, &second).in_step);
    give_snapshot(&bench, &first, 9);
    expect(&bench, RECEIVER_RELOADED);
    send_set(&bench, 0, 2002, &first, 10);
    expect(&bench, RECEIVER_APPLIED);
    assert_int_equal(receiver_counters(bench.receiver)->resyncs, 1);
    stop(&bench);
}

// The clock of the RUAS says nothing about which directory is newer: it may be set back.
static void test_a_directory_counts_though_the_clock_went_back(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix first = mab(two_mabs[0]);
    send_set(&bench, 0, 2000, &first, 9);
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_PAYLOADS);
    receiver_payloads(bench.receiver, bench.now, 0, FETCH_GONE, NULL, 0);
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    bench.clock_back_ms = 3600000;
    give_directory(&bench, 0, EPOCH, 2001, two_mabs, (uint64_t[]){9, 2}, 2);
    assert_int_equal(receiver_counters(bench.receiver)->directories_refused, 0);
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_SNAPSHOT);
    give_snapshot(&bench, &first, 9);
    expect(&bench, RECEIVER_RELOADED);

    // One that was before, played again, does not, whatever its time.
    bench.clock_back_ms = 0;
    give_directory(&bench, 0, EPOCH, 2000, two_mabs, (uint64_t[]){2, 2}, 2);
    assert_int_equal(receiver_counters(bench.receiver)->directories_refused, 1);
    stop(&bench);
}

static void test_the_buffer_is_bounded(void **state)
{
    (void)state;
    struct bench bench = start(2000);
    struct prefix prefix = mab(two_mabs[0]);
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    give_directory(&bench, 0, EPOCH, 10, two_mabs, (uint64_t[]){0, 0}, 1);
    expect(&bench, RECEIVER_FETCH_SNAPSHOT);
    for (uint64_t n = 1; n <= 200; n++) {
        send_set(&bench, 0, 10 + n, &prefix, n);
        expect_nothing(&bench);
    }
    give_snapshot(&bench, &prefix, 1); // was good enough once, but what came since is dropped
    expect_nothing(&bench);
    assert_true(wait_event(&bench, 1000));
    assert_int_equal(bench.event.kind, RECEIVER_FETCH_SNAPSHOT);
    give_snapshot(&bench, &prefix, 200);
    expect(&bench, RECEIVER_RELOADED);
    assert_int_equal(bench.event.sequence, 200);
    stop(&bench);
}

// Loads a MAB while another RUAS has so many sets in its buffer, because its snapshots do not come.
static void load_beside(uint64_t sets)
{
    struct bench bench = start(4000);
    static const char *const other[] = {"20.9.0.0/24"};
    struct prefix greedy = mab(other[0]);
    struct prefix modest = mab(two_mabs[0]);
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    give_directory(&bench, 1, EPOCH, 0, other, (uint64_t[]){0}, 1);
    expect(&bench, RECEIVER_FETCH_SNAPSHOT);
    give_directory(&bench, 0, EPOCH, 0, two_mabs, (uint64_t[]){0}, 1);
    expect(&bench, RECEIVER_FETCH_SNAPSHOT);
    for (uint64_t n = 1; n <= sets; n++) {
        send_set(&bench, 1, n, &greedy, n);
        expect_nothing(&bench);
    }
    for (uint64_t n = 1; n <= 3; n++) {
        send_set(&bench, 0, n, &modest, n);
        expect_nothing(&bench);
    }
    give_snapshot(&bench, &modest, 0);
    expect(&bench, RECEIVER_RELOADED);
    assert_int_equal(bench.event.sequence, 3);
    stop(&bench);
}

// However full it is.
static void test_each_ruas_has_its_buffer(void **state)
{
    (void)state;
    for (uint64_t sets = 1; sets < 100; sets++)
        load_beside(sets);
}

static void test_silence_asks_but_takes_nothing_away(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    struct instant end = instant_add(bench.now, duration_s(100));
    size_t asked = 0;
    while (instant_before(bench.now, end)) {
        if (!wait_event(&bench, 1000))
            continue;
        if (bench.event.kind == RECEIVER_FETCH_PAYLOADS) {
            assert_int_equal(bench.event.first, 11);
            receiver_payloads(bench.receiver, bench.now, 0, FETCH_FAILED, NULL, 0);
            asked++;
        } else {
            assert_int_equal(bench.event.kind, RECEIVER_FETCH_DIRECTORY);
            receiver_directory(bench.receiver, bench.now, 0, NULL);
        }
    }
    assert_true(asked >= 15 && asked <= 60);
    assert_true(status(&bench, &prefix).in_step && status(&bench, &prefix).answering);
    // Without datagrams it keeps in step all the same.
    while (!(wait_event(&bench, 10000) && bench.event.kind == RECEIVER_FETCH_PAYLOADS))
        receiver_directory(bench.receiver, bench.now, 0, NULL);
    give_payloads(&bench, 11, 14);
    for (uint64_t sequence = 3; sequence <= 6; sequence++)
        expect(&bench, RECEIVER_APPLIED);
    stop(&bench);
}

static void test_payloads_missing_for_long_end_the_answers(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    send_set(&bench, 0, 12, &prefix, 4);
    struct instant begin = bench.now;
    size_t lost = 0;
    while (lost < 2) {
        if (!wait_event(&bench, 1000))
            continue;
        if (bench.event.kind == RECEIVER_FETCH_PAYLOADS)
            receiver_payloads(bench.receiver, bench.now, 0, FETCH_FAILED, NULL, 0);
        lost += bench.event.kind == RECEIVER_LOST;
    }
    assert_int_equal(bench.now.ns, instant_add(begin, duration_s(STALE_SECONDS)).ns);
    send_set(&bench, 0, 11, &prefix, 3);
    expect(&bench, RECEIVER_APPLIED);
    expect(&bench, RECEIVER_APPLIED);
    expect(&bench, RECEIVER_READY);
    expect(&bench, RECEIVER_READY);
    expect_nothing(&bench);
    assert_true(status(&bench, &prefix).in_step);
    stop(&bench);
}

// The RUAS starts again and says that a MAB is further than its copy. The copy may have been behind
// since payloads were missing before, so it answers until ten seconds after that, not after this.
static void test_a_copy_is_as_old_as_what_was_missing_first(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct prefix prefix = mab(two_mabs[0]);
    send_set(&bench, 0, 12, &prefix, 4);
    struct instant begin = bench.now;
    while (instant_before(bench.now, instant_add(begin, duration_s(STALE_SECONDS - 2))))
        if (wait_event(&bench, 100) && bench.event.kind == RECEIVER_FETCH_PAYLOADS)
            receiver_payloads(bench.receiver, bench.now, 0, FETCH_FAILED, NULL, 0);
    send_state(&bench, EPOCH + 1, 1, &prefix, 4, true);
    expect_nothing(&bench);
    assert_false(status(&bench, &prefix).in_step);
    assert_true(status(&bench, &prefix).answering);
    do {
        if (!wait_event(&bench, 1000))
            continue;
        if (bench.event.kind == RECEIVER_FETCH_SNAPSHOT)
            receiver_snapshot(bench.receiver, bench.now, &prefix, NULL, NULL, NULL);
    } while (bench.event.kind != RECEIVER_LOST);
    assert_true(prefix_equal(&bench.event.mab, &prefix));
    assert_int_equal(bench.now.ns, instant_add(begin, duration_s(STALE_SECONDS)).ns);
    stop(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_gap_is_fetched),
        cmocka_unit_test(test_a_payload_that_was_overtaken_is_not_fetched),
        cmocka_unit_test(test_a_gap_that_cannot_be_filled),
        cmocka_unit_test(test_a_directory_counts_though_the_clock_went_back),
        cmocka_unit_test(test_the_buffer_is_bounded),
        cmocka_unit_test(test_each_ruas_has_its_buffer),
        cmocka_unit_test(test_silence_asks_but_takes_nothing_away),
        cmocka_unit_test(test_payloads_missing_for_long_end_the_answers),
        cmocka_unit_test(test_a_copy_is_as_old_as_what_was_missing_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
