// SPDX-License-Identifier: BSD-2-Clause
// The teller inside a QSA: repeated updates, lost queriers, proof of addresses, load
// (docs/protocol.md, rules 5, 7 and 9).
#include "qsa_fixture.h"
#include "query/pace.h"

// Rule 5

static void test_repeats_updates(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    static const uint64_t waits[] = {50, 100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        pass(&f, waits[i] - 1);
        expect_silence(&f);
        pass(&f, 1);
        struct query_message again = expect(&f, MESSAGE_CACHE_UPDATE, X);
        assert_int_equal(again.server_sequence, update.server_sequence);
        assert_address(again.etr, "198.18.3.7");
    }
    acknowledge(&f, X, &update);
    pass(&f, 60000);
    expect_silence(&f);
    stop(&f);
}

static void test_newer_update_replaces_older(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    struct query_message older = expect(&f, MESSAGE_CACHE_UPDATE, X);
    pass(&f, 10);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.8");
    acknowledge(&f, X, &older); // for the older: the newer still has to be sent
    struct query_message newer = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_address(newer.etr, "198.18.3.8");
    assert_true(newer.server_sequence > older.server_sequence);
    acknowledge(&f, X, &older);
    pass(&f, 50);
    assert_address(expect(&f, MESSAGE_CACHE_UPDATE, X).etr, "198.18.3.8");
    acknowledge(&f, X, &newer);
    pass(&f, 10000);
    expect_silence(&f);
    stop(&f);
}

static void test_forgets_a_querier_that_is_gone(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    (void)tell(&f, X, "20.1.0.70");
    uint64_t before = instance_seen_by(&f, X);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    for (int i = 0; i < UPDATE_TRIES_MAX; i++) {
        (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
        pass(&f, PACE_PATIENCE_MS_MAX);
    }
    expect_silence(&f);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0);
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->queriers_lost, 1);
    assert_true(instance_seen_by(&f, X) != before); // it must drop what it holds
    stop(&f);
}

// However often the mapping changes meanwhile: each newer update takes the place of one that was
// not acknowledged either.
static void test_forgets_a_querier_that_misses_all_changes(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    uint64_t before = instance_seen_by(&f, X);
    for (uint64_t ms = 0; ms < UPDATE_UNCONFIRMED_MS_MAX; ms += 500) {
        change(&f, UPDATE_MAP, "20.1.0.16/28", ms % 1000 ? "198.18.3.7" : "198.18.3.8");
        ignore(&f);
        assert_true(instance_seen_by(&f, X) == before);
        pass(&f, 500);
    }
    ignore(&f);
    assert_true(instance_seen_by(&f, X) != before);
    // One that acknowledges now and then is there.
    (void)tell(&f, Y, "20.1.0.20");
    before = instance_seen_by(&f, Y);
    struct query_message update = {0};
    struct endpoint to;
    for (uint64_t ms = 0; ms < 4 * UPDATE_UNCONFIRMED_MS_MAX; ms += 500) {
        change(&f, UPDATE_MAP, "20.1.0.16/28", ms % 1000 ? "198.18.3.7" : "198.18.3.8");
        while (sent(&f, &update, &to))
            if (ms % 8000 == 0)
                acknowledge(&f, Y, &update);
        pass(&f, 500);
    }
    assert_true(instance_seen_by(&f, Y) == before);
    stop(&f);
}

// What a querier that is gone was told may be very much: it is removed little by little, and
// whoever comes from its address meanwhile is somebody new.
static void test_much_is_forgotten_slowly(void **state)
{
    (void)state;
    struct fixture f = start();
    struct teller *teller = qsa_teller(f.qsa);
    for (int i = 0; i < 90; i++) // the nonces differ
        (void)tell(&f, X, "20.1.0.20");
    uint64_t before = instance_seen_by(&f, X);
    change(&f, UPDATE_MAP, "20.1.0.80/28", "198.18.3.3");
    (void)tell(&f, X, "20.1.0.90");
    change(&f, UPDATE_MAP, "20.1.0.80/28", "198.18.3.7");
    for (int i = 0; i < UPDATE_TRIES_MAX; i++) {
        (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
        pass(&f, PACE_PATIENCE_MS_MAX);
    }
    expect_silence(&f);
    size_t left = teller_told(teller);
    assert_in_range(left, 91 - 16, 91 - 1);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7"); // it is told nothing of that
    expect_silence(&f);
    struct query_message again = ask(&f, X, "20.1.0.70");
    assert_true(again.instance != before);
    for (size_t turns = 0; teller_told(teller) > 1 && turns < left; turns++)
        expect_silence(&f);
    assert_true(instance_seen_by(&f, X) == again.instance);
    assert_int_equal(teller_told(teller), 1);
    assert_int_equal(teller_queriers(teller), 1);
    stop(&f);
}

static void test_instances(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message x = tell(&f, X, "20.1.0.20");
    struct query_message y = tell(&f, Y, "20.1.0.20");
    assert_true(x.instance != y.instance);
    assert_true(instance_seen_by(&f, X) == x.instance);
    assert_true(instance_seen_by(&f, Y) == y.instance);
    uint64_t stranger = instance_seen_by(&f, "192.0.2.7:4746");
    assert_true(stranger == instance_seen_by(&f, "192.0.2.6:4746"));
    assert_true(stranger != x.instance && stranger != 0);
    stop(&f);
}

// Rule 7

static void test_unproven_address_gets_no_more_than_it_sent(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)ask(&f, X, "20.1.0.20"); // 192 octets in, 88 out, never acknowledged
    for (int i = 0; i < 20; i++) {
        change(&f, UPDATE_MAP, "20.1.0.16/28", i % 2 ? "198.18.3.7" : "198.18.3.8");
        if (i == 0)
            (void)expect(&f, MESSAGE_CACHE_UPDATE, X); // another 88: 16 are left
        expect_silence(&f);
        pass(&f, 1000);
        expect_silence(&f);
    }
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1); // not given up: it waits
    stop(&f);
}

static void test_update_waits_for_proof(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = ask(&f, X, "20.1.0.20");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
    pass(&f, 50);
    expect_silence(&f);
    struct query_message forged = reply;
    forged.token++;
    acknowledge(&f, X, &forged); // 40 octets without proof do not pay for 88
    expect_silence(&f);
    acknowledge(&f, X, &reply);
    assert_address(expect(&f, MESSAGE_CACHE_UPDATE, X).etr, "198.18.3.7");
    stop(&f);
}

// The same request, answered twice: the querier may use either answer, so what it was told is kept
// for as long as the longer of them allows.
static void test_a_repeated_answer_keeps_the_longer_time(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    qsa_set_caching_time(f.qsa, duration_s(60));
    f.nonce--;
    assert_int_equal(tell(&f, X, "20.1.0.20").caching_ms, 60000);
    pass(&f, 100000);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
    stop(&f);
}

// What expires at once is removed little by little, between questions.
static void test_much_expires_slowly(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_per_querier_max = 1000;
    struct fixture f = start_with(&config);
    for (int i = 0; i < 500; i++) // the nonces differ
        (void)tell(&f, X, "20.1.0.20");
    pass(&f, 600000 + TICK_MS);
    size_t left = teller_told(qsa_teller(f.qsa));
    assert_in_range(left, 300, 499);
    expect_silence(&f);
    while (teller_told(qsa_teller(f.qsa)) > 0) {
        assert_true(instant_reached(f.now, qsa_next_deadline(f.qsa))); // it is not forgotten
        pass(&f, 0);
    }
    stop(&f);
}

static unsigned count_updates(struct fixture *f)
{
    struct query_message update = {0};
    struct endpoint to;
    unsigned count = 0;
    for (; sent(f, &update, &to); count++)
        assert_int_equal(update.type, MESSAGE_CACHE_UPDATE);
    return count;
}

static void test_much_waits_for_proof(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.caching_time = duration_s(3600);
    struct fixture f = start_with(&config);
    for (int i = 0; i < 30; i++)
        (void)tell(&f, X, "20.1.0.20");
    pass(&f, 700000); // the proof has ended
    exhaust_credit(&f);
    // Octets alone bring out as many as they pay for.
    struct query_message alive = {.type = MESSAGE_ALIVE_REQUEST, .nonce = 1, .instance = 0xe};
    unsigned updates = 0;
    uint64_t token = 0;
    for (int i = 0; i < 10; i++) {
        give(&f, X, &alive);
        token = expect(&f, MESSAGE_ALIVE_REPLY, X).token;
        updates += count_updates(&f);
    }
    assert_in_range(updates, 10,
                    10 * (QUERY_REQUEST_BYTES - QUERY_HEADER_BYTES) / QUERY_ANSWER_BYTES + 1);
    alive.token = token;
    give(&f, X, &alive);
    (void)expect(&f, MESSAGE_ALIVE_REPLY, X);
    assert_int_equal(updates + count_updates(&f), 30);
    stop(&f);
}

// What came from an address while it was proven is no treasure for later: it was answered.
static void test_octets_sent_with_proof_count(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.caching_time = duration_s(3600);
    struct fixture f = start_with(&config);
    (void)tell(&f, X, "20.1.0.20");
    for (int i = 0; i < 10; i++) { // 88 octets to X, 40 from it
        change(&f, UPDATE_MAP, "20.1.0.16/28", i % 2 ? "198.18.3.7" : "198.18.3.8");
        struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
        acknowledge(&f, X, &update);
    }
    pass(&f, 700000);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.9");
    expect_silence(&f);
    stop(&f);
}

static void test_proof_ends(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = tell(&f, X, "20.1.0.20");
    struct token_maker maker = {.key = {{1}}};
    struct endpoint x = endpoint_of(X);
    struct endpoint y = endpoint_of(Y);
    uint64_t token = address_token_make(&maker, f.now, &x);
    assert_true(address_token_valid(&maker, f.now, &x, token));
    assert_false(address_token_valid(&maker, f.now, &y, token));
    assert_false(address_token_valid(&maker, f.now, &x, 0));
    struct instant later = instant_add(f.now, duration_s(2 * TOKEN_PERIOD_SECONDS));
    assert_false(address_token_valid(&maker, later, &x, token));
    pass(&f, 700000);
    request(&f, X, "20.1.0.20", reply.token); // too old to prove anything
    (void)expect(&f, MESSAGE_MAP_REPLY, X);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
    pass(&f, 50);
    expect_silence(&f);
    stop(&f);
}

static void test_strangers_must_prove_under_pressure(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.unproven_max = 2;
    struct fixture f = start_with(&config);
    (void)ask(&f, "192.0.2.101:1", "20.1.0.20");
    (void)ask(&f, "192.0.2.102:1", "20.1.0.20");
    request(&f, X, "20.1.0.20", 0);
    struct query_message prove = expect(&f, MESSAGE_MAP_REQUEST_ACK, X);
    assert_int_equal(prove.nonce, f.nonce);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 2);
    request(&f, X, "20.1.0.20", prove.token);
    (void)expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 3);
    request(&f, Y, "20.1.0.20", prove.token); // the token is X's
    (void)expect(&f, MESSAGE_MAP_REQUEST_ACK, Y);
    stop(&f);
}

static void test_unproven_cannot_fill_memory(void **state)
{
    (void)state;
    struct fixture f = start();
    for (int i = 0; i < TELLER_UNPROVEN_TOLD_MAX; i++)
        (void)ask(&f, X, "20.1.0.20");
    request(&f, X, "20.1.0.20", 0);
    (void)expect(&f, MESSAGE_MAP_REQUEST_ACK, X);
    stop(&f);
}

static void test_drops_what_is_not_for_a_server(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = ask(&f, X, "20.1.0.20");
    give(&f, X, &reply);
    struct endpoint from = endpoint_of(X);
    qsa_input(f.qsa, f.now, &from, (const uint8_t *)"Iv", 2);
    expect_silence(&f);
    assert_int_equal(qsa_counters(f.qsa)->dropped_type, 1);
    assert_int_equal(qsa_counters(f.qsa)->dropped[DECODE_SHORT], 1);
    stop(&f);
}

// Rule 9

static void name_others(struct fixture *f)
{
    const struct endpoint others[] = {endpoint_of("192.0.2.1"), endpoint_of("192.0.2.2"),
                                      endpoint_of("192.0.2.3"), endpoint_of("192.0.2.4"),
                                      endpoint_of("192.0.2.5"), endpoint_of("192.0.2.6")};
    teller_set_alternatives(qsa_teller(f->qsa), others, 6);
}

static void test_load_is_told(void **state)
{
    (void)state;
    struct fixture f = start();
    teller_set_load(qsa_teller(f.qsa), 77);
    assert_int_equal(tell(&f, X, "20.1.0.20").load, 77);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).load, 77);
    stop(&f);
}

// What is known of its own memory counts too.
static void test_full_memory_is_load(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = 4; // and one more at the very most
    config.teller.queriers_max = 4;
    struct fixture f = start_with(&config);
    (void)tell(&f, X, "20.1.0.20");
    (void)tell(&f, Y, "20.1.0.20");
    teller_set_load(qsa_teller(f.qsa), 3);
    assert_int_equal(teller_load(qsa_teller(f.qsa)), 127);
    (void)tell(&f, X, "20.1.0.70");
    (void)tell(&f, X, "20.1.0.90");
    teller_set_load(qsa_teller(f.qsa), 3);
    assert_int_equal(teller_load(qsa_teller(f.qsa)), 204);
    stop(&f);
}

// Whoever declines names others, another one first each time.
static void test_alternatives_when_declining(void **state)
{
    (void)state;
    struct fixture f = start();
    struct prefix mab = prefix_of(MAB);
    name_others(&f);
    qsa_mab_lost(f.qsa, f.now, &mab);
    struct query_message one =
        ask(&f, X, "20.1.0.20"); // a stranger: as long as his request at most
    struct query_message other = ask(&f, X, "20.1.0.20");
    assert_int_equal(one.status, QUERY_TRY_ANOTHER);
    assert_int_equal(one.alternative_count, 4);
    assert_int_equal(other.alternative_count, 4);
    assert_false(endpoint_equal(&one.alternatives[0], &other.alternatives[0]));
    assert_true(endpoint_equal(&one.alternatives[1], &other.alternatives[0]));
    qsa_mab_ready(f.qsa, &mab);
    assert_int_equal(ask(&f, Y, "20.1.0.20").alternative_count, 0);
    stop(&f);
}

// A loaded server names others in what it answers, but to proven addresses only: the octets that an
// unproven one may still get are kept for the Cache Update.
static void test_alternatives_under_load(void **state)
{
    (void)state;
    struct fixture f = start();
    name_others(&f);
    teller_set_load(qsa_teller(f.qsa), QUERY_LOAD_SHED);
    struct query_message reply = ask(&f, X, "20.1.0.20");
    assert_int_equal(reply.alternative_count, 0);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    acknowledge(&f, X, &reply);
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    acknowledge(&f, X, &update);
    assert_int_equal(ask(&f, X, "20.1.0.70").alternative_count, QUERY_ALTERNATIVES_MAX);
    teller_set_load(qsa_teller(f.qsa), QUERY_LOAD_SHED - 1);
    assert_int_equal(ask(&f, X, "20.1.0.90").alternative_count, 0);
    stop(&f);
}

// An address that has no credit left gets no more octets by asking again and again.
static void test_alternatives_do_not_amplify(void **state)
{
    (void)state;
    struct fixture f = start();
    struct prefix mab = prefix_of(MAB);
    size_t received = 0;
    name_others(&f);
    (void)ask(&f, X, "20.1.0.20"); // 192 in, 88 out; what was told waits for a flush
    qsa_mab_lost(f.qsa, f.now, &mab);
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    struct endpoint to;
    for (size_t sent = QUERY_REQUEST_BYTES; sent < 10000; sent += QUERY_REQUEST_BYTES) {
        size_t length = 0;
        received += sent == QUERY_REQUEST_BYTES ? QUERY_ANSWER_BYTES : 0;
        while ((length = qsa_next_output(f.qsa, f.now, &to, bytes)) > 0)
            received += length;
        assert_true(received <= sent);
        request(&f, X, "20.1.0.20", 0);
        pass(&f, 100);
    }
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeats_updates),
        cmocka_unit_test(test_newer_update_replaces_older),
        cmocka_unit_test(test_forgets_a_querier_that_is_gone),
        cmocka_unit_test(test_forgets_a_querier_that_misses_all_changes),
        cmocka_unit_test(test_much_is_forgotten_slowly),
        cmocka_unit_test(test_a_repeated_answer_keeps_the_longer_time),
        cmocka_unit_test(test_much_expires_slowly),
        cmocka_unit_test(test_much_waits_for_proof),
        cmocka_unit_test(test_octets_sent_with_proof_count),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_unproven_address_gets_no_more_than_it_sent),
        cmocka_unit_test(test_update_waits_for_proof),
        cmocka_unit_test(test_proof_ends),
        cmocka_unit_test(test_strangers_must_prove_under_pressure),
        cmocka_unit_test(test_unproven_cannot_fill_memory),
        cmocka_unit_test(test_drops_what_is_not_for_a_server),
        cmocka_unit_test(test_load_is_told),
        cmocka_unit_test(test_full_memory_is_load),
        cmocka_unit_test(test_alternatives_when_declining),
        cmocka_unit_test(test_alternatives_under_load),
        cmocka_unit_test(test_alternatives_do_not_amplify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
