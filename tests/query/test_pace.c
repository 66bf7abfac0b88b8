// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "query/pace.h"

// How many places are to be had at a time.
static unsigned places_now(struct pace *pace, struct instant now, uint32_t burst)
{
    unsigned count = 0;
    for (; instant_reached(now, pace_next(pace, now, burst)); count++)
        pace_take(pace, now, burst);
    return count;
}

static struct instant at_us(uint64_t us)
{
    return (struct instant){us * 1000};
}

static void test_a_burst_then_one_at_a_time(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 100000);
    assert_int_equal(places_now(&pace, at_us(1000000), 10), 11); // the first is that of now
    assert_true(pace_next(&pace, at_us(1000000), 10).ns == at_us(1000100).ns);
    assert_int_equal(places_now(&pace, at_us(1000100), 10), 1);
    assert_true(pace_next(&pace, at_us(1000100), 10).ns == at_us(1000200).ns);
    // After a while there is another burst, and no more than one.
    assert_int_equal(places_now(&pace, at_us(9000000), 10), 11);
    // What the limits are where none is given.
    pace_init(&pace, 0);
    assert_int_equal(places_now(&pace, at_us(1000000), 0), PACE_BURST + 1);
    assert_int_equal(pace.interval_ns, PACE_INTERVAL_NS);
    // Soon after the clock's beginning, too.
    pace_init(&pace, 100000);
    assert_int_equal(places_now(&pace, at_us(0), 10), 1);
}

static void test_acknowledgements_make_it_faster(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 0);
    for (unsigned i = 0; i < PACE_GAIN; i++)
        pace_acknowledged(&pace, at_us(i), duration_ms(1), true);
    assert_in_range(pace.interval_ns, PACE_INTERVAL_NS * 36 / 100, PACE_INTERVAL_NS * 37 / 100);
    for (unsigned i = 0; i < 100 * PACE_GAIN; i++)
        pace_acknowledged(&pace, at_us(i), duration_ms(1), true);
    assert_in_range(pace.interval_ns, PACE_INTERVAL_NS_MIN, PACE_INTERVAL_NS_MIN * 102 / 100);
}

// Who is told a little now and then may be told very much one day.
static void test_quiet_does_not_make_it_faster(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 0);
    for (unsigned i = 0; i < 100 * PACE_GAIN; i++)
        pace_acknowledged(&pace, at_us(i), duration_ms(1), false);
    assert_int_equal(pace.interval_ns, PACE_INTERVAL_NS);
    // How fast it became is worth something for a while, and then not any more.
    struct instant now = at_us(1000000);
    for (unsigned i = 0; i < 100 * PACE_GAIN; i++)
        pace_acknowledged(&pace, now, duration_ms(1), true);
    now = instant_add(now, duration_ms(PACE_VALID_S * 1000 - 1));
    pace_take(&pace, now, 0);
    assert_in_range(pace.interval_ns, PACE_INTERVAL_NS_MIN, PACE_INTERVAL_NS_MIN * 102 / 100);
    pace_take(&pace, instant_add(now, duration_ms(1)), 0);
    assert_int_equal(pace.interval_ns, PACE_INTERVAL_NS);
    // How slow it became is: there were losses.
    pace_missed(&pace, instant_add(now, duration_s(1)));
    pace_take(&pace, instant_add(now, duration_s(1000)), 0);
    assert_int_equal(pace.interval_ns, 2 * PACE_INTERVAL_NS);
}

static void test_losses_make_it_slower(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 0);
    struct instant now = at_us(1000000);
    for (unsigned i = 0; i < 1000; i++) // of one moment
        pace_missed(&pace, now);
    assert_int_equal(pace.interval_ns, 2 * PACE_INTERVAL_NS);
    assert_int_equal(places_now(&pace, now, 0), 1); // there is no burst any more
    now = instant_add(now, duration_ms(PACE_PATIENCE_MS - 1));
    pace_missed(&pace, now);
    assert_int_equal(pace.interval_ns, 2 * PACE_INTERVAL_NS);
    for (unsigned i = 0; i < 100; i++) {
        now = instant_add(now, duration_ms(PACE_PATIENCE_MS));
        pace_missed(&pace, now);
    }
    assert_in_range(pace.interval_ns, PACE_INTERVAL_NS_MAX / 2 + 1, PACE_INTERVAL_NS_MAX);
}

static void test_patience(void **state)
{
    (void)state;
    struct pace pace;
    pace_init(&pace, 0);
    static const uint64_t waits[] = {50, 100, 200, 400, 800, 1000, 1000};
    for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
        assert_true(pace_patience(&pace, i + 1).ns == duration_ms(waits[i]).ns);
    assert_true(pace_patience(&pace, 255).ns == duration_ms(1000).ns);
    pace_acknowledged(&pace, at_us(0), duration_ms(10), false); // near: the least wait
    assert_true(pace_patience(&pace, 1).ns == duration_ms(50).ns);
    pace_acknowledged(&pace, at_us(0), duration_ms(0),
                      false); // sent more than once: nobody knows which it was
    assert_int_equal(pace.round_trip_us, 10000);
    for (unsigned i = 0; i < 100; i++)
        pace_acknowledged(&pace, at_us(0), duration_ms(200), false);
    uint64_t far = pace_patience(&pace, 1).ns;
    assert_in_range(far, duration_ms(398).ns, duration_ms(400).ns);
    assert_true(pace_patience(&pace, 2).ns == 2 * far);
    assert_true(pace_patience(&pace, 3).ns == duration_ms(1000).ns);
    for (unsigned i = 0; i < 100; i++)
        pace_acknowledged(&pace, at_us(0), duration_ms(700), false);
    assert_true(pace_patience(&pace, 1).ns > duration_ms(1390).ns);
    assert_true(pace_patience(&pace, 2).ns == pace_patience(&pace, 1).ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_one_at_a_time),
        cmocka_unit_test(test_acknowledgements_make_it_faster),
        cmocka_unit_test(test_quiet_does_not_make_it_faster),
        cmocka_unit_test(test_losses_make_it_slower),
        cmocka_unit_test(test_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
