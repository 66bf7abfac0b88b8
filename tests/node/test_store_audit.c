// SPDX-License-Identifier: BSD-2-Clause
// The audit trail that the store keeps.
#include "place.h"

#include "base/memory.h"
#include "node/authority/store_state.h"

#include <string.h>

static const char *member(const json_t *lines, size_t i, const char *name)
{
    return json_string_value(json_object_get(json_array_get(lines, i), name));
}

static void test_audit(void **state)
{
    struct place *place = *state;
    struct error error;
    struct audit audit = {.time = place->world->time,
                          .who = "ben",
                          .with = "token x",
                          .from = world_address("2001:db9::1"),
                          .action = "commands",
                          .what = "{\"commands\":[]}"};
    (void)error_set(&error, ERROR_INPUT, "empty-set", "there is no command");
    place_must(place, "anna", "define 20.1.0.0/28 " ETR1);
    master_refuse(&place->master, &audit, &error);
    assert_true(store_flush(place->master.store, place->world->ruas, NULL));
    place_reopen(place);
    json_t *lines = store_read_audit(place->master.store, NULL, 2, &error);
    assert_int_equal(json_array_size(lines), 2);
    assert_string_equal(member(lines, 0, "who"), "ben");
    assert_string_equal(member(lines, 0, "with"), "token x");
    assert_string_equal(member(lines, 0, "from"), "2001:db9::1");
    assert_string_equal(member(lines, 0, "reason"), "empty-set");
    assert_string_equal(member(lines, 0, "text"), "there is no command");
    assert_false(json_is_true(json_object_get(json_array_get(lines, 0), "accepted")));
    assert_true(json_is_true(json_object_get(json_array_get(lines, 1), "accepted")));
    json_decref(lines);
    lines = store_read_audit(place->master.store, "ben", 100, &error);
    assert_int_equal(json_array_size(lines), 1);
    json_decref(lines);
}

// What one user asks for does not cost what all others left.
static void test_audit_of_one_user(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    for (int i = 0; i < 50; i++)
        place_must(place, "anna", i % 2 == 0 ? "define 20.1.0.0/28 zero" : "delete 20.1.0.0/28");
    json_t *lines = store_read_audit(place->master.store, "ben", 100, &error);
    assert_int_equal(json_array_size(lines), 0);
    json_decref(lines);
    for (enum statement i = 0; i < STATEMENTS; i++)
        if (strstr(sqlite3_sql(place->master.store->statements[i]), "audit") != NULL)
            assert_int_equal(sqlite3_stmt_status(place->master.store->statements[i],
                                                 SQLITE_STMTSTATUS_FULLSCAN_STEP, 0),
                             0);
}

// An error may quote what somebody sent, and cut it in the midst of a character.
static void test_audit_of_cut_texts(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    struct audit audit = {.who = "ben", .with = "x", .action = "tokens/\xc3", .what = "null"};
    (void)error_set(&error, ERROR_INPUT, "bad-scope", "\"%.2s\" is no scope", "a\xc3\xa9");
    master_refuse(&place->master, &audit, &error);
    assert_true(store_flush(place->master.store, place->world->ruas, NULL));
    json_t *lines = store_read_audit(place->master.store, "ben", 1, &error);
    assert_string_equal(member(lines, 0, "action"), "tokens/?");
    assert_string_equal(member(lines, 0, "text"), "\"a?\" is no scope");
    json_decref(lines);
}

// However long the lines are, an answer costs the loop no more than so much.
static void test_audit_of_long_lines(void **state)
{
    struct place *place = *state;
    struct error error = {0};
    char *what = memory_new(AUDIT_READ_MAX / 4 + 3);
    memset(what, 'x', AUDIT_READ_MAX / 4 + 2);
    what[0] = what[AUDIT_READ_MAX / 4 + 1] = '"';
    struct audit audit = {.who = "ben", .with = "x", .action = "x", .what = what};
    (void)error_set(&error, ERROR_INPUT, "empty-set", "there is no command");
    for (int i = 0; i < 10; i++)
        master_refuse(&place->master, &audit, &error);
    assert_true(store_flush(place->master.store, place->world->ruas, NULL));
    for (int i = 0; i < 2; i++) {
        json_t *lines = store_read_audit(place->master.store, "ben", 100, &error);
        assert_int_equal(json_array_size(lines), 4);
        json_decref(lines);
    }
    memory_free(what);
    assert_true(store_flush(place->master.store, place->world->ruas, NULL));
    place_must(place, "anna", "define 20.1.0.0/28 zero"); // no statement is left half read
}

static void test_flood_of_refusals(void **state)
{
    struct place *place = *state;
    struct audit audit = {.who = "ben", .with = "x", .action = "x", .what = "null"};
    struct error error;
    (void)error_set(&error, ERROR_INPUT, "empty-set", "there is no command");
    for (int i = 0; i < AUDIT_NOTED_MAX + 10; i++)
        master_refuse(&place->master, &audit, &error);
    assert_int_equal(store_counters(place->master.store)->notes_dropped, 10);
    assert_true(store_flush(place->master.store, place->world->ruas, NULL));
    master_refuse(&place->master, &audit, &error);
    assert_int_equal(store_counters(place->master.store)->notes_dropped, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_audit, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_audit_of_one_user, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_audit_of_cut_texts, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_audit_of_long_lines, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_flood_of_refusals, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
