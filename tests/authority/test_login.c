// SPDX-License-Identifier: BSD-2-Clause
// Logging in: the same for unknown users and wrong passwords, and not too often.
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

static bool begin(struct world *world, const char *user, const char *from, struct login *login)
{
    struct address address = world_address(from);
    return ruas_login_begin(world->ruas, world->now, user, &address, login, &world->error);
}

static void test_right_password(void **state)
{
    struct world *world = *state;
    struct login login;
    struct grant grant;
    assert_true(begin(world, "anna", "192.0.2.1", &login));
    assert_string_equal(login.password_hash, "hash of anna");
    assert_true(ruas_login_end(world->ruas, &login, true, &grant, &world->error));
    assert_string_equal(grant.user, "anna");
    assert_int_equal(grant.scope, SCOPE_ALL);
    assert_false(grant.limited);
}

// Neither the work to do nor the answer tells whether the name exists.
static void test_same_answer(void **state)
{
    struct world *world = *state;
    struct login known;
    struct login unknown;
    struct grant grant;
    struct error first = {0};
    struct error second = {0};
    assert_true(begin(world, "anna", "192.0.2.1", &known));
    assert_false(ruas_login_end(world->ruas, &known, false, &grant, &first));
    assert_true(begin(world, "zoe", "192.0.2.1", &unknown));
    assert_string_equal(unknown.password_hash, "decoy");
    assert_false(ruas_login_end(world->ruas, &unknown, false, &grant, &second));
    assert_memory_equal(&first, &second, sizeof(first));
    // Even whoever should know the decoy's password is nobody.
    assert_true(begin(world, "zoe", "192.0.2.1", &unknown));
    assert_false(ruas_login_end(world->ruas, &unknown, true, &grant, &second));
}

static void test_source_limit(void **state)
{
    struct world *world = *state;
    struct login login;
    struct grant grant;
    char user[16];
    for (int i = 0; i < LOGIN_SOURCE_FAILURES; i++) {
        (void)snprintf(user, sizeof(user), "user%d", i);
        assert_true(begin(world, user, "192.0.2.1", &login));
    }
    // All at once count as much as one after the other: none of these has ended.
    assert_false(begin(world, "anna", "192.0.2.1", &login));
    assert_string_equal(world->error.reason, "too-many-logins");
    assert_true(begin(world, "anna", "192.0.2.2", &login));
    world_sleep(world, LOGIN_SOURCE_REFILL_S);
    assert_true(begin(world, "anna", "192.0.2.1", &login));
    assert_true(ruas_login_end(world->ruas, &login, true, &grant, NULL));
    // The right password gave its attempt back.
    assert_true(begin(world, "anna", "192.0.2.1", &login));
    assert_false(ruas_login_end(world->ruas, &login, false, &grant, NULL));
    assert_false(begin(world, "anna", "192.0.2.1", &login));
}

static void test_ipv6_source_is_its_64(void **state)
{
    struct world *world = *state;
    struct login login;
    char from[ADDRESS_TEXT_MAX];
    for (int i = 0; i < LOGIN_SOURCE_FAILURES; i++) {
        (void)snprintf(from, sizeof(from), "2001:db9::%d", i + 1);
        assert_true(begin(world, "zoe", from, &login));
    }
    assert_false(begin(world, "anna", "2001:db9::ffff", &login));
    assert_true(begin(world, "anna", "2001:db9:0:1::1", &login));
}

static void test_user_limit(void **state)
{
    struct world *world = *state;
    struct login login;
    char from[ADDRESS_TEXT_MAX];
    for (int i = 0; i < LOGIN_USER_FAILURES; i++) {
        (void)snprintf(from, sizeof(from), "192.0.2.%d", i);
        assert_true(begin(world, "anna", from, &login));
    }
    // Whoever cannot try, because of what others did to the name, has not failed.
    for (int i = 0; i <= LOGIN_SOURCE_FAILURES; i++)
        assert_false(begin(world, "anna", "192.0.2.99", &login));
    assert_true(begin(world, "ben", "192.0.2.99", &login));
}

// A login that began with the old password ends with none.
static void test_password_changed_meanwhile(void **state)
{
    struct world *world = *state;
    struct login login;
    struct grant grant;
    assert_true(begin(world, "anna", "192.0.2.1", &login));
    assert_true(ruas_prepare_user_password(world->ruas, "anna", "another hash", world->time,
                                           &world->change, &world->error));
    ruas_commit(world->ruas, &world->change);
    assert_false(ruas_login_end(world->ruas, &login, true, &grant, NULL));
    assert_true(begin(world, "anna", "192.0.2.1", &login));
    assert_string_equal(login.password_hash, "another hash");
    assert_true(ruas_login_end(world->ruas, &login, true, &grant, NULL));
    assert_false(ruas_prepare_user_password(world->ruas, "nobody", "hash", world->time,
                                            &world->change, &world->error));
    assert_string_equal(world->error.reason, "no-such-user");
}

// The user is removed, and made again with another password, while one is being verified.
static void test_user_replaced_meanwhile(void **state)
{
    struct world *world = *state;
    struct login login;
    struct grant grant;
    world_add_user(world, "carl");
    assert_true(begin(world, "carl", "192.0.2.1", &login));
    assert_true(ruas_prepare_user_remove(world->ruas, "carl", world->time, &world->change, NULL));
    ruas_commit(world->ruas, &world->change);
    assert_false(ruas_login_end(world->ruas, &login, true, &grant, NULL));
    assert_true(begin(world, "carl", "192.0.2.1", &login));
    assert_true(ruas_prepare_user_add(world->ruas, "carl", "another hash", world->time,
                                      &world->change, NULL));
    ruas_commit(world->ruas, &world->change);
    assert_false(ruas_login_end(world->ruas, &login, true, &grant, NULL));
}

static void add_token(struct world *world, const struct token_request *request,
                      char text[TOKEN_TEXT_MAX])
{
    if (!ruas_prepare_token_add(world->ruas, request, text, &world->change, &world->error))
        fail_msg("%s", world->error.text);
    ruas_commit(world->ruas, &world->change);
}

static void test_tokens(void **state)
{
    struct world *world = *state;
    struct grant grant;
    char text[TOKEN_TEXT_MAX];
    struct token_request request = {.user = "anna",
                                    .scope = SCOPE_MAP,
                                    .limited = true,
                                    .only = world_range("20.1.0.0/28"),
                                    .expires = {world->time.ms + 60000},
                                    .time = world->time};
    add_token(world, &request, text);
    assert_true(ruas_login_token(world->ruas, world->time, text, &grant, NULL));
    assert_string_equal(grant.user, "anna");
    assert_int_equal(grant.scope, SCOPE_MAP);
    assert_true(grant.limited && grant.by_token);
    const struct token *used = ruas_next_used_token(world->ruas);
    assert_int_equal(used->used.ms, world->time.ms);
    assert_null(ruas_next_used_token(world->ruas));
    assert_false(ruas_login_token(world->ruas, world->time, "ivip_no", &grant, NULL));
    world_sleep(world, 59);
    assert_true(ruas_login_token(world->ruas, world->time, text, &grant, NULL));
    world_sleep(world, 1);
    assert_false(ruas_login_token(world->ruas, world->time, text, &grant, &world->error));
    assert_string_equal(world->error.reason, "wrong-credentials");
}

static void test_revoking(void **state)
{
    struct world *world = *state;
    struct grant grant;
    char text[TOKEN_TEXT_MAX];
    char id[TOKEN_ID_MAX];
    struct token_request request = {.user = "anna", .scope = SCOPE_ALL, .time = world->time};
    add_token(world, &request, text);
    (void)token_print_id(&world->change.token.digest, id);
    // Not by another user, who does not even learn that it is there.
    assert_false(ruas_prepare_token_revoke(world->ruas, "ben", id, world->time, &world->change,
                                           &world->error));
    assert_string_equal(world->error.reason, "no-such-token");
    assert_true(ruas_prepare_token_revoke(world->ruas, "anna", id, world->time, &world->change,
                                          &world->error));
    ruas_abort(world->ruas, &world->change); // not stored: it goes on working
    assert_true(ruas_login_token(world->ruas, world->time, text, &grant, NULL));
    assert_true(ruas_prepare_token_revoke(world->ruas, NULL, id, world->time, &world->change,
                                          &world->error));
    ruas_commit(world->ruas, &world->change);
    assert_false(ruas_login_token(world->ruas, world->time, text, &grant, NULL));
}

static void test_token_limits(void **state)
{
    struct world *world = *state;
    char text[TOKEN_TEXT_MAX];
    struct token_request request = {.user = "anna", .scope = SCOPE_ALL, .time = world->time};
    request.expires = world->time;
    assert_false(
        ruas_prepare_token_add(world->ruas, &request, text, &world->change, &world->error));
    assert_string_equal(world->error.reason, "expires-in-the-past");
    request.expires.ms = 0;
    request.limited = true;
    request.only = world_range(BEN_UAB);
    assert_false(
        ruas_prepare_token_add(world->ruas, &request, text, &world->change, &world->error));
    assert_string_equal(world->error.reason, "not-your-uab");
    request.limited = false;
    for (int i = 1; i < TOKENS_USER_MAX; i++)
        add_token(world, &request, text);
    char short_lived[TOKEN_TEXT_MAX];
    request.expires.ms = world->time.ms + 60000;
    add_token(world, &request, short_lived);
    assert_false(
        ruas_prepare_token_add(world->ruas, &request, text, &world->change, &world->error));
    assert_string_equal(world->error.reason, "too-many-tokens");
    // One that has expired makes room, and no other.
    world_sleep(world, 60);
    request.time = world->time;
    request.expires.ms = 0;
    add_token(world, &request, text);
    assert_true(world->change.replaces);
    assert_int_equal(accounts_user(ruas_accounts(world->ruas), "anna")->tokens, TOKENS_USER_MAX);
    struct token_digest digest;
    assert_true(token_parse(short_lived, &digest));
    assert_null(accounts_token(ruas_accounts(world->ruas), &digest));
    assert_false(
        ruas_prepare_token_add(world->ruas, &request, text, &world->change, &world->error));
    assert_string_equal(world->error.reason, "too-many-tokens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_right_password, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_source_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ipv6_source_is_its_64, setup, teardown),
        cmocka_unit_test_setup_teardown(test_user_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_password_changed_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_user_replaced_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revoking, setup, teardown),
        cmocka_unit_test_setup_teardown(test_token_limits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
