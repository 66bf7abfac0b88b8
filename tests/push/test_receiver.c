// SPDX-License-Identifier: BSD-2-Clause
// One thing at a time, with payloads written by hand. What all of it comes to is in test_in_step.
#include "../check.h"
#include "base/memory.h"
#include "push/receiver.h"
#include "wire/payload.h"

#include <string.h>

#define EPOCH 4

// A receiver that follows two RUASes, and the hand that writes their payloads.
struct bench {
    struct receiver *receiver;
    struct database *database;
    struct secret_key keys[2];
    struct instant now;
    struct receiver_event event;
    uint64_t clock_back_ms; // how far the RUAS's clock was set back
};

#define WALL_MS 10000000

static const struct endpoint source = {{FAMILY_IPV4, {198, 18, 0, 1}}, 4749};

static struct prefix mab(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix, NULL));
    return prefix;
}

static struct bench start(size_t buffer_bytes)
{
    struct bench bench = {.now = {9000000000}};
    struct public_key keys[2];
    for (uint8_t i = 0; i < 2; i++) {
        key_from_seed((uint8_t[32]){i}, &bench.keys[i]);
        keys[i] = key_public(&bench.keys[i]);
    }
    bench.database = database_new();
    struct receiver_config config = {2, keys, buffer_bytes};
    bench.receiver = receiver_new(&config, bench.database, random_seed_from_number(1), bench.now);
    return bench;
}

static void stop(struct bench *bench)
{
    receiver_free(bench->receiver);
    database_free(bench->database);
}

// The next event, other than fetches of directories of RUAS 1, which is not there.
static bool next(struct bench *bench)
{
    while (receiver_next_event(bench->receiver, bench->now, &bench->event))
        if (bench->event.kind != RECEIVER_FETCH_DIRECTORY || bench->event.ruas != 1)
            return true;
    return false;
}

static void expect(struct bench *bench, enum receiver_event_kind kind)
{
    assert_true(next(bench));
    assert_int_equal(bench->event.kind, kind);
}

static void expect_nothing(struct bench *bench)
{
    assert_false(next(bench));
}

// Lets time pass, deadline by deadline, until something happens or `ms` have gone by.
static bool wait_event(struct bench *bench, uint64_t ms)
{
    struct instant end = instant_add(bench->now, duration_ms(ms));
    while (!next(bench)) {
        struct instant deadline = receiver_next_deadline(bench->receiver);
        if (instant_before(end, deadline)) {
            bench->now = end;
            return false;
        }
        if (instant_before(bench->now, deadline))
            bench->now = deadline;
        receiver_tick(bench->receiver, bench->now);
    }
    return true;
}

static struct payload_header header_of(const struct bench *bench, size_t ruas, uint64_t epoch,
                                       uint64_t sequence)
{
    struct public_key key = key_public(&bench->keys[ruas]);
    return (struct payload_header){key_id(&key), epoch, sequence, {1000 + sequence}};
}

static void send(struct bench *bench, struct payload_writer *payload, size_t ruas)
{
    size_t length = payload_seal(payload, &bench->keys[ruas]);
    receiver_input(bench->receiver, bench->now, &source, payload->bytes, length);
}

static void send_heartbeat(struct bench *bench, uint64_t epoch, uint64_t sequence)
{
    struct payload_writer payload;
    struct payload_header header = header_of(bench, 0, epoch, sequence);
    payload_begin(&payload, &header);
    (void)payload_add_section(&payload, &(struct payload_section){.type = SECTION_HEARTBEAT});
    send(bench, &payload, 0);
}

// A micronet of one address, `number`, as the set number `mab_sequence` of a MAB.
static struct update define(const struct prefix *prefix, uint32_t number)
{
    struct unit unit = {unit_of_address(&prefix->address).index + number};
    return (struct update){UPDATE_DEFINE, {FAMILY_IPV4, unit, {1}}, address_from_ipv4(number), {0}};
}

static void send_set(struct bench *bench, size_t ruas, uint64_t sequence,
                     const struct prefix *prefix, uint64_t mab_sequence)
{
    struct payload_writer payload;
    struct payload_header header = header_of(bench, ruas, EPOCH, sequence);
    struct update update = define(prefix, (uint32_t)mab_sequence);
    payload_begin(&payload, &header);
    assert_int_equal(payload_add_updates(&payload, prefix, mab_sequence, 0, 1, &update, 1), 1);
    send(bench, &payload, ruas);
}

// The master of a MAB after `mab_sequence` sets.
static struct mapping *master(const struct prefix *prefix, uint64_t mab_sequence)
{
    struct mapping *mapping = mapping_new(prefix, NULL);
    for (uint32_t i = 1; i <= mab_sequence; i++) {
        struct update update = define(prefix, i);
        assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
    }
    return mapping;
}

static struct mapping_hash master_hash(const struct prefix *prefix, uint64_t mab_sequence)
{
    struct mapping *mapping = master(prefix, mab_sequence);
    struct mapping_hash hash = mapping_hash(mapping);
    mapping_free(mapping);
    return hash;
}

static void send_state(struct bench *bench, uint64_t epoch, uint64_t sequence,
                       const struct prefix *prefix, uint64_t mab_sequence, bool right)
{
    struct payload_writer payload;
    struct payload_header header = header_of(bench, 0, epoch, sequence);
    struct payload_section section = {.type = SECTION_STATE,
                                      .mab = *prefix,
                                      .mab_sequence = mab_sequence,
                                      .hash = master_hash(prefix, mab_sequence)};
    section.hash.lanes[1] += right ? 0 : 1;
    payload_begin(&payload, &header);
    assert_true(payload_add_section(&payload, &section));
    send(bench, &payload, 0);
}

static void give_directory(struct bench *bench, size_t ruas, uint64_t epoch, uint64_t sequence,
                           const char *const *prefixes, const uint64_t *sequences, size_t count)
{
    struct directory_mab mabs[4];
    for (size_t i = 0; i < count; i++) {
        struct prefix prefix = mab(prefixes[i]);
        mabs[i] =
            (struct directory_mab){prefix, sequences[i], true, master_hash(&prefix, sequences[i])};
    }
    struct directory directory = {key_public(&bench->keys[ruas]),
                                  epoch,
                                  sequence,
                                  {WALL_MS - bench->clock_back_ms},
                                  count,
                                  mabs,
                                  0,
                                  NULL};
    receiver_directory(bench->receiver, bench->now, ruas, &directory);
}

static void give_snapshot(struct bench *bench, const struct prefix *prefix, uint64_t mab_sequence)
{
    struct public_key key = key_public(&bench->keys[0]);
    struct snapshot_info info = {
        .ruas = key_id(&key), .epoch = EPOCH, .mab = *prefix, .sequence = mab_sequence};
    receiver_snapshot(bench->receiver, bench->now, prefix, &info, master(prefix, mab_sequence),
                      NULL);
}

static struct receiver_mab_status status(const struct bench *bench, const struct prefix *prefix)
{
    struct receiver_mab_status status;
    assert_true(receiver_mab(bench->receiver, prefix, &status));
    return status;
}

static const char *const two_mabs[] = {"20.0.0.0/24", "20.0.1.0/24"};

// Boots until both MABs of RUAS 0 are in step, at sequence 2 each, payload 10 done.
static struct bench boot(size_t buffer_bytes)
{
    struct bench bench = start(buffer_bytes);
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    give_directory(&bench, 0, EPOCH, 10, two_mabs, (uint64_t[]){2, 2}, 2);
    for (size_t i = 0; i < 2; i++) {
        expect(&bench, RECEIVER_FETCH_SNAPSHOT);
        struct prefix prefix = bench.event.mab;
        give_snapshot(&bench, &prefix, 2);
        expect(&bench, RECEIVER_RELOADED);
        assert_int_equal(bench.event.sequence, 2);
        expect(&bench, RECEIVER_READY);
        assert_true(prefix_equal(&bench.event.mab, &prefix));
        assert_true(status(&bench, &prefix).in_step);
    }
    expect_nothing(&bench);
    return bench;
}

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

static void test_a_section_that_must_not_be_stepped_over(void **state)
{
    (void)state;
    struct bench bench = boot(0);
    struct payload_writer payload;
    struct payload_header header = header_of(&bench, 0, EPOCH, 11);
    payload_begin(&payload, &header);
    writer_u8(&payload.writer, 200);
    writer_u8(&payload.writer, 1); // critical
    writer_u16(&payload.writer, 0);
    send(&bench, &payload, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_with_sets_on_the_way),
        cmocka_unit_test(test_one_diverged_mab_reloads_alone),
        cmocka_unit_test(test_a_set_that_does_not_follow),
        cmocka_unit_test(test_a_set_that_cannot_be_applied),
        cmocka_unit_test(test_a_gap_is_fetched),
        cmocka_unit_test(test_a_payload_that_was_overtaken_is_not_fetched),
        cmocka_unit_test(test_a_gap_that_cannot_be_filled),
        cmocka_unit_test(test_a_directory_counts_though_the_clock_went_back),
        cmocka_unit_test(test_a_section_that_must_not_be_stepped_over),
        cmocka_unit_test(test_drops_change_nothing_but_a_counter),
        cmocka_unit_test(test_a_ruas_cannot_change_the_mab_of_another),
        cmocka_unit_test(test_a_new_epoch_confirms_by_states),
        cmocka_unit_test(test_mabs_come_and_go),
        cmocka_unit_test(test_the_buffer_is_bounded),
        cmocka_unit_test(test_silence_asks_but_takes_nothing_away),
        cmocka_unit_test(test_payloads_missing_for_long_end_the_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
