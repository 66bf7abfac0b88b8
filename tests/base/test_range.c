// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/range.h"

#include <string.h>

static void expect(const char *text, const char *printed, uint64_t start, uint64_t length)
{
    struct range range;
    struct error error = {0};
    char buffer[RANGE_TEXT_MAX];
    if (!range_parse(text, &range, &error))
        fail_msg("%s: %s", text, error.text);
    assert_int_equal(range.start.index, start);
    assert_int_equal(range.length.units, length);
    assert_string_equal(range_print(&range, buffer), printed);
}

static void test_forms(void **state)
{
    (void)state;
    expect("20.1.0.16/28", "20.1.0.16/28", 0x14010010, 16);
    expect("20.1.0.16-20.1.0.31", "20.1.0.16/28", 0x14010010, 16);
    expect("20.1.0.5-20.1.0.9", "20.1.0.5-20.1.0.9", 0x14010005, 5);
    expect("20.1.0.5+5", "20.1.0.5-20.1.0.9", 0x14010005, 5);
    expect("20.1.0.5", "20.1.0.5", 0x14010005, 1);
    expect("2001:db8:0:40::/64+3", "2001:db8:0:40::/64+3", 0x20010db800000040, 3);
    expect("2001:db8:0:40::+3", "2001:db8:0:40::/64+3", 0x20010db800000040, 3);
    expect("2001:db8:0:40::/62", "2001:db8:0:40::/62", 0x20010db800000040, 4);
    expect("2001:db8:0:40::-2001:db8:0:42::", "2001:db8:0:40::/64+3", 0x20010db800000040, 3);
    expect("2001:db8:0:40::", "2001:db8:0:40::/64", 0x20010db800000040, 1);
    expect("2001:db8:0:40::99", "2001:db8:0:40::/64", 0x20010db800000040, 1);
    expect("0.0.0.0-255.255.255.255", "0.0.0.0/0", 0, (uint64_t)1 << 32);
    expect("::1:0:0:0:0-ffff:ffff:ffff:ffff::", "0:0:0:1::/64+18446744073709551615", 1, UINT64_MAX);
}

static void refuse(const char *text, const char *what)
{
    struct range range;
    struct error error = {0};
    assert_false(range_parse(text, &range, &error));
    if (strstr(error.text, what) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, error.text, what);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("20.1.0.17/28", "did you mean 20.1.0.16/28?");
    refuse("20.1.0.9-20.1.0.5", "ends before it begins");
    refuse("20.1.0.9-2001:db8::", "mixes IPv4 and IPv6");
    refuse("20.1.0.5+0", "not a count of addresses");
    refuse("20.1.0.5+", "not a count of addresses");
    refuse("20.1.0.5+-3", "not an IP address");
    refuse("255.255.255.255+2", "past the end");
    refuse("2001:db8::/65", "finer than an IPv6 /64");
    refuse("2001:db8::1-2001:db8:0:2::", "finer than an IPv6 /64");
    refuse("0.0.0.0/", "not a number");
    refuse("::/0", "whole address space");
    refuse("::-ffff:ffff:ffff:ffff::", "whole address space");
    refuse("", "not an IP address");
    refuse("20.1.0.5-", "not an IP address");
}

static void test_mab(void **state)
{
    (void)state;
    struct prefix prefix;
    struct range units;
    struct error error = {0};
    assert_true(prefix_parse("20.0.0.0/8", &prefix, NULL));
    assert_true(mab_check(&prefix, &units, &error));
    assert_int_equal(units.length.units, 1 << 24);
    assert_true(prefix_parse("20.0.0.0/25", &prefix, NULL));
    assert_false(mab_check(&prefix, &units, &error));
    assert_non_null(strstr(error.text, "from /8 to /24"));
    assert_true(prefix_parse("2001:db8::/48", &prefix, NULL));
    assert_true(mab_check(&prefix, &units, &error));
    assert_int_equal(units.length.units, 1 << 16);
    assert_true(prefix_parse("2001:db8::/49", &prefix, NULL));
    assert_false(mab_check(&prefix, &units, &error));
}

static void test_containment(void **state)
{
    (void)state;
    struct range outer;
    struct range inner;
    struct range beside;
    assert_true(range_parse("20.1.0.0/24", &outer, NULL));
    assert_true(range_parse("20.1.0.250-20.1.0.255", &inner, NULL));
    assert_true(range_parse("20.1.0.250+10", &beside, NULL));
    assert_true(range_contains(&outer, &inner));
    assert_false(range_contains(&outer, &beside));
    assert_true(range_overlaps(&outer, &beside));
    assert_true(range_overlaps(&beside, &outer));
    assert_true(range_parse("20.1.1.0/24", &beside, NULL));
    assert_false(range_overlaps(&outer, &beside));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_mab),
        cmocka_unit_test(test_containment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
