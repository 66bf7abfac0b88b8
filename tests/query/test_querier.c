// SPDX-License-Identifier: BSD-2-Clause
// The asking side, rule by rule (docs/protocol.md, "Rules"). The test plays the servers A and B.
#include "querier_fixture.h"

// Rules 1 to 3

static void test_asks_and_learns(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_address(request.question, "20.1.0.20");
    assert_int_equal(request.token, 0);
    expect_silence(&f);
    advance(&f, 30);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, A, &reply);
    struct query_message ack = expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(ack.nonce, request.nonce);
    assert_int_equal(ack.token, 0x70);
    assert_int_equal(ack.server_sequence, 1);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_address(learned.question, "20.1.0.20");
    assert_range(learned.range, "20.1.0.16/28");
    assert_address(learned.etr, "198.18.3.1");
    assert_endpoint(learned.upstream, A);
    assert_int_equal(learned.waited.ns, duration_ms(30).ns);
    assert_int_equal(learned.expires.ns, at_ms(600000).ns); // from the request on
    assert_true(cached(&f, "20.1.0.31"));
    assert_false(cached(&f, "20.1.0.32"));
    ask(&f, "20.2.0.1");
    request = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(request.token, 0x70); // proves our address
    querier_free(f.querier);
}

static void test_asks_the_next_after_the_retry_time(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message first = expect(&f, MESSAGE_MAP_REQUEST, A);
    advance(&f, RETRY_MS_DEFAULT - 1);
    expect_silence(&f);
    advance(&f, 1);
    struct query_message second = expect(&f, MESSAGE_MAP_REQUEST, B);
    assert_int_not_equal(first.nonce, second.nonce);
    // The first may still answer.
    struct query_message reply = reply_to(&first, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    (void)event(&f, QUERIER_LEARNED);
    // The answer to the second comes too late, and its range is not taken over.
    reply = reply_to(&second, "20.1.0.0/24", "198.18.3.2", 1);
    give(&f, B, &reply);
    struct query_message release = expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    assert_int_equal(release.released_count, 1);
    assert_int_equal(release.released[0], second.nonce);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.1");
    assert_int_equal(querier_counters(f.querier)->dropped_nonce, 1);
    querier_free(f.querier);
}

static void test_retry_time_follows_the_server(void **state)
{
    (void)state;
    struct fixture f = start(2);
    for (uint32_t i = 1; i <= 30; i++) {
        ask(&f, "20.1.0.20");
        struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
        advance(&f, 2);
        struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", i);
        give(&f, A, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
        (void)event(&f, QUERIER_LEARNED);
    }
    ask(&f, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    advance(&f, RETRY_MS_MIN - 1);
    expect_silence(&f);
    advance(&f, 1);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);
    querier_free(f.querier);
}

static void test_gives_up(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    pass(&f, 75 + 75 + 150);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);
    expect_silence(&f);
    no_event(&f);
    pass(&f, 1000);
    struct querier_event failed = event(&f, QUERIER_FAILED);
    assert_address(failed.question, "20.1.0.20");
    expect_silence(&f);
    assert_int_equal(querier_open(f.querier), 0);
    querier_free(f.querier);
}

static void test_merges_identical_questions(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    ask(&f, "20.1.0.20");
    ask(&f, "2001:db8::1");
    ask(&f, "2001:db8::2"); // the same /64
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    expect_silence(&f);
    assert_int_equal(querier_open(f.querier), 2);
    querier_free(f.querier);
}

static void test_limits_open_questions(void **state)
{
    (void)state;
    struct fixture f = start(1);
    struct address more = address_of("20.1.0.4");
    ask(&f, "20.1.0.1");
    ask(&f, "20.1.0.2");
    ask(&f, "20.1.0.3");
    assert_false(querier_ask(f.querier, f.now, &more));
    assert_int_equal(querier_counters(f.querier)->refused_full, 1);
    querier_free(f.querier);
}

static void test_accepts_only_true_answers(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, "192.0.2.66:4746", &reply); // nobody we asked
    give(&f, "192.0.2.1:4747", &reply);  // another port
    give(&f, B, &reply);                 // a server of ours, but not the one asked
    struct query_message forged = reply;
    forged.nonce++;
    give(&f, A, &forged);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A); // "I hold nothing under that nonce"
    forged = reply_to(&request, "20.1.0.32/28", "198.18.3.1", 1); // not what was asked
    give(&f, A, &forged);
    expect_silence(&f);
    no_event(&f);
    const struct querier_counters *counters = querier_counters(f.querier);
    assert_int_equal(counters->dropped_source, 3);
    assert_int_equal(counters->dropped_nonce, 1);
    assert_int_equal(counters->dropped_range, 1);
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    querier_free(f.querier);
}

static void test_expires(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    reply.caching_ms = 5000;
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    pass(&f, 4999);
    assert_true(cached(&f, "20.1.0.20"));
    pass(&f, 1);
    assert_false(cached(&f, "20.1.0.20"));
    struct querier_event forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.16/28");
    querier_free(f.querier);
}

// "Not in a MAB" is believed for ten seconds at most, whatever the server says.
static void test_not_in_a_mab_expires_soon(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.20", "zero", 1);
    reply.status = QUERY_NOT_IN_MAB;
    give(&f, A, &reply);
    assert_int_equal(event(&f, QUERIER_LEARNED).expires.ns, at_ms(QUERY_NOT_IN_MAB_MS).ns);
    querier_free(f.querier);
}

static void test_evicts_the_least_recently_used(void **state)
{
    (void)state;
    struct fixture f = start(1);
    (void)learn(&f, "20.1.0.1", "20.1.0.1", "198.18.3.1", 1);
    (void)learn(&f, "20.1.0.2", "20.1.0.2", "198.18.3.1", 2);
    (void)learn(&f, "20.1.0.3", "20.1.0.3", "198.18.3.1", 3);
    (void)learn(&f, "20.1.0.4", "20.1.0.4", "198.18.3.1", 4);
    assert_true(cached(&f, "20.1.0.1")); // used: now 2 is the oldest
    ask(&f, "20.1.0.5");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.5", "198.18.3.1", 5);
    give(&f, A, &reply);
    struct querier_event forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.2");
    (void)event(&f, QUERIER_LEARNED);
    assert_int_equal(querier_cached(f.querier), 4);
    querier_free(f.querier);
}

// Statuses that send the querier elsewhere

static void test_try_another_and_busy_go_to_the_next_at_once(void **state)
{
    (void)state;
    struct fixture f = start(2);
    for (int round = 0; round < 2; round++) {
        ask(&f, "20.1.0.20");
        struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
        struct query_message reply = reply_to(&request, "20.1.0.20", "zero", 1);
        reply.status = round == 0 ? QUERY_TRY_ANOTHER : QUERY_BUSY;
        give(&f, A, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
        request = expect(&f, MESSAGE_MAP_REQUEST, B);
        reply = reply_to(&request, "20.1.0.20", "zero", 1);
        give(&f, B, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
        (void)event(&f, QUERIER_LEARNED);
        no_event(&f);
        // Whoever cannot answer is spared for a while.
        ask(&f, "20.1.0.20");
        request = expect(&f, MESSAGE_MAP_REQUEST, B);
        reply = reply_to(&request, "20.1.0.20", "zero", 2);
        give(&f, B, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
        (void)event(&f, QUERIER_LEARNED);
        pass(&f, UPSTREAM_BUSY_MS);
    }
    querier_free(f.querier);
}

static void test_fails_when_all_decline(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    for (int i = 0; i < QUERY_TRIES_MAX; i++) {
        struct query_message request = {0};
        struct endpoint to;
        while (!sent(&f, &request, &to) || request.type != MESSAGE_MAP_REQUEST)
            pass(&f, 1);
        struct query_message reply = reply_to(&request, "20.1.0.20", "zero", 1);
        char from[ENDPOINT_TEXT_MAX];
        reply.status = QUERY_TRY_ANOTHER;
        give(&f, endpoint_print(&to, from), &reply);
    }
    (void)event(&f, QUERIER_FAILED);
    assert_int_equal(querier_open(f.querier), 0);
    querier_free(f.querier);
}

static void test_proves_its_address_when_told_to(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message prove = {
        .type = MESSAGE_MAP_REQUEST_ACK, .nonce = request.nonce, .token = 0x99, .instance = 0xf};
    give(&f, A, &prove);
    struct query_message again = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(again.token, 0x99);
    assert_int_not_equal(again.nonce, request.nonce);
    prove.nonce = again.nonce; // a server that asks for it for ever
    give(&f, A, &prove);
    expect_silence(&f);
    struct query_message reply = reply_to(&again, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    querier_free(f.querier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_and_learns),
        cmocka_unit_test(test_asks_the_next_after_the_retry_time),
        cmocka_unit_test(test_retry_time_follows_the_server),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_merges_identical_questions),
        cmocka_unit_test(test_limits_open_questions),
        cmocka_unit_test(test_accepts_only_true_answers),
        cmocka_unit_test(test_expires),
        cmocka_unit_test(test_not_in_a_mab_expires_soon),
        cmocka_unit_test(test_evicts_the_least_recently_used),
        cmocka_unit_test(test_try_another_and_busy_go_to_the_next_at_once),
        cmocka_unit_test(test_fails_when_all_decline),
        cmocka_unit_test(test_proves_its_address_when_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
