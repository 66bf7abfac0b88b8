// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "push/sender.h"

#include <string.h>

// A sender with its time, and what the last payload held.
struct bench {
    struct sender *sender;
    struct instant now;
    uint64_t sequence; // of the last payload
    size_t length;
    size_t sets, states, snapshots, heartbeats;
    uint64_t first_set; // MAB sequence of its first updates section
    bool state_first;   // a state stands before any updates
};

static struct prefix mab(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix, NULL));
    return prefix;
}

static struct bench start(size_t mabs, uint64_t bytes_second)
{
    struct sender_config config = {.epoch = 5, .bytes_second = bytes_second};
    key_from_seed((const uint8_t[32]){7}, &config.secret);
    struct bench bench = {.now = {5000000000}};
    bench.sender = sender_new(&config, bench.now);
    for (size_t i = 0; i < mabs; i++) {
        struct prefix prefix = mab("20.0.0.0/24");
        prefix.address.octets[1] = (uint8_t)(i >> 8);
        prefix.address.octets[2] = (uint8_t)i;
        sender_add_mab(bench.sender, &prefix, 0, &(struct mapping_hash){{0}});
    }
    return bench;
}

static void look_at(struct bench *bench, const uint8_t *bytes)
{
    struct payload_header header;
    struct reader sections;
    struct payload_section section;
    assert_int_equal(payload_open(bytes, bench->length, &header, &sections), DECODE_OK);
    assert_int_equal(header.epoch, 5);
    assert_int_equal(header.sequence, bench->sequence + 1);
    bench->sequence = header.sequence;
    bench->sets = bench->states = bench->snapshots = bench->heartbeats = 0;
    bench->first_set = 0;
    bench->state_first = false;
    while (payload_next_section(&sections, &section)) {
        if (section.type == SECTION_UPDATES && bench->sets++ == 0)
            bench->first_set = section.mab_sequence;
        bench->states += section.type == SECTION_STATE;
        bench->state_first |= section.type == SECTION_STATE && bench->sets == 0;
        bench->snapshots += section.type == SECTION_SNAPSHOT;
        bench->heartbeats += section.type == SECTION_HEARTBEAT;
    }
    assert_false(sections.failed);
}

// The next payload due now; false where none is.
static bool next(struct bench *bench)
{
    uint8_t bytes[PAYLOAD_BYTES_MAX];
    bench->length = sender_next_output(bench->sender, bench->now, (struct wall_time){1}, bytes);
    if (bench->length > 0)
        look_at(bench, bytes);
    return bench->length > 0;
}

static void wait_ms(struct bench *bench, uint64_t ms)
{
    bench->now = instant_add(bench->now, duration_ms(ms));
}

static void send_all(struct bench *bench)
{
    while (next(bench))
        continue;
}

static bool put(struct bench *bench, uint64_t sequence, size_t count)
{
    static struct update updates[UPDATE_SET_MAX];
    struct prefix prefix = mab("20.0.0.0/24");
    for (size_t i = 0; i < count; i++) {
        updates[i].kind = UPDATE_MAP;
        updates[i].range = (struct range){FAMILY_IPV4, {0x14000000 + i % 256}, {1}};
        updates[i].etr = address_from_ipv4((uint32_t)i + 1);
    }
    prefix.address.octets[1] = prefix.address.octets[2] = 0;
    return sender_set(bench->sender, bench->now, &prefix, sequence, updates, count,
                      &(struct mapping_hash){{sequence, 0}});
}

static void test_heartbeats(void **state)
{
    (void)state;
    struct bench bench = start(1, 0);
    assert_true(next(&bench));
    assert_int_equal(bench.states, 1);
    assert_false(next(&bench));
    for (int i = 0; i < 20; i++) {
        struct instant deadline = sender_next_deadline(bench.sender);
        assert_int_equal(deadline.ns, instant_add(bench.now, duration_ms(HEARTBEAT_MS)).ns);
        wait_ms(&bench, HEARTBEAT_MS - 1);
        assert_false(next(&bench));
        wait_ms(&bench, 1);
        assert_true(next(&bench));
        assert_int_equal(bench.heartbeats, 1);
    }
    assert_int_equal(sender_position(bench.sender), 21);
    assert_true(put(&bench, 1, 1) && next(&bench) && bench.sets == 1);
    static const uint64_t soon_after_updates[] = {30, 60, 120, 240, 250, 250};
    for (size_t i = 0; i < sizeof(soon_after_updates) / sizeof(soon_after_updates[0]); i++) {
        wait_ms(&bench, soon_after_updates[i] - 1);
        assert_false(next(&bench));
        wait_ms(&bench, 1);
        assert_true(next(&bench) && bench.heartbeats == 1);
    }
    sender_free(bench.sender);
}

static void test_a_lone_set_leaves_at_once_and_others_wait_for_company(void **state)
{
    (void)state;
    struct bench bench = start(1, 0);
    send_all(&bench);
    wait_ms(&bench, 100);
    assert_true(put(&bench, 1, 1));
    assert_true(next(&bench) && bench.sets == 1);
    wait_ms(&bench, 1);
    assert_true(put(&bench, 2, 1));
    assert_false(next(&bench));
    wait_ms(&bench, 10);
    assert_true(put(&bench, 3, 1));
    assert_false(next(&bench));
    wait_ms(&bench, SENDER_BATCH_MS - 11);
    assert_true(next(&bench));
    assert_int_equal(bench.sets, 2);
    assert_int_equal(bench.first_set, 2);
    wait_ms(&bench, SENDER_QUIET_MS);
    assert_true(put(&bench, 4, 1));
    assert_true(next(&bench) && bench.sets == 1);
    sender_free(bench.sender);
}

static void test_a_full_payload_does_not_wait(void **state)
{
    (void)state;
    struct bench bench = start(1, 0);
    send_all(&bench);
    wait_ms(&bench, 100);
    assert_true(put(&bench, 1, 1) && next(&bench));
    uint64_t sequence = 2;
    size_t each = SECTION_HEADER_BYTES + UPDATES_HEADER_BYTES + 14;
    for (size_t used = 0; used < PAYLOAD_SECTION_ROOM; used += each)
        assert_true(put(&bench, sequence++, 1));
    assert_true(next(&bench));
    assert_true(bench.length > PAYLOAD_BYTES_MAX - each);
    send_all(&bench);
    assert_int_equal(sender_queued(bench.sender), 0);
    sender_free(bench.sender);
}

static void test_a_large_set_is_spread_and_the_position_waits(void **state)
{
    (void)state;
    struct bench bench = start(1, 0);
    send_all(&bench);
    wait_ms(&bench, 100);
    uint64_t before = sender_position(bench.sender);
    assert_true(put(&bench, 1, UPDATE_SET_MAX));
    assert_true(put(&bench, 2, 1));
    size_t payloads = 0;
    while (sender_mab_state(bench.sender, 0).sequence == 0) {
        assert_int_equal(sender_position(bench.sender), before);
        wait_ms(&bench, 1); // pace
        payloads += next(&bench);
        assert_true(payloads < 50);
    }
    assert_int_equal(payloads, (UPDATE_SET_MAX * 14 + PAYLOAD_UPDATES_ROOM - 1) /
                                   (PAYLOAD_UPDATES_ROOM / 14 * 14));
    assert_int_equal(sender_position(bench.sender), bench.sequence);
    // The second set went along in the last payload.
    assert_int_equal(bench.sets, 2);
    assert_int_equal(sender_mab_state(bench.sender, 0).sequence, 2);
    assert_int_equal(sender_mab_state(bench.sender, 0).hash.lanes[0], 2);
    sender_free(bench.sender);
}

// The states of a MAB that is added while a set is half sent stand between its parts, in payloads
// of their own: each part has all of its payload.
static void test_a_mab_is_added_between_the_parts_of_a_set(void **state)
{
    (void)state;
    struct bench bench = start(1, 0);
    send_all(&bench);
    wait_ms(&bench, 100);
    assert_true(put(&bench, 1, UPDATE_SET_MAX));
    assert_true(next(&bench) && bench.sets == 1);
    struct prefix prefix = mab("20.9.0.0/24");
    sender_add_mab(bench.sender, &prefix, 0, &(struct mapping_hash){{0}});
    size_t states = 0;
    size_t parts = 1;
    for (int i = 0; i < 100 && sender_queued(bench.sender) > 0; i++) {
        wait_ms(&bench, 1);
        if (!next(&bench))
            continue;
        assert_true(bench.states == 0 || bench.sets == 0);
        states += bench.states;
        parts += bench.sets;
    }
    assert_int_equal(sender_queued(bench.sender), 0);
    assert_int_equal(states, 2);
    assert_int_equal(parts, (UPDATE_SET_MAX * 14 + PAYLOAD_UPDATES_ROOM - 1) /
                                (PAYLOAD_UPDATES_ROOM / 14 * 14));
    sender_free(bench.sender);
}

static void test_an_epoch_begins_with_states(void **state)
{
    (void)state;
    struct bench bench = start(100, 0);
    assert_true(put(&bench, 1, 1));
    size_t states = 0;
    bool updates = false;
    for (int i = 0; i < 20 && !updates; i++) {
        wait_ms(&bench, 1);
        if (!next(&bench))
            continue;
        states += bench.states;
        updates = bench.sets > 0;
        assert_true(!updates || bench.state_first || states == 100);
    }
    assert_true(updates);
    assert_int_equal(states, 100);
    sender_free(bench.sender);
}

static void test_states_come_round_smoothly(void **state)
{
    (void)state;
    struct bench bench = start(200, 0);
    for (int i = 0; i < 50; i++) {
        wait_ms(&bench, 1);
        (void)next(&bench);
    }
    struct instant begin = bench.now;
    uint64_t before = sender_counters(bench.sender)->states;
    size_t most = 0;
    while (instant_since(bench.now, begin).ns < duration_s(STATE_SECONDS).ns) {
        bench.now = sender_next_deadline(bench.sender);
        assert_true(next(&bench));
        most = bench.states > most ? bench.states : most;
    }
    uint64_t sent = sender_counters(bench.sender)->states - before;
    assert_true(sent >= 200 && sent < 300);
    assert_true(most <= 3); // never in a lump
    sender_free(bench.sender);
}

static void test_output_is_paced(void **state)
{
    (void)state;
    const uint64_t rate = 100000;
    struct bench bench = start(1, rate);
    send_all(&bench);
    for (uint64_t i = 1; i <= 300; i++)
        assert_true(put(&bench, i, 70));
    struct instant begin = bench.now;
    uint64_t bytes = 0;
    while (sender_queued(bench.sender) > 0) {
        bench.now = sender_next_deadline(bench.sender);
        if (next(&bench))
            bytes += bench.length;
        uint64_t ms = instant_since(bench.now, begin).ns / 1000000;
        assert_true(bytes <= rate * (ms + SENDER_BURST_MS) / 1000 + 2 * PAYLOAD_BYTES_MAX);
    }
    uint64_t ms = instant_since(bench.now, begin).ns / 1000000;
    assert_true(bytes >= rate * ms / 1000 * 9 / 10);
    sender_free(bench.sender);
}

static void test_a_full_queue_refuses_and_the_state_tells(void **state)
{
    (void)state;
    struct sender_config config = {.epoch = 5, .queue_bytes = 20000};
    struct bench bench = {.now = {5000000000}};
    bench.sender = sender_new(&config, bench.now);
    struct prefix prefix = mab("20.0.0.0/24");
    sender_add_mab(bench.sender, &prefix, 0, &(struct mapping_hash){{0}});
    uint64_t sequence = 0;
    while (put(&bench, sequence + 1, 10))
        sequence++;
    assert_true(sequence > 10 && sequence < 50);
    assert_int_equal(sender_counters(bench.sender)->refused_full, 1);
    for (int i = 0; i < 100; i++) {
        wait_ms(&bench, 1);
        (void)next(&bench);
    }
    assert_int_equal(sender_queued(bench.sender), 0);
    assert_int_equal(sender_mab_state(bench.sender, 0).sequence, sequence + 1);
    assert_true(put(&bench, sequence + 2, 1));
    sender_free(bench.sender);
}

static void test_announcements_and_history(void **state)
{
    (void)state;
    struct bench bench = start(1, 0);
    send_all(&bench);
    struct payload_section section = {
        .type = SECTION_SNAPSHOT, .mab = mab("20.0.0.0/24"), .mab_sequence = 4};
    sender_announce(bench.sender, &section);
    section.mab_sequence = 5;
    sender_announce(bench.sender, &section); // replaces the first
    bench.now = sender_next_deadline(bench.sender);
    assert_true(next(&bench));
    assert_int_equal(bench.snapshots, 1);
    assert_int_equal(history_first(sender_history(bench.sender)), 1);
    assert_int_equal(history_last(sender_history(bench.sender)), bench.sequence);
    sender_free(bench.sender);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_a_lone_set_leaves_at_once_and_others_wait_for_company),
        cmocka_unit_test(test_a_full_payload_does_not_wait),
        cmocka_unit_test(test_a_large_set_is_spread_and_the_position_waits),
        cmocka_unit_test(test_a_mab_is_added_between_the_parts_of_a_set),
        cmocka_unit_test(test_an_epoch_begins_with_states),
        cmocka_unit_test(test_states_come_round_smoothly),
        cmocka_unit_test(test_output_is_paced),
        cmocka_unit_test(test_a_full_queue_refuses_and_the_state_tells),
        cmocka_unit_test(test_announcements_and_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
