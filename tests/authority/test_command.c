// SPDX-License-Identifier: BSD-2-Clause
#include "world.h"

#include <string.h>

static void refused(const char *text, const char *says)
{
    struct command_set *set = world_set(text);
    struct error error = {0};
    assert_false(command_check(&set->commands[0], &error));
    if (strstr(error.text, says) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, error.text, says);
    command_set_free(set);
}

static void test_parts(void **state)
{
    (void)state;
    refused("split 20.1.0.0/28 20.1.0.0/28", "at least two ranges");
    refused("split 20.1.0.0/28 20.1.0.0/29 20.1.0.4/30", "overlap");
    refused("split 20.1.0.0/28 20.1.0.0/30 20.1.0.8/29", "gap between");
    refused("split 20.1.0.0/28 20.1.0.0/30 20.1.0.4/30", "together these are 20.1.0.0/29");
    refused("split 20.1.0.0/28 20.1.0.0/29 2001:db8::/64", "mix");
    refused("join 20.1.0.0/29", "at least two ranges");
    refused("join 20.1.0.0/29 20.1.0.0/29", "overlap");
    refused("join 20.1.0.0/29 20.1.0.16/29", "gap between");
    refused("join 255.255.255.255 0.0.0.0", "gap between");
}

// Parts may come in any order.
static void test_split_becomes_updates(void **state)
{
    (void)state;
    struct command_set *set =
        world_set("split 20.1.0.0/28 20.1.0.8/29 20.1.0.0/30 20.1.0.4-20.1.0.7");
    struct update_set updates;
    size_t failed = 0;
    assert_true(command_check(&set->commands[0], NULL));
    assert_true(command_set_translate(set, &updates, &failed, NULL));
    assert_int_equal(updates.count, 2);
    struct range whole = world_range("20.1.0.0/28");
    struct range rest = world_range("20.1.0.4-20.1.0.15");
    assert_true(range_equal(&updates.updates[0].range, &whole));
    assert_int_equal(updates.updates[0].at.index, 0x14010004);
    assert_true(range_equal(&updates.updates[1].range, &rest));
    assert_int_equal(updates.updates[1].at.index, 0x14010008);
    command_set_free(set);
}

static void test_join_is_its_whole_range(void **state)
{
    (void)state;
    struct command_set *set = world_set("map 20.1.0.0/28 zero; join 20.1.0.8/29 20.1.0.0/29");
    struct update_set updates;
    size_t failed = 0;
    assert_true(command_check(&set->commands[1], NULL));
    assert_true(command_set_translate(set, &updates, &failed, NULL));
    struct range whole = world_range("20.1.0.0/28");
    assert_int_equal(updates.count, 2);
    assert_int_equal(updates.updates[1].kind, UPDATE_JOIN);
    assert_int_equal(updates.command[1], 1);
    assert_true(range_equal(&updates.updates[1].range, &whole));
    command_set_free(set);
}

static void test_too_many_updates(void **state)
{
    (void)state;
    struct command_set *set = command_set_new();
    struct update_set updates;
    struct error error;
    size_t failed = 0;
    for (int i = 0; i < 3; i++) {
        struct command *split = command_set_add(set, COMMAND_SPLIT);
        split->micronet = world_range("20.1.0.0/22");
        for (uint64_t part = 0; part < 512; part++) {
            struct range range = {FAMILY_IPV4, {0x14010000 + part * 2}, {2}};
            assert_true(command_add_part(split, &range));
        }
        assert_true(command_check(split, NULL));
    }
    assert_false(command_set_translate(set, &updates, &failed, &error));
    assert_int_equal(failed, 2); // twice 511 fit into 1024
    assert_string_equal(error.reason, "set-too-large");
    command_set_free(set);
}

static void test_limits_of_a_set(void **state)
{
    (void)state;
    struct command_set *set = command_set_new();
    struct range part = world_range("20.1.0.0");
    for (size_t i = 0; i < COMMAND_SET_MAX; i++)
        assert_non_null(command_set_add(set, COMMAND_MAP));
    assert_null(command_set_add(set, COMMAND_MAP));
    for (size_t i = 0; i < COMMAND_PARTS_MAX; i++)
        assert_true(command_add_part(&set->commands[0], &part));
    assert_false(command_add_part(&set->commands[0], &part));
    command_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_split_becomes_updates),
        cmocka_unit_test(test_join_is_its_whole_range),
        cmocka_unit_test(test_too_many_updates),
        cmocka_unit_test(test_limits_of_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
