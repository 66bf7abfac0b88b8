// SPDX-License-Identifier: BSD-2-Clause
// The answering side, rule by rule (docs/protocol.md, "Rules"): a QSA over a real database. The
// test plays its queriers X and Y.
#include "qsa_fixture.h"

// Rule 3 and statuses

static void test_answers(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = ask(&f, X, "20.1.0.20");
    assert_int_equal(reply.status, QUERY_MAPPED);
    assert_range(reply.range, "20.1.0.16/28");
    assert_address(reply.etr, "198.18.3.1");
    assert_int_equal(reply.caching_ms, 600000);
    assert_int_equal(reply.mab_sequence, 3);
    reply = ask(&f, X, "20.1.0.81");
    assert_int_equal(reply.status, QUERY_ZERO);
    assert_range(reply.range, "20.1.0.80/28");
    reply = ask(&f, X, "20.1.0.40"); // a gap, whole
    assert_int_equal(reply.status, QUERY_ZERO);
    assert_range(reply.range, "20.1.0.32/27");
    stop(&f);
}

static void test_answers_outside_its_mabs(void **state)
{
    (void)state;
    struct fixture f = start();
    struct prefix other = prefix_of("2001:db8::/32");
    struct query_message reply = ask(&f, X, "192.0.2.1");
    assert_int_equal(reply.status, QUERY_NOT_IN_MAB);
    assert_range(reply.range, "192.0.2.1");
    assert_int_equal(reply.caching_ms, QUERY_NOT_IN_MAB_MS);
    assert_true(qsa_mab_add(f.qsa, &other, NULL));
    reply = ask(&f, X, "2001:db8::1");
    assert_int_equal(reply.status, QUERY_TRY_ANOTHER);
    qsa_set_complete(f.qsa, false);
    reply = ask(&f, X, "192.0.2.1");
    assert_int_equal(reply.status, QUERY_TRY_ANOTHER);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0); // none of this needs remembering
    stop(&f);
}

// Rule 4

static void test_tells_those_who_were_told(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message told = tell(&f, X, "20.1.0.20");
    (void)tell(&f, Y, "20.1.0.70");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(update.nonce, told.nonce);
    assert_int_equal(update.status, QUERY_MAPPED);
    assert_range(update.range, "20.1.0.16/28");
    assert_address(update.etr, "198.18.3.7");
    assert_int_equal(update.mab_sequence, 4);
    assert_int_equal(update.instance, told.instance);
    assert_true(update.server_sequence > told.server_sequence);
    expect_silence(&f); // nobody else is woken
    acknowledge(&f, X, &update);
    pass(&f, 100000);
    expect_silence(&f);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "zero"); // still remembered after an update
    update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(update.status, QUERY_ZERO);
    assert_int_equal(update.caching_ms, 500000); // what is left
    stop(&f);
}

static void test_forgets_when_the_caching_time_ends(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    pass(&f, 599999);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1);
    pass(&f, 1);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    expect_silence(&f);
    pass(&f, TICK_MS);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 0);
    stop(&f);
}

static void test_flushes_when_boundaries_change(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message told = tell(&f, X, "20.1.0.20");
    struct update updates[3] = {
        update_of(UPDATE_MAP, "20.1.0.16/28", "zero"),
        {.kind = UPDATE_SPLIT, .range = range_of("20.1.0.16/28"), .at = {0x14010018}},
        update_of(UPDATE_MAP, "20.1.0.16/29", "198.18.3.8"),
    };
    apply(&f, updates, 3);
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X); // one for the set
    assert_int_equal(update.status, QUERY_FLUSH);
    assert_range(update.range, "20.1.0.16/28");
    assert_int_equal(update.nonce, told.nonce);
    expect_silence(&f);
    acknowledge(&f, X, &update);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0);
    struct query_message reply = ask(&f, X, "20.1.0.20");
    assert_range(reply.range, "20.1.0.16/29");
    stop(&f);
}

static void test_gap_beside_a_change_is_flushed(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.100");                   // the gap from .96 on
    (void)tell(&f, Y, "20.1.0.70");                    // the micronet before
    change(&f, UPDATE_DELETE, "20.1.0.80/28", "zero"); // the gap grows
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(update.status, QUERY_FLUSH);
    expect_silence(&f);
    stop(&f);
}

static void test_gap_that_is_divided_is_flushed(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.40");
    change(&f, UPDATE_DEFINE, "20.1.0.33", "198.18.3.7");
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).status, QUERY_FLUSH);
    stop(&f);
}

static void test_set_without_effect_wakes_nobody(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    struct update updates[2] = {
        update_of(UPDATE_MAP, "20.1.0.16/28", "zero"),
        update_of(UPDATE_MAP, "20.1.0.16/28", "198.18.3.1"),
    };
    apply(&f, updates, 2);
    expect_silence(&f);
    stop(&f);
}

static void test_cost_is_that_of_those_told(void **state)
{
    (void)state;
    struct fixture f = start();
    for (int i = 0; i < 200; i++) {
        struct update update = update_of(UPDATE_DEFINE, "20.2.0.0", "198.18.3.1");
        update.range.start.index += 2 * i;
        apply(&f, &update, 1);
        if (i >= 50)
            continue;
        char address[ADDRESS_TEXT_MAX];
        struct address unit = unit_address(FAMILY_IPV4, update.range.start);
        (void)tell(&f, X, address_print(&unit, address));
    }
    uint64_t before = qsa_counters(f.qsa)->ranges_checked;
    change(&f, UPDATE_MAP, "20.2.0.2", "198.18.3.7");
    assert_int_equal(qsa_counters(f.qsa)->ranges_checked - before, 1);
    change(&f, UPDATE_MAP, "20.2.0.200", "198.18.3.7"); // nobody was told
    assert_int_equal(qsa_counters(f.qsa)->ranges_checked - before, 1);
    stop(&f);
}

static void test_reload_checks_all_that_was_told(void **state)
{
    (void)state;
    struct fixture f = start();
    struct prefix mab = prefix_of(MAB);
    struct update update = update_of(UPDATE_DEFINE, "20.1.0.16/28", "198.18.3.1");
    (void)tell(&f, X, "20.1.0.20"); // will be the same
    (void)tell(&f, X, "20.1.0.70"); // will be gone
    struct mapping *fresh = mapping_new(&mab, NULL);
    assert_true(mapping_apply(fresh, &update, 1, NULL, NULL));
    assert_true(database_put(f.database, fresh, NULL));
    qsa_mab_reloaded(f.qsa, f.now, &mab, fresh, 9);
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH);
    assert_range(flush.range, "20.1.0.64/28");
    expect_silence(&f);
    assert_int_equal(ask(&f, Y, "20.1.0.20").mab_sequence, 9);
    stop(&f);
}

static void test_mabs_that_are_lost_or_removed(void **state)
{
    (void)state;
    struct fixture f = start();
    struct prefix mab = prefix_of(MAB);
    struct prefix other = prefix_of("2001:db8::/32");
    (void)tell(&f, X, "20.1.0.20");
    qsa_mab_lost(f.qsa, f.now, &mab);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).status, QUERY_FLUSH);
    assert_int_equal(ask(&f, Y, "20.1.0.20").status, QUERY_TRY_ANOTHER);
    qsa_mab_ready(f.qsa, &mab);
    (void)tell(&f, Y, "20.1.0.20");
    assert_true(qsa_mab_add(f.qsa, &other, NULL));
    qsa_mab_remove(f.qsa, f.now, &mab);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, Y).status, QUERY_FLUSH);
    assert_int_equal(ask(&f, Y, "20.1.0.20").status, QUERY_NOT_IN_MAB);
    assert_int_equal(ask(&f, Y, "2001:db8::1").status, QUERY_TRY_ANOTHER);
    stop(&f);
}

// What was told of a large MAB is looked at little by little, between questions.
static void test_much_is_checked_slowly(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = config.teller.told_per_querier_max = 2 * QSA_CHECKED_AT_ONCE;
    config.teller.update_burst = 10 * QSA_CHECKED_AT_ONCE; // not what is tested here
    struct fixture f = start_with(&config);
    struct prefix mab = prefix_of(MAB);
    struct mapping *fresh = mapping_new(&mab, NULL);
    for (uint32_t i = 0; i < 2 * QSA_CHECKED_AT_ONCE - 200; i++) {
        struct update update = update_of(UPDATE_DEFINE, "20.2.0.0", "198.18.3.1");
        update.range.start.index += i;
        apply(&f, &update, 1);
        char address[ADDRESS_TEXT_MAX];
        struct address unit = unit_address(FAMILY_IPV4, update.range.start);
        (void)tell(&f, X, address_print(&unit, address));
        update.etr = address_of(i % 2 ? "198.18.3.1" : "198.18.3.2"); // half of them will change
        assert_true(mapping_apply(fresh, &update, 1, NULL, NULL));
    }
    assert_true(database_put(f.database, fresh, NULL));
    qsa_mab_reloaded(f.qsa, f.now, &mab, fresh, 9999);
    size_t updates[3] = {0};
    for (size_t turn = 0; turn < 3; turn++) {
        struct query_message update;
        struct endpoint to;
        for (; sent(&f, &update, &to); updates[turn]++) {
            assert_int_equal(update.status, QUERY_MAPPED);
            acknowledge(&f, X, &update);
        }
        assert_int_equal(instant_reached(f.now, qsa_next_deadline(f.qsa)), turn == 0);
        qsa_tick(f.qsa, f.now);
    }
    assert_int_equal(updates[0], QSA_CHECKED_AT_ONCE / 2);
    assert_int_equal(updates[1], QSA_CHECKED_AT_ONCE / 2 - 100);
    assert_int_equal(updates[2], 0);
    // Lost, it is flushed so, too; and what is left when it is there again is compared.
    qsa_mab_lost(f.qsa, f.now, &mab);
    assert_int_equal(ask(&f, Y, "20.2.0.0").status, QUERY_TRY_ANOTHER);
    qsa_mab_ready(f.qsa, &mab);
    change(&f, UPDATE_MAP, "20.2.1.244", "198.18.3.9"); // the 500th
    size_t flushes = 0;
    size_t changes = 0;
    for (size_t turn = 0; turn < 3; turn++) {
        struct query_message update;
        struct endpoint to;
        while (sent(&f, &update, &to)) {
            flushes += update.status == QUERY_FLUSH ? 1 + update.flushed_count : 0;
            changes += update.status == QUERY_MAPPED;
            acknowledge(&f, X, &update);
        }
        qsa_tick(f.qsa, f.now);
    }
    assert_int_equal(flushes, QSA_CHECKED_AT_ONCE);
    assert_int_equal(changes, 1);
    // One that goes is flushed to the end.
    qsa_mab_lost(f.qsa, f.now, &mab);
    qsa_mab_remove(f.qsa, f.now, &mab);
    assert_true(instant_reached(f.now, qsa_next_deadline(f.qsa)));
    for (struct query_message update = {0}; teller_told(qsa_teller(f.qsa)) > 0;) {
        update = expect(&f, MESSAGE_CACHE_UPDATE, X);
        acknowledge(&f, X, &update);
    }
    assert_int_equal(qsa_next_deadline(f.qsa).ns, INSTANT_NEVER.ns);
    stop(&f);
}

static void test_same_request_twice(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    f.nonce--; // the network duplicated it
    (void)tell(&f, X, "20.1.0.20");
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
    expect_silence(&f);
    stop(&f);
}

static void test_released_nonces_are_forgotten(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message first = tell(&f, X, "20.1.0.20");
    struct query_message second = tell(&f, X, "20.1.0.21");
    struct query_message third = ask(&f, X, "20.1.0.22");
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 3);
    struct query_message ack = {.type = MESSAGE_MAP_REPLY_ACK,
                                .nonce = third.nonce,
                                .token = third.token,
                                .server_sequence = third.server_sequence,
                                .instance = 0xe,
                                .released_count = 2,
                                .released = {first.nonce, second.nonce}};
    give(&f, Y, &ack); // not Y's to release
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 3);
    give(&f, X, &ack);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).nonce, third.nonce);
    expect_silence(&f);
    ack.released_count = 1;
    ack.released[0] = third.nonce;
    give(&f, X, &ack);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 0);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_outside_its_mabs),
        cmocka_unit_test(test_tells_those_who_were_told),
        cmocka_unit_test(test_forgets_when_the_caching_time_ends),
        cmocka_unit_test(test_flushes_when_boundaries_change),
        cmocka_unit_test(test_gap_beside_a_change_is_flushed),
        cmocka_unit_test(test_gap_that_is_divided_is_flushed),
        cmocka_unit_test(test_set_without_effect_wakes_nobody),
        cmocka_unit_test(test_cost_is_that_of_those_told),
        cmocka_unit_test(test_reload_checks_all_that_was_told),
        cmocka_unit_test(test_mabs_that_are_lost_or_removed),
        cmocka_unit_test(test_much_is_checked_slowly),
        cmocka_unit_test(test_same_request_twice),
        cmocka_unit_test(test_released_nonces_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
