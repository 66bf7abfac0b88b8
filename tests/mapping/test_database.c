// SPDX-License-Identifier: BSD-2-Clause
// The set of MABs and the database: overlaps, every size of MAB, many of them, removal.
#include "../check.h"
#include "base/random.h"
#include "mapping/database.h"
#include "mapping/mab_table.h"

#include <string.h>

static struct prefix prefix_of(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix, NULL));
    return prefix;
}

static struct address address_of(const char *text)
{
    struct address address;
    assert_true(address_parse(text, &address, NULL));
    return address;
}

static void expect(const struct mab_table *table, const char *text, int64_t number)
{
    uint32_t found = 0;
    struct address address = address_of(text);
    bool any = mab_table_find(table, &address, &found);
    assert_int_equal(any ? (int64_t)found : -1, number);
    struct range units = {0};
    assert_int_equal(mab_table_units(table, &address, &units), any);
    assert_true(!any || range_contains_address(&units, &address));
}

static void test_mab_table(void **state)
{
    (void)state;
    struct mab_table *table = mab_table_new();
    const char *mabs[] = {"20.0.0.0/14", "20.4.0.0/24",   "20.4.1.0/24", "0.0.0.0/8",
                          "255.0.0.0/8", "2001:db8::/32", "ffff::/16"};
    struct prefix mab;
    for (uint32_t i = 0; i < 7; i++) {
        mab = prefix_of(mabs[i]);
        assert_true(mab_table_add(table, &mab, i == 4 ? (UINT32_C(1) << 30) - 1 : i, NULL));
    }
    assert_int_equal(mab_table_count(table), 7);
    expect(table, "20.3.255.255", 0);
    expect(table, "20.4.0.0", 1);
    expect(table, "20.4.1.255", 2);
    expect(table, "20.4.2.0", -1);
    expect(table, "19.255.255.255", -1);
    expect(table, "0.0.0.0", 3);
    expect(table, "255.255.255.255", (UINT32_C(1) << 30) - 1);
    expect(table, "2001:db8:ffff:ffff:ffff::", 5);
    expect(table, "2001:db9::", -1);
    expect(table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 6);
    struct range units;
    struct address inside = address_of("2001:db8:ffff::");
    char text[RANGE_TEXT_MAX];
    assert_true(mab_table_units(table, &inside, &units));
    assert_string_equal(range_print(&units, text), "2001:db8::/32");
    struct error error = {0};
    mab = prefix_of("20.0.0.0/8");
    assert_false(mab_table_add(table, &mab, 9, &error));
    assert_string_equal(error.reason, "mab-overlap");
    assert_non_null(strstr(error.text, "20.0.0.0/14"));
    mab = prefix_of("20.1.0.0/16");
    assert_false(mab_table_add(table, &mab, 9, &error));
    assert_false(mab_table_remove(table, &mab));
    mab = prefix_of("20.4.0.0/24");
    assert_true(mab_table_remove(table, &mab));
    assert_false(mab_table_remove(table, &mab));
    expect(table, "20.4.0.0", -1);
    expect(table, "20.4.1.0", 2);
    mab = prefix_of("20.4.1.0/24");
    assert_true(mab_table_remove(table, &mab));
    mab = prefix_of("20.4.0.0/15"); // over a place where smaller ones were
    assert_true(mab_table_add(table, &mab, 11, NULL));
    expect(table, "20.4.1.0", 11);
    expect(table, "20.5.1.0", 11);
    mab_table_free(table);
}

static void test_overlaps(void **state)
{
    (void)state;
    struct mab_table *table = mab_table_new();
    struct prefix mab = prefix_of("2001:db8::/32");
    struct prefix all = prefix_of("::/0");
    assert_false(mab_table_overlaps(table, &all));
    assert_true(mab_table_add(table, &mab, 1, NULL));
    assert_true(mab_table_overlaps(table, &all));
    const char *inside[] = {"2001:db8::/32", "2000::/3", "2001:db8:5::/48", "2001:db8::9/128"};
    const char *outside[] = {"2001:db9::/32", "fc00::/7", "2001:db7::1/128", "0.0.0.0/0"};
    for (size_t i = 0; i < 4; i++) {
        struct prefix prefix = prefix_of(inside[i]);
        assert_true(mab_table_overlaps(table, &prefix));
        prefix = prefix_of(outside[i]);
        assert_false(mab_table_overlaps(table, &prefix));
    }
    mab_table_free(table);
}

// As many MABs as the design plans for: 200,000, of both families.
static void test_many_mabs(void **state)
{
    (void)state;
    struct mab_table *table = mab_table_new();
    struct prefix mab = {.length = 24};
    struct address address;
    uint32_t number = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        mab = (struct prefix){address_from_ipv4(0x01000000 + (i << 9)), 24};
        assert_true(mab_table_add(table, &mab, i, NULL));
        address =
            unit_address(FAMILY_IPV6, (struct unit){0x2000000000000000 + ((uint64_t)i << 33)});
        mab = (struct prefix){address, 32};
        assert_true(mab_table_add(table, &mab, 100000 + i, NULL));
    }
    assert_int_equal(mab_table_count(table), 200000);
    for (uint32_t i = 0; i < 100000; i++) {
        address = address_from_ipv4(0x01000000 + (i << 9) + 255);
        assert_true(mab_table_find(table, &address, &number));
        assert_int_equal(number, i);
        address = address_from_ipv4(0x01000000 + (i << 9) + 256);
        assert_false(mab_table_find(table, &address, &number));
        address =
            unit_address(FAMILY_IPV6, (struct unit){0x20000000ffffffff + ((uint64_t)i << 33)});
        assert_true(mab_table_find(table, &address, &number));
        assert_int_equal(number, 100000 + i);
    }
    mab_table_free(table);
}

static void test_database(void **state)
{
    (void)state;
    struct database *database = database_new();
    struct error error = {0};
    struct prefix mabs[40];
    for (uint32_t i = 0; i < 40; i++) {
        mabs[i] = (struct prefix){address_from_ipv4(0x14000000 + (i << 8)), 24};
        assert_true(database_put(database, mapping_new(&mabs[i], NULL), &error));
    }
    assert_int_equal(database_count(database), 40);
    struct mapping *again = mapping_new(&mabs[3], NULL);
    assert_true(database_put(database, again, &error));
    assert_int_equal(database_count(database), 40);
    assert_ptr_equal(database_get(database, &mabs[3]), again);
    struct prefix wider = prefix_of("20.0.0.0/20");
    struct mapping *overlapping = mapping_new(&wider, NULL);
    assert_false(database_put(database, overlapping, &error));
    assert_string_equal(error.reason, "mab-overlap");
    mapping_free(overlapping);
    assert_null(database_get(database, &wider));
    for (uint32_t i = 0; i < 40; i += 3) {
        assert_true(database_remove(database, &mabs[i]));
        assert_false(database_remove(database, &mabs[i]));
    }
    for (uint32_t i = 0; i < 40; i++) {
        struct mapping *mapping = database_find(database, &mabs[i].address);
        assert_int_equal(mapping == NULL, i % 3 == 0);
        if (mapping != NULL)
            assert_true(prefix_equal(mapping_mab(mapping), &mabs[i]));
    }
    for (size_t i = 0; i < database_count(database); i++)
        assert_non_null(database_at(database, i));
    database_free(database);
}

// A number of an ETR that a batch gave for an address: of its mapping, the same alone, and that
// of its ETR.
static void expect_number(const struct database *database, const struct address *address,
                          struct etr_number number, const struct address *etr)
{
    struct etr_number alone;
    const struct mapping *mapping = database_find(database, address);
    assert_int_equal(database_etr_number(database, address, &alone), mapping != NULL);
    assert_int_equal(number.mab, alone.mab);
    assert_int_equal(number.number, alone.number);
    if (mapping == NULL) {
        assert_int_equal(number.mab, DATABASE_NO_MAB);
        assert_int_equal(number.number, MAPPING_NUMBER_GAP);
        return;
    }
    assert_ptr_equal(database_at(database, number.mab), mapping);
    struct address numbered = mapping_numbered_etr(mapping, number.number);
    assert_true(address_equal(&numbered, etr));
}

// Addresses of both families, of several MABs and of none, in one batch and one by one.
static void test_etrs(void **state)
{
    (void)state;
    struct database *database = database_new();
    const char *mabs[] = {"20.1.0.0/24", "20.2.0.0/15", "2001:db8::/32", "2001:db9::/48"};
    const char *ranges[] = {"20.1.0.7", "20.3.0.0/16", "2001:db8:0:1::/64", "2001:db9::/49"};
    for (uint32_t i = 0; i < 4; i++) {
        struct prefix mab = prefix_of(mabs[i]);
        struct mapping *mapping = mapping_new(&mab, NULL);
        struct update update = {.kind = UPDATE_DEFINE, .etr = address_from_ipv4(0xc6120001 + i)};
        assert_true(range_parse(ranges[i], &update.range, NULL));
        assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
        assert_true(database_put(database, mapping, NULL));
    }
    const struct {
        const char *address;
        const char *etr;
    } expected[] = {
        {"20.1.0.7", "198.18.0.1"},     {"20.1.0.8", "zero"},
        {"20.3.255.255", "198.18.0.2"}, {"20.2.255.255", "zero"},
        {"20.4.0.0", "zero"},           {"2001:db8:0:1::9", "198.18.0.3"},
        {"2001:db8:0:2::9", "zero"},    {"2001:db9:0:7fff::", "198.18.0.4"},
        {"2001:db9:0:8000::", "zero"},  {"2001:dba::", "zero"},
        {"20.1.0.7", "198.18.0.1"},     {"2001:db8:0:1::", "198.18.0.3"},
    };
    enum { EXPECTED = sizeof(expected) / sizeof(expected[0]), TIMES = 20 };
    struct address addresses[EXPECTED * TIMES];
    struct address etrs[EXPECTED * TIMES];
    char text[ADDRESS_TEXT_MAX];
    for (size_t i = 0; i < EXPECTED * TIMES; i++)
        addresses[i] = address_of(expected[i % EXPECTED].address);
    struct etr_number numbers[EXPECTED * TIMES];
    database_etr_many(database, addresses, EXPECTED * TIMES, etrs);
    database_etr_number_many(database, addresses, EXPECTED * TIMES, numbers);
    for (size_t i = 0; i < EXPECTED * TIMES; i++) {
        assert_string_equal(address_print(&etrs[i], text), expected[i % EXPECTED].etr);
        struct address etr;
        assert_int_equal(database_etr(database, &addresses[i], &etr),
                         database_find(database, &addresses[i]) != NULL);
        assert_true(address_equal(&etr, &etrs[i]));
        expect_number(database, &addresses[i], numbers[i], &etr);
    }
    database_free(database);
}

// Batches of all lengths, of one MAB and with one address that is elsewhere or of the other family
// at any place.
static void test_number_batches(void **state)
{
    (void)state;
    struct database *database = database_new();
    const char *mabs[] = {"20.1.0.0/24", "20.2.0.0/15", "2001:db8::/32", "2001:db9::/48"};
    for (uint32_t i = 0; i < 4; i++) {
        struct prefix mab = prefix_of(mabs[i]);
        struct mapping *mapping = mapping_new(&mab, NULL);
        uint64_t start = mapping_units(mapping)->start.index;
        for (uint32_t unit = 0; unit < 200; unit += 2) {
            struct update update = {.kind = UPDATE_DEFINE,
                                    .range = {mapping_units(mapping)->family, {start + unit}, {1}},
                                    .etr = address_from_ipv4(0xc6120001 + i * 1000 + unit % 70)};
            assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
        }
        assert_true(database_put(database, mapping, NULL));
    }
    struct random_source random;
    random_init(&random, random_seed_from_number(5));
    for (unsigned turn = 0; turn < 20000; turn++) {
        enum { MOST = 150 };
        struct address addresses[MOST];
        struct etr_number numbers[MOST];
        size_t count = 1 + random_below(&random, MOST);
        const struct mapping *mapping = database_at(database, random_below(&random, 4));
        for (size_t i = 0; i < count; i++) {
            const struct range *units = mapping_units(mapping);
            struct unit unit = {units->start.index + random_below(&random, 210)};
            addresses[i] = unit_address(units->family, unit);
            if (random_below(&random, 200) == 0) // some batches are of more than one MAB
                mapping = database_at(database, random_below(&random, 4));
            if (random_below(&random, 400) == 0)
                addresses[i] = ADDRESS_ZERO;
        }
        database_etr_number_many(database, addresses, count, numbers);
        for (size_t i = 0; i < count; i++) {
            struct address etr;
            (void)database_etr(database, &addresses[i], &etr);
            expect_number(database, &addresses[i], numbers[i], &etr);
        }
    }
    database_free(database);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mab_table), cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_many_mabs), cmocka_unit_test(test_database),
        cmocka_unit_test(test_etrs),      cmocka_unit_test(test_number_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
