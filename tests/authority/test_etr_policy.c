// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "authority/etr_policy.h"

#include <string.h>

static struct etr_policy policy;
static struct prefix refused;

static void add_mab(struct mab_table *table, const char *text, uint32_t number)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix, NULL));
    assert_true(mab_table_add(table, &prefix, number, NULL));
}

static int setup(void **state)
{
    (void)state;
    struct mab_table *table = mab_table_new();
    add_mab(table, "20.0.0.0/14", 0);
    add_mab(table, "2001:db8::/32", 1);
    assert_true(prefix_parse("203.0.113.0/24", &refused, NULL));
    policy = (struct etr_policy){.mabs = table, .refused = &refused, .refused_count = 1};
    *state = table;
    return 0;
}

static int teardown(void **state)
{
    mab_table_free(*state);
    return 0;
}

static const char *verdict(const char *text)
{
    static struct error error;
    struct address address;
    assert_true(address_parse(text, &address, NULL));
    error_clear(&error);
    return etr_policy_check(&policy, &address, &error) ? "good" : error.reason;
}

// First and last address of each refused prefix, and their neighbours outside.
static void test_edges(void **state)
{
    (void)state;
    static const struct {
        const char *address, *verdict;
    } cases[] = {
        {"0.0.0.0", "etr-not-global"},
        {"0.255.255.255", "etr-not-global"},
        {"1.0.0.0", "good"},
        {"9.255.255.255", "good"},
        {"10.0.0.0", "etr-not-global"},
        {"10.255.255.255", "etr-not-global"},
        {"11.0.0.0", "good"},
        {"19.255.255.255", "good"},
        {"20.0.0.0", "etr-inside-mab"},
        {"20.3.255.255", "etr-inside-mab"},
        {"20.4.0.0", "good"},
        {"100.63.255.255", "good"},
        {"100.64.0.0", "etr-not-global"},
        {"100.127.255.255", "etr-not-global"},
        {"100.128.0.0", "good"},
        {"127.0.0.1", "etr-not-global"},
        {"128.0.0.0", "good"},
        {"169.253.255.255", "good"},
        {"169.254.0.0", "etr-not-global"},
        {"169.254.255.255", "etr-not-global"},
        {"172.15.255.255", "good"},
        {"172.16.0.0", "etr-not-global"},
        {"172.31.255.255", "etr-not-global"},
        {"172.32.0.0", "good"},
        {"192.0.0.1", "etr-not-global"},
        {"192.0.1.0", "good"},
        {"192.167.255.255", "good"},
        {"192.168.0.0", "etr-not-global"},
        {"192.168.255.255", "etr-not-global"},
        {"192.169.0.0", "good"},
        {"198.18.0.1", "good"},
        {"198.19.255.255", "good"},
        {"203.0.112.255", "good"},
        {"203.0.113.0", "etr-refused"},
        {"203.0.113.255", "etr-refused"},
        {"223.255.255.255", "good"},
        {"224.0.0.1", "etr-not-global"},
        {"239.255.255.255", "etr-not-global"},
        {"240.0.0.0", "etr-not-global"},
        {"255.255.255.255", "etr-not-global"},
        {"::", "etr-not-global"},
        {"::1", "etr-not-global"},
        {"::ffff:198.18.3.1", "etr-not-global"},
        {"64:ff9b::c612:301", "etr-not-global"},
        {"100::1", "etr-not-global"},
        {"2001::1", "etr-not-global"},
        {"2001:2::1", "good"},
        {"2001:db7:ffff::1", "good"},
        {"2001:db8::1", "etr-inside-mab"},
        {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "etr-inside-mab"},
        {"2001:db9::1", "good"},
        {"2a00:1450::1", "good"},
        {"fc00::1", "etr-not-global"},
        {"fdff::1", "etr-not-global"},
        {"fe80::1", "etr-not-global"},
        {"febf::1", "etr-not-global"},
        {"fec0::1", "etr-not-global"},
        {"ff02::1", "etr-not-global"},
        // 6to4 carries an IPv4 address, which must be good itself.
        {"2002:c612:301::1", "good"},
        {"2002:a00:1::1", "etr-not-global"},
        {"2002:1401:10::1", "etr-inside-mab"},
        {"2002:cb00:7101::1", "etr-refused"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (strcmp(verdict(cases[i].address), cases[i].verdict) != 0)
            fail_msg("%s: %s, not %s", cases[i].address, verdict(cases[i].address),
                     cases[i].verdict);
}

static void test_zero(void **state)
{
    (void)state;
    struct address zero = ADDRESS_ZERO;
    assert_true(etr_policy_check(&policy, &zero, NULL));
}

static void test_says_which(void **state)
{
    (void)state;
    struct error error;
    struct address address;
    assert_true(address_parse("2002:cb00:7101::1", &address, NULL));
    assert_false(etr_policy_check(&policy, &address, &error));
    assert_non_null(strstr(error.text, "6to4"));
    assert_non_null(strstr(error.text, "203.0.113.0/24"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_zero),
        cmocka_unit_test(test_says_which),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
