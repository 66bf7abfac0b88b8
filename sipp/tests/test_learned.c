// SPDX-License-Identifier: BSD-2-Clause
// Which of the kernel's routes are in use, whatever order the kernel tells of them in.
#include "tests/check.h"

#include "base/random.h"
#include "sipp/daemon/learned.h"

#include <string.h>

static const struct sipp_prefix prefix = {{UINT64_C(0x0080000000020000)}, 48};
static const struct next_hop a = {1, {0x7d00020000000001}};
static const struct next_hop b = {2, {0x7d00020000000002}};

struct fixture {
    struct forwarding *table;
    struct learned *learned;
};

static int setup(void **state)
{
    struct fixture *fixture = test_malloc(sizeof(*fixture));
    fixture->table = forwarding_new();
    fixture->learned = learned_new(fixture->table);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    learned_free(fixture->learned);
    forwarding_free(fixture->table);
    test_free(fixture);
    return 0;
}

static unsigned in_use(const struct fixture *fixture)
{
    const struct next_hop *found = forwarding_get(fixture->table, &prefix);
    return found == NULL ? 0 : found->interface;
}

// The kernel tells that the old route is gone after the new one came.
static void test_late_delete_of_a_replaced_route(void **state)
{
    const struct fixture *f = *state;
    learned_add(f->learned, &prefix, 32, a, false);
    learned_add(f->learned, &prefix, 32, b, true);
    learned_remove(f->learned, &prefix, 32, a);
    assert_int_equal(in_use(f), 2);
    learned_remove(f->learned, &prefix, 32, b);
    assert_int_equal(in_use(f), 0);
}

static void test_the_least_metric_is_in_use(void **state)
{
    const struct fixture *f = *state;
    learned_add(f->learned, &prefix, 50, a, false);
    learned_add(f->learned, &prefix, 100, b, false);
    assert_int_equal(in_use(f), 1);
    learned_remove(f->learned, &prefix, 50, a);
    assert_int_equal(in_use(f), 2);
    learned_remove(f->learned, &prefix, 50, b);
    assert_int_equal(in_use(f), 2);
}

static void test_told_again_after_a_loss(void **state)
{
    const struct fixture *f = *state;
    const struct sipp_prefix other = {{UINT64_C(0x0090000000000000)}, 16};
    learned_add(f->learned, &prefix, 50, a, false);
    learned_add(f->learned, &prefix, 100, b, false);
    learned_add(f->learned, &other, 1, a, false);
    learned_begin(f->learned);
    learned_add(f->learned, &prefix, 100, b, false);
    assert_int_equal(in_use(f), 1);
    learned_end(f->learned);
    assert_int_equal(in_use(f), 2);
    assert_null(forwarding_get(f->table, &other));
    assert_int_equal(forwarding_count(f->table), 1);
}

// Any changes, beside a list that is searched from end to end.
static void test_beside_a_model(void **state)
{
    const struct fixture *f = *state;
    struct random_source random;
    struct {
        bool there;
        uint64_t age;
    } model[3][2] = {0};
    random_init(&random, random_seed_from_number(5));
    for (uint64_t step = 1; step < 20000; step++) {
        uint32_t metric = (uint32_t)random_below(&random, 3);
        uint64_t hop = random_below(&random, 2);
        bool add = random_below(&random, 2) == 0;
        bool replace = add && random_below(&random, 4) == 0;
        if (add)
            learned_add(f->learned, &prefix, metric, hop == 0 ? a : b, replace);
        else
            learned_remove(f->learned, &prefix, metric, hop == 0 ? a : b);
        if (replace)
            model[metric][1 - hop].there = false;
        model[metric][hop].there = add;
        model[metric][hop].age = step;
        unsigned expected = 0;
        for (size_t i = 3; i-- > 0;) {
            for (unsigned j = 0; j < 2; j++) {
                if (model[i][j].there &&
                    (!model[i][1 - j].there || model[i][j].age > model[i][1 - j].age))
                    expected = j + 1;
            }
        }
        assert_int_equal(in_use(f), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_late_delete_of_a_replaced_route, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_least_metric_is_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(test_told_again_after_a_loss, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beside_a_model, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
