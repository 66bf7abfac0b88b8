// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"

#include "query/choice.h"

static void add(struct choice *choice, uint16_t server, uint64_t ms)
{
    choice->members[choice->count++] = (struct choice_member){
        .server = server, .measured = ms > 0, .share = CHOICE_SHARE_FULL, .time = duration_ms(ms)};
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

static void test_failed_ones_step_back(void **state)
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
    choice_rank(&choice);
    assert_order(&choice, "123");
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

#define HASHES 6000

// How often each place comes first, and second, for hashes.
struct spread {
    size_t first[CHOICE_MEMBERS_MAX], second[CHOICE_MEMBERS_MAX];
};

static struct spread spread_of(const struct choice *choice)
{
    struct spread spread = {0};
    for (uint64_t hash = 0; hash < HASHES; hash++) {
        uint8_t order[CHOICE_MEMBERS_MAX];
        unsigned seen = 0;
        choice_order(choice, hash, order);
        for (size_t i = 0; i < choice->count; i++)
            seen |= 1u << order[i];
        assert_int_equal(seen, (1u << choice->count) - 1);
        spread.first[order[0]]++;
        spread.second[order[1]]++;
    }
    return spread;
}

static void assert_near(size_t count, size_t of_twelve)
{
    assert_in_range(count, of_twelve * HASHES / 12 - HASHES / 30,
                    of_twelve * HASHES / 12 + HASHES / 30);
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
    struct spread spread = spread_of(&choice);
    assert_near(spread.first[0], 6);
    assert_near(spread.first[1], 6);
    assert_int_equal(spread.first[2], 0);
    assert_int_equal(spread.second[2], 0);
}

// What a loaded one does not take is spread evenly over its equals; what they do not take either
// goes to those farther away.
static void test_a_smaller_share(void **state)
{
    (void)state;
    struct choice choice = {0};
    add(&choice, 1, 40);
    add(&choice, 2, 40);
    add(&choice, 3, 40);
    add(&choice, 4, 100);
    choice_rank(&choice);
    assert_int_equal(choice.near, 3);
    choice.members[1].share = CHOICE_SHARE_FULL / 4;
    struct spread spread = spread_of(&choice);
    assert_near(spread.first[1], 1);
    assert_in_range(spread.first[0], HASHES * 43 / 100, HASHES * 48 / 100);
    assert_in_range(spread.first[2], HASHES * 43 / 100, HASHES * 48 / 100);
    assert_int_equal(spread.first[3], 0);
    choice.members[0].share = CHOICE_SHARE_FULL / 2;
    choice.members[2].share = CHOICE_SHARE_FULL / 2;
    assert_in_range(spread_of(&choice).first[3], HASHES / 6, HASHES / 4); // 3/4 * 1/2 * 1/2
}

// A change of one share moves only what it takes or leaves.
static void test_the_rest_stays(void **state)
{
    (void)state;
    struct choice before = {0};
    for (uint16_t i = 1; i <= 3; i++)
        add(&before, i, 40);
    choice_rank(&before);
    struct choice after = before;
    after.members[1].share = CHOICE_SHARE_FULL * 7 / 8;
    for (uint64_t hash = 0; hash < HASHES; hash++) {
        uint8_t one[CHOICE_MEMBERS_MAX];
        uint8_t other[CHOICE_MEMBERS_MAX];
        choice_order(&before, hash, one);
        choice_order(&after, hash, other);
        assert_true(one[0] == 1 || one[0] == other[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_first),
        cmocka_unit_test(test_small_differences_change_nothing),
        cmocka_unit_test(test_failed_ones_step_back),
        cmocka_unit_test(test_priority_goes_before_time),
        cmocka_unit_test(test_equals_share),
        cmocka_unit_test(test_a_smaller_share),
        cmocka_unit_test(test_the_rest_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
