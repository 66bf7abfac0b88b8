// SPDX-License-Identifier: BSD-2-Clause
// The caching server: asks, answers from its cache, passes updates on.
#include "qsr_fixture.h"

#include <stdio.h>

static void test_asks_once_and_answers_all(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.20");
    uint64_t x_nonce = f.nonce;
    request(&f, Y, "20.1.0.20");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_true(asked.nonce != x_nonce && asked.nonce != f.nonce); // its own
    expect_silence(&f);
    (void)answer(&f, &asked, "20.1.0.16/28", "198.18.3.1");
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    struct query_message reply = expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(reply.nonce, x_nonce);
    assert_range(reply.range, "20.1.0.16/28");
    assert_address(reply.etr, "198.18.3.1");
    assert_int_equal(reply.mab_sequence, 10);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).nonce, f.nonce);
    assert_int_equal(qsr_counters(f.qsr)->misses, 1);
    assert_int_equal(qsr_counters(f.qsr)->merged, 1);
    assert_int_equal(qsr_waiting(f.qsr), 0);
    qsr_free(f.qsr);
}

static void test_answers_from_cache_with_the_time_left(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    pass(&f, 5000);
    request(&f, Y, "20.1.0.31"); // another address of the same micronet
    struct query_message reply = expect(&f, MESSAGE_MAP_REPLY, Y);
    assert_int_equal(reply.caching_ms, 595000);
    expect_silence(&f);
    assert_int_equal(qsr_counters(f.qsr)->hits, 1);
    qsr_free(f.qsr);
}

static void test_negative_answers_are_cached(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.40", "20.1.0.32/27", "zero");
    request(&f, Y, "20.1.0.50");
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).status, QUERY_ZERO);
    request(&f, X, "192.0.2.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = outside(&asked, "192.0.2.1");
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_NOT_IN_MAB);
    request(&f, Y, "192.0.2.1");
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).status, QUERY_NOT_IN_MAB);
    qsr_free(f.qsr);
}

// Seconds pass in which nobody asks, and the upstream answers alive checks.
static void pass_quietly(struct fixture *f, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        pass(f, 1000);
        struct query_message message = {0};
        struct endpoint to;
        while (sent(f, &message, &to)) {
            assert_int_equal(message.type, MESSAGE_ALIVE_REQUEST);
            struct query_message alive = {
                .type = MESSAGE_ALIVE_REPLY, .nonce = message.nonce, .instance = f->instance};
            give(f, A, &alive);
        }
    }
}

// Before the set of MABs is known, "not in a MAB" is believed. It has no place in a Cache Update:
// who was told that the address is mapped is flushed.
static void test_what_is_in_no_mab_any_more_is_flushed(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.1", "20.1.0.1", "198.18.3.1");
    pass_quietly(&f, 599);
    request(&f, Y, "20.1.0.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = outside(&asked, "20.1.0.1");
    reply.server_sequence = ++f.sequence;
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).status, QUERY_NOT_IN_MAB);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).status, QUERY_FLUSH);
    qsr_free(f.qsr);
}

static void test_asks_again_when_little_time_is_left(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    pass_quietly(&f, 599);
    request(&f, Y, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    qsr_free(f.qsr);
}

static void test_passes_updates_on(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    (void)fill(&f, "20.1.0.70", "20.1.0.64/28", "198.18.3.2");
    struct query_message update = reply;
    update.type = MESSAGE_CACHE_UPDATE;
    update.server_sequence = ++f.sequence;
    update.etr = address_of("198.18.3.7");
    give(&f, A, &update);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    struct query_message passed = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_range(passed.range, "20.1.0.16/28");
    assert_address(passed.etr, "198.18.3.7");
    expect_silence(&f); // Y was told nothing
    acknowledge(&f, X, &passed);
    request(&f, Y, "20.1.0.20");
    assert_address(expect(&f, MESSAGE_MAP_REPLY, Y).etr, "198.18.3.7");
    update.status = QUERY_FLUSH;
    update.etr = ADDRESS_ZERO;
    update.server_sequence = ++f.sequence;
    give(&f, A, &update);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).status, QUERY_FLUSH);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, Y).status, QUERY_FLUSH);
    request(&f, X, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A); // no longer cached
    qsr_free(f.qsr);
}

static void test_new_boundaries_flush_the_old(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    request(&f, Y, "20.1.0.40");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)answer(&f, &asked, "20.1.0.0/24", "198.18.3.2");
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_range(expect(&f, MESSAGE_MAP_REPLY, Y).range, "20.1.0.0/24");
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH);
    assert_range(flush.range, "20.1.0.16/28");
    qsr_free(f.qsr);
}

static void test_eviction_from_the_cache_is_told(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.1", "20.1.0.1", "198.18.3.1");
    (void)fill(&f, "20.1.0.2", "20.1.0.2", "198.18.3.1");
    (void)fill(&f, "20.1.0.3", "20.1.0.3", "198.18.3.1");
    (void)fill(&f, "20.1.0.4", "20.1.0.4", "198.18.3.1");
    (void)fill(&f, "20.1.0.5", "20.1.0.5", "198.18.3.1");
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH); // updates for it would no longer come
    assert_range(flush.range, "20.1.0.1");
    qsr_free(f.qsr);
}

// The upstream answers again, for less time. From its end on it tells of no change, so nobody may
// believe what it said before for longer.
static void test_less_time_is_told(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.20");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    request(&f, X, "20.1.0.21");
    struct query_message again = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = answer(&f, &asked, "20.1.0.16/28", "198.18.3.1");
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    struct query_message passed = expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(passed.caching_ms, 600000);
    acknowledge(&f, X, &passed);
    reply.nonce = again.nonce;
    reply.server_sequence = ++f.sequence;
    reply.caching_ms = 5000;
    give(&f, A, &reply);
    struct query_message ack = expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_true(ack.released_count == 1 && ack.released[0] == asked.nonce);
    struct query_message second = expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(second.caching_ms, 5000);
    acknowledge(&f, X, &second);
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_true(update.nonce == passed.nonce);
    assert_int_equal(update.status, QUERY_MAPPED);
    assert_int_equal(update.caching_ms, 5000);
    f.now = instant_add(f.now, duration_ms(5500)); // it was lost
    qsr_tick(f.qsr, f.now);
    update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_true(update.nonce == passed.nonce);
    assert_int_equal(update.caching_ms, 0);
    acknowledge(&f, X, &update);
    pass(&f, 1000);
    expect_silence(&f);
    assert_int_equal(teller_told(qsr_teller(f.qsr)), 0);
    qsr_free(f.qsr);
}

static void test_lost_upstream_is_told(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    pass(&f, ALIVE_SILENCE_MS + ALIVE_TRIES_MAX * ALIVE_RETRY_MS);
    for (int i = 0; i < ALIVE_TRIES_MAX; i++)
        (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH);
    qsr_free(f.qsr);
}

static void test_expiry_wakes_nobody(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.20");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = {.type = MESSAGE_MAP_REPLY,
                                  .nonce = asked.nonce,
                                  .server_sequence = 1,
                                  .instance = f.instance,
                                  .status = QUERY_MAPPED,
                                  .caching_ms = 5000,
                                  .range = range_of("20.1.0.16/28"),
                                  .etr = address_of("198.18.3.1")};
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    struct query_message passed = expect(&f, MESSAGE_MAP_REPLY, X);
    acknowledge(&f, X, &passed);
    pass(&f, 6000);
    expect_silence(&f);
    assert_int_equal(querier_cached(qsr_querier(f.qsr)), 0);
    assert_int_equal(teller_told(qsr_teller(f.qsr)), 0);
    qsr_free(f.qsr);
}

static void test_failure_sends_the_querier_elsewhere(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.20");
    pass(&f, 10000);
    for (int i = 0; i < QUERY_TRIES_MAX; i++)
        (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message alive = {0};
    struct endpoint to;
    struct query_message reply = {0};
    while (sent(&f, &alive, &to)) // the silent upstream is probed meanwhile
        if (alive.type != MESSAGE_ALIVE_REQUEST)
            reply = alive;
    assert_int_equal(reply.type, MESSAGE_MAP_REPLY);
    assert_int_equal(reply.status, QUERY_TRY_ANOTHER);
    assert_int_equal(qsr_waiting(f.qsr), 0);
    qsr_free(f.qsr);
}

static void test_busy_when_too_many_wait(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.1");
    request(&f, X, "20.1.0.2");
    request(&f, X, "20.1.0.3");
    request(&f, X, "20.1.0.4"); // a fourth question is over the limit of open ones
    for (int i = 0; i < 3; i++)
        (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_BUSY);
    request(&f, X, "20.1.0.1");
    request(&f, X, "20.1.0.1");
    expect_silence(&f);
    request(&f, Y, "20.1.0.1"); // half of the room is taken: strangers must prove themselves
    request(&f, Y, "20.1.0.1");
    (void)expect(&f, MESSAGE_MAP_REQUEST_ACK, Y);
    qsr_free(f.qsr);
}

// Who asks much that is not answered, from many ports, leaves room for others.
static void test_one_host_cannot_take_all_room(void **state)
{
    (void)state;
    struct qsr_config config = config_of();
    config.querier.open_max = 100;
    config.waiting_max = 30;
    struct fixture f = {.now = at_ms(0), .nonce = 100, .instance = 0xa};
    f.qsr = qsr_new(&config, random_seed_from_number(5), f.now);
    for (int i = 0; i < 14; i++) {
        char from[ENDPOINT_TEXT_MAX];
        char address[ADDRESS_TEXT_MAX];
        (void)snprintf(from, sizeof(from), "192.0.2.9:%d", 5000 + i);
        (void)snprintf(address, sizeof(address), "20.1.0.%d", i);
        request(&f, from, address);
        (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    }
    request(&f, X, "20.1.0.100");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(qsr_waiting(f.qsr), 15);
    for (int i = 0; i < 2; i++) { // half is taken, so X must prove its address; that does not help
        struct query_message message = {.type = MESSAGE_MAP_REQUEST,
                                        .nonce = ++f.nonce,
                                        .instance = 0xe,
                                        .question = address_of("20.1.0.101")};
        give(&f, X, &message);
        message.token = expect(&f, MESSAGE_MAP_REQUEST_ACK, X).token;
        give(&f, X, &message);
        assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_BUSY);
    }
    struct query_message other = {.type = MESSAGE_MAP_REQUEST,
                                  .nonce = ++f.nonce,
                                  .instance = 0xe,
                                  .question = address_of("20.1.0.102")};
    give(&f, Y, &other);
    other.token = expect(&f, MESSAGE_MAP_REQUEST_ACK, Y).token;
    give(&f, Y, &other);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(qsr_waiting(f.qsr), 16);
    assert_int_equal(qsr_counters(f.qsr)->refused_full, 2);
    (void)answer(&f, &asked, "20.1.0.64/26", "198.18.3.1"); // for X, and of use to all
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    (void)expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(qsr_waiting(f.qsr), 15);
    for (int i = 0; i < 100; i++)
        pass(&f, 100);
    assert_int_equal(qsr_waiting(f.qsr), 0);
    qsr_free(f.qsr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_in_no_mab_any_more_is_flushed),
        cmocka_unit_test(test_asks_once_and_answers_all),
        cmocka_unit_test(test_answers_from_cache_with_the_time_left),
        cmocka_unit_test(test_negative_answers_are_cached),
        cmocka_unit_test(test_asks_again_when_little_time_is_left),
        cmocka_unit_test(test_passes_updates_on),
        cmocka_unit_test(test_new_boundaries_flush_the_old),
        cmocka_unit_test(test_eviction_from_the_cache_is_told),
        cmocka_unit_test(test_less_time_is_told),
        cmocka_unit_test(test_lost_upstream_is_told),
        cmocka_unit_test(test_expiry_wakes_nobody),
        cmocka_unit_test(test_failure_sends_the_querier_elsewhere),
        cmocka_unit_test(test_busy_when_too_many_wait),
        cmocka_unit_test(test_one_host_cannot_take_all_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
