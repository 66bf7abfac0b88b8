// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/key.h"
#include "base/random.h"

#include <string.h>

static void test_a_seed_replays(void **state)
{
    (void)state;
    struct random_source a;
    struct random_source b;
    random_init(&a, random_seed_from_number(7));
    random_init(&b, random_seed_from_number(7));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(random_u64(&a), random_u64(&b));
    random_init(&b, random_seed_from_number(8));
    assert_int_not_equal(random_u64(&a), random_u64(&b));
    for (int i = 0; i < 1000; i++)
        assert_true(random_below(&a, 7) < 7);
}

static void test_keys_sign_for_one_purpose(void **state)
{
    (void)state;
    uint8_t seed[32] = {1};
    struct secret_key secret;
    struct signature signature;
    char text[KEY_TEXT_MAX];
    struct public_key parsed;
    key_from_seed(seed, &secret);
    struct public_key public = key_public(&secret);
    assert_true(key_parse(key_print(&public, text), &parsed, NULL));
    assert_true(key_equal(&public, &parsed));
    assert_false(key_parse("AAAA", &parsed, NULL));

    static const char message[] = "map 20.1.0.16/28";
    key_sign(&secret, "one", message, sizeof(message), &signature);
    assert_true(key_verify(&public, "one", message, sizeof(message), &signature));
    assert_false(key_verify(&public, "two", message, sizeof(message), &signature));
    assert_false(key_verify(&public, "one", message, sizeof(message) - 1, &signature));
    signature.bytes[3] ^= 1;
    assert_false(key_verify(&public, "one", message, sizeof(message), &signature));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_replays),
        cmocka_unit_test(test_keys_sign_for_one_purpose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
