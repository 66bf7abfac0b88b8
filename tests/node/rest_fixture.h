// SPDX-License-Identifier: BSD-2-Clause
// A RUAS and a client that sends it requests, without a server between them.
#ifndef IVIP_TESTS_NODE_REST_FIXTURE_H
#define IVIP_TESTS_NODE_REST_FIXTURE_H
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

static inline int setup(void **state)
{
    struct client *client = memory_new(sizeof(*client));
    assert_true(sodium_init() >= 0);
    place_make(&client->place);
    client->from = world_address("192.0.2.50");
    *state = client;
    return 0;
}

static inline int teardown(void **state)
{
    struct client *client = *state;
    json_decref(client->reply.json);
    place_remove(&client->place);
    memory_free(client);
    return 0;
}

// A token of anna's.
static inline void use_token(struct client *client, enum token_scope scope, const char *only)
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

static inline void use_password(struct client *client, const char *credentials)
{
    (void)snprintf(client->authorization, sizeof(client->authorization), "Basic ");
    (void)sodium_bin2base64(client->authorization + 6, sizeof(client->authorization) - 6,
                            (const unsigned char *)credentials, strlen(credentials),
                            sodium_base64_VARIANT_ORIGINAL);
}

static inline struct rest_request make_request(const struct client *client, const char *method,
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
static inline unsigned ask_request(struct client *client, const struct rest_request *request)
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

static inline unsigned ask(struct client *client, const char *method, const char *path,
                           const char *body)
{
    struct rest_request request = make_request(client, method, path, body);
    return ask_request(client, &request);
}

static inline unsigned command(struct client *client, const char *body)
{
    return ask(client, "POST", "/v1/commands", body);
}

static inline const char *text_at(const struct client *client, const char *name)
{
    return json_string_value(json_object_get(client->reply.json, name));
}

static inline void expect_error(const struct client *client, const char *reason, const char *says)
{
    const json_t *error = json_object_get(client->reply.json, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    assert_non_null(error);
    assert_string_equal(json_string_value(json_object_get(error, "reason")), reason);
    if (text == NULL || strstr(text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text == NULL ? "" : text, says);
}

static inline int failed_command(const struct client *client)
{
    const json_t *number = json_object_get(json_object_get(client->reply.json, "error"), "command");
    return number == NULL ? -1 : (int)json_integer_value(number);
}

// The member as compact JSON.
static inline const char *dump(const struct client *client, const char *name)
{
    static char text[8192];
    char *dumped = json_dumps(json_object_get(client->reply.json, name), JSON_COMPACT);
    (void)snprintf(text, sizeof(text), "%s", dumped);
    memory_free(dumped);
    return text;
}

// --- who asks ------------------------------------------------------------------------------------

#endif
