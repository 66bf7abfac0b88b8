// SPDX-License-Identifier: BSD-2-Clause
// The load that a thread reports, from what it did in virtual time.
#include "../check.h"
#include "node/query/load_meter.h"

struct fixture {
    struct load_meter meter;
    struct instant now;
    uint64_t lost;
};

static struct fixture start(void)
{
    struct fixture f = {.now = {duration_s(1000).ns}};
    load_meter_init(&f.meter, f.now);
    return f;
}

// That many periods, in each of which the thread sleeps for `idle_ms`.
static uint8_t live(struct fixture *f, unsigned periods, uint64_t idle_ms, uint8_t queued)
{
    for (unsigned i = 0; i < periods; i++) {
        load_meter_slept(&f->meter, duration_ms(idle_ms));
        f->now = instant_add(f->now, duration_ms(LOAD_PERIOD_MS / 2));
        assert_false(load_meter_due(&f->meter, f->now));
        f->now = instant_add(f->now, duration_ms(LOAD_PERIOD_MS / 2));
        assert_true(load_meter_due(&f->meter, f->now));
        (void)load_meter_sample(&f->meter, f->now, queued, f->lost);
    }
    return load_meter_load(&f->meter);
}

static void test_share_of_time(void **state)
{
    (void)state;
    struct fixture f = start();
    assert_int_equal(live(&f, 50, 100, 0), 0);
    assert_in_range(live(&f, 50, 75, 0), 62, 64);
    assert_in_range(live(&f, 50, 50, 0), 126, 128);
    assert_int_equal(live(&f, 50, 0, 0), 255);
    assert_int_equal(live(&f, 100, 100, 0), 0);
}

static void test_smooth(void **state)
{
    (void)state;
    struct fixture f = start();
    uint8_t before = 0;
    for (int i = 0; i < 20; i++) {
        uint8_t load = live(&f, 1, 0, 0);
        assert_true(load > before && load - before <= 256 / LOAD_SMOOTHING);
        before = load;
    }
    assert_in_range(before, 200, 254); // two seconds of full load
}

static void test_queue_and_loss(void **state)
{
    (void)state;
    struct fixture f = start();
    assert_in_range(live(&f, 50, 90, 200), 198, 200); // the queue says more than the time
    for (int i = 0; i < 50; i++) {
        f.lost++;
        (void)live(&f, 1, 90, 0);
    }
    assert_int_equal(load_meter_load(&f.meter), 255);
    assert_in_range(live(&f, 50, 90, 0), 24, 26); // nothing more is lost
}

// One long sleep counts for as many periods as it took.
static void test_long_sleep(void **state)
{
    (void)state;
    struct fixture f = start();
    assert_int_equal(live(&f, 50, 0, 0), 255);
    load_meter_slept(&f.meter, duration_s(60));
    f.now = instant_add(f.now, duration_s(60));
    assert_int_equal(load_meter_sample(&f.meter, f.now, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share_of_time),
        cmocka_unit_test(test_smooth),
        cmocka_unit_test(test_queue_and_loss),
        cmocka_unit_test(test_long_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
