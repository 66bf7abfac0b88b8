// SPDX-License-Identifier: BSD-2-Clause
// The REST interface through its seam: requests in, status and JSON out. The real HTTPS is tested
// in tests/net/test_ruas.py.
#include "rest_fixture.h"

// --- commands ------------------------------------------------------------------------------------

static void test_commands(void **state)
{
    struct client *client = *state;
    use_token(client, SCOPE_ALL, NULL);
    assert_int_equal(command(client,
                             "{\"commands\":[{\"do\":\"define\",\"micronet\":\"20.1.0.0/28\","
                             "\"etr\":\"198.18.3.1\"}]}"),
                     200);
    assert_string_equal(text_at(client, "mab"), "20.0.0.0/14");
    assert_string_equal(dump(client, "micronets"),
                        "[{\"micronet\":\"20.1.0.0/28\",\"etr\":\"198.18.3.1\"}]");
    assert_int_equal(command(client,
                             "{\"commands\":[{\"do\":\"map\",\"micronet\":\"20.1.0.0/28\","
                             "\"etr\":\"zero\"},{\"do\":\"split\",\"micronet\":\"20.1.0.0/28\","
                             "\"into\":[\"20.1.0.0/29\",\"20.1.0.8/29\"]},{\"do\":\"map\","
                             "\"micronet\":\"20.1.0.8/29\",\"etr\":\"2001:2::1\"}],"
                             "\"dry_run\":false,\"at\":null}"),
                     200);
    assert_int_equal(json_integer_value(json_object_get(client->reply.json, "sequence")), 2);
    assert_string_equal(dump(client, "micronets"),
                        "[{\"micronet\":\"20.1.0.0/29\",\"etr\":\"zero\"},"
                        "{\"micronet\":\"20.1.0.8/29\",\"etr\":\"2001:2::1\"}]");
    assert_int_equal(
        command(client, "{\"commands\":[{\"do\":\"map\",\"micronet\":\"20.1.0.8/29\","
                        "\"etr\":\"zero\"},{\"do\":\"join\",\"micronets\":[\"20.1.0.0/29\","
                        "\"20.1.0.8/29\"]},{\"do\":\"delete\",\"micronet\":\"20.1.0.0/28\"}]}"),
        200);
    assert_string_equal(dump(client, "micronets"), "[]");
}

static void test_dry_run(void **state)
{
    struct client *client = *state;
    static const char body[] = "{\"commands\":[{\"do\":\"define\",\"micronet\":\"20.1.0.0/28\","
                               "\"etr\":\"198.18.3.1\"}],\"dry_run\":true}";
    use_token(client, SCOPE_ALL, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(command(client, body), 200);
        assert_true(json_is_true(json_object_get(client->reply.json, "dry_run")));
        assert_string_equal(dump(client, "micronets"),
                            "[{\"micronet\":\"20.1.0.0/28\",\"etr\":\"198.18.3.1\"}]");
        assert_string_equal(world_micronets(client->place.world), "");
    }
    place_reopen(&client->place);
    assert_string_equal(world_micronets(client->place.world), "");
    assert_int_equal(ruas_sequence(client->place.world->ruas, 0), 0);
}

// What is wrong with what was written, and where.
static void test_bad_bodies(void **state)
{
    struct client *client = *state;
    static const struct {
        const char *body, *reason, *says;
    } cases[] = {
        {"", "bad-json", "line"},
        {"{", "bad-json", "line 1"},
        {"{\n \"commands\": [}", "bad-json", "line 2"},
        {"[]", "wrong-type", "must be a JSON object"},
        {"{}{}", "bad-json", "end of file expected"},
        {"{\"commands\":[],\"commands\":[]}", "bad-json", "duplicate"},
        {"{\"commands\":[{\"do\":\"map\"}]}\xff", "bad-json", "byte 0xff"},
        {"{}", "missing-member", "\"commands\""},
        {"{\"command\":[]}", "unknown-member", "\"command\""},
        {"{\"commands\":{}}", "wrong-type", "array"},
        {"{\"commands\":[]}", "empty-set", "no command"},
        {"{\"commands\":[1]}", "wrong-type", "command 1"},
        {"{\"commands\":[{}]}", "missing-member", "\"do\""},
        {"{\"commands\":[{\"do\":1}]}", "wrong-type", "\"do\""},
        {"{\"commands\":[{\"do\":\"move\"}]}", "bad-command", "move"},
        {"{\"commands\":[{\"do\":\"map\"}]}", "missing-member", "\"micronet\""},
        {"{\"commands\":[{\"do\":\"map\",\"micronet\":5}]}", "wrong-type", "\"micronet\""},
        {"{\"commands\":[{\"do\":\"map\",\"micronet\":\"20.1.0.1/28\"}]}", "", "20.1.0.0/28"},
        {"{\"commands\":[{\"do\":\"map\",\"micronet\":\"20.1.0.0/28\"}]}", "missing-member",
         "\"etr\""},
        {"{\"commands\":[{\"do\":\"map\",\"micronet\":\"20.1.0.0/28\",\"etr\":\"nil\"}]}", "",
         "\"etr\""},
        {"{\"commands\":[{\"do\":\"delete\",\"micronet\":\"20.1.0.0/28\",\"etr\":\"zero\"}]}",
         "unknown-member", "\"etr\""},
        {"{\"commands\":[{\"do\":\"split\",\"micronet\":\"20.1.0.0/28\"}]}", "missing-member",
         "\"into\""},
        {"{\"commands\":[{\"do\":\"split\",\"micronet\":\"20.1.0.0/28\",\"into\":[7]}]}",
         "wrong-type", "item 1"},
        {"{\"commands\":[{\"do\":\"split\",\"micronet\":\"20.1.0.0/28\",\"into\":[]}]}",
         "too-few-parts", "at least two"},
        {"{\"commands\":[{\"do\":\"join\",\"micronets\":[\"20.1.0.0/29\",\"x\"]}]}", "", "item 2"},
        {"{\"commands\":[],\"dry_run\":1}", "wrong-type", "\"dry_run\""},
        {"{\"commands\":[],\"at\":7}", "wrong-type", "\"at\""},
        {"{\"commands\":[],\"at\":\"tomorrow\"}", "bad-time", "2026-01-31T12:00:00Z"},
        {"{\"commands\":[],\"at\":\"2030-02-30T12:00:00Z\"}", "bad-time", "2030-02-30"},
        {"{\"commands\":[],\"dry_run\":true,\"at\":\"2030-01-01T00:00:00Z\"}", "bad-request",
         "cannot go with"},
    };
    use_token(client, SCOPE_ALL, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (command(client, cases[i].body) != 400)
            fail_msg("%s: %u", cases[i].body, client->reply.status);
        const json_t *error = json_object_get(client->reply.json, "error");
        const char *text = json_string_value(json_object_get(error, "text"));
        const char *reason = json_string_value(json_object_get(error, "reason"));
        if (strstr(text, cases[i].says) == NULL ||
            (cases[i].reason[0] != '\0' && strcmp(reason, cases[i].reason) != 0))
            fail_msg("%s: %s: %s", cases[i].body, reason, text);
    }
    assert_int_equal(ruas_sequence(client->place.world->ruas, 0), 0);
}

// Nesting deeper than any stack, and every body cut short.
static void test_hostile_bodies(void **state)
{
    struct client *client = *state;
    static char deep[400000];
    static const char good[] = "{\"commands\":[{\"do\":\"define\",\"micronet\":\"20.1.0.0/28\","
                               "\"etr\":\"198.18.3.1\"}]}";
    use_token(client, SCOPE_ALL, NULL);
    memset(deep, '[', sizeof(deep) - 1);
    assert_int_equal(command(client, deep), 400);
    // That was the work of more commands than a minute's.
    assert_int_equal(command(client, good), 429);
    expect_error(client, "too-many-commands", "try again in");
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 429);
    world_sleep(client->place.world, 60);
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        struct rest_request request = make_request(client, "POST", "/v1/commands", good);
        request.body_length = i;
        assert_int_equal(ask_request(client, &request), 400);
    }
    assert_string_equal(world_micronets(client->place.world), "");
}

static void test_statuses(void **state)
{
    struct client *client = *state;
    static const struct {
        const char *command, *reason;
        unsigned status;
    } cases[] = {
        {"{\"do\":\"map\",\"micronet\":\"20.1.1.0/28\",\"etr\":\"zero\"}", "not-your-uab", 403},
        {"{\"do\":\"map\",\"micronet\":\"30.1.1.0/28\",\"etr\":\"zero\"}", "not-your-mab", 404},
        {"{\"do\":\"map\",\"micronet\":\"20.1.0.0/28\",\"etr\":\"zero\"}", "not-a-micronet", 409},
        {"{\"do\":\"define\",\"micronet\":\"20.1.0.0/28\",\"etr\":\"20.1.0.1\"}", "etr-inside-mab",
         409},
        {"{\"do\":\"define\",\"micronet\":\"20.1.0.0/28\",\"etr\":\"198.51.100.1\"}", "etr-refused",
         409},
        {"{\"do\":\"define\",\"micronet\":\"20.1.0.32/27\",\"etr\":\"198.18.3.1\"}",
         "overlaps-mapped", 409},
        {"{\"do\":\"split\",\"micronet\":\"20.1.0.48/28\",\"into\":[\"20.1.0.48/29\","
         "\"20.1.0.56/29\"]}",
         "not-zero", 409},
    };
    char body[512];
    use_token(client, SCOPE_ALL, NULL);
    place_must(&client->place, "anna", "define 20.1.0.48/28 " ETR1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(body, sizeof(body), "{\"commands\":[%s]}", cases[i].command);
        assert_int_equal(command(client, body), cases[i].status);
        expect_error(client, cases[i].reason, "");
        assert_int_equal(failed_command(client), 0);
        // As the second of a set, the first is taken back, and the error says which it was.
        (void)snprintf(body, sizeof(body),
                       "{\"commands\":[{\"do\":\"define\",\"micronet\":\"20.1.0.128/28\","
                       "\"etr\":\"zero\"},%s]}",
                       cases[i].command);
        assert_int_equal(command(client, body), cases[i].status);
        expect_error(client, cases[i].reason, "command 2");
        assert_int_equal(failed_command(client), 1);
    }
    assert_string_equal(world_micronets(client->place.world), "20.1.0.48/28>" ETR1);
}

// --- looking -------------------------------------------------------------------------------------

static unsigned list(struct client *client, const char *range, const char *after, const char *limit)
{
    struct rest_request request = make_request(client, "GET", "/v1/micronets", "");
    request.range = range;
    request.after = after;
    request.limit = limit;
    return ask_request(client, &request);
}

// Page after page gives each micronet once, in order, whatever the size of the pages.
static void test_pages(void **state)
{
    struct client *client = *state;
    static const char *const sizes[] = {"1", "2", "3", "7", "100"};
    use_token(client, SCOPE_ALL, NULL);
    place_must(&client->place, "anna",
               "define 20.1.0.0 zero; define 20.1.0.7 zero; define 20.1.0.8/30 zero;"
               "define 20.1.0.255 " ETR1);
    place_must(&client->place, "ben", "define 20.1.1.0/28 zero");
    place_must(&client->place, "anna",
               "define 2001:db8:0:40::/64 zero; define 2001:db8:0:4f::/64 zero");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char after[RANGE_TEXT_MAX] = "";
        char seen[1024] = "";
        for (bool more = true; more;) {
            assert_int_equal(list(client, NULL, after[0] == '\0' ? NULL : after, sizes[i]), 200);
            const json_t *micronets = json_object_get(client->reply.json, "micronets");
            assert_true(json_array_size(micronets) > 0);
            for (size_t j = 0; j < json_array_size(micronets); j++) {
                const json_t *one = json_object_get(json_array_get(micronets, j), "micronet");
                (void)strcat(strcat(seen, json_string_value(one)), " ");
            }
            more = text_at(client, "next") != NULL;
            (void)snprintf(after, sizeof(after), "%s", more ? text_at(client, "next") : "");
        }
        assert_string_equal(seen, "20.1.0.0 20.1.0.7 20.1.0.8/30 20.1.0.255 "
                                  "2001:db8:0:40::/64 2001:db8:0:4f::/64 ");
    }
}

static void test_windows(void **state)
{
    struct client *client = *state;
    use_token(client, SCOPE_ALL, NULL);
    place_must(&client->place, "anna",
               "define 20.1.0.0/28 zero; define 20.1.0.16/28 zero; define 20.1.0.32/28 zero");
    assert_int_equal(list(client, "20.1.0.20", NULL, NULL), 200);
    assert_string_equal(dump(client, "micronets"),
                        "[{\"micronet\":\"20.1.0.16/28\",\"etr\":\"zero\"}]");
    assert_int_equal(list(client, "20.1.0.15-20.1.0.16", NULL, NULL), 200);
    assert_int_equal(json_array_size(json_object_get(client->reply.json, "micronets")), 2);
    assert_int_equal(list(client, BEN_UAB, NULL, NULL), 200);
    assert_string_equal(dump(client, "micronets"), "[]");
    assert_int_equal(list(client, "20.1.0.0/33", NULL, NULL), 400);
    assert_int_equal(list(client, NULL, "x", NULL), 400);
    assert_int_equal(list(client, NULL, NULL, "0"), 400);
    assert_int_equal(list(client, NULL, NULL, "1001"), 400);
    assert_int_equal(list(client, NULL, NULL, "-1"), 400);
    use_token(client, SCOPE_READ, "20.1.0.32/28");
    assert_int_equal(list(client, NULL, NULL, NULL), 200);
    assert_string_equal(dump(client, "micronets"),
                        "[{\"micronet\":\"20.1.0.32/28\",\"etr\":\"zero\"}]");
    assert_int_equal(list(client, "20.1.0.0/28", NULL, NULL), 200);
    assert_string_equal(dump(client, "micronets"), "[]");
}

static void test_unknown_resources(void **state)
{
    struct client *client = *state;
    use_token(client, SCOPE_ALL, NULL);
    assert_int_equal(ask(client, "GET", "/", ""), 404);
    assert_int_equal(ask(client, "GET", "/v1/commands", ""), 404);
    expect_error(client, "bad-method", "GET");
    assert_int_equal(ask(client, "GET", "/v1/meadow", ""), 404);
    expect_error(client, "no-such-resource", "");
    assert_int_equal(ask(client, "PUT", "/v1/me", ""), 404);
}

// --- tokens --------------------------------------------------------------------------------------

// --- scheduled sets ------------------------------------------------------------------------------

static void test_scheduled(void **state)
{
    struct client *client = *state;
    char at[TIME_TEXT_MAX];
    char body[256];
    struct wall_time then = {client->place.world->time.ms + 60000};
    (void)snprintf(body, sizeof(body),
                   "{\"commands\":[{\"do\":\"define\",\"micronet\":\"20.1.0.0/28\",\"etr\":"
                   "\"198.18.3.1\"}],\"at\":\"%s\"}",
                   time_print(then, at));
    use_token(client, SCOPE_ALL, NULL);
    assert_int_equal(command(client, body), 202);
    assert_int_equal(json_integer_value(json_object_get(client->reply.json, "scheduled")), 1);
    assert_int_equal(command(client, body), 202);
    assert_int_equal(ask(client, "GET", "/v1/scheduled", ""), 200);
    assert_int_equal(json_array_size(json_object_get(client->reply.json, "scheduled")), 2);
    assert_int_equal(ask(client, "DELETE", "/v1/scheduled/2", ""), 200);
    assert_int_equal(ask(client, "DELETE", "/v1/scheduled/2", ""), 409);
    assert_int_equal(ask(client, "DELETE", "/v1/scheduled/9", ""), 404);
    assert_int_equal(ask(client, "DELETE", "/v1/scheduled/x", ""), 404);
    use_password(client, "ben:ben");
    assert_int_equal(ask(client, "DELETE", "/v1/scheduled/1", ""), 404);
    assert_int_equal(ask(client, "GET", "/v1/scheduled", ""), 200);
    assert_string_equal(dump(client, "scheduled"), "[]");
    world_sleep(client->place.world, 60);
    assert_true(master_execute_due(&client->place.master, client->place.world->time));
    assert_string_equal(world_micronets(client->place.world), "20.1.0.0/28>" ETR1);
    use_password(client, "anna:anna");
    assert_int_equal(command(client, body), 400); // that time has passed
    expect_error(client, "at-in-the-past", "");
}

// --- the audit trail -----------------------------------------------------------------------------

static void test_audit(void **state)
{
    struct client *client = *state;
    use_token(client, SCOPE_ALL, NULL);
    assert_int_equal(command(client,
                             "{\"commands\":[{\"do\":\"define\",\"micronet\":\"20.1.0.0/28\","
                             "\"etr\":\"198.18.3.1\"}]}"),
                     200);
    assert_int_equal(command(client, "{\"commands\":[{\"do\":\"map\",\"micronet\":\"20.1.0.0/28\","
                                     "\"etr\":\"10.0.0.1\"}]}"),
                     409);
    use_password(client, "anna:wrong");
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 401);
    assert_true(store_flush(client->place.master.store, client->place.world->ruas, NULL));
    use_password(client, "anna:anna");
    assert_int_equal(ask(client, "GET", "/v1/audit", ""), 200);
    const char *lines = dump(client, "audit");
    assert_non_null(strstr(lines, "\"from\":\"192.0.2.50\",\"action\":\"login\""));
    assert_non_null(strstr(lines, "\"etr\":\"10.0.0.1\""));
    assert_non_null(strstr(lines, "\"reason\":\"etr-not-global\""));
    assert_non_null(strstr(lines, "\"accepted\":true"));
    assert_null(strstr(lines, "wrong\"")); // no password, right or wrong
    use_password(client, "ben:ben");
    assert_int_equal(ask(client, "GET", "/v1/audit", ""), 200);
    assert_null(strstr(dump(client, "audit"), "10.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dry_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_resources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scheduled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_audit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
