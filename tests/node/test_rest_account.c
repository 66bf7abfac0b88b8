// SPDX-License-Identifier: BSD-2-Clause
// Who asks, and what they may: passwords, tokens, scopes.
#include "rest_fixture.h"

static void test_no_credentials(void **state)
{
    struct client *client = *state;
    static const char *const wrong[] = {
        "",
        "Digest x",
        "Bearer",
        "Bearer ",
        "Bearer ivip_x",
        "Basic",
        "Basic !!!",
        "Basic YQ==",
        "Basic YW5uYQ==",         // "anna", no colon
        "Basic QW5uYTphbm5h",     // "Anna:anna": no such name can be
        "Basic YW4AbmE6YW5uYQ==", // a NUL in the name
        "Bearer ivip_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        (void)snprintf(client->authorization, sizeof(client->authorization), "%s", wrong[i]);
        assert_int_equal(ask(client, "GET", "/v1/me", ""), 401);
        assert_true(client->reply.ask_credentials);
    }
}

static void test_password_too_long(void **state)
{
    struct client *client = *state;
    char credentials[150];
    memset(credentials, 'x', sizeof(credentials));
    memcpy(credentials, "anna:", 5);
    credentials[sizeof(credentials) - 1] = '\0';
    use_password(client, credentials);
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 401);
}

// The answers to a wrong password and to an unknown user are the same, to the octet.
static void test_same_answer(void **state)
{
    struct client *client = *state;
    use_password(client, "anna:wrong");
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 401);
    char first[1024];
    (void)snprintf(first, sizeof(first), "%s", dump(client, "error"));
    use_password(client, "zoe:wrong");
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 401);
    assert_string_equal(first, dump(client, "error"));
}

static void test_rate_limit(void **state)
{
    struct client *client = *state;
    use_password(client, "anna:wrong");
    for (int i = 0; i < LOGIN_SOURCE_FAILURES; i++)
        assert_int_equal(ask(client, "GET", "/v1/me", ""), 401);
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 429);
    expect_error(client, "too-many-logins", "try again in");
    assert_true(client->reply.try_later);
    use_password(client, "anna:anna"); // now even the right one must wait
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 429);
    world_sleep(client->place.world, LOGIN_SOURCE_REFILL_S);
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 200);
}

static void test_me(void **state)
{
    struct client *client = *state;
    use_password(client, "anna:anna");
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 200);
    assert_string_equal(text_at(client, "user"), "anna");
    assert_string_equal(text_at(client, "scope"), "all");
    assert_int_equal(json_array_size(json_object_get(client->reply.json, "uabs")), 2);
    use_token(client, SCOPE_MAP, "20.1.0.0/28");
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 200);
    assert_string_equal(text_at(client, "scope"), "map");
    assert_string_equal(text_at(client, "micronet"), "20.1.0.0/28");
    assert_int_equal(json_array_size(json_object_get(client->reply.json, "uabs")), 1);
}

// Answers stay inside the range of a token.
static void test_sets_outside_the_token(void **state)
{
    struct client *client = *state;
    char at[TIME_TEXT_MAX];
    char body[256];
    struct wall_time then = {client->place.world->time.ms + 60000};
    use_token(client, SCOPE_ALL, NULL);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(body, sizeof(body),
                       "{\"commands\":[{\"do\":\"define\",\"micronet\":\"20.1.0.%d/28\",\"etr\":"
                       "\"198.18.3.1\"}],\"at\":\"%s\"}",
                       16 * i, time_print(then, at));
        assert_int_equal(command(client, body), 202);
    }
    use_token(client, SCOPE_READ, "20.1.0.16/28");
    assert_int_equal(ask(client, "GET", "/v1/scheduled", ""), 200);
    const json_t *sets = json_object_get(client->reply.json, "scheduled");
    assert_int_equal(json_array_size(sets), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(sets, 0), "scheduled")), 2);
}

static void test_scopes(void **state)
{
    struct client *client = *state;
    static const char map[] =
        "{\"commands\":[{\"do\":\"map\",\"micronet\":\"20.1.0.0/28\",\"etr\":\"198.18.4.1\"}]}";
    static const char delete[] =
        "{\"commands\":[{\"do\":\"delete\",\"micronet\":\"20.1.0.16/28\"}]}";
    place_must(&client->place, "anna", "define 20.1.0.0/28 zero; define 20.1.0.16/28 zero");
    use_token(client, SCOPE_READ, NULL);
    assert_int_equal(command(client, map), 403);
    expect_error(client, "scope", "read");
    use_token(client, SCOPE_MAP, "20.1.0.16/28");
    assert_int_equal(command(client, map), 403);
    expect_error(client, "outside-token", "20.1.0.16/28");
    assert_int_equal(command(client, delete), 403);
    use_token(client, SCOPE_MAP, "20.1.0.0/28");
    assert_int_equal(command(client, map), 200);
    use_token(client, SCOPE_ALL, "20.1.0.16/28");
    assert_int_equal(command(client, delete), 200);
    // Tokens make no tokens, and see no audit trail beyond their range.
    assert_int_equal(ask(client, "POST", "/v1/tokens", "{}"), 403);
    expect_error(client, "needs-password", "password");
    assert_int_equal(ask(client, "GET", "/v1/audit", ""), 403);
}

static void test_tokens(void **state)
{
    struct client *client = *state;
    char id[TOKEN_ID_MAX];
    char path[64];
    use_password(client, "anna:anna");
    assert_int_equal(ask(client, "POST", "/v1/tokens",
                         "{\"scope\":\"map\",\"micronet\":"
                         "\"20.1.0.0/28\",\"expires\":"
                         "\"2099-01-01T00:00:00Z\"}"),
                     201);
    (void)snprintf(client->authorization, sizeof(client->authorization), "Bearer %s",
                   text_at(client, "token"));
    (void)snprintf(id, sizeof(id), "%s", text_at(client, "id"));
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 200);
    assert_string_equal(text_at(client, "expires"), "2099-01-01T00:00:00Z");
    use_password(client, "anna:anna");
    assert_int_equal(ask(client, "GET", "/v1/tokens", ""), 200);
    assert_non_null(strstr(dump(client, "tokens"), id));
    assert_null(strstr(dump(client, "tokens"), "ivip_"));
    static const char *const wrong[] = {"{\"scope\":\"root\"}",
                                        "{\"scope\":1}",
                                        "{\"micronet\":\"x\"}",
                                        "{\"expires\":\"x\"}",
                                        "{\"expires\":\"2001-01-01T00:00:00Z\"}",
                                        "{\"user\":\"ben\"}",
                                        ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(ask(client, "POST", "/v1/tokens", wrong[i]), 400);
    assert_int_equal(ask(client, "POST", "/v1/tokens", "{\"micronet\":\"20.1.1.0/28\"}"), 403);
    (void)snprintf(path, sizeof(path), "/v1/tokens/%s", id);
    use_password(client, "ben:ben");
    assert_int_equal(ask(client, "DELETE", path, ""), 404);
    use_password(client, "anna:anna");
    assert_int_equal(ask(client, "DELETE", path, ""), 200);
    assert_int_equal(ask(client, "DELETE", path, ""), 404);
}

// Looking is counted as changing is.
static void test_requests_a_minute(void **state)
{
    struct client *client = *state;
    use_token(client, SCOPE_READ, NULL);
    for (int i = 0; i < COMMANDS_MINUTE_MAX; i++)
        assert_int_equal(ask(client, "GET", "/v1/me", ""), 200);
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 429);
    assert_true(client->reply.try_later);
    use_password(client, "ben:ben");
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 200);
    use_token(client, SCOPE_READ, NULL);
    world_sleep(client->place.world, 1);
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 200);
}

static void test_token_ends_itself(void **state)
{
    struct client *client = *state;
    char path[64];
    char id[TOKEN_ID_MAX];
    use_token(client, SCOPE_READ, NULL);
    (void)snprintf(path, sizeof(path), "/v1/tokens/%s",
                   token_print_id(&client->place.world->change.token.digest, id));
    assert_int_equal(ask(client, "DELETE", "/v1/tokens/0123456789abcdef", ""), 403);
    assert_int_equal(ask(client, "DELETE", path, ""), 200);
    assert_int_equal(ask(client, "GET", "/v1/me", ""), 401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_password_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rate_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_me, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets_outside_the_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scopes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests_a_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_ends_itself, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
