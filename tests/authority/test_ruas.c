// SPDX-License-Identifier: BSD-2-Clause
// The rules of a set one by one, and the three steps: prepare, then commit or abort.
#include "world.h"

#include <stdio.h>
#include <string.h>

static int setup(void **state)
{
    *state = world_new();
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static void test_commands(void **state)
{
    struct world *world = *state;
    world_must(world, "anna", "define 20.1.0.0/28 " ETR1);
    assert_string_equal(world_micronets(world), "20.1.0.0/28>" ETR1);
    world_must(world, "anna", "map 20.1.0.0/28 " ETR2);
    assert_string_equal(world_micronets(world), "20.1.0.0/28>" ETR2);
    world_must(world, "anna",
               "map 20.1.0.0/28 zero; split 20.1.0.0/28 20.1.0.0/30 "
               "20.1.0.4-20.1.0.15; map 20.1.0.0/30 " ETR1 "; map 20.1.0.4-20.1.0.15 " ETR6);
    assert_string_equal(world_micronets(world), "20.1.0.0/30>" ETR1 " 20.1.0.4-20.1.0.15>" ETR6);
    world_must(world, "anna",
               "map 20.1.0.0/30 zero; map 20.1.0.4-20.1.0.15 zero; "
               "join 20.1.0.0/30 20.1.0.4-20.1.0.15");
    assert_string_equal(world_micronets(world), "20.1.0.0/28>zero");
    world_must(world, "anna", "delete 20.1.0.0/28");
    assert_string_equal(world_micronets(world), "");
    assert_int_equal(ruas_sequence(world->ruas, 0), 5);
    assert_int_equal(ruas_sequence(world->ruas, 1), 0);
}

// The example of fast-push §3.7: an 8-long micronet to zero, into three, each mapped.
static void test_one_set_of_many_steps(void **state)
{
    struct world *world = *state;
    world_must(world, "anna", "define 20.1.0.8/29 " ETR1);
    world_must(world, "anna",
               "map 20.1.0.8/29 zero; split 20.1.0.8/29 20.1.0.8/31 20.1.0.10/31 20.1.0.12/30;"
               "map 20.1.0.8/31 " ETR1 ";map 20.1.0.10/31 " ETR2 ";map 20.1.0.12/30 " ETR6);
    assert_int_equal(world->change.update_count, 6);
    assert_string_equal(world_micronets(world),
                        "20.1.0.8/31>" ETR1 " 20.1.0.10/31>" ETR2 " 20.1.0.12/30>" ETR6);
}

static void test_delegation(void **state)
{
    struct world *world = *state;
    world_refused(world, "anna", "define 20.1.1.0/28 " ETR1, "not-your-uab",
                  "delegated to \"ben\"");
    world_refused(world, "anna", "define 20.2.0.0/28 " ETR1, "not-your-uab", "to nobody");
    world_refused(world, "ben", "define 20.1.1.96/29 " ETR1, "outside-your-uab",
                  "20.1.1.0-20.1.1.99");
    world_refused(world, "anna", "define 20.1.0.240-20.1.1.3 " ETR1, "outside-your-uab",
                  "20.1.0.0/24");
    world_refused(world, "anna", "define 30.1.0.0/28 " ETR1, "not-your-mab", "no MAB");
    world_refused(world, "anna", "define 20.3.255.0-20.4.0.5 " ETR1, "several-mabs",
                  "outside the MAB");
    world_refused(world, "anna", "define 20.1.0.0/28 " ETR1 "; define 2001:db8:0:40::/64 " ETR6,
                  "several-mabs", "a set for each");
    assert_int_equal(world->failed, 1);
    world_refused(world, "nobody", "define 20.1.0.0/28 " ETR1, "not-your-uab", "anna");
}

static void test_etrs(void **state)
{
    struct world *world = *state;
    world_refused(world, "anna", "define 20.1.0.0/28 10.0.0.1", "etr-not-global", "RFC 1918");
    world_refused(world, "anna", "define 20.1.0.0/28 224.0.0.1", "etr-not-global", "multicast");
    world_refused(world, "anna", "define 20.1.0.0/28 20.2.0.1", "etr-inside-mab", "mapped space");
    world_refused(world, "anna", "define 20.1.0.0/28 2001:db8::1", "etr-inside-mab",
                  "mapped space");
    world_refused(world, "anna", "define 20.1.0.0/28 198.51.100.7", "etr-refused",
                  "198.51.100.0/24");
    world_must(world, "anna", "define 20.1.0.0/28 " ETR1);
    world_refused(world, "anna", "map 20.1.0.0/28 127.0.0.1", "etr-not-global", "loopback");
    ruas_set_refused(world->ruas, NULL, 0);
    world_must(world, "anna", "map 20.1.0.0/28 198.51.100.7");
}

static void test_rules_of_the_database(void **state)
{
    struct world *world = *state;
    world_must(world, "anna", "define 20.1.0.0/28 " ETR1);
    world_refused(world, "anna", "define 20.1.0.8-20.1.0.20 " ETR2, "overlaps-mapped",
                  "map that to zero first");
    world_refused(world, "anna", "split 20.1.0.0/28 20.1.0.0/29 20.1.0.8/29", "not-zero", ETR1);
    world_refused(world, "anna", "delete 20.1.0.0/28", "not-zero", "zero first");
    world_refused(world, "anna", "map 20.1.0.0/29 " ETR2, "not-a-micronet", "20.1.0.0/28");
    world_refused(world, "anna", "map 20.1.0.64/28 " ETR2, "not-a-micronet", "define it first");
    world_refused(world, "anna", "join 20.1.0.0/28 20.1.0.16/28", "not-zero", "");
    world_refused(world, "anna", "", "empty-set", "no command");
    // The third command is the wrong one, and the first two are taken back.
    world_refused(world, "anna",
                  "map 20.1.0.0/28 zero; split 20.1.0.0/28 20.1.0.0/29 20.1.0.8/29;"
                  "map 20.1.0.0/28 " ETR2,
                  "not-a-micronet", "");
    assert_int_equal(world->failed, 2);
}

static void test_token_scopes(void **state)
{
    struct world *world = *state;
    struct grant grant = world_grant("anna");
    world_must(world, "anna", "define 20.1.0.0/28 zero; define 20.1.0.16/28 zero");
    grant.scope = SCOPE_READ;
    assert_false(world_prepare(world, &grant, "map 20.1.0.0/28 " ETR1));
    assert_string_equal(world->error.reason, "scope");
    grant.scope = SCOPE_MAP;
    assert_false(world_prepare(world, &grant, "delete 20.1.0.0/28"));
    assert_string_equal(world->error.reason, "scope");
    grant.limited = true;
    grant.only = world_range("20.1.0.0/28");
    assert_false(world_prepare(world, &grant, "map 20.1.0.16/28 " ETR1));
    assert_string_equal(world->error.reason, "outside-token");
    // A token that is wider than its user gives nothing that the user has not.
    grant.only = world_range("20.0.0.0/14");
    assert_false(world_prepare(world, &grant, "map 20.1.1.0/28 " ETR1));
    assert_string_equal(world->error.reason, "not-your-uab");
    assert_true(world_prepare(world, &grant, "map 20.1.0.0/28 " ETR1));
    ruas_commit(world->ruas, &world->change);
}

static void test_abort_takes_back(void **state)
{
    struct world *world = *state;
    struct grant grant = world_grant("anna");
    world_must(world, "anna", "define 20.1.0.0/28 " ETR1 "; define 20.1.0.32/28 zero");
    char before[256];
    (void)snprintf(before, sizeof(before), "%s", world_micronets(world));
    for (int i = 0; i < 3; i++) {
        assert_true(world_prepare(world, &grant,
                                  "map 20.1.0.0/28 zero; delete 20.1.0.0/28;"
                                  "define 20.1.0.24-20.1.0.40 " ETR2));
        assert_int_equal(world->change.sequence, 2);
        ruas_abort(world->ruas, &world->change);
        assert_string_equal(world_micronets(world), before);
        assert_int_equal(ruas_sequence(world->ruas, 0), 1);
    }
    world_must(world, "anna", "map 20.1.0.0/28 " ETR2);
    assert_int_equal(world->change.sequence, 2);
}

// Touched ranges cut no micronet, before or after.
static void test_touched(void **state)
{
    struct world *world = *state;
    world_must(world, "anna", "define 20.1.0.0/28 zero; define 20.1.0.16/28 zero");
    world_must(world, "anna", "define 20.1.0.8-20.1.0.23 " ETR1 "; define 20.1.0.64/28 " ETR1);
    assert_int_equal(world->change.touched_count, 2);
    struct range first = world_range("20.1.0.0/27");
    struct range second = world_range("20.1.0.64/28");
    assert_true(range_equal(&world->change.touched[0], &first));
    assert_true(range_equal(&world->change.touched[1], &second));
    assert_string_equal(world_micronets(world), "20.1.0.0/29>zero 20.1.0.8-20.1.0.23>" ETR1
                                                " 20.1.0.24/29>zero 20.1.0.64/28>" ETR1);
}

static void test_micronets_of_a_uab(void **state)
{
    struct world *world = *state;
    world_add_user(world, "carl");
    world_add_uab(world, "20.2.0.0/24", "carl", 3);
    world_must(world, "carl", "define 20.2.0.0/30 zero; define 20.2.0.4/30 zero");
    world_refused(world, "carl", "split 20.2.0.0/30 20.2.0.0 20.2.0.1 20.2.0.2/31",
                  "too-many-micronets", "would have 4 micronets, and 3 is its limit");
    world_must(world, "carl", "split 20.2.0.0/30 20.2.0.0/31 20.2.0.2/31");
    world_refused(world, "carl", "define 20.2.0.8 zero", "too-many-micronets", "20.2.0.0/24");
    // One that goes makes room for one that comes, in the same set too.
    world_must(world, "carl", "delete 20.2.0.4/30; define 20.2.0.8 zero");
    const struct uab *uab =
        delegation_find(ruas_delegation(world->ruas), FAMILY_IPV4, world_range("20.2.0.0").start);
    assert_int_equal(uab->micronets, 3);
    // Defining over zero micronets makes fewer of them.
    world_must(world, "carl", "define 20.2.0.0/28 " ETR1);
    assert_int_equal(uab->micronets, 1);
}

static void test_commands_a_minute(void **state)
{
    struct world *world = *state;
    world_must(world, "anna", "define 20.1.0.0/28 zero");
    for (int i = 1; i < COMMANDS_MINUTE_MAX; i++)
        world_must(world, "anna", "map 20.1.0.0/28 zero");
    world_refused(world, "anna", "map 20.1.0.0/28 zero", "too-many-commands", "try again in");
    world_must(world, "ben", "define 20.1.1.0/28 zero");
    world_sleep(world, 1);
    world_must(world, "anna", "map 20.1.0.0/28 zero");
}

// A set that touches many micronets is work, even where it is refused: it counts for more.
static void test_micronets_touched_a_minute(void **state)
{
    struct world *world = *state;
    char set[256 * 32];
    world_add_user(world, "dora");
    world_add_uab(world, "20.3.0.0/22", "dora", 0);
    for (int block = 0; block < 4; block++) {
        set[0] = '\0';
        for (int i = 0; i < 256; i++)
            (void)snprintf(set + strlen(set), sizeof(set) - strlen(set), "%sdefine 20.3.%d.%d zero",
                           i == 0 ? "" : "; ", block, i);
        world_must(world, "dora", set);
    }
    world_sleep(world, 60);
    int refused = 0;
    struct grant grant = world_grant("dora");
    while (!world_prepare(world, &grant, "map 20.3.0.0/22 zero") &&
           strcmp(world->error.reason, "not-a-micronet") == 0)
        refused++;
    assert_string_equal(world->error.reason, "too-many-commands");
    int cost = 1 + 1024 / TOUCHED_A_COMMAND;
    assert_true(refused >= COMMANDS_MINUTE_MAX / cost - 1 &&
                refused <= COMMANDS_MINUTE_MAX / cost + 1);
    world_must(world, "anna", "define 20.1.0.0/28 zero");
    world_sleep(world, 1); // a hundred commands more
    world_must(world, "dora", "map 20.3.0.7 " ETR1);
    // Who has waited for a minute may touch any number.
    world_must(world, "dora", "map 20.3.0.7 zero");
    world_sleep(world, 60);
    world_must(world, "dora", "define 20.3.0.0/22 zero");
}

static void test_uab_rules(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *range, *user, *reason;
    } cases[] = {
        {"20.1.0.128/25", "ben", "uab-overlaps"},  {"20.0.0.0/15", "ben", "uab-overlaps"},
        {"21.0.0.0/24", "ben", "not-in-a-mab"},    {"20.3.255.0-20.4.0.0", "ben", "not-in-a-mab"},
        {"20.2.0.0/24", "nobody", "no-such-user"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct range range = world_range(cases[i].range);
        assert_false(ruas_prepare_uab_add(world->ruas, &range, cases[i].user, 0, world->time,
                                          &world->change, &world->error));
        assert_string_equal(world->error.reason, cases[i].reason);
    }
    struct range uab = world_range(ANNA_UAB);
    struct range part = world_range("20.1.0.0/25");
    world_must(world, "anna", "define 20.1.0.120-20.1.0.130 " ETR1);
    assert_false(ruas_prepare_uab_remove(world->ruas, &part, false, world->time, &world->change,
                                         &world->error));
    assert_string_equal(world->error.reason, "no-such-uab");
    assert_false(ruas_prepare_uab_remove(world->ruas, &uab, false, world->time, &world->change,
                                         &world->error));
    assert_string_equal(world->error.reason, "uab-in-use");
    assert_true(ruas_prepare_uab_remove(world->ruas, &uab, true, world->time, &world->change,
                                        &world->error));
    ruas_commit(world->ruas, &world->change);
    world_refused(world, "anna", "map 20.1.0.120-20.1.0.130 zero", "not-your-uab", "nobody");
    // A new UAB must not cut the micronet that stayed.
    assert_false(ruas_prepare_uab_add(world->ruas, &part, "ben", 0, world->time, &world->change,
                                      &world->error));
    assert_string_equal(world->error.reason, "cuts-micronet");
    world_add_uab(world, ANNA_UAB, "ben", 0);
    world_must(world, "ben", "map 20.1.0.120-20.1.0.130 zero; delete 20.1.0.120-20.1.0.130");
}

static void test_removing_a_user(void **state)
{
    struct world *world = *state;
    struct range uab = world_range(BEN_UAB);
    assert_false(
        ruas_prepare_user_remove(world->ruas, "ben", world->time, &world->change, &world->error));
    assert_string_equal(world->error.reason, "user-has-uabs");
    assert_true(ruas_prepare_uab_remove(world->ruas, &uab, false, world->time, &world->change,
                                        &world->error));
    ruas_commit(world->ruas, &world->change);
    assert_true(
        ruas_prepare_user_remove(world->ruas, "ben", world->time, &world->change, &world->error));
    ruas_commit(world->ruas, &world->change);
    assert_null(accounts_user(ruas_accounts(world->ruas), "ben"));
    assert_false(
        ruas_prepare_user_remove(world->ruas, "ben", world->time, &world->change, &world->error));
    assert_string_equal(world->error.reason, "no-such-user");
    assert_false(ruas_prepare_user_add(world->ruas, "anna", "hash", world->time, &world->change,
                                       &world->error));
    assert_string_equal(world->error.reason, "user-exists");
}

static void test_ipv6(void **state)
{
    struct world *world = *state;
    world_must(world, "anna", "define 2001:db8:0:40::/64+3 " ETR1);
    assert_int_equal(world->change.mab, 1);
    world_refused(world, "anna", "define 2001:db8:0:42::/63 " ETR6, "overlaps-mapped", "");
    world_must(world, "anna",
               "map 2001:db8:0:40::/64+3 zero;"
               "split 2001:db8:0:40::/64+3 2001:db8:0:40::/63 2001:db8:0:42::/64;"
               "map 2001:db8:0:42::/64 " ETR6);
    assert_int_equal(ruas_sequence(world->ruas, 1), 2);
    assert_int_equal(mapping_count(ruas_mapping(world->ruas, 1)), 2);
}

static void test_mabs_must_not_overlap(void **state)
{
    (void)state;
    struct prefix mabs[2];
    struct error error;
    assert_true(prefix_parse("20.0.0.0/14", &mabs[0], NULL));
    assert_true(prefix_parse("20.1.0.0/16", &mabs[1], NULL));
    struct ruas_config config = {.mabs = mabs, .mab_count = 2};
    assert_null(ruas_new(&config, random_seed_from_number(1), &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_set_of_many_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delegation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_etrs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rules_of_the_database, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_scopes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort_takes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(test_micronets_of_a_uab, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands_a_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(test_micronets_touched_a_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uab_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removing_a_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
        cmocka_unit_test(test_mabs_must_not_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
