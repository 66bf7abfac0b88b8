// SPDX-License-Identifier: BSD-2-Clause
// The teller inside a QSA: many updates for one querier, and lost ones (docs/protocol.md, rule 5).
#include "qsa_fixture.h"

// Updates that are sent now; they are acknowledged to `from`, if that is not NULL.
static unsigned updates_now(struct fixture *f, const char *from)
{
    struct query_message update = {0};
    struct endpoint to;
    unsigned count = 0;
    for (; sent(f, &update, &to); count++) {
        assert_int_equal(update.type, MESSAGE_CACHE_UPDATE);
        if (from != NULL)
            acknowledge(f, from, &update);
    }
    return count;
}

static struct fixture start_with_many(unsigned ranges)
{
    struct qsa_config config = config_of();
    config.teller.told_max = config.teller.told_per_querier_max = 2 * ranges;
    config.teller.update_burst = 20;
    config.teller.update_interval_ns = 1000000;
    struct fixture f = start_with(&config);
    for (unsigned i = 0; i < ranges; i++) // the nonces differ
        (void)tell(&f, X, "20.1.0.20");
    pass(&f, 1000);
    return f;
}

// Many updates for one querier do not come all at once, but all come.
static void test_many_updates_are_paced(void **state)
{
    (void)state;
    enum { RANGES = 500 };
    struct fixture f = start_with_many(RANGES);
    struct query_message other = tell(&f, Y, "20.1.0.70");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    assert_int_equal(updates_now(&f, X), 21);
    expect_silence(&f);
    assert_int_equal(teller_report(qsa_teller(f.qsa)).paced, 1);
    // Others do not wait for it.
    change(&f, UPDATE_MAP, "20.1.0.64/28", "198.18.3.7");
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, Y);
    assert_int_equal(update.nonce, other.nonce);
    acknowledge(&f, Y, &update);
    unsigned came = 21;
    unsigned ms = 0;
    for (; came < RANGES; ms++) {
        assert_true(instant_before(qsa_next_deadline(f.qsa), instant_add(f.now, duration_ms(2))));
        pass(&f, 1);
        unsigned now = updates_now(&f, X);
        assert_in_range(now, 0, ms < 100 ? 4 : 10);
        came += now;
    }
    assert_in_range(ms, 150, 350); // acknowledgements make it faster; else it were 479
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->updates_repeated, 0);
    assert_int_equal(teller_report(qsa_teller(f.qsa)).paced, 0);
    stop(&f);
}

// What was acknowledged while nothing had to wait is no reason to send more at once.
static void test_quiet_does_not_quicken(void **state)
{
    (void)state;
    struct fixture f = start_with_many(500);
    (void)tell(&f, X, "20.1.0.70");
    static const char *const etrs[] = {"198.18.3.7", "198.18.3.8"};
    for (unsigned i = 0; i < 3000; i++, pass(&f, 10)) {
        change(&f, UPDATE_MAP, "20.1.0.64/28", etrs[i % 2]);
        assert_int_equal(updates_now(&f, X), 1);
    }
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    assert_int_equal(updates_now(&f, NULL), 21);
    for (unsigned ms = 0; ms < 10; ms++) {
        pass(&f, 1);
        assert_int_equal(updates_now(&f, NULL), 1);
    }
    stop(&f);
}

// What changes again before its update had its turn is told once, as it is by then.
static void test_updates_that_wait_are_replaced(void **state)
{
    (void)state;
    enum { RANGES = 100 };
    struct fixture f = start_with_many(RANGES);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    assert_int_equal(updates_now(&f, X), 21);
    pass(&f, 1);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.8");
    struct query_message update = {0};
    struct endpoint to;
    unsigned came = 0;
    for (unsigned i = 0; i < 2 * RANGES; i++) {
        while (sent(&f, &update, &to)) {
            assert_address(update.etr, "198.18.3.8");
            acknowledge(&f, X, &update);
            came++;
        }
        pass(&f, 1);
    }
    assert_int_equal(came, RANGES);
    stop(&f);
}

// A querier that acknowledges nothing is sent less and less, and given up in time.
static void test_losses_slow_updates_down(void **state)
{
    (void)state;
    enum { RANGES = 2000 };
    struct fixture f = start_with_many(RANGES);
    uint64_t before = instance_seen_by(&f, X);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    unsigned first = 0;
    for (unsigned ms = 0; ms < 50; ms++, pass(&f, 1))
        first += updates_now(&f, NULL);
    unsigned second = 0;
    for (unsigned ms = 50; ms < 1000; ms++, pass(&f, 1))
        second += updates_now(&f, NULL);
    assert_in_range(first, 60, 72);
    assert_in_range(second, 150, 300); // 200 a second, the least
    for (unsigned ms = 1000; ms < UPDATE_UNCONFIRMED_MS_MAX; ms += 10, pass(&f, 10))
        (void)updates_now(&f, NULL);
    pass(&f, 1000);
    (void)updates_now(&f, NULL);
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->queriers_lost, 1);
    assert_true(instance_seen_by(&f, X) != before);
    stop(&f);
}

// While memory is full, others wait for the room of a querier that acknowledges nothing.
static void test_room_is_not_waited_for(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = config.teller.told_per_querier_max = 20000;
    struct endpoint x = endpoint_of(X);
    struct fixture f = start_with(&config);
    for (unsigned i = 0; i < config.teller.told_max; i++)
        (void)tell(&f, Y, "20.1.0.70");
    pass(&f, 1000);
    struct teller *teller = qsa_teller(f.qsa);
    for (unsigned i = 0; i < 12000; i++, pass(&f, i % 4 == 0 ? 1 : 0)) {
        struct query_message message = tell(&f, X, "20.1.0.20");
        assert_int_equal(message.status, QUERY_MAPPED); // and not busy
        for (struct endpoint to; sent(&f, &message, &to);)
            if (endpoint_equal(&to, &x))
                acknowledge(&f, X, &message);
    }
    assert_int_equal(teller_counters(teller)->queriers_lost, 1);
    assert_true(teller_told(teller) <= config.teller.told_max);
    stop(&f);
}

// X asks for more, `each_ms` times a millisecond, or each `ms_each` ms, while memory is full of
// what Y was told, of whose messages half are lost. Returns how often X was told
// "busy".
static unsigned fill_beside_a_lossy_path(struct fixture *f, unsigned questions, unsigned each_ms,
                                         unsigned ms_each)
{
    struct endpoint x = endpoint_of(X);
    struct random_source losses;
    unsigned busy = 0;
    random_init(&losses, random_seed_from_number(1));
    for (unsigned i = 0; i < 20000; i++)
        (void)tell(f, Y, "20.1.0.70");
    pass(f, 1000);
    for (unsigned i = 0; i < questions; i++) {
        struct query_message message = {0};
        request(f, X, "20.1.0.20", 0);
        for (struct endpoint to; sent(f, &message, &to);) {
            bool to_x = endpoint_equal(&to, &x);
            busy += message.type == MESSAGE_MAP_REPLY && message.status == QUERY_BUSY;
            if (to_x || random_below(&losses, 2) == 0)
                acknowledge(f, to_x ? X : Y, &message);
        }
        for (unsigned ms = 0; ms < ms_each; ms++)
            pass(f, i % each_ms == 0 ? 1 : 0);
    }
    return busy;
}

static struct fixture start_with_room(size_t told_max)
{
    struct qsa_config config = config_of();
    config.teller.told_max = config.teller.told_per_querier_max = told_max;
    return start_with(&config);
}

// While memory is full, a querier that acknowledges some of what it is sent is not given up for
// what was lost.
static void test_losses_are_no_end(void **state)
{
    (void)state;
    struct fixture f = start_with_room(20000);
    assert_int_equal(fill_beside_a_lossy_path(&f, 1000, 1, 10), 0);
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->queriers_lost, 0);
    assert_true(teller_counters(qsa_teller(f.qsa))->updates_repeated > 500);
    stop(&f);
}

// ... unless others wait for its room: the less there is, the less it has time.
static void test_losses_do_not_hold_up_others(void **state)
{
    (void)state;
    struct fixture f = start_with_room(20000);
    assert_int_equal(fill_beside_a_lossy_path(&f, 40000, 4, 1), 0);
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->queriers_lost, 1);
    stop(&f);
}

// Until an update that shortens the caching time is acknowledged, the longer one may be believed.
static void test_a_shorter_time_is_not_the_end_before_it_is_heard(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = tell(&f, X, "20.1.0.20");
    assert_int_equal(reply.caching_ms, 600000);
    qsa_set_caching_time(f.qsa, duration_s(5));
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).caching_ms, 5000); // lost
    pass(&f, 6000);
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_address(update.etr, "198.18.3.7");
    acknowledge(&f, X, &update);
    pass(&f, TICK_MS);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0);
    stop(&f);
}

// What waits for its turn does not wait for ever: who cannot be told in time is given up.
static void test_updates_that_come_too_late(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.update_burst = 1;
    config.teller.update_interval_ns = 2000000000; // 2 s
    struct fixture f = start_with(&config);
    for (unsigned i = 0; i < 20; i++)
        (void)tell(&f, X, "20.1.0.20");
    pass(&f, 10000);
    uint64_t before = instance_seen_by(&f, X);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    for (unsigned ms = 0; ms < UPDATE_UNCONFIRMED_MS_MAX; ms += 500) {
        assert_true(instance_seen_by(&f, X) == before);
        (void)updates_now(&f, X);
        pass(&f, 500);
    }
    pass(&f, 2000);
    (void)updates_now(&f, X);
    assert_true(instance_seen_by(&f, X) != before);
    stop(&f);
}

// An acknowledgement that comes while the update waits to be sent again, and the end of what was
// told while its update waits.
static void test_nothing_to_be_sent_any_more(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.update_burst = 1;
    config.teller.update_interval_ns = 1000000000;
    config.caching_time = duration_s(5);
    struct fixture f = start_with(&config);
    (void)tell(&f, X, "20.1.0.20");
    (void)tell(&f, X, "20.1.0.70");
    pass(&f, 3000);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    change(&f, UPDATE_MAP, "20.1.0.64/28", "198.18.3.7");
    (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
    expect_silence(&f);
    pass(&f, 60);
    expect_silence(&f); // both are due again, and have to wait
    acknowledge(&f, X, &update);
    pass(&f, 1000);
    struct query_message other = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_range(other.range, "20.1.0.64/28");
    pass(&f, 940); // all that X was told expires
    expect_silence(&f);
    pass(&f, TICK_MS);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 0);
    pass(&f, 60000);
    expect_silence(&f);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_updates_are_paced),
        cmocka_unit_test(test_quiet_does_not_quicken),
        cmocka_unit_test(test_updates_that_wait_are_replaced),
        cmocka_unit_test(test_losses_slow_updates_down),
        cmocka_unit_test(test_room_is_not_waited_for),
        cmocka_unit_test(test_losses_are_no_end),
        cmocka_unit_test(test_losses_do_not_hold_up_others),
        cmocka_unit_test(test_a_shorter_time_is_not_the_end_before_it_is_heard),
        cmocka_unit_test(test_updates_that_come_too_late),
        cmocka_unit_test(test_nothing_to_be_sent_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
