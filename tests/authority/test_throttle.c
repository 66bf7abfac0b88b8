// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "authority/throttle.h"

#include <stdio.h>
#include <string.h>

static struct throttle *make(uint32_t burst, uint64_t refill_s, size_t keys_max)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(7));
    struct throttle_config config = {
        .burst = burst, .refill = duration_s(refill_s), .keys_max = keys_max};
    return throttle_new(&config, &random);
}

static bool take(struct throttle *throttle, uint64_t second, const char *key, uint32_t amount)
{
    struct instant now = {second * 1000000000};
    return throttle_take(throttle, now, key, strlen(key), amount, NULL);
}

static void test_burst_and_refill(void **state)
{
    (void)state;
    struct throttle *throttle = make(3, 10, 100);
    for (int i = 0; i < 3; i++)
        assert_true(take(throttle, 100, "a", 1));
    assert_false(take(throttle, 100, "a", 1));
    assert_true(take(throttle, 100, "b", 1)); // each key by itself
    assert_false(take(throttle, 109, "a", 1));
    assert_true(take(throttle, 110, "a", 1));
    assert_false(take(throttle, 119, "a", 1));
    assert_true(take(throttle, 120, "a", 1));
    // A long silence fills it to the burst, no further.
    assert_true(take(throttle, 10000, "a", 3));
    assert_false(take(throttle, 10000, "a", 1));
    throttle_free(throttle);
}

static void test_wait(void **state)
{
    (void)state;
    struct throttle *throttle = make(2, 10, 100);
    struct duration wait = {0};
    struct instant now = {0};
    assert_true(throttle_take(throttle, now, "a", 1, 2, &wait));
    now = instant_add(now, duration_s(4));
    assert_false(throttle_take(throttle, now, "a", 1, 2, &wait));
    assert_int_equal(wait.ns, duration_s(16).ns);
    now = instant_add(now, wait);
    assert_true(throttle_take(throttle, now, "a", 1, 2, &wait));
    throttle_free(throttle);
}

static void test_give(void **state)
{
    (void)state;
    struct throttle *throttle = make(2, 10, 100);
    assert_true(take(throttle, 0, "a", 2));
    throttle_give(throttle, "a", 1, 1);
    assert_true(take(throttle, 0, "a", 1));
    assert_false(take(throttle, 0, "a", 1));
    throttle_give(throttle, "a", 1, 100); // never above the burst
    assert_true(take(throttle, 0, "a", 2));
    assert_false(take(throttle, 0, "a", 1));
    throttle_give(throttle, "unknown", 7, 1);
    throttle_free(throttle);
}

static void test_more_than_burst(void **state)
{
    (void)state;
    struct throttle *throttle = make(2, 10, 100);
    assert_true(take(throttle, 0, "a", 50));
    assert_false(take(throttle, 19, "a", 50));
    assert_true(take(throttle, 20, "a", 50));
    throttle_free(throttle);
}

static void test_flood_of_keys(void **state)
{
    (void)state;
    struct throttle *throttle = make(2, 1000000, 50);
    char key[16];
    for (uint64_t i = 0; i < 5000; i++) {
        (void)snprintf(key, sizeof(key), "%d", (int)i);
        assert_true(take(throttle, i, key, 1));
        // One that keeps failing is not the longest quiet, so the flood does not free it.
        assert_int_equal(take(throttle, i, "guesser", 1), i < 2);
        assert_true(throttle_count(throttle) <= 50);
    }
    throttle_free(throttle);
}

static void test_left(void **state)
{
    (void)state;
    struct random_source random;
    struct throttle_config config = {.burst = 3, .refill = duration_s(1), .keys_max = 4};
    random_init(&random, random_seed_from_number(9));
    struct throttle *throttle = throttle_new(&config, &random);
    struct instant now = {1000};
    assert_int_equal(throttle_left(throttle, now, "a", 1), 3);
    assert_int_equal(throttle_count(throttle), 0); // looking remembers nothing
    assert_true(throttle_take(throttle, now, "a", 1, 2, NULL));
    assert_int_equal(throttle_left(throttle, now, "a", 1), 1);
    now.ns += duration_s(1).ns;
    assert_int_equal(throttle_left(throttle, now, "a", 1), 2);
    assert_true(throttle_take(throttle, now, "a", 1, 0, NULL));
    assert_int_equal(throttle_left(throttle, now, "a", 1), 2);
    throttle_free(throttle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_and_refill),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_give),
        cmocka_unit_test(test_more_than_burst),
        cmocka_unit_test(test_flood_of_keys),
        cmocka_unit_test(test_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
