// SPDX-License-Identifier: BSD-2-Clause
// What an ITR knows of ETRs: the record of an ETR is the same however it is found, whatever numbers
// say; the least recently used goes first; new rules judge all anew.
#include "../check.h"
#include "base/random.h"
#include "tunnel/etr_paths.h"

#define LIMIT 100

static struct address etr_of(uint64_t number)
{
    return address_from_ipv4(0xc6120000 + (uint32_t)number);
}

// Numbers that stand for one ETR, then for another, as when a mapping gives them anew; that
// collide; and several that stand for the same.
static void test_numbers(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(1));
    struct etr_paths *paths = etr_paths_new(LIMIT, (struct hash_key){{1}});
    for (uint64_t turn = 0; turn < 200000; turn++) {
        uint64_t number = random_below(&random, 60) << random_below(&random, 3) * 20;
        struct address etr = etr_of((number + turn / 5000) % 140);
        struct etr_path *known = etr_paths_find(paths, &etr);
        uint64_t packets = known == NULL ? 0 : known->packets;
        struct etr_path *path = turn % 7 == 0 ? etr_paths_use(paths, &etr)
                                              : etr_paths_use_numbered(paths, number, &etr);
        assert_true(address_equal(&path->etr, &etr));
        assert_ptr_equal(etr_paths_find(paths, &etr), path);
        assert_true(known == NULL || known == path);
        assert_int_equal(path->packets++, packets);
        assert_true(etr_paths_count(paths) <= LIMIT);
    }
    etr_paths_free(paths);
}

static void test_least_recent_goes(void **state)
{
    (void)state;
    struct etr_paths *paths = etr_paths_new(LIMIT, (struct hash_key){{2}});
    for (uint64_t i = 0; i < LIMIT; i++) {
        struct address etr = etr_of(i);
        (void)etr_paths_use_numbered(paths, i, &etr);
    }
    struct address first = etr_of(0);
    struct address second = etr_of(1);
    struct address another = etr_of(LIMIT);
    (void)etr_paths_use_numbered(paths, 0, &first); // now the second is the least recently used
    (void)etr_paths_use_numbered(paths, LIMIT, &another);
    assert_non_null(etr_paths_find(paths, &first));
    assert_null(etr_paths_find(paths, &second));
    etr_paths_free(paths);
}

static void test_new_rules(void **state)
{
    (void)state;
    struct etr_paths *paths = etr_paths_new(LIMIT, (struct hash_key){{3}});
    struct address etr = etr_of(7);
    etr_paths_use_numbered(paths, 7, &etr)->rule = ETR_RULE_ALLOWED;
    assert_int_equal(etr_paths_use_numbered(paths, 7, &etr)->rule, ETR_RULE_ALLOWED);
    etr_paths_new_rules(paths);
    assert_int_equal(etr_paths_use_numbered(paths, 7, &etr)->rule, ETR_RULE_UNKNOWN);
    etr_paths_free(paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_least_recent_goes),
        cmocka_unit_test(test_new_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
