// SPDX-License-Identifier: BSD-2-Clause
// What a querier makes of Cache Updates, of answers in the wrong order, and of servers that die or
// restart (docs/protocol.md, rules 6 and 8).
#include "querier_fixture.h"

// Rule 6

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

// Rule 8

static struct query_message alive_reply(const struct query_message *request, uint64_t instance)
{
    return (struct query_message){.type = MESSAGE_ALIVE_REPLY,
                                  .nonce = request->nonce,
                                  .token = 0x71,
                                  .querier_sequence = request->querier_sequence,
                                  .instance = instance};
}

static void test_silence_is_checked(void **state)
{
    (void)state;
    struct fixture f = start(2);
    pass(&f, 60000);
    expect_silence(&f); // nothing is held, so nobody is asked
    (void)learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    pass(&f, ALIVE_SILENCE_MS - 1);
    expect_silence(&f);
    pass(&f, 1);
    struct query_message request = expect(&f, MESSAGE_ALIVE_REQUEST, A);
    struct query_message reply = alive_reply(&request, 0xa);
    give(&f, B, &reply); // does not count
    pass(&f, 500);
    give(&f, A, &reply);
    pass(&f, ALIVE_SILENCE_MS - 1);
    expect_silence(&f);
    assert_true(cached(&f, "20.1.0.20"));
    querier_free(f.querier);
}

// Updates are no sign of life: who is on the path may have kept some back, or repeat one, while all
// else is cut off.
static void test_updates_do_not_stand_for_alive_checks(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    for (uint32_t i = 0; i < 4; i++) {
        pass(&f, ALIVE_SILENCE_MS / 4 - 1);
        expect_silence(&f);
        struct query_message update = update_of(&reply, "198.18.3.2", i < 2 ? 2 + i : 3);
        give(&f, A, &update);
        (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    }
    pass(&f, 4 + 2 * ALIVE_RETRY_MS);
    for (int i = 0; i < ALIVE_TRIES_MAX; i++)
        (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    struct query_message update = update_of(&reply, "198.18.3.2", 4);
    give(&f, A, &update); // nor do they answer one
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    pass(&f, ALIVE_RETRY_MS);
    assert_false(cached(&f, "20.1.0.20"));
    querier_free(f.querier);
}

static void test_dead_server_is_forgotten(void **state)
{
    (void)state;
    struct fixture f = start(2);
    (void)learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    pass(&f, ALIVE_SILENCE_MS + 2 * ALIVE_RETRY_MS);
    (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    assert_true(cached(&f, "20.1.0.20"));
    pass(&f, ALIVE_RETRY_MS);
    (void)event(&f, QUERIER_FORGET);
    assert_false(cached(&f, "20.1.0.20"));
    assert_int_equal(querier_counters(f.querier)->upstreams_lost, 1);
    ask(&f, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, B); // the dead one is no longer preferred
    querier_free(f.querier);
}

static void test_restart_is_noticed(void **state)
{
    (void)state;
    struct fixture f = start(1);
    (void)learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    pass(&f, ALIVE_SILENCE_MS);
    struct query_message request = expect(&f, MESSAGE_ALIVE_REQUEST, A);
    struct query_message reply = alive_reply(&request, 0xb);
    give(&f, A, &reply);
    (void)event(&f, QUERIER_FORGET);
    // In a Map Reply too: what it brings is kept, the rest is forgotten.
    ask(&f, "20.1.0.20");
    request = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    reply.instance = 0xb;
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    ask(&f, "20.2.0.1");
    request = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = reply_to(&request, "20.2.0.1", "198.18.3.1", 1);
    reply.instance = 0xc;
    give(&f, A, &reply);
    struct querier_event forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.16/28");
    (void)event(&f, QUERIER_LEARNED);
    assert_true(cached(&f, "20.2.0.1"));
    querier_free(f.querier);
}

static void test_a_late_answer_is_no_restart(void **state)
{
    (void)state;
    struct fixture f = start(1);
    ask(&f, "20.1.0.1");
    struct query_message early = expect(&f, MESSAGE_MAP_REQUEST, A);
    ask(&f, "20.1.0.2");
    struct query_message later = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&later, "20.1.0.2", "198.18.3.1", 1);
    reply.instance = 0xb;
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    reply = reply_to(&early, "20.1.0.1", "198.18.3.1", 7); // from before it restarted
    give(&f, A, &reply);
    no_event(&f);
    assert_true(cached(&f, "20.1.0.2"));
    assert_int_equal(querier_counters(f.querier)->dropped_stale, 1);
    querier_free(f.querier);
}

// A second server may be asked nothing for days, while the first is asked billions of times.
static void test_restart_is_noticed_after_any_number_of_requests(void **state)
{
    (void)state;
    struct upstream upstream;
    struct endpoint endpoint = endpoint_of(A);
    upstream_init(&upstream, &endpoint, at_ms(0));
    assert_int_equal(upstream_instance(&upstream, 0xa, 5), INSTANCE_SAME);
    assert_int_equal(upstream_instance(&upstream, 0xb, 3 * UINT64_C(0x80000000)), INSTANCE_NEW);
    assert_int_equal(upstream_instance(&upstream, 0xa, 3 * UINT64_C(0x80000000) - 1),
                     INSTANCE_STALE);
}

static void test_comes_back_to_its_first_choice(void **state)
{
    (void)state;
    struct fixture f = start(2);
    for (int i = 0; i < 3; i++) { // A is silent three times
        ask(&f, "20.1.0.20");
        (void)expect(&f, MESSAGE_MAP_REQUEST, A);
        pass(&f, 75);
        struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, B);
        struct query_message reply = reply_to(&request, "20.1.0.20", "198.18.3.1", (uint32_t)i + 1);
        give(&f, B, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
        (void)event(&f, QUERIER_LEARNED);
    }
    ask(&f, "20.1.0.21");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, B);
    struct query_message reply = reply_to(&request, "20.1.0.21", "198.18.3.1", 9);
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    (void)event(&f, QUERIER_LEARNED);
    pass(&f, UPSTREAM_PENALTY_MS);
    request = expect(&f, MESSAGE_ALIVE_REQUEST, A); // probed after the penalty
    reply = alive_reply(&request, 0xa);
    give(&f, A, &reply);
    ask(&f, "20.1.0.22");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    querier_free(f.querier);
}

static void test_penalty_doubles_for_a_flapping_server(void **state)
{
    (void)state;
    struct upstream upstream;
    struct endpoint endpoint = endpoint_of(A);
    struct instant now = at_ms(0);
    upstream_init(&upstream, &endpoint, now);
    uint64_t expected = UPSTREAM_PENALTY_MS;
    for (int i = 0; i < 10; i++) {
        upstream_failed(&upstream, now);
        assert_int_equal(upstream.penalty.ns, duration_ms(expected).ns);
        assert_int_equal(upstream_rank(&upstream, now), 2);
        now = upstream.avoided_until;
        upstream_answered(&upstream, now, duration_ms(5));
        assert_int_equal(upstream_rank(&upstream, now), 0);
        now = instant_add(now, duration_s(5));
        expected = expected < UPSTREAM_PENALTY_MS_MAX ? expected * 2 : expected;
    }
    now = instant_add(now, duration_ms(UPSTREAM_GOOD_MS));
    upstream_failed(&upstream, now);
    assert_int_equal(upstream.penalty.ns, duration_ms(UPSTREAM_PENALTY_MS).ns);
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

static void test_other_upstreams(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct endpoint only_b[] = {endpoint_of(B)};
    struct endpoint c_and_b[] = {endpoint_of("192.0.2.3:4746"), endpoint_of(B)};
    (void)learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1); // from A
    ask(&f, "20.2.0.1");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    querier_set_upstreams(f.querier, f.now, only_b, 1);
    assert_range(event(&f, QUERIER_FORGET).range, "20.1.0.16/28"); // A will not tell us any more
    advance(&f, 0);
    struct query_message again = expect(&f, MESSAGE_MAP_REQUEST, B);
    struct query_message reply = reply_to(&request, "20.2.0.1", "198.18.3.1", 2);
    give(&f, A, &reply); // no longer one of ours
    no_event(&f);
    reply = reply_to(&again, "20.2.0.1", "198.18.3.2", 1);
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    (void)event(&f, QUERIER_LEARNED);
    // B stays, in another place: what it told stays, and its updates count.
    querier_set_upstreams(f.querier, f.now, c_and_b, 2);
    no_event(&f);
    reply = update_of(&reply, "198.18.3.3", 2);
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, B);
    assert_string_equal(cached_etr(&f, "20.2.0.1"), "198.18.3.3");
    ask(&f, "20.2.0.2");
    (void)expect(&f, MESSAGE_MAP_REQUEST, "192.0.2.3:4746");
    pass(&f, ALIVE_SILENCE_MS + 10 * ALIVE_RETRY_MS); // B is still watched
    (void)event(&f, QUERIER_FAILED);
    (void)event(&f, QUERIER_FORGET);
    querier_free(f.querier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_updates),
        cmocka_unit_test(test_update_may_shorten_caching),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_refuses_forged_updates),
        cmocka_unit_test(test_update_that_overtakes_its_reply),
        cmocka_unit_test(test_flush_that_overtakes_its_reply),
        cmocka_unit_test(test_answers_in_the_wrong_order),
        cmocka_unit_test(test_releases_what_it_replaces),
        cmocka_unit_test(test_a_server_behind_does_not_bring_back_the_past),
        cmocka_unit_test(test_new_boundaries_replace_old_ones),
        cmocka_unit_test(test_silence_is_checked),
        cmocka_unit_test(test_updates_do_not_stand_for_alive_checks),
        cmocka_unit_test(test_dead_server_is_forgotten),
        cmocka_unit_test(test_restart_is_noticed),
        cmocka_unit_test(test_a_late_answer_is_no_restart),
        cmocka_unit_test(test_restart_is_noticed_after_any_number_of_requests),
        cmocka_unit_test(test_comes_back_to_its_first_choice),
        cmocka_unit_test(test_penalty_doubles_for_a_flapping_server),
        cmocka_unit_test(test_other_upstreams),
        cmocka_unit_test(test_malformed_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
