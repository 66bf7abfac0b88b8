// SPDX-License-Identifier: BSD-2-Clause
// How the ITR behaves over time: holding, asking, learning, failing, limits.
#include "itr_fixture.h"

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

// A packet that all the memory together does not hold costs nobody else's their place.
static void test_a_packet_too_long_to_be_held_displaces_none(void **state)
{
    struct bench *bench = *state;
    struct itr_config config = {.hold_packets = 2, .hold_time = duration_s(2)};
    struct address from = address_of("198.18.1.7");
    struct address to = address_of("20.1.0.18");
    struct prefix mab;
    itr_free(bench->itr);
    bench->itr = itr_new(&config, random_seed_from_number(7), start);
    assert_true(prefix_parse("20.0.0.0/14", &mab, NULL));
    assert_true(itr_add_mab(bench->itr, &mab, NULL));
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_HELD);
    uint32_t longest = 2 * HOLD_CHUNKS_PER_PACKET * HOLD_CHUNK_BYTES;
    assert_int_equal(input(bench, make_packet(bench->bytes, &from, &to, longest + 1, true, 2)),
                     ITR_DROP);
    assert_int_equal(bench->result.reason, ITR_REASON_HOLD_FULL);
    assert_int_equal(hold_packets(itr_hold(bench->itr)), 1);
    learn(bench, "20.1.0.17", "198.18.3.1", 600);
    assert_int_equal(next_ready(bench), 1);
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

// A MAB that nobody knew, and that then is one again: no pause is left from before.
static void test_no_pause_outlives_its_mab(void **state)
{
    struct bench *bench = *state;
    struct address question;
    struct prefix mab;
    assert_true(prefix_parse("20.0.0.0/14", &mab, NULL));
    assert_int_equal(send(bench, "20.1.0.17", 1), ITR_HELD);
    assert_true(itr_next_question(bench->itr, &question));
    itr_failed(bench->itr, bench->now, &question);
    assert_int_equal(next_ready(bench), 1);
    assert_true(itr_remove_mab(bench->itr, &mab));
    assert_int_equal(send(bench, "20.1.0.17", 2), ITR_PASS);
    assert_true(itr_add_mab(bench->itr, &mab, NULL));
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

// Traffic that begins in the last eighth of a mapping's life is renewed like that from before.
static void test_a_late_use_is_renewed_too(void **state)
{
    struct bench *bench = *state;
    struct address question;
    learn(bench, "20.1.0.16/28", "198.18.3.1", 80);
    pass_time(bench, duration_s(75));
    assert_false(itr_next_question(bench->itr, &question));
    for (int i = 0; i < 2; i++)
        assert_int_equal(send(bench, "20.1.0.20", 1), ITR_TUNNEL);
    assert_true(itr_next_question(bench->itr, &question));
    struct address used = address_of("20.1.0.20");
    assert_true(address_equal(&question, &used));
    assert_int_equal(send(bench, "20.1.0.20", 1), ITR_TUNNEL);
    assert_false(itr_next_question(bench->itr, &question)); // once
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

// Refused prefixes of any length, in any order, some inside others.
static void test_refused_prefixes_are_found(void **state)
{
    struct bench *bench = *state;
    static const char *const texts[] = {"198.18.128.0/17", "198.18.3.0/24", "3fff:3::/32",
                                        "198.18.3.7/32",   "198.18.3.0/25", "198.18.9.1/32"};
    static const struct {
        const char *etr;
        enum itr_verdict verdict;
    } cases[] = {
        {"198.18.2.255", ITR_TUNNEL}, {"198.18.3.0", ITR_DROP},       {"198.18.3.255", ITR_DROP},
        {"198.18.4.0", ITR_TUNNEL},   {"198.18.9.0", ITR_TUNNEL},     {"198.18.9.1", ITR_DROP},
        {"198.18.9.2", ITR_TUNNEL},   {"198.18.127.255", ITR_TUNNEL}, {"198.18.128.0", ITR_DROP},
        {"198.19.0.0", ITR_TUNNEL},   {"3fff:2:ffff::1", ITR_TUNNEL}, {"3fff:3:ffff::1", ITR_DROP},
        {"3fff:4::1", ITR_TUNNEL},
    };
    struct prefix refused[sizeof(texts) / sizeof(texts[0])];
    size_t count = sizeof(texts) / sizeof(texts[0]);
    for (size_t i = 0; i < count; i++)
        assert_true(prefix_parse(texts[i], &refused[i], NULL));
    itr_set_refused(bench->itr, refused, count);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool ipv6 = strchr(cases[i].etr, ':') != NULL;
        const char *to = ipv6 ? "2001:db8:0:40::1" : "20.1.0.1";
        learn(bench, to, cases[i].etr, 600);
        assert_int_equal(send(bench, to, 1), cases[i].verdict);
        assert_int_equal(bench->result.reason,
                         cases[i].verdict == ITR_DROP ? ITR_REASON_ETR_REFUSED : ITR_REASON_NONE);
    }
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

// The kernel gives a header whose identification is 0 one of its own, each fragment another: what
// may be fragmented never has 0.
static void test_identifications_are_not_zero(void **state)
{
    struct bench *bench = *state;
    struct address from = address_of("198.18.1.7");
    struct address to = address_of("20.1.0.17");
    struct piece piece;
    learn(bench, "20.1.0.16/28", "198.18.3.1", 600);
    uint32_t length = make_packet(bench->bytes, &from, &to, 2000, false, 1);
    for (int sent = 0; sent < 70000;) {
        assert_int_equal(input(bench, length), ITR_TUNNEL);
        for (; segmenter_next(&bench->result.segments, &piece); sent++)
            assert_int_not_equal(load_u16(piece.header + 4), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_a_fragment_past_the_end_is_dropped),
        WITH_BENCH(test_holds_asks_once_and_releases_in_order),
        WITH_BENCH(test_ipv6_asks_once_for_a_64),
        WITH_BENCH(test_one_destination_cannot_fill_the_hold),
        WITH_BENCH(test_a_scan_displaces_the_oldest),
        WITH_BENCH(test_super_packets_are_bounded_by_memory),
        WITH_BENCH(test_a_packet_too_long_to_be_held_displaces_none),
        WITH_BENCH(test_no_answer_gives_icmp_and_a_pause),
        WITH_BENCH(test_no_pause_outlives_its_mab),
        WITH_BENCH(test_held_packets_do_not_wait_for_ever),
        WITH_BENCH(test_mappings_expire_and_are_renewed_in_time),
        WITH_BENCH(test_a_late_use_is_renewed_too),
        WITH_BENCH(test_expired_means_expired_also_before_the_tick),
        WITH_BENCH(test_what_is_learned_last_counts),
        WITH_BENCH(test_the_least_used_mapping_gives_way),
        WITH_BENCH(test_icmp_is_limited_but_too_big_has_its_own),
        WITH_BENCH(test_paths_are_found_out_again),
        WITH_BENCH(test_rules_hold_for_etrs_already_in_use),
        WITH_BENCH(test_refused_prefixes_are_found),
        WITH_BENCH(test_usage_is_counted_for_each_micronet),
        WITH_BENCH(test_identifications_are_not_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
