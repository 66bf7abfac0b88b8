// SPDX-License-Identifier: BSD-2-Clause
// Sets that wait for their time.
#include "world.h"

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

// Hands a set in for `seconds` from now; its id, or 0 where it was refused.
static uint64_t schedule_as(struct world *world, const struct grant *grant, const char *set,
                            uint64_t seconds)
{
    struct ruas_request request = {
        .grant = *grant, .now = world->now, .time = world->time, .set = world_set(set)};
    struct wall_time at = {world->time.ms + seconds * 1000};
    if (!ruas_prepare_schedule(world->ruas, &request, at, &world->change, &world->failed,
                               &world->error)) {
        command_set_free(request.set);
        return 0;
    }
    ruas_commit(world->ruas, &world->change);
    return world->change.scheduled.id;
}

static uint64_t schedule_set(struct world *world, const char *set, uint64_t seconds)
{
    struct grant grant = world_grant("anna");
    return schedule_as(world, &grant, set, seconds);
}

static bool execute_due(struct world *world)
{
    if (!ruas_prepare_due(world->ruas, world->time, &world->change))
        return false;
    ruas_commit(world->ruas, &world->change);
    return true;
}

static const struct scheduled *find(struct world *world, uint64_t id)
{
    return schedule_find(ruas_schedule(world->ruas), id);
}

static void test_executed_in_time_order(void **state)
{
    struct world *world = *state;
    uint64_t map = schedule_set(world, "map 20.1.0.0/28 " ETR2, 20);
    uint64_t define = schedule_set(world, "define 20.1.0.0/28 " ETR1, 10);
    assert_int_equal(ruas_next_due(world->ruas).ms, world->time.ms + 10000);
    assert_false(execute_due(world));
    world_sleep(world, 10);
    assert_true(execute_due(world));
    assert_false(execute_due(world));
    assert_string_equal(world_micronets(world), "20.1.0.0/28>" ETR1);
    assert_int_equal(find(world, define)->state, SCHEDULED_EXECUTED);
    assert_int_equal(find(world, define)->sequence, 1);
    world_sleep(world, 1000); // late is better than never
    assert_true(execute_due(world));
    assert_string_equal(world_micronets(world), "20.1.0.0/28>" ETR2);
    assert_int_equal(find(world, map)->sequence, 2);
    assert_int_equal(ruas_next_due(world->ruas).ms, UINT64_MAX);
}

static void test_refused_when_due(void **state)
{
    struct world *world = *state;
    uint64_t id = schedule_set(world, "define 20.1.0.0/28 " ETR1 "; map 20.1.0.64/28 " ETR1, 10);
    world_sleep(world, 10);
    assert_true(execute_due(world));
    assert_int_equal(world->change.kind, CHANGE_SCHEDULE_END);
    assert_int_equal(find(world, id)->state, SCHEDULED_REFUSED);
    assert_string_equal(find(world, id)->reason, "not-a-micronet");
    assert_non_null(strstr(find(world, id)->text, "command 2"));
    assert_string_equal(world_micronets(world), "");
    assert_int_equal(ruas_sequence(world->ruas, 0), 0);
}

// What was not stored stays waiting, and nothing of it shows.
static void test_abort_when_due(void **state)
{
    struct world *world = *state;
    uint64_t id = schedule_set(world, "define 20.1.0.0/28 " ETR1, 10);
    world_sleep(world, 10);
    for (int i = 0; i < 2; i++) {
        assert_true(ruas_prepare_due(world->ruas, world->time, &world->change));
        ruas_abort(world->ruas, &world->change);
        assert_int_equal(find(world, id)->state, SCHEDULED_WAITING);
        assert_string_equal(world_micronets(world), "");
    }
    assert_true(execute_due(world));
    assert_int_equal(find(world, id)->state, SCHEDULED_EXECUTED);
}

static void test_checked_when_handed_in(void **state)
{
    struct world *world = *state;
    assert_int_equal(schedule_set(world, "define 20.1.1.0/28 " ETR1, 10), 0);
    assert_string_equal(world->error.reason, "not-your-uab");
    assert_int_equal(schedule_set(world, "define 20.1.0.0/28 10.0.0.1", 10), 0);
    assert_string_equal(world->error.reason, "etr-not-global");
    assert_int_equal(schedule_set(world, "define 20.1.0.0/28 " ETR1, 0), 0);
    assert_string_equal(world->error.reason, "at-in-the-past");
    assert_int_equal(schedule_set(world, "define 20.1.0.0/28 " ETR1, 367ULL * 24 * 3600), 0);
    assert_string_equal(world->error.reason, "at-too-far");
    struct grant grant = world_grant("anna");
    grant.scope = SCOPE_MAP;
    assert_int_equal(schedule_as(world, &grant, "map 20.1.0.0/28 " ETR1, 10), 0);
    assert_string_equal(world->error.reason, "scope");
    grant.scope = SCOPE_ALL;
    grant.expires.ms = world->time.ms + 5000;
    assert_int_equal(schedule_as(world, &grant, "map 20.1.0.0/28 " ETR1, 10), 0);
    assert_string_equal(world->error.reason, "at-after-token");
}

static void test_cancel(void **state)
{
    struct world *world = *state;
    uint64_t id = schedule_set(world, "define 20.1.0.0/28 " ETR1, 10);
    assert_false(
        ruas_prepare_cancel(world->ruas, "ben", id, world->time, &world->change, &world->error));
    assert_string_equal(world->error.reason, "no-such-set");
    assert_true(
        ruas_prepare_cancel(world->ruas, "anna", id, world->time, &world->change, &world->error));
    ruas_commit(world->ruas, &world->change);
    assert_int_equal(find(world, id)->state, SCHEDULED_CANCELLED);
    assert_false(
        ruas_prepare_cancel(world->ruas, "anna", id, world->time, &world->change, &world->error));
    assert_string_equal(world->error.reason, "set-has-ended");
    world_sleep(world, 10);
    assert_false(execute_due(world));
}

static void test_revoked_token(void **state)
{
    struct world *world = *state;
    char text[TOKEN_TEXT_MAX];
    char id[TOKEN_ID_MAX];
    struct grant grant;
    struct token_request request = {.user = "anna", .scope = SCOPE_ALL, .time = world->time};
    assert_true(ruas_prepare_token_add(world->ruas, &request, text, &world->change, NULL));
    ruas_commit(world->ruas, &world->change);
    (void)token_print_id(&world->change.token.digest, id);
    assert_true(ruas_login_token(world->ruas, world->time, text, &grant, NULL));
    uint64_t set = schedule_as(world, &grant, "define 20.1.0.0/28 " ETR1, 10);
    assert_true(
        ruas_prepare_token_revoke(world->ruas, "anna", id, world->time, &world->change, NULL));
    ruas_commit(world->ruas, &world->change);
    world_sleep(world, 10);
    assert_true(execute_due(world));
    assert_string_equal(find(world, set)->reason, "token-revoked");
    assert_string_equal(world_micronets(world), "");
}

// The UAB went to somebody else before the time came.
static void test_lost_uab(void **state)
{
    struct world *world = *state;
    struct range uab = world_range(ANNA_UAB);
    uint64_t set = schedule_set(world, "define 20.1.0.0/28 " ETR1, 10);
    assert_true(
        ruas_prepare_uab_remove(world->ruas, &uab, false, world->time, &world->change, NULL));
    ruas_commit(world->ruas, &world->change);
    world_add_uab(world, ANNA_UAB, "ben", 0);
    world_sleep(world, 10);
    assert_true(execute_due(world));
    assert_string_equal(find(world, set)->reason, "not-your-uab");
}

static void test_limits(void **state)
{
    struct world *world = *state;
    for (uint64_t i = 0; i < SCHEDULED_WAITING_MAX; i++)
        assert_int_equal(schedule_set(world, "define 20.1.0.0/28 zero", 10 + i), i + 1);
    assert_int_equal(schedule_set(world, "define 20.1.0.0/28 zero", 5), 0);
    assert_string_equal(world->error.reason, "too-many-scheduled");
    world_sleep(world, 10);
    assert_true(execute_due(world));
    assert_true(schedule_set(world, "define 20.1.0.0/28 zero", 1000) > SCHEDULED_WAITING_MAX);
    world_sleep(world, 500);
    while (execute_due(world))
        continue;
    // A hundred have ended; of those to come, each takes the place of the oldest.
    assert_non_null(find(world, 1));
    world_sleep(world, 500);
    assert_true(execute_due(world));
    assert_int_equal(world->change.forget, 1);
    assert_null(find(world, 1));
    assert_non_null(find(world, 2));
}

// The sets of users lie among each other, and each finds their own.
static void test_sets_of_each_user(void **state)
{
    struct world *world = *state;
    const struct schedule *schedule = ruas_schedule(world->ruas);
    struct grant ben = world_grant("ben");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(schedule_set(world, "define 20.1.0.0/28 zero", 10), 2 * i + 1);
        assert_int_equal(schedule_as(world, &ben, "define 20.1.1.0/28 zero", 10), 2 * i + 2);
    }
    assert_true(ruas_prepare_cancel(world->ruas, "anna", 3, world->time, &world->change, NULL));
    ruas_commit(world->ruas, &world->change);
    uint64_t id = 1;
    for (const struct scheduled *each = schedule_next_of(schedule, "anna", NULL); each != NULL;
         each = schedule_next_of(schedule, "anna", each), id += 2) {
        assert_int_equal(each->id, id);
        assert_string_equal(each->user, "anna");
    }
    assert_int_equal(id, 7);
    assert_null(schedule_next_of(schedule, "carl", NULL));
    for (id = 1; id <= 6; id++)
        assert_int_equal(find(world, id)->id, id);
    assert_null(find(world, 7));
}

static void test_removed_with_its_user(void **state)
{
    struct world *world = *state;
    struct grant grant = world_grant("carl");
    struct range uab = world_range("20.2.0.0/24");
    world_add_user(world, "carl");
    world_add_uab(world, "20.2.0.0/24", "carl", 0);
    assert_int_not_equal(schedule_as(world, &grant, "define 20.2.0.0/28 " ETR1, 10), 0);
    assert_true(
        ruas_prepare_uab_remove(world->ruas, &uab, false, world->time, &world->change, NULL));
    ruas_commit(world->ruas, &world->change);
    assert_true(ruas_prepare_user_remove(world->ruas, "carl", world->time, &world->change, NULL));
    ruas_commit(world->ruas, &world->change);
    world_sleep(world, 10);
    assert_false(execute_due(world));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_executed_in_time_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_when_due, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort_when_due, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checked_when_handed_in, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revoked_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_uab, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets_of_each_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_removed_with_its_user, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
