// SPDX-License-Identifier: BSD-2-Clause
// The caching server that knows the set of MABs: whom it asks about each, and what it believes
// (docs/protocol.md, rules 2 and 3).
#include "qsr_fixture.h"

// Each MAB has its own servers, one has none yet, and some addresses are in no MAB.
static void test_servers_by_mab(void **state)
{
    (void)state;
    static const char b[] = "192.0.2.2:4746";
    static const char *const mabs[] = {"20.0.0.0/14", "20.4.0.0/16", "20.8.0.0/16"};
    struct fixture f = start();
    struct mab_table *table = mab_table_new();
    for (uint32_t i = 0; i < 3; i++) {
        struct prefix mab = prefix_of(mabs[i]);
        assert_true(mab_table_add(table, &mab, i, NULL));
    }
    struct querier_server other = {endpoint_of(b), 0};
    qsr_set_group(f.qsr, f.now, 1, &other, 1);
    qsr_set_mabs(f.qsr, table);
    request(&f, X, "20.1.0.1");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    request(&f, X, "20.4.0.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, b);
    request(&f, X, "20.8.0.1");
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_TRY_ANOTHER);
    request(&f, X, "30.0.0.1");
    struct query_message outside = expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(outside.status, QUERY_NOT_IN_MAB);
    assert_in_range(outside.caching_ms, 1, QUERY_NOT_IN_MAB_MS);
    // What was learned of a MAB that goes is flushed at those who were told.
    struct query_message reply = answer(&f, &asked, "20.4.0.0/28", "198.18.3.1");
    expect_silence(&f); // A is not who was asked
    give(&f, b, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, b);
    struct query_message told = expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(told.status, QUERY_MAPPED);
    acknowledge(&f, X, &told);
    struct range gone = range_of("20.4.0.0/16");
    qsr_forget(f.qsr, f.now, &gone);
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(update.status, QUERY_FLUSH);
    assert_range(update.range, "20.4.0.0/28");
    qsr_free(f.qsr);
    mab_table_free(table);
}

// The servers of one MAB do not speak for others: neither in a reply nor in an update that comes
// before it may a range leave the MAB that was asked about.
static void test_servers_speak_for_their_mabs_only(void **state)
{
    (void)state;
    static const char b[] = "192.0.2.2:4746";
    static const char *const mabs[] = {"20.0.0.0/14", "20.4.0.0/16"};
    struct fixture f = start();
    struct mab_table *table = mab_table_new();
    for (uint32_t i = 0; i < 2; i++) {
        struct prefix mab = prefix_of(mabs[i]);
        assert_true(mab_table_add(table, &mab, i, NULL));
    }
    struct querier_server other = {endpoint_of(b), 0};
    qsr_set_group(f.qsr, f.now, 1, &other, 1);
    qsr_set_mabs(f.qsr, table);
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    request(&f, X, "20.4.0.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, b);
    struct query_message lie = {.type = MESSAGE_MAP_REPLY,
                                .nonce = asked.nonce,
                                .instance = 0xb,
                                .server_sequence = 1,
                                .status = QUERY_MAPPED,
                                .caching_ms = 600000,
                                .range = range_of("20.0.0.0/13"),
                                .etr = address_of("198.18.3.66"),
                                .mab_sequence = 99};
    give(&f, b, &lie);
    expect_silence(&f);
    lie.type = MESSAGE_CACHE_UPDATE;
    lie.server_sequence = 2;
    give(&f, b, &lie);
    expect_silence(&f);
    request(&f, Y, "20.1.0.20");
    assert_address(expect(&f, MESSAGE_MAP_REPLY, Y).etr, "198.18.3.1");
    assert_int_equal(querier_counters(qsr_querier(f.qsr))->dropped_range, 2);
    lie.range = range_of("20.4.0.0/16"); // all of its own it may speak for
    give(&f, b, &lie);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, b);
    assert_address(expect(&f, MESSAGE_MAP_REPLY, X).etr, "198.18.3.66");
    qsr_free(f.qsr);
    mab_table_free(table);
}

// A MAB that is in the set of this server and not (yet, or any more) in that of its upstream: "not
// in a MAB" is neither passed on nor kept, so it ends when the upstream has heard of the MAB.
static void test_upstream_lacks_a_mab(void **state)
{
    (void)state;
    struct fixture f = start();
    struct mab_table *table = mab_table_new();
    struct prefix mab = prefix_of("20.0.0.0/14");
    // What was believed before the set was known is forgotten with it.
    request(&f, X, "20.1.0.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = outside(&asked, "20.1.0.1");
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_NOT_IN_MAB);
    assert_true(mab_table_add(table, &mab, 0, NULL));
    qsr_set_mabs(f.qsr, table);
    request(&f, X, "20.1.0.1");
    asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = outside(&asked, "20.1.0.1");
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_TRY_ANOTHER);
    request(&f, X, "20.1.0.1");
    asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = answer(&f, &asked, "20.1.0.0/28", "198.18.3.1");
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_MAPPED);
    qsr_free(f.qsr);
    mab_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_by_mab),
        cmocka_unit_test(test_servers_speak_for_their_mabs_only),
        cmocka_unit_test(test_upstream_lacks_a_mab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
