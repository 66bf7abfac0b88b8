// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/address.h"

#include <string.h>

static void test_parse_and_print(void **state)
{
    (void)state;
    static const char *const good[] = {"192.0.2.1",   "0.0.0.0", "255.255.255.255",
                                       "2001:db8::1", "::",      "::ffff:192.0.2.1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct address address;
        char text[ADDRESS_TEXT_MAX];
        assert_true(address_parse(good[i], &address, NULL));
        assert_string_equal(address_print(&address, text), good[i]);
    }
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "1.2.3",    "1.2.3.256",        "1.2.3.4 ",
                                      "01.2.3.4", "2001:db8", "2001:db8::1%eth0", "host.example"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct address address;
        struct error error = {0};
        assert_false(address_parse(bad[i], &address, &error));
        assert_string_equal(error.reason, "bad-address");
        assert_non_null(strstr(error.text, bad[i]));
    }
}

static void test_prefix(void **state)
{
    (void)state;
    struct prefix prefix;
    struct prefix other;
    struct address address;
    struct error error = {0};
    assert_true(prefix_parse("20.0.0.0/14", &prefix, NULL));
    assert_true(address_parse("20.3.255.255", &address, NULL));
    assert_true(prefix_contains(&prefix, &address));
    assert_true(address_parse("20.4.0.0", &address, NULL));
    assert_false(prefix_contains(&prefix, &address));
    assert_true(prefix_parse("20.1.0.0/16", &other, NULL));
    assert_true(prefix_overlaps(&prefix, &other));
    assert_true(prefix_overlaps(&other, &prefix));
    assert_true(prefix_parse("2001:db8::/32", &other, NULL));
    assert_false(prefix_overlaps(&prefix, &other));

    assert_false(prefix_parse("20.1.0.16/14", &prefix, &error));
    assert_non_null(strstr(error.text, "did you mean 20.0.0.0/14?"));
    assert_false(prefix_parse("20.0.0.0/33", &prefix, &error));
    assert_false(prefix_parse("20.0.0.0/", &prefix, &error));
    assert_false(prefix_parse("20.0.0.0", &prefix, &error));
    assert_false(prefix_parse("20.0.0.0/+8", &prefix, &error));
}

static void test_endpoint(void **state)
{
    (void)state;
    static const char *const good[] = {"192.0.2.1:4746", "[2001:db8::1]:4746"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct endpoint endpoint;
        char text[ENDPOINT_TEXT_MAX];
        assert_true(endpoint_parse(good[i], 0, &endpoint, NULL));
        assert_string_equal(endpoint_print(&endpoint, text), good[i]);
    }
    struct endpoint endpoint;
    struct error error = {0};
    assert_true(endpoint_parse("2001:db8::1", 7, &endpoint, NULL));
    assert_int_equal(endpoint.port, 7);
    assert_false(endpoint_parse("192.0.2.1", 0, &endpoint, &error));
    assert_non_null(strstr(error.text, "lacks a port"));
    assert_false(endpoint_parse("192.0.2.1:0", 0, &endpoint, &error));
    assert_false(endpoint_parse("192.0.2.1:65536", 0, &endpoint, &error));
    assert_false(endpoint_parse("[2001:db8::1]4746", 0, &endpoint, &error));
    assert_false(endpoint_parse("[2001:db8::1", 0, &endpoint, &error));
    assert_false(endpoint_parse("", 1, &endpoint, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_print),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
