// SPDX-License-Identifier: BSD-2-Clause
#include "tests/check.h"

#include "base/random.h"
#include "sipp/lib/registry.h"

#include <stdio.h>
#include <string.h>

// Appendix A's table of providers.
static void test_providers_of_the_appendix(void **state)
{
    (void)state;
    const struct {
        unsigned number;
        uint32_t bits;
    } expected[] = {
        {1, 0x00800000}, {2, 0x00400000}, {3, 0x00c00000},
        {4, 0x00200000}, {5, 0x00a00000}, {10, 0x00500000},
    };
    struct registry *registry = registry_new();
    size_t checked = 0;
    for (unsigned i = 1; i <= 10; i++) {
        char name[8];
        struct sipp_prefix prefix;
        (void)snprintf(name, sizeof(name), "p%u", i);
        assert_true(registry_add(registry, name, 0, &prefix, NULL));
        assert_int_equal(prefix.length, 32);
        if (expected[checked].number == i)
            assert_int_equal(prefix.address.bits >> 32, expected[checked++].bits);
    }
    assert_int_equal(checked, 6);
    registry_free(registry);
}

static void test_levels(void **state)
{
    (void)state;
    struct registry *registry = registry_new();
    struct sipp_prefix prefix;
    struct error error;
    assert_true(registry_add(registry, "P", 0, &prefix, NULL));
    assert_true(registry_add(registry, "P.U", 8, &prefix, NULL));
    assert_true(prefix.address.bits == 0x0080000080000000 && prefix.length == 40);
    assert_true(registry_add(registry, "P.U.D", 8, &prefix, NULL));
    assert_true(registry_add(registry, "P.U.D.s1", 8, &prefix, NULL));
    assert_true(prefix.address.bits == 0x0080000080808000 && prefix.length == 56);
    assert_true(registry_add_node(registry, "P.U.D.s1.h", &prefix, NULL));
    assert_true(prefix.address.bits == 0x0080000080808001 && prefix.length == 64);
    assert_true(registry_add_node(registry, "P.U.D.s1.i", &prefix, NULL));
    assert_true(prefix.address.bits == 0x0080000080808002);

    assert_false(registry_add(registry, "P", 0, &prefix, &error));
    assert_string_equal(error.reason, "name-taken");
    assert_false(registry_add(registry, "X.D", 8, &prefix, &error));
    assert_string_equal(error.reason, "no-parent");
    assert_false(registry_add(registry, "P.V", 33, &prefix, &error));
    assert_string_equal(error.reason, "no-room");
    assert_false(registry_add_node(registry, "P.U.D.s1.h.x", &prefix, &error));
    assert_string_equal(error.reason, "no-room");
    assert_false(registry_remove(registry, "P.U", &error));
    assert_string_equal(error.reason, "has-children");
    assert_true(registry_remove(registry, "P.U.D.s1.h", NULL));
    assert_true(registry_add_node(registry, "P.U.D.s1.k", &prefix, NULL));
    assert_true(prefix.address.bits == 0x0080000080808001);
    registry_free(registry);
}

static void test_full(void **state)
{
    (void)state;
    struct registry *registry = registry_new();
    struct sipp_prefix prefix;
    struct error error;
    assert_true(registry_add(registry, "P", 0, &prefix, NULL));
    assert_true(registry_add(registry, "P.a", 2, &prefix, NULL));
    assert_true(registry_add(registry, "P.b", 2, &prefix, NULL));
    assert_true(registry_add(registry, "P.c", 2, &prefix, NULL));
    assert_false(registry_add(registry, "P.d", 2, &prefix, &error));
    assert_string_equal(error.reason, "full");
    registry_free(registry);
}

static void test_masks_move(void **state)
{
    (void)state;
    struct registry *registry = registry_new();
    struct sipp_prefix prefix;
    struct error error;
    unsigned shortest;
    unsigned longest;
    for (unsigned i = 1; i <= 3; i++)
        assert_true(registry_add(registry, i == 1 ? "P" : i == 2 ? "Q" : "R", 0, &prefix, NULL));
    // P is 10, Q 01, R 11: two bits tell them apart, of which all lie behind the first byte.
    assert_true(registry_limits(registry, "P", &shortest, &longest, NULL));
    assert_int_equal(shortest, 10);
    assert_int_equal(longest, 64);
    assert_true(registry_add(registry, "P.D", 16, &prefix, NULL));
    assert_true(registry_limits(registry, "P", &shortest, &longest, NULL));
    assert_int_equal(longest, 32);
    assert_false(registry_set_mask(registry, "P", 33, &error));
    assert_string_equal(error.reason, "mask-limit");
    assert_false(registry_set_mask(registry, "P", 9, &error));
    assert_true(registry_set_mask(registry, "P", 28, NULL));
    // The next subscribers fill the room that P won, and leave the old one alone.
    assert_true(registry_add(registry, "P.E", 16, &prefix, NULL));
    assert_true(prefix.address.bits == 0x0080000800000000 && prefix.length == 44);
    assert_true(registry_limits(registry, "P", &shortest, &longest, NULL));
    assert_int_equal(longest, 28);
    // Q's neighbours kept their distance from P's wider prefix.
    assert_true(registry_set_mask(registry, "P", 10, NULL));
    for (unsigned i = 0; i < 20; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "x%u", i);
        assert_true(registry_add(registry, name, 0, &prefix, NULL));
        assert_true(prefix.address.bits >> 54 != 0x2);
    }
    registry_free(registry);
}

static void test_load(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *reason; // NULL: loads
        size_t count;
    } cases[] = {
        {"P 0080:0000:0000:0000/32\nP.D +1/16\nM 7f0e:0000:0000:0001\nS.H 2000:0000:0000:0001\n",
         NULL, 2},
        {"P 0080:0000:0000:0000/32\nQ 0080:0000:0000:0000/40\n", "overlap", 0},
        {"P 0080:0000:0000:0000/32\nP.D 0040:0000:0001:0000/48\n", "outside-parent", 0},
        {"P 0080:0000:0000:0000/32\nP.D 0080:0000:0000:0000/32\n", "outside-parent", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct names *names = names_new();
        struct registry *registry = registry_new();
        struct error error;
        assert_true(names_read(names, cases[i].text, NULL));
        if (cases[i].reason == NULL) {
            assert_true(registry_load(registry, names, NULL));
            assert_int_equal(registry_count(registry), cases[i].count);
        } else {
            assert_false(registry_load(registry, names, &error));
            assert_string_equal(error.reason, cases[i].reason);
        }
        registry_free(registry);
        names_free(names);
    }
}

// No two entries with the same parent overlap, and every entry lies inside its parent.
static void check_tree(const struct registry *registry)
{
    struct names *names = names_new();
    struct registry *copy = registry_new();
    struct sipp_prefix prefix;
    struct error error;
    const char *name;
    for (size_t i = 0; (name = registry_entry(registry, i, &prefix)) != NULL; i++)
        assert_true(names_add(names, name, &prefix, NULL));
    if (!registry_load(copy, names, &error))
        fail_msg("%s", error.text);
    assert_int_equal(registry_count(copy), registry_count(registry));
    registry_free(copy);
    names_free(names);
}

static void test_random_histories(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(7));
    for (int round = 0; round < 20; round++) {
        struct registry *registry = registry_new();
        for (int step = 0; step < 120; step++) {
            char name[NAME_TEXT_MAX];
            struct sipp_prefix prefix;
            size_t count = registry_count(registry);
            const char *some =
                count == 0 ? NULL : registry_entry(registry, random_below(&random, count), &prefix);
            uint64_t what = random_below(&random, 10);
            if (some == NULL || what < 2) {
                (void)snprintf(name, sizeof(name), "p%d", step);
                (void)registry_add(registry, name, 0, &prefix, NULL);
            } else if (what < 8) {
                (void)snprintf(name, sizeof(name), "%.40s.c%d", some, step);
                if (what < 6)
                    (void)registry_add(registry, name, 1 + (unsigned)random_below(&random, 8),
                                       &prefix, NULL);
                else
                    (void)registry_add_node(registry, name, &prefix, NULL);
            } else {
                unsigned shortest;
                unsigned longest;
                struct sipp_address before = prefix.address;
                (void)snprintf(name, sizeof(name), "%s", some);
                assert_true(registry_limits(registry, name, &shortest, &longest, NULL));
                unsigned length =
                    shortest + (unsigned)random_below(&random, longest - shortest + 1);
                assert_true(registry_set_mask(registry, name, length, NULL));
                assert_true(sipp_address_equal(before, prefix.address));
            }
        }
        check_tree(registry);
        registry_free(registry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_providers_of_the_appendix),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_masks_move),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
