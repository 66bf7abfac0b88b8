// SPDX-License-Identifier: BSD-2-Clause
// What a querier makes of Cache Updates, and of answers in the wrong order (docs/protocol.md, rules
// 2 and 6).
#include "querier_fixture.h"

static void test_takes_updates(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message update = update_of(&reply, "198.18.3.2", 2);
    advance(&f, 1000);
    give(&f, A, &update);
    struct query_message ack = expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    assert_int_equal(ack.server_sequence, 2);
    assert_int_equal(ack.token, 0x70);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_int_equal(learned.question.family, FAMILY_NONE);
    assert_address(learned.etr, "198.18.3.2");
    assert_int_equal(learned.expires.ns, at_ms(600000).ns); // not lengthened
    // Repeated: acknowledged, nothing else.
    give(&f, A, &update);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    no_event(&f);
    // An older one that was overtaken.
    struct query_message newer = update_of(&reply, "zero", 4);
    struct query_message older = update_of(&reply, "198.18.3.3", 3);
    give(&f, A, &newer);
    give(&f, A, &older);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "zero");
    assert_int_equal(querier_counters(f.querier)->repeated, 2);
    querier_free(f.querier);
}

static void test_update_may_shorten_caching(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message update = update_of(&reply, "198.18.3.2", 2);
    update.caching_ms = 1000;
    give(&f, A, &update);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_int_equal(learned.expires.ns, at_ms(1000).ns);
    querier_free(f.querier);
}

// A flush names others that are to be forgotten with it.
static void test_flush_with_others(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message first = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message second = learn(&f, "20.1.0.40", "20.1.0.40", "198.18.3.1", 2);
    (void)learn(&f, "20.1.0.60", "20.1.0.60", "198.18.3.1", 3);
    ask(&f, "20.1.0.80"); // the flush overtakes its reply
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message flush = flush_of(&first, 4);
    flush.flushed_count = 3;
    flush.flushed[0] = second.nonce;
    flush.flushed[1] = asked.nonce;
    flush.flushed[2] = 77; // of which nothing is known any more
    give(&f, B, &flush);   // which gave none of them
    assert_true(cached(&f, "20.1.0.20") && cached(&f, "20.1.0.40"));
    struct query_message ack = expect(&f, MESSAGE_CACHE_UPDATE_ACK, B);
    assert_int_equal(ack.released_count, 4);
    give(&f, A, &flush);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B); // what was open is asked again
    ack = expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    assert_int_equal(ack.nonce, first.nonce);
    assert_int_equal(ack.server_sequence, 4);
    assert_int_equal(ack.released_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(ack.released[i] == flush.flushed[i]);
    assert_false(cached(&f, "20.1.0.20") || cached(&f, "20.1.0.40"));
    assert_true(cached(&f, "20.1.0.60"));
    (void)event(&f, QUERIER_FORGET);
    (void)event(&f, QUERIER_FORGET);
    no_event(&f);
    give(&f, A, &flush); // repeated: all are released
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE_ACK, A).released_count, 4);
    querier_free(f.querier);
}

static void test_flush(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message flush = flush_of(&reply, 2);
    give(&f, A, &flush);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    (void)event(&f, QUERIER_FORGET);
    assert_false(cached(&f, "20.1.0.20"));
    give(&f, A, &flush); // repeated: acknowledged though nothing is cached
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    no_event(&f);
    querier_free(f.querier);
}

static void test_refuses_forged_updates(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message update = update_of(&reply, "198.18.3.66", 2);
    give(&f, "192.0.2.66:4746", &update);
    expect_silence(&f);
    give(&f, B, &update); // not the server that gave the range
    update.nonce++;
    give(&f, A, &update);
    no_event(&f);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.1");
    querier_free(f.querier);
}

static void test_update_that_overtakes_its_reply(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message update = update_of(&reply, "198.18.3.2", 2);
    give(&f, A, &update);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_address(learned.question, "20.1.0.20");
    assert_address(learned.etr, "198.18.3.2");
    give(&f, A, &reply); // the old mapping comes late
    no_event(&f);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.2");
    querier_free(f.querier);
}

static void test_flush_that_overtakes_its_reply(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message flush = flush_of(&reply, 2);
    give(&f, A, &flush);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B); // asked again at once
    give(&f, A, &reply);
    no_event(&f);
    assert_false(cached(&f, "20.1.0.20"));
    querier_free(f.querier);
}

static void test_answers_in_the_wrong_order(void **state)
{
    (void)state;
    struct fixture f = start(1);
    ask(&f, "20.1.0.20");
    struct query_message first = expect(&f, MESSAGE_MAP_REQUEST, A);
    ask(&f, "20.1.0.21");
    struct query_message second = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message old = reply_to(&first, "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message new = reply_to(&second, "20.1.0.16/28", "198.18.3.2", 2);
    give(&f, A, &new);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    (void)event(&f, QUERIER_LEARNED);
    give(&f, A, &old);
    struct query_message ack = expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(ack.released_count, 1); // not taken over
    assert_int_equal(ack.released[0], first.nonce);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_address(learned.question, "20.1.0.20");
    assert_address(learned.etr, "198.18.3.2");
    // The server's update for the nonce that was taken over counts, the other does not.
    struct query_message update = update_of(&old, "198.18.3.4", 3);
    give(&f, A, &update);
    no_event(&f);
    update = update_of(&new, "198.18.3.5", 4);
    give(&f, A, &update);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.5");
    querier_free(f.querier);
}

static void test_releases_what_it_replaces(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message first = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    ask(&f, "20.1.0.21");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 2);
    give(&f, A, &reply);
    struct query_message ack = expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(ack.released_count, 1);
    assert_int_equal(ack.released[0], first.nonce);
    // Another server's answer releases nothing of A, and A's late answer is taken over again: A
    // must still tell us, although B told us in between.
    ask(&f, "20.1.0.22");
    struct query_message late = expect(&f, MESSAGE_MAP_REQUEST, A);
    ask(&f, "20.1.0.23");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    pass(&f, 75);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);     // for .22, which B does not answer
    request = expect(&f, MESSAGE_MAP_REQUEST, B); // for .23
    reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, B, &reply);
    ack = expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    assert_int_equal(ack.released_count, 0);
    reply = reply_to(&late, "20.1.0.16/28", "198.18.3.1", 2);
    give(&f, A, &reply);
    ack = expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(ack.released_count, 0);
    struct query_message update = update_of(&reply, "198.18.3.7", 3);
    give(&f, A, &update);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.7");
    querier_free(f.querier);
}

static void test_a_server_behind_does_not_bring_back_the_past(void **state)
{
    (void)state;
    struct fixture f = start(2);
    (void)learn(&f, "20.1.0.20", "20.1.0.16/29", "198.18.3.1", 1); // sequence 10 of the MAB
    ask(&f, "20.1.0.30");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    pass(&f, 100);
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, B);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.9", 1);
    reply.mab_sequence = 9;
    give(&f, B, &reply);
    no_event(&f);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.1");
    assert_int_equal(querier_counters(f.querier)->dropped_stale, 1);
    querier_free(f.querier);
}

static void test_new_boundaries_replace_old_ones(void **state)
{
    (void)state;
    struct fixture f = start(1);
    (void)learn(&f, "20.1.0.16", "20.1.0.16/29", "198.18.3.1", 1);
    (void)learn(&f, "20.1.0.24", "20.1.0.24/29", "198.18.3.1", 2);
    ask(&f, "20.1.0.40");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.0/24", "198.18.3.2", 3);
    give(&f, A, &reply);
    struct querier_event forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.16/29");
    forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.24/29");
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_range(learned.range, "20.1.0.0/24");
    assert_int_equal(querier_cached(f.querier), 1);
    querier_free(f.querier);
}

static void test_malformed_is_counted(void **state)
{
    (void)state;
    struct fixture f = start(1);
    struct endpoint from = endpoint_of(A);
    uint8_t junk[40] = {0x49, 0x76, 9};
    querier_input(f.querier, f.now, &from, junk, sizeof(junk));
    assert_int_equal(querier_counters(f.querier)->dropped_malformed, 1);
    expect_silence(&f);
    querier_free(f.querier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_updates),
        cmocka_unit_test(test_update_may_shorten_caching),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_flush_with_others),
        cmocka_unit_test(test_refuses_forged_updates),
        cmocka_unit_test(test_update_that_overtakes_its_reply),
        cmocka_unit_test(test_flush_that_overtakes_its_reply),
        cmocka_unit_test(test_answers_in_the_wrong_order),
        cmocka_unit_test(test_releases_what_it_replaces),
        cmocka_unit_test(test_a_server_behind_does_not_bring_back_the_past),
        cmocka_unit_test(test_new_boundaries_replace_old_ones),
        cmocka_unit_test(test_malformed_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
