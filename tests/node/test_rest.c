// SPDX-License-Identifier: BSD-2-Clause
// The REST interface through its seam: requests in, status and JSON out. The real HTTPS is tested
// in tests/net/test_ruas.py.
#include "place.h"

#include "base/memory.h"
#include "node/authority/rest.h"
#include "node/authority/rest_time.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct client {
    struct place place;
    char authorization[256];
    struct rest_reply reply; // the last
    struct address from;
};

static int setup(void **state)
{
    struct client *client = memory_new(sizeof(*client));
    assert_true(sodium_init() >= 0);
    place_make(&client->place);
    client->from = world_address("192.0.2.50");
    *state = client;
    return 0;
}

static int teardown(void **state)
{
    struct client *client = *state;
    json_decref(client->reply.json);
    place_remove(&client->place);
    memory_free(client);
    return 0;
}

// A token of anna's.
static void use_token(struct client *client, enum token_scope scope, const char *only)
{
    struct world *world = client->place.world;
    char secret[TOKEN_TEXT_MAX];
    struct token_request request = {.user = "anna", .scope = scope, .time = world->time};
    request.limited = only != NULL;
    if (only != NULL)
        request.only = world_range(only);
    assert_true(
        ruas_prepare_token_add(world->ruas, &request, secret, &world->change, &world->error));
    assert_true(place_commit(&client->place));
    (void)snprintf(client->authorization, sizeof(client->authorization), "Bearer %s", secret);
}

static void use_password(struct client *client, const char *credentials)
{
    (void)snprintf(client->authorization, sizeof(client->authorization), "Basic ");
    (void)sodium_bin2base64(client->authorization + 6, sizeof(client->authorization) - 6,
                            (const unsigned char *)credentials, strlen(credentials),
                            sodium_base64_VARIANT_ORIGINAL);
}

static struct rest_request make_request(const struct client *client, const char *method,
                                        const char *path, const char *body)
{
    return (struct rest_request){
        .method = method,
        .path = path,
        .authorization = client->authorization[0] == '\0' ? NULL : client->authorization,
        .body = body,
        .body_length = strlen(body),
        .from = client->from,
        .now = client->place.world->now,
        .time = client->place.world->time};
}

// In the tests a password is right when the hash is "hash of PASSWORD"; the real argon2id is
// verified by role_ruas.
static unsigned ask_request(struct client *client, const struct rest_request *request)
{
    struct login login;
    char password[PASSWORD_MAX + 1];
    char hash[PASSWORD_MAX + 16];
    json_decref(client->reply.json);
    if (rest_begin(&client->place.master, request, &login, password, &client->reply) ==
        REST_VERIFY) {
        (void)snprintf(hash, sizeof(hash), "hash of %s", password);
        bool matches = strcmp(hash, login.password_hash) == 0;
        rest_finish(&client->place.master, request, &login, matches, &client->reply);
    }
    // The end of the turn: nobody is told of a set before it is settled.
    if (client->reply.held)
        assert_int_equal(client->place.master.held_count, 1);
    master_settle(&client->place.master);
    assert_int_equal(json_integer_value(json_object_get(client->reply.json, "v")), 1);
    return client->reply.status;
}

static unsigned ask(struct client *client, const char *method, const char *path, const char *body)
{
    struct rest_request request = make_request(client, method, path, body);
    return ask_request(client, &request);
}

static unsigned command(struct client *client, const char *body)
{
    return ask(client, "POST", "/v1/commands", body);
}

static const char *text_at(const struct client *client, const char *name)
{
    return json_string_value(json_object_get(client->reply.json, name));
}

static void expect_error(const struct client *client, const char *reason, const char *says)
{
    const json_t *error = json_object_get(client->reply.json, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    assert_non_null(error);
    assert_string_equal(json_string_value(json_object_get(error, "reason")), reason);
    if (strstr(text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, says);
}

static int failed_command(const struct client *client)
{
    const json_t *number = json_object_get(json_object_get(client->reply.json, "error"), "command");
    return number == NULL ? -1 : (int)json_integer_value(number);
}

// The member as compact JSON.
static const char *dump(const struct client *client, const char *name)
{
    static char text[8192];
    char *dumped = json_dumps(json_object_get(client->reply.json, name), JSON_COMPACT);
    (void)snprintf(text, sizeof(text), "%s", dumped);
    memory_free(dumped);
    return text;
}

// --- who asks ------------------------------------------------------------------------------------

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
}

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
        cmocka_unit_test_setup_teardown(test_no_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_password_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rate_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_me, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dry_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scopes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_resources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_ends_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scheduled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_audit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
