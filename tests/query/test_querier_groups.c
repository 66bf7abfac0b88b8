// SPDX-License-Identifier: BSD-2-Clause
// Groups of servers: each question goes to those of its MAB, the nearest first.
#include "../check.h"

#include "querier_fixture.h"

#define C "192.0.2.3:4746"

static void set_group(struct fixture *f, size_t group, const char *const *servers, size_t count)
{
    struct querier_server list[4] = {0};
    for (size_t i = 0; i < count; i++)
        list[i].endpoint = endpoint_of(servers[i]);
    querier_set_group(f->querier, f->now, group, list, count);
}

// Answers every alive request as a server that is so many milliseconds away; 0: not at all.
static void probe(struct fixture *f, uint64_t a, uint64_t b, uint64_t c)
{
    const char *const names[] = {A, B, C};
    const uint64_t times[] = {a, b, c};
    struct query_message asked[3] = {0};
    struct query_message message = {0};
    struct endpoint to;
    querier_tick(f->querier, f->now);
    while (sent(f, &message, &to))
        for (size_t i = 0; i < 3; i++) {
            struct endpoint server = endpoint_of(names[i]);
            if (endpoint_equal(&server, &to) && message.type == MESSAGE_ALIVE_REQUEST)
                asked[i] = message;
        }
    for (uint64_t ms = 1; ms <= 200; ms++) {
        f->now = instant_add(f->now, duration_ms(1));
        for (size_t i = 0; i < 3; i++) {
            if (times[i] != ms || asked[i].nonce == 0)
                continue;
            struct query_message reply = {.type = MESSAGE_ALIVE_REPLY,
                                          .nonce = asked[i].nonce,
                                          .querier_sequence = asked[i].querier_sequence,
                                          .instance = 0xa};
            give(f, names[i], &reply);
        }
    }
}

static struct query_message ask_in(struct fixture *f, size_t group, const char *address,
                                   const char *server)
{
    struct address question = address_of(address);
    assert_true(querier_ask_group(f->querier, f->now, group, NULL, &question));
    return expect(f, MESSAGE_MAP_REQUEST, server);
}

static const char *const abc[] = {A, B, C};

static void test_nearest_is_asked(void **state)
{
    (void)state;
    struct fixture f = start(0);
    set_group(&f, 5, abc, 3);
    probe(&f, 80, 4, 30);
    (void)ask_in(&f, 5, "20.1.0.1", B);
    struct querier_upstream second;
    querier_upstream(f.querier, 5, 1, &second);
    assert_endpoint(second.endpoint, C);
    assert_int_equal(querier_group_size(f.querier, 5), 3);
    assert_int_equal(querier_group_size(f.querier, 4), 0);
    querier_free(f.querier);
}

static void test_each_group_has_its_own(void **state)
{
    (void)state;
    struct fixture f = start(0);
    set_group(&f, 0, (const char *const[]){A}, 1);
    set_group(&f, 1, (const char *const[]){B}, 1);
    probe(&f, 80, 4, 0);
    (void)ask_in(&f, 0, "20.1.0.1", A);
    (void)ask_in(&f, 1, "30.1.0.1", B);
    querier_free(f.querier);
}

// One that fails is left for the next nearest, is probed again, and comes back.
static void test_failure_and_return(void **state)
{
    (void)state;
    struct fixture f = start(0);
    set_group(&f, 0, abc, 3);
    probe(&f, 80, 4, 30);
    (void)ask_in(&f, 0, "20.1.0.1", B);
    for (int i = 0; i < 12; i++) {
        f.now = instant_add(f.now, duration_ms(6000));
        probe(&f, 80, 0, 30);
    }
    while (querier_open(f.querier) > 0)
        pass(&f, 1000);
    struct query_message message = {0};
    struct endpoint to;
    while (sent(&f, &message, &to))
        ;
    (void)ask_in(&f, 0, "20.1.0.2", C);
    for (int i = 0; i < 30; i++) {
        f.now = instant_add(f.now, duration_ms(6000));
        probe(&f, 80, 4, 30);
    }
    (void)ask_in(&f, 0, "20.1.0.3", B);
    querier_free(f.querier);
}

static struct query_message busy_with(const struct query_message *request, const char *advised)
{
    struct query_message reply = reply_to(request, "20.1.0.1", "zero", 1);
    reply.status = QUERY_BUSY;
    reply.alternative_count = 1;
    reply.alternatives[0] = endpoint_of(advised);
    return reply;
}

static void test_advice_is_taken(void **state)
{
    (void)state;
    struct fixture f = start(0);
    set_group(&f, 0, abc, 3);
    probe(&f, 80, 4, 30);
    struct query_message request = ask_in(&f, 0, "20.1.0.1", B);
    struct query_message reply = busy_with(&request, A); // C is nearer
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(querier_counters(f.querier)->advised, 1);
    querier_free(f.querier);
}

static void test_advice_of_strangers_is_not(void **state)
{
    (void)state;
    struct fixture f = start(0);
    set_group(&f, 0, abc, 2);
    set_group(&f, 1, (const char *const[]){C}, 1); // known, but not for this MAB
    probe(&f, 80, 4, 30);
    struct query_message request = ask_in(&f, 0, "20.1.0.1", B);
    struct query_message reply = busy_with(&request, C);
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(querier_counters(f.querier)->advised, 0);
    querier_free(f.querier);
}

// Nor that of one which DNS named when it was advised, and no longer when it would be asked.
static void test_advice_that_is_outdated_is_not(void **state)
{
    (void)state;
    struct fixture f = start(0);
    set_group(&f, 0, abc, 3);
    set_group(&f, 1, (const char *const[]){A}, 1);
    probe(&f, 80, 4, 30);
    (void)ask_in(&f, 0, "20.1.0.1", B);
    pass(&f, RETRY_MS_DEFAULT);
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, C);
    struct query_message reply = busy_with(&request, A);
    give(&f, C, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, C);
    expect_silence(&f); // as B may still answer
    assert_int_equal(querier_counters(f.querier)->advised, 1);
    set_group(&f, 0, (const char *const[]){B, C}, 2);
    pass(&f, RETRY_MS_DEFAULT);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);
    querier_free(f.querier);
}

// Of configured servers too, only those that are configured.
static void test_advice_among_configured(void **state)
{
    (void)state;
    struct fixture f = start(0);
    const struct endpoint servers[] = {endpoint_of(A), endpoint_of(B), endpoint_of(C)};
    querier_set_upstreams(f.querier, f.now, servers, 3);
    struct query_message request = ask_in(&f, 0, "20.1.0.1", A);
    struct query_message reply = busy_with(&request, "192.0.2.66:4746");
    reply.alternatives[reply.alternative_count++] = endpoint_of(C);
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, C);
    (void)ask_in(&f, 0, "20.1.0.2", B);
    querier_free(f.querier);
}

// A QSA that cannot answer for a MAB sends each question elsewhere at once, and is not asked first
// for a while.
static void test_try_another_goes_on_at_once(void **state)
{
    (void)state;
    struct fixture f = start(0);
    set_group(&f, 0, abc, 3);
    probe(&f, 80, 4, 30);
    struct query_message request = ask_in(&f, 0, "20.1.0.1", B);
    struct query_message reply = busy_with(&request, A);
    reply.status = QUERY_TRY_ANOTHER;
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)ask_in(&f, 0, "20.1.0.2", C); // the nearest but B
    f.now = instant_add(f.now, duration_ms(UPSTREAM_BUSY_MS));
    (void)ask_in(&f, 0, "20.1.0.3", B);
    querier_free(f.querier);
}

// Servers are told apart, however many there are.
static void test_many_servers(void **state)
{
    (void)state;
    struct fixture f = start(0);
    for (size_t group = 0; group < 300; group++) {
        struct querier_server server = {{address_from_ipv4(0xc6330001u + (uint32_t)group), 4746},
                                        0};
        querier_set_group(f.querier, f.now, group, &server, 1);
    }
    struct query_message request = ask_in(&f, 299, "20.1.0.1", "198.51.1.44:4746");
    struct query_message reply = reply_to(&request, "20.1.0.1", "198.18.3.1", 1);
    give(&f, "198.51.1.44:4746", &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, "198.51.1.44:4746");
    assert_address(event(&f, QUERIER_LEARNED).etr, "198.18.3.1");
    querier_free(f.querier);
}

// A server that DNS no longer names is not asked or believed any more.
static void test_unnamed_servers_go(void **state)
{
    (void)state;
    struct fixture f = start(0);
    set_group(&f, 0, abc, 3);
    probe(&f, 80, 4, 30);
    struct query_message request = ask_in(&f, 0, "20.1.0.1", B);
    struct query_message reply = reply_to(&request, "20.1.0.1", "198.18.3.1", 1);
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    (void)event(&f, QUERIER_LEARNED);
    request = ask_in(&f, 0, "20.1.0.9", B);
    set_group(&f, 0, (const char *const[]){A, C}, 2);
    assert_range(event(&f, QUERIER_FORGET).range, "20.1.0.1");
    querier_tick(f.querier, f.now);
    (void)expect(&f, MESSAGE_MAP_REQUEST, C);
    set_group(&f, 0, NULL, 0);
    querier_tick(f.querier, f.now);
    assert_address(event(&f, QUERIER_FAILED).question, "20.1.0.9");
    querier_free(f.querier);
}

// Other servers answer for the range from now on: nothing more is asked of these, and what they
// still say is not believed.
static void test_forgotten_is_not_asked_on(void **state)
{
    (void)state;
    struct fixture f = start(0);
    struct range moved = range_of("20.1.0.0/24");
    set_group(&f, 0, abc, 2);
    probe(&f, 80, 4, 30);
    struct query_message request = ask_in(&f, 0, "20.1.0.9", B);
    (void)ask_in(&f, 0, "30.1.0.9", B);
    querier_forget_range(f.querier, f.now, &moved);
    assert_address(event(&f, QUERIER_FAILED).question, "20.1.0.9");
    assert_int_equal(querier_open(f.querier), 1); // the other goes on
    struct query_message reply = reply_to(&request, "20.1.0.9", "198.18.3.1", 1);
    give(&f, B, &reply);
    no_event(&f);
    assert_int_equal(querier_cached(f.querier), 0);
    querier_free(f.querier);
}

// Who knows the MABs asks only for what is in one. A server that has not heard of it yet is no
// reason to believe that it is not: another is asked, and nothing is remembered.

static void say_outside(struct fixture *f, const char *from, const struct query_message *request)
{
    struct query_message reply = reply_to(request, "20.1.0.9", "zero", 1);
    reply.status = QUERY_NOT_IN_MAB;
    reply.caching_ms = 10000;
    reply.mab_sequence = 0;
    give(f, from, &reply);
    (void)expect(f, MESSAGE_MAP_REPLY_ACK, from);
}

static void test_outside_is_not_believed(void **state)
{
    (void)state;
    struct fixture f = start(2);
    querier_set_mabs_known(f.querier, true);
    ask(&f, "20.1.0.9");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    say_outside(&f, A, &request);
    no_event(&f);
    request = expect(&f, MESSAGE_MAP_REQUEST, B);
    struct query_message reply = reply_to(&request, "20.1.0.9", "198.18.3.1", 1);
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    assert_int_equal(event(&f, QUERIER_LEARNED).status, QUERY_MAPPED);
    // A is well for all else.
    ask(&f, "20.1.0.10");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(querier_counters(f.querier)->told_outside, 1);
    querier_free(f.querier);
}

static void test_outside_for_all_fails_at_once(void **state)
{
    (void)state;
    struct fixture f = start(2);
    querier_set_mabs_known(f.querier, true);
    for (int round = 0; round < 2; round++) { // and the second time nobody is spared the question
        ask(&f, "20.1.0.9");
        struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
        say_outside(&f, A, &request);
        request = expect(&f, MESSAGE_MAP_REQUEST, B);
        say_outside(&f, B, &request);
        expect_silence(&f);
        struct querier_event failed = event(&f, QUERIER_FAILED);
        assert_address(failed.question, "20.1.0.9");
        assert_int_equal(failed.status, QUERY_NOT_IN_MAB);
        assert_int_equal(querier_cached(f.querier), 0);
    }
    querier_free(f.querier);
}

// What was believed before is not any more.
static void test_outside_is_forgotten_when_the_mabs_are_known(void **state)
{
    (void)state;
    struct fixture f = start(1);
    (void)learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    ask(&f, "20.1.0.9");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    say_outside(&f, A, &request);
    assert_int_equal(event(&f, QUERIER_LEARNED).status, QUERY_NOT_IN_MAB);
    assert_true(cached(&f, "20.1.0.9"));
    querier_set_mabs_known(f.querier, true);
    assert_range(event(&f, QUERIER_FORGET).range, "20.1.0.9");
    no_event(&f);
    assert_false(cached(&f, "20.1.0.9"));
    assert_true(cached(&f, "20.1.0.20"));
    querier_free(f.querier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outside_is_not_believed),
        cmocka_unit_test(test_outside_for_all_fails_at_once),
        cmocka_unit_test(test_outside_is_forgotten_when_the_mabs_are_known),
        cmocka_unit_test(test_nearest_is_asked),
        cmocka_unit_test(test_each_group_has_its_own),
        cmocka_unit_test(test_failure_and_return),
        cmocka_unit_test(test_advice_is_taken),
        cmocka_unit_test(test_advice_of_strangers_is_not),
        cmocka_unit_test(test_advice_that_is_outdated_is_not),
        cmocka_unit_test(test_advice_among_configured),
        cmocka_unit_test(test_try_another_goes_on_at_once),
        cmocka_unit_test(test_many_servers),
        cmocka_unit_test(test_unnamed_servers_go),
        cmocka_unit_test(test_forgotten_is_not_asked_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
