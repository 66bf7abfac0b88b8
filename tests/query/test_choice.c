// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"

#include "query/choice.h"

static void add(struct choice *choice, uint16_t server, uint64_t ms)
{
    choice->members[choice->count++] =
        (struct choice_member){.server = server, .measured = ms > 0, .time = duration_ms(ms)};
}

static struct choice_member *member(struct choice *choice, uint16_t server)
{
    size_t place = 0;
    while (choice->members[place].server != server)
        place++;
    assert_true(place < choice->count);
    return &choice->members[place];
}

static void assert_order(const struct choice *choice, const char *order)
{
    for (size_t i = 0; i < choice->count; i++)
        assert_int_equal(choice->members[i].server, order[i] - '0');
}

static void test_nearest_first(void **state)
{
    (void)state;
    struct choice choice = {0};
    add(&choice, 1, 0); // not measured yet
    add(&choice, 2, 80);
    add(&choice, 3, 5);
    add(&choice, 4, 30);
    choice_rank(&choice);
    assert_order(&choice, "3421");
    assert_int_equal(choice.near, 1);
}

static void test_small_differences_change_nothing(void **state)
{
    (void)state;
    struct choice choice = {0};
    add(&choice, 1, 50);
    add(&choice, 2, 52);
    add(&choice, 3, 54);
    add(&choice, 4, 56);
    choice_rank(&choice);
    assert_order(&choice, "1234");
    member(&choice, 4)->time = duration_ms(46); // not a fifth better than the third
    choice_rank(&choice);
    assert_order(&choice, "1234");
    member(&choice, 4)->time = duration_ms(20);
    choice_rank(&choice);
    assert_order(&choice, "4123");
}

static void test_failed_and_loaded_ones_step_back(void **state)
{
    (void)state;
    struct choice choice = {0};
    add(&choice, 1, 5);
    add(&choice, 2, 20);
    add(&choice, 3, 30);
    choice_rank(&choice);
    member(&choice, 1)->avoided = true;
    choice_rank(&choice);
    assert_order(&choice, "231");
    member(&choice, 1)->avoided = false;
    member(&choice, 2)->load = 255;
    choice_rank(&choice);
    assert_order(&choice, "132");
}

static void test_priority_goes_before_time(void **state)
{
    (void)state;
    struct choice choice = {0};
    add(&choice, 1, 5);
    add(&choice, 2, 90);
    member(&choice, 1)->priority = 10;
    choice_rank(&choice);
    assert_order(&choice, "21");
    assert_int_equal(choice.near, 1);
    member(&choice, 2)->avoided = true;
    choice_rank(&choice);
    assert_order(&choice, "12");
}

static void test_equals_share(void **state)
{
    (void)state;
    struct choice choice = {0};
    add(&choice, 1, 40);
    add(&choice, 2, 42);
    add(&choice, 3, 100);
    choice_rank(&choice);
    assert_int_equal(choice.near, 2);
    size_t first[2] = {0};
    for (uint64_t hash = 0; hash < 100; hash++)
        first[choice_start(&choice, hash)]++;
    assert_int_equal(first[0], 50);
    assert_int_equal(first[1], 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_first),
        cmocka_unit_test(test_small_differences_change_nothing),
        cmocka_unit_test(test_failed_and_loaded_ones_step_back),
        cmocka_unit_test(test_priority_goes_before_time),
        cmocka_unit_test(test_equals_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
