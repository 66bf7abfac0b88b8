// SPDX-License-Identifier: BSD-2-Clause
// What becomes of packets without mapping, in each of the ways that can be chosen; and ITRs that
// have all mappings.
#include "itr_fixture.h"

static void test_full_database(void **state)
{
    struct bench *bench = *state;
    struct database *database = database_new();
    struct prefix mab;
    assert_true(prefix_parse("20.0.0.0/14", &mab, NULL));
    struct mapping *mapping = mapping_new(&mab, NULL);
    struct update updates[] = {
        {UPDATE_DEFINE, range_of("20.1.0.16/28"), address_of("198.18.3.1"), {0}},
        {UPDATE_DEFINE, range_of("20.1.0.32/28"), ADDRESS_ZERO, {0}},
        {UPDATE_DEFINE, range_of("20.1.0.48/28"), address_of("20.3.0.1"), {0}},
    };
    assert_true(mapping_apply(mapping, updates, 3, NULL, NULL));
    itr_set_database(bench->itr, database);
    // The MAB is known, but its database is not here.
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_ICMP);
    assert_int_equal(bench->result.reason, ITR_REASON_NO_MAPPING);
    assert_true(database_put(database, mapping, NULL));
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_TUNNEL);
    assert_int_equal(send(bench, "20.1.0.33", 1), ITR_ICMP);
    assert_int_equal(bench->result.reason, ITR_REASON_ZERO);
    assert_int_equal(send(bench, "20.1.0.64", 1), ITR_ICMP);
    assert_int_equal(bench->result.reason, ITR_REASON_ZERO);
    assert_int_equal(send(bench, "20.1.0.49", 1), ITR_DROP);
    assert_int_equal(bench->result.reason, ITR_REASON_ETR_IN_MAB);
    assert_int_equal(send(bench, "21.0.0.1", 1), ITR_PASS);
    // A change counts from the next packet on.
    struct update moved = {UPDATE_MAP, range_of("20.1.0.16/28"), address_of("198.18.4.1"), {0}};
    assert_true(mapping_apply(mapping, &moved, 1, NULL, NULL));
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_TUNNEL);
    assert_true(address_equal(&bench->result.etr, &moved.etr));
    itr_set_database(bench->itr, NULL);
    database_free(database);
}

// MABs that only the database knows count, too.
static void test_full_database_without_a_list_of_mabs(void **state)
{
    struct bench *bench = *state;
    struct database *database = database_new();
    struct prefix mab;
    assert_true(prefix_parse("21.0.0.0/14", &mab, NULL));
    struct mapping *mapping = mapping_new(&mab, NULL);
    struct update updates[] = {
        {UPDATE_DEFINE, range_of("21.1.0.16/28"), address_of("198.18.3.1"), {0}},
        {UPDATE_DEFINE, range_of("21.1.0.48/28"), address_of("21.3.0.1"), {0}},
    };
    assert_true(mapping_apply(mapping, updates, 2, NULL, NULL));
    assert_true(database_put(database, mapping, NULL));
    itr_set_database(bench->itr, database);
    assert_int_equal(send(bench, "21.1.0.17", 1), ITR_TUNNEL);
    assert_int_equal(send(bench, "21.1.0.49", 1), ITR_DROP);
    assert_int_equal(bench->result.reason, ITR_REASON_ETR_IN_MAB);
    itr_set_database(bench->itr, NULL);
    database_free(database);
}

static void test_hands_over_to_the_fallback_while_it_asks(void **state)
{
    struct bench *bench = *state;
    struct address question;
    struct address fallback = address_of("198.18.9.1");
    begin(bench, ITR_UNMAPPED_TUNNEL, false);
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_TUNNEL);
    assert_true(address_equal(&bench->result.etr, &fallback));
    struct piece piece;
    assert_true(segmenter_next(&bench->result.segments, &piece));
    struct packet outer;
    assert_int_equal(piece.header_length, IPV4_HEADER_BYTES);
    memcpy(bench->bytes + 200, piece.header, piece.header_length);
    memcpy(bench->bytes + 220, piece.payload, piece.payload_length);
    assert_int_equal(packet_parse(bench->bytes + 200, 120, &outer), PACKET_OK);
    struct address sender = address_of("198.18.1.7");
    assert_true(address_equal(&outer.source, &sender));
    assert_true(address_equal(&outer.destination, &fallback));
    assert_int_equal(outer.protocol, PROTOCOL_IPV4);
    assert_false(segmenter_next(&bench->result.segments, &piece));
    // It asks once, and nothing waits or is charged for.
    assert_true(itr_next_question(bench->itr, &question));
    assert_int_equal(send(bench, "20.1.0.17", 2), ITR_TUNNEL);
    assert_false(itr_next_question(bench->itr, &question));
    assert_int_equal(itr_counters(bench->itr)->handed_over, 2);
    assert_int_equal(itr_counters(bench->itr)->tunnelled, 0);
    assert_int_equal(usage_count(itr_usage(bench->itr)), 0);
    // No answer is the fallback's business, too; with one it is the ETR's.
    itr_failed(bench->itr, bench->now, &question);
    assert_int_equal(send(bench, "20.1.0.17", 3), ITR_TUNNEL);
    assert_int_equal(itr_counters(bench->itr)->handed_over, 3);
    learn(bench, "20.1.0.16/28", "198.18.3.1", 600);
    assert_int_equal(send(bench, "20.1.0.17", 4), ITR_TUNNEL);
    assert_int_equal(itr_counters(bench->itr)->handed_over, 3);
    assert_int_equal(itr_counters(bench->itr)->tunnelled, 1);
    assert_int_equal(next_ready(bench), -1);
}

static void test_a_fallback_that_is_refused_gets_nothing(void **state)
{
    struct bench *bench = *state;
    struct prefix prefix;
    begin(bench, ITR_UNMAPPED_TUNNEL, false);
    assert_true(prefix_parse("198.18.9.0/24", &prefix, NULL));
    itr_set_refused(bench->itr, &prefix, 1);
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_DROP);
    assert_int_equal(bench->result.reason, ITR_REASON_ETR_REFUSED);
}

static void test_lets_go_as_it_came(void **state)
{
    struct bench *bench = *state;
    struct address question;
    struct address from = address_of("198.18.1.7");
    struct address to = address_of("20.1.0.17");
    struct piece piece;
    uint8_t before[100];
    begin(bench, ITR_UNMAPPED_PASS, false);
    assert_int_equal(make_packet(before, &from, &to, 100, true, 1), 100);
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_FORWARD);
    assert_true(address_equal(&bench->result.segments.etr, &to));
    assert_true(segmenter_next(&bench->result.segments, &piece));
    assert_int_equal(piece.header_length, 0);
    assert_int_equal(piece.payload_length, 100);
    assert_memory_equal(piece.payload, before, 100);
    assert_false(segmenter_next(&bench->result.segments, &piece));
    assert_true(itr_next_question(bench->itr, &question));
    assert_int_equal(itr_counters(bench->itr)->let_go, 1);
    // 1,500 octets fit, for there is no outer header; 1,501 do not.
    assert_int_equal(input(bench, make_packet(bench->bytes, &from, &to, 1500, true, 1)),
                     ITR_FORWARD);
    assert_int_equal(input(bench, make_packet(bench->bytes, &from, &to, 1501, true, 1)), ITR_ICMP);
    assert_int_equal(bench->result.reason, ITR_REASON_TOO_BIG);
    // Without DF it is cut up.
    assert_int_equal(input(bench, make_packet(bench->bytes, &from, &to, 3000, false, 1)),
                     ITR_FORWARD);
    uint32_t payload = 0;
    while (segmenter_next(&bench->result.segments, &piece)) {
        assert_int_equal(piece.header_length, IPV4_HEADER_BYTES);
        assert_true(piece.header_length + piece.payload_length <= 1500);
        assert_int_equal((load_u16(piece.header + 6) & IPV4_FRAGMENT_OFFSET) * 8, payload);
        payload += piece.payload_length;
    }
    assert_int_equal(payload, 3000 - IPV4_HEADER_BYTES);
    learn(bench, "20.1.0.16/28", "198.18.3.1", 600);
    assert_int_equal(send(bench, "20.1.0.17", 2), ITR_TUNNEL);
}

static void test_asks_only_for_the_second_packet(void **state)
{
    struct bench *bench = *state;
    struct address question;
    static const struct {
        enum itr_unmapped unmapped;
        enum itr_verdict verdict;
    } kinds[] = {{ITR_UNMAPPED_HOLD, ITR_HELD},
                 {ITR_UNMAPPED_TUNNEL, ITR_TUNNEL},
                 {ITR_UNMAPPED_PASS, ITR_FORWARD}};
    for (size_t i = 0; i < 3; i++) {
        begin(bench, kinds[i].unmapped, true);
        assert_int_equal(send(bench, "20.1.0.17", 1), kinds[i].verdict);
        assert_int_equal(send(bench, "20.1.0.18", 1), kinds[i].verdict);
        assert_false(itr_next_question(bench->itr, &question));
        assert_int_equal(itr_counters(bench->itr)->not_asked, 2);
        assert_int_equal(send(bench, "20.1.0.18", 2), kinds[i].verdict);
        assert_true(itr_next_question(bench->itr, &question));
        struct address second = address_of("20.1.0.18");
        assert_true(address_equal(&question, &second));
        assert_false(itr_next_question(bench->itr, &question));
        // Long after the first packet, another is a first one again.
        pass_time(bench, duration_s(SIGHTING_SECONDS));
        assert_int_equal(send(bench, "20.1.0.17", 1), kinds[i].verdict);
        assert_false(itr_next_question(bench->itr, &question));
        pass_time(bench, duration_s(SIGHTING_SECONDS - 1));
        assert_int_equal(send(bench, "20.1.0.17", 1), kinds[i].verdict);
        assert_true(itr_next_question(bench->itr, &question));
    }
}

static void test_held_without_a_second_one_goes_in_silence(void **state)
{
    struct bench *bench = *state;
    struct address question;
    begin(bench, ITR_UNMAPPED_HOLD, true);
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_HELD);
    pass_time(bench, duration_s(2));
    assert_int_equal(next_ready(bench), -1);
    assert_int_equal(hold_counters(itr_hold(bench->itr))->unasked, 1);
    assert_int_equal(hold_packets(itr_hold(bench->itr)), 0);
    // A second one a little later is asked for at once, and both of a quick pair arrive.
    assert_int_equal(send(bench, "20.1.0.17", 2), ITR_HELD);
    assert_true(itr_next_question(bench->itr, &question));
    assert_int_equal(send(bench, "20.1.0.18", 3), ITR_HELD);
    assert_int_equal(send(bench, "20.1.0.18", 4), ITR_HELD);
    learn(bench, "20.1.0.16/28", "198.18.3.1", 600);
    for (int mark = 2; mark <= 4; mark++) {
        assert_int_equal(next_ready(bench), mark);
        assert_int_equal(input(bench, 100), ITR_TUNNEL);
    }
    assert_int_equal(next_ready(bench), -1);
}

// A scan makes more questions than there is room for, in any mode.
static void test_a_scan_is_bounded_in_every_mode(void **state)
{
    struct bench *bench = *state;
    struct address question;
    for (int unmapped = ITR_UNMAPPED_HOLD; unmapped <= ITR_UNMAPPED_PASS; unmapped++) {
        begin(bench, (enum itr_unmapped)unmapped, unmapped == ITR_UNMAPPED_HOLD);
        for (uint32_t i = 0; i < 1000; i++) {
            char text[ADDRESS_TEXT_MAX];
            struct address to = address_from_ipv4((20u << 24) + i);
            assert_int_not_equal(send(bench, address_print(&to, text), 1), ITR_DROP);
        }
        assert_true(hold_questions(itr_hold(bench->itr)) <= 64);
        size_t asked = 0;
        while (itr_next_question(bench->itr, &question))
            asked++;
        assert_int_equal(asked, unmapped == ITR_UNMAPPED_HOLD ? 0 : 64);
        pass_time(bench, duration_s(10));
        pass_time(bench, duration_s(10));
        assert_int_equal(hold_questions(itr_hold(bench->itr)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_full_database),
        WITH_BENCH(test_full_database_without_a_list_of_mabs),
        WITH_BENCH(test_hands_over_to_the_fallback_while_it_asks),
        WITH_BENCH(test_a_fallback_that_is_refused_gets_nothing),
        WITH_BENCH(test_lets_go_as_it_came),
        WITH_BENCH(test_asks_only_for_the_second_packet),
        WITH_BENCH(test_held_without_a_second_one_goes_in_silence),
        WITH_BENCH(test_a_scan_is_bounded_in_every_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
