// SPDX-License-Identifier: BSD-2-Clause
// What a querier makes of servers that die, restart, fail or are replaced (docs/protocol.md, rules
// 1 and 8).
#include "querier_fixture.h"

#include "query/querier_state.h"

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

// A server that told very much is forgotten little by little, but nothing of it is used any more.

#define MANY (2 * FORGOTTEN_AT_ONCE + 500)

static void ask_number(struct fixture *f, uint32_t number)
{
    struct address address = address_from_ipv4(0x14000000u + 2 * number);
    assert_true(querier_ask(f->querier, f->now, &address));
}

static bool cached_number(struct fixture *f, uint32_t number)
{
    struct address address = address_from_ipv4(0x14000000u + 2 * number);
    struct querier_event found;
    return querier_find(f->querier, &address, &found);
}

// The answer to a question for that number.
static struct query_message number_reply(const struct query_message *request, uint32_t number,
                                         uint64_t instance)
{
    struct query_message reply = reply_to(request, "20.0.0.0", "198.18.3.1", number + 1);
    reply.range.start.index += 2 * number;
    reply.instance = instance;
    return reply;
}

static struct fixture start_with_many(void)
{
    struct querier_config config = config_of(2);
    config.cached_max = 2 * MANY;
    struct fixture f = {.now = at_ms(0)};
    f.querier = querier_new(&config, random_seed_from_number(7), f.now);
    for (uint32_t i = 0; i < MANY; i++) {
        ask_number(&f, i);
        struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
        struct query_message reply = number_reply(&request, i, 0xa);
        give(&f, A, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
        (void)event(&f, QUERIER_LEARNED);
    }
    return f;
}

static size_t count_forgotten(struct fixture *f)
{
    struct querier_event next;
    size_t forgotten = 0;
    for (; querier_next_event(f->querier, &next); forgotten++)
        assert_int_equal(next.kind, QUERIER_FORGET);
    return forgotten;
}

static void test_much_is_forgotten_slowly(void **state)
{
    (void)state;
    struct fixture f = start_with_many();
    ask_number(&f, MANY);
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = number_reply(&request, MANY, 0xb); // it has restarted
    reply.server_sequence = 1;
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    struct querier_event next;
    size_t forgotten = 0;
    while (querier_next_event(f.querier, &next) && next.kind == QUERIER_FORGET)
        forgotten++;
    assert_int_equal(forgotten, FORGOTTEN_AT_ONCE);
    assert_int_equal(next.kind, QUERIER_LEARNED);
    for (uint32_t i = 0; i < MANY; i++)
        assert_false(cached_number(&f, i));
    assert_true(cached_number(&f, MANY));
    // What is learned anew takes the place of what is still to be forgotten.
    ask_number(&f, MANY - 1);
    request = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = number_reply(&request, MANY - 1, 0xb);
    reply.server_sequence = 2; // less than before the restart
    reply.mab_sequence = 1;
    give(&f, A, &reply);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY_ACK, A).released_count, 0);
    (void)event(&f, QUERIER_FORGET);
    assert_int_equal(event(&f, QUERIER_LEARNED).mab_sequence, 1);
    forgotten++;
    while (forgotten < MANY) {
        assert_true(instant_reached(f.now, querier_next_deadline(f.querier)));
        querier_tick(f.querier, f.now);
        size_t more = count_forgotten(&f);
        assert_in_range(more, 1, FORGOTTEN_AT_ONCE);
        forgotten += more;
    }
    assert_false(instant_reached(f.now, querier_next_deadline(f.querier)));
    assert_int_equal(querier_cached(f.querier), 2);
    assert_true(cached_number(&f, MANY - 1));
    struct querier_upstream upstream;
    querier_upstream(f.querier, 0, 0, &upstream);
    assert_int_equal(upstream.learned, 2);
    querier_free(f.querier);
}

// Its place may be another server's before all is forgotten.
static void test_updates_of_what_is_being_forgotten(void **state)
{
    (void)state;
    struct fixture f = start_with_many();
    ask_number(&f, MANY);
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = number_reply(&request, MANY, 0xa);
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    struct query_message update = update_of(&reply, "198.18.3.2", MANY + 2);
    give(&f, A, &update); // the event waits while the server goes
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    struct endpoint others[] = {endpoint_of(B)};
    querier_set_upstreams(f.querier, f.now, others, 1);
    others[0] = endpoint_of("192.0.2.3:4746");
    querier_set_upstreams(f.querier, f.now, others, 1);
    others[0] = endpoint_of(A);
    querier_set_upstreams(f.querier, f.now, others, 1);
    update.server_sequence++;
    give(&f, A, &update);
    struct query_message ack = expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    assert_int_equal(ack.released_count, 1); // nothing is held under that nonce
    assert_false(cached_number(&f, MANY));
    struct querier_event next;
    bool answered = false;
    size_t forgotten = 0;
    for (unsigned turns = 0; turns < 5; turns++) {
        while (querier_next_event(f.querier, &next)) {
            answered |= next.kind == QUERIER_LEARNED && next.question.family != FAMILY_NONE;
            forgotten += next.kind == QUERIER_FORGET;
        }
        querier_tick(f.querier, f.now);
    }
    assert_true(answered); // the question, before its server went
    assert_int_equal(forgotten, MANY + 1);
    assert_int_equal(querier_cached(f.querier), 0);
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
        cmocka_unit_test(test_silence_is_checked),
        cmocka_unit_test(test_updates_do_not_stand_for_alive_checks),
        cmocka_unit_test(test_dead_server_is_forgotten),
        cmocka_unit_test(test_restart_is_noticed),
        cmocka_unit_test(test_a_late_answer_is_no_restart),
        cmocka_unit_test(test_restart_is_noticed_after_any_number_of_requests),
        cmocka_unit_test(test_comes_back_to_its_first_choice),
        cmocka_unit_test(test_penalty_doubles_for_a_flapping_server),
        cmocka_unit_test(test_other_upstreams),
        cmocka_unit_test(test_much_is_forgotten_slowly),
        cmocka_unit_test(test_updates_of_what_is_being_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
