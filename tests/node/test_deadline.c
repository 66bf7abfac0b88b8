// SPDX-License-Identifier: BSD-2-Clause
// Timers at the deadlines of cores: never early, and off where there is none.
#include "../check.h"
#include "node/deadline.h"

static void never_called(uv_timer_t *timer)
{
    fail_msg("timer %p was due", (void *)timer);
}

static uint64_t wait_of(uv_timer_t *timer, uint64_t now_ns, uint64_t deadline_ns)
{
    deadline_arm(timer, (struct instant){now_ns}, (struct instant){deadline_ns}, never_called);
    assert_true(uv_is_active((uv_handle_t *)timer));
    return uv_timer_get_due_in(timer);
}

static void timer_never_early(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_timer_t timer;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &timer), 0);
    assert_int_equal(wait_of(&timer, 5000000, 5000000), 0);
    assert_int_equal(wait_of(&timer, 5000000, 5000001), 1);
    assert_int_equal(wait_of(&timer, 5000000, 6000000), 1);
    assert_int_equal(wait_of(&timer, 5000000, 6000001), 2);
    assert_int_equal(wait_of(&timer, 5000000, 4000000), 0); // long past
    deadline_arm(&timer, (struct instant){5000000}, INSTANT_NEVER, never_called);
    assert_false(uv_is_active((uv_handle_t *)&timer));
    uv_close((uv_handle_t *)&timer, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(timer_never_early)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
