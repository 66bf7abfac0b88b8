// SPDX-License-Identifier: BSD-2-Clause
// How the ITR behaves over time: holding, asking, learning, failing, limits.
#include "../check.h"
#include "packets.h"
#include "tunnel/itr.h"

#include <stdlib.h>

static const struct instant start = {UINT64_C(1000000000)};

struct bench {
    struct itr *itr;
    struct instant now;
    struct itr_result result;
    uint8_t bytes[PACKET_BYTES_MAX];
};

static struct range range_of(const char *text)
{
    struct range range;
    assert_true(range_parse(text, &range, NULL));
    return range;
}

static void begin(struct bench *bench, enum itr_unmapped unmapped, bool ask_second)
{
    struct itr_config config = {.hold_packets = 64,
                                .hold_time = duration_s(2),
                                .unmapped = unmapped,
                                .fallback = address_of("198.18.9.1"),
                                .pass_mtu = 1500,
                                .ask_second = ask_second,
                                .cached_max = 4,
                                .etrs_max = 4,
                                .usage_max = 4};
    itr_free(bench->itr);
    bench->now = start;
    bench->itr = itr_new(&config, random_seed_from_number(7), start);
    struct prefix mab;
    assert_true(prefix_parse("20.0.0.0/14", &mab, NULL));
    assert_true(itr_add_mab(bench->itr, &mab, NULL));
    assert_true(prefix_parse("2001:db8::/32", &mab, NULL));
    assert_true(itr_add_mab(bench->itr, &mab, NULL));
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    begin(bench, ITR_UNMAPPED_HOLD, false);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    itr_free(bench->itr);
    free(bench);
    return 0;
}

static void pass_time(struct bench *bench, struct duration time)
{
    bench->now = instant_add(bench->now, time);
    itr_tick(bench->itr, bench->now);
}

// Inputs what lies in bench->bytes, with a path of 1500 where one is wanted.
static enum itr_verdict input(struct bench *bench, uint32_t length)
{
    struct offload offload = {0};
    struct address ours = address_of("192.0.2.1");
    enum itr_verdict verdict =
        itr_input(bench->itr, bench->now, bench->bytes, length, &offload, &bench->result);
    if (verdict != ITR_PATH)
        return verdict;
    itr_set_path(bench->itr, bench->now, &bench->result.etr, 1500, &ours);
    return itr_input(bench->itr, bench->now, bench->bytes, length, &offload, &bench->result);
}

static enum itr_verdict send(struct bench *bench, const char *destination, uint8_t mark)
{
    struct address to = address_of(destination);
    struct address from = address_of(to.family == FAMILY_IPV6 ? "3fff:1::7" : "198.18.1.7");
    return input(bench, make_packet(bench->bytes, &from, &to, 100, true, mark));
}

static void learn(struct bench *bench, const char *range, const char *etr, uint64_t seconds)
{
    struct range what = range_of(range);
    struct address where = etr == NULL ? ADDRESS_ZERO : address_of(etr);
    itr_learn(bench->itr, bench->now, &what, &where, instant_add(bench->now, duration_s(seconds)));
}

// The mark of the next held packet that became ready, or -1.
static int next_ready(struct bench *bench)
{
    uint32_t length;
    struct offload offload;
    if (!itr_next_ready(bench->itr, bench->bytes, &length, &offload))
        return -1;
    return bench->bytes[length - 1];
}

static void test_holds_asks_once_and_releases_in_order(void **state)
{
    struct bench *bench = *state;
    struct address question;
    for (uint8_t mark = 1; mark <= 5; mark++)
        assert_int_equal(send(bench, "20.1.0.17", mark), ITR_HELD);
    assert_true(itr_next_question(bench->itr, &question));
    struct address asked = address_of("20.1.0.17");
    assert_true(address_equal(&question, &asked));
    assert_false(itr_next_question(bench->itr, &question));
    assert_int_equal(next_ready(bench), -1);
    learn(bench, "20.1.0.16/28", "198.18.3.1", 600);
    for (int mark = 1; mark <= 5; mark++) {
        assert_int_equal(next_ready(bench), mark);
        assert_int_equal(input(bench, 100), ITR_TUNNEL);
    }
    assert_int_equal(next_ready(bench), -1);
    assert_int_equal(hold_packets(itr_hold(bench->itr)), 0);
    assert_int_equal(send(bench, "20.1.0.18", 6), ITR_TUNNEL);
}

static void test_ipv6_asks_once_for_a_64(void **state)
{
    struct bench *bench = *state;
    struct address question;
    assert_int_equal(send(bench, "2001:db8:0:40::1", 1), ITR_HELD);
    assert_int_equal(send(bench, "2001:db8:0:40::2", 2), ITR_HELD);
    assert_true(itr_next_question(bench->itr, &question));
    assert_false(itr_next_question(bench->itr, &question));
    learn(bench, "2001:db8:0:40::/64", "3fff:3::1", 600);
    assert_int_equal(next_ready(bench), 1);
    assert_int_equal(input(bench, 100), ITR_TUNNEL);
    assert_int_equal(next_ready(bench), 2);
}

static void test_one_destination_cannot_fill_the_hold(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < HOLD_PACKETS_PER_UNIT; i++)
        assert_int_equal(send(bench, "20.1.0.17", 1), ITR_HELD);
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_DROP);
    assert_int_equal(bench->result.reason, ITR_REASON_HOLD_FULL);
    assert_int_equal(send(bench, "20.1.0.18", 2), ITR_HELD);
}

static void test_a_scan_displaces_the_oldest(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 200; i++) {
        char text[ADDRESS_TEXT_MAX];
        struct address to = address_from_ipv4((20u << 24) + 1000u + (uint32_t)i);
        assert_int_equal(send(bench, address_print(&to, text), (uint8_t)i), ITR_HELD);
    }
    assert_int_equal(hold_packets(itr_hold(bench->itr)), 64);
    assert_int_equal(hold_counters(itr_hold(bench->itr))->displaced, 200 - 64);
    // The newest is still there.
    learn(bench, "20.0.4.175", "198.18.3.1", 600);
    assert_int_equal(next_ready(bench), 199);
}

static void test_super_packets_are_bounded_by_memory(void **state)
{
    struct bench *bench = *state;
    struct address from = address_of("198.18.1.7");
    struct address to = address_of("20.1.0.17");
    // 64 packets times HOLD_CHUNKS_PER_PACKET chunks hold eight packets of 64 KB.
    for (int i = 0; i < 8; i++) {
        uint32_t length = make_packet(bench->bytes, &from, &to, 65535, true, (uint8_t)(i + 1));
        assert_int_equal(input(bench, length), ITR_HELD);
    }
    uint32_t length = make_packet(bench->bytes, &from, &to, 65535, true, 9);
    assert_int_equal(input(bench, length), ITR_DROP);
    learn(bench, "20.1.0.17", NULL, 600);
    for (int i = 0; i < 8; i++)
        assert_int_equal(next_ready(bench), i + 1);
}

static void test_no_answer_gives_icmp_and_a_pause(void **state)
{
    struct bench *bench = *state;
    struct address question;
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_HELD);
    assert_true(itr_next_question(bench->itr, &question));
    itr_failed(bench->itr, bench->now, &question);
    assert_int_equal(next_ready(bench), 1);
    assert_int_equal(input(bench, 100), ITR_ICMP);
    assert_int_equal(bench->result.reason, ITR_REASON_NO_MAPPING);
    // Within the pause nothing is asked again.
    assert_int_equal(send(bench, "20.1.0.17", 2), ITR_ICMP);
    assert_false(itr_next_question(bench->itr, &question));
    pass_time(bench, duration_s(HOLD_FAILED_SECONDS));
    assert_int_equal(send(bench, "20.1.0.17", 3), ITR_HELD);
    assert_true(itr_next_question(bench->itr, &question));
}

static void test_held_packets_do_not_wait_for_ever(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_HELD);
    assert_int_equal(itr_next_deadline(bench->itr).ns, instant_add(start, duration_s(2)).ns);
    pass_time(bench, duration_ms(1999));
    assert_int_equal(next_ready(bench), -1);
    pass_time(bench, duration_ms(1));
    assert_int_equal(next_ready(bench), 1);
    assert_int_equal(input(bench, 100), ITR_ICMP);
    // An answer that comes after all is good for what follows at once.
    learn(bench, "20.1.0.17", "198.18.3.1", 600);
    assert_int_equal(send(bench, "20.1.0.17", 2), ITR_TUNNEL);
}

static void test_mappings_expire_and_are_renewed_in_time(void **state)
{
    struct bench *bench = *state;
    struct address question;
    learn(bench, "20.1.0.16/28", "198.18.3.1", 80);
    learn(bench, "20.2.0.0/28", "198.18.3.1", 80);
    assert_int_equal(send(bench, "20.1.0.20", 1), ITR_TUNNEL);
    pass_time(bench, duration_s(69));
    assert_false(itr_next_question(bench->itr, &question));
    // An eighth of its life before the end, only the one in use is asked for again.
    pass_time(bench, duration_s(1));
    assert_true(itr_next_question(bench->itr, &question));
    struct address used = address_of("20.1.0.20");
    assert_true(address_equal(&question, &used));
    assert_false(itr_next_question(bench->itr, &question));
    assert_int_equal(send(bench, "20.1.0.20", 1), ITR_TUNNEL);
    learn(bench, "20.1.0.16/28", "198.18.3.1", 80);
    pass_time(bench, duration_s(10));
    assert_int_equal(send(bench, "20.1.0.20", 1), ITR_TUNNEL);
    assert_int_equal(send(bench, "20.2.0.1", 1), ITR_HELD);
    pass_time(bench, duration_s(70));
    assert_int_equal(send(bench, "20.1.0.20", 1), ITR_HELD);
}

static void test_expired_means_expired_also_before_the_tick(void **state)
{
    struct bench *bench = *state;
    learn(bench, "20.1.0.16/28", "198.18.3.1", 10);
    bench->now = instant_add(bench->now, duration_s(10));
    assert_int_equal(send(bench, "20.1.0.20", 1), ITR_HELD);
}

static void test_what_is_learned_last_counts(void **state)
{
    struct bench *bench = *state;
    learn(bench, "20.1.0.0/24", "198.18.3.1", 600);
    learn(bench, "20.1.0.16/28", "198.18.3.2", 600);
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_TUNNEL);
    struct address second = address_of("198.18.3.2");
    assert_true(address_equal(&bench->result.etr, &second));
    // The wide range went: its boundaries cannot be true any more.
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_HELD);
    struct range narrow = range_of("20.1.0.20");
    itr_forget(bench->itr, &narrow);
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_HELD);
    assert_int_equal(mapping_cache_count(itr_cache(bench->itr)), 0);
}

static void test_the_least_used_mapping_gives_way(void **state)
{
    struct bench *bench = *state;
    learn(bench, "20.1.0.1", "198.18.3.1", 600);
    learn(bench, "20.1.0.2", "198.18.3.1", 600);
    learn(bench, "20.1.0.3", "198.18.3.1", 600);
    learn(bench, "20.1.0.4", "198.18.3.1", 600);
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_TUNNEL);
    learn(bench, "20.1.0.5", "198.18.3.1", 600);
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_TUNNEL);
    assert_int_equal(send(bench, "20.1.0.5", 1), ITR_TUNNEL);
    assert_int_equal(send(bench, "20.1.0.2", 1), ITR_HELD);
}

static void test_icmp_is_limited_but_too_big_has_its_own(void **state)
{
    struct bench *bench = *state;
    learn(bench, "20.1.0.1", NULL, 600);
    learn(bench, "20.1.0.2", "198.18.3.1", 600);
    unsigned sent = 0;
    for (int i = 0; i < 2 * ITR_UNREACHABLE_RATE; i++)
        sent += send(bench, "20.1.0.1", 1) == ITR_ICMP;
    assert_int_equal(sent, ITR_UNREACHABLE_RATE);
    assert_int_equal(itr_counters(bench->itr)->icmp_limited, ITR_UNREACHABLE_RATE);
    struct address from = address_of("198.18.1.7");
    struct address to = address_of("20.1.0.2");
    assert_int_equal(input(bench, make_packet(bench->bytes, &from, &to, 1500, true, 1)), ITR_ICMP);
    assert_int_equal(bench->result.reason, ITR_REASON_TOO_BIG);
    pass_time(bench, duration_s(1));
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_ICMP);
}

static void test_paths_are_found_out_again(void **state)
{
    struct bench *bench = *state;
    struct offload offload = {0};
    struct address from = address_of("198.18.1.7");
    struct address to = address_of("20.1.0.1");
    struct address etr = address_of("198.18.3.1");
    learn(bench, "20.1.0.1", "198.18.3.1", 600);
    uint32_t length = make_packet(bench->bytes, &from, &to, 1000, true, 1);
    assert_int_equal(input(bench, length), ITR_TUNNEL);
    assert_int_equal(
        itr_input(bench->itr, bench->now, bench->bytes, length, &offload, &bench->result),
        ITR_TUNNEL);
    // EMSGSIZE says that the way has changed: now it carries 900.
    itr_forget_path(bench->itr, &etr);
    assert_int_equal(
        itr_input(bench->itr, bench->now, bench->bytes, length, &offload, &bench->result),
        ITR_PATH);
    itr_set_path(bench->itr, bench->now, &etr, 900, &from);
    assert_int_equal(
        itr_input(bench->itr, bench->now, bench->bytes, length, &offload, &bench->result),
        ITR_ICMP);
    pass_time(bench, duration_s(PATH_SECONDS));
    assert_int_equal(
        itr_input(bench->itr, bench->now, bench->bytes, length, &offload, &bench->result),
        ITR_PATH);
}

static void test_rules_hold_for_etrs_already_in_use(void **state)
{
    struct bench *bench = *state;
    learn(bench, "20.1.0.1", "198.18.3.1", 600);
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_TUNNEL);
    struct prefix refused;
    assert_true(prefix_parse("198.18.0.0/16", &refused, NULL));
    itr_set_refused(bench->itr, &refused, 1);
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_DROP);
    assert_int_equal(bench->result.reason, ITR_REASON_ETR_REFUSED);
    itr_set_refused(bench->itr, NULL, 0);
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_TUNNEL);
    struct prefix mab;
    assert_true(prefix_parse("198.18.3.0/24", &mab, NULL));
    assert_true(itr_add_mab(bench->itr, &mab, NULL));
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_DROP);
    assert_int_equal(bench->result.reason, ITR_REASON_ETR_IN_MAB);
    assert_true(itr_remove_mab(bench->itr, &mab));
    assert_int_equal(send(bench, "20.1.0.1", 1), ITR_TUNNEL);
}

static void test_usage_is_counted_for_each_micronet(void **state)
{
    struct bench *bench = *state;
    learn(bench, "20.1.0.16/28", "198.18.3.1", 600);
    learn(bench, "20.2.0.0/24", "198.18.3.1", 600);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send(bench, "20.1.0.17", 1), ITR_TUNNEL);
    assert_int_equal(send(bench, "20.2.0.9", 1), ITR_TUNNEL);
    struct usage_table *table = itr_usage(bench->itr);
    struct range first = range_of("20.1.0.16/28");
    struct usage usage;
    assert_int_equal(usage_count(table), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(usage_take(table, &usage));
        uint64_t packets = range_equal(&usage.range, &first) ? 3 : 1;
        assert_int_equal(usage.packets, packets);
        assert_int_equal(usage.octets, packets * 100);
    }
    assert_false(usage_take(table, &usage));
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_TUNNEL);
    assert_true(usage_take(table, &usage));
    assert_int_equal(usage.packets, 1);
}

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

// A fragment that would reach past 65,535 octets ("ping of death"): cut again, its offset would run
// over into the flags.
static void test_a_fragment_past_the_end_is_dropped(void **state)
{
    struct bench *bench = *state;
    struct address from = address_of("198.18.1.7");
    struct address to = address_of("20.1.0.17");
    learn(bench, "20.1.0.16/28", "198.18.3.1", 600);
    for (uint32_t length = 27; length <= 28; length++) {
        (void)make_packet(bench->bytes, &from, &to, length, false, 0);
        store_u16(bench->bytes + 6, IPV4_FRAGMENT_OFFSET); // of 65,528
        ipv4_finish_header(bench->bytes, IPV4_HEADER_BYTES);
        assert_int_equal(input(bench, length), length == 27 ? ITR_TUNNEL : ITR_DROP);
    }
    assert_int_equal(bench->result.reason, ITR_REASON_MALFORMED);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_a_fragment_past_the_end_is_dropped),
        WITH_BENCH(test_holds_asks_once_and_releases_in_order),
        WITH_BENCH(test_ipv6_asks_once_for_a_64),
        WITH_BENCH(test_one_destination_cannot_fill_the_hold),
        WITH_BENCH(test_a_scan_displaces_the_oldest),
        WITH_BENCH(test_super_packets_are_bounded_by_memory),
        WITH_BENCH(test_no_answer_gives_icmp_and_a_pause),
        WITH_BENCH(test_held_packets_do_not_wait_for_ever),
        WITH_BENCH(test_mappings_expire_and_are_renewed_in_time),
        WITH_BENCH(test_expired_means_expired_also_before_the_tick),
        WITH_BENCH(test_what_is_learned_last_counts),
        WITH_BENCH(test_the_least_used_mapping_gives_way),
        WITH_BENCH(test_icmp_is_limited_but_too_big_has_its_own),
        WITH_BENCH(test_paths_are_found_out_again),
        WITH_BENCH(test_rules_hold_for_etrs_already_in_use),
        WITH_BENCH(test_usage_is_counted_for_each_micronet),
        WITH_BENCH(test_hands_over_to_the_fallback_while_it_asks),
        WITH_BENCH(test_a_fallback_that_is_refused_gets_nothing),
        WITH_BENCH(test_lets_go_as_it_came),
        WITH_BENCH(test_asks_only_for_the_second_packet),
        WITH_BENCH(test_held_without_a_second_one_goes_in_silence),
        WITH_BENCH(test_a_scan_is_bounded_in_every_mode),
        WITH_BENCH(test_full_database),
        WITH_BENCH(test_full_database_without_a_list_of_mabs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
