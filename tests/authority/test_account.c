// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "authority/account.h"

#include <stdio.h>
#include <string.h>

static void test_user_names(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "anna", "anna.b-c_9", "9lives"};
    static const char *const bad[] = {"",      "Anna",  ".anna",  "-a",          "_a",
                                      "an na", "an:na", "anna\n", "\xc3\xa4nna", OPERATOR_NAME};
    char longest[USER_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(user_name_check(good[i], NULL));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(user_name_check(bad[i], NULL));
    memset(longest, 'a', sizeof(longest));
    longest[USER_NAME_MAX] = '\0';
    assert_false(user_name_check(longest, NULL));
    longest[USER_NAME_MAX - 1] = '\0';
    assert_true(user_name_check(longest, NULL));
}

static void test_token_text(void **state)
{
    (void)state;
    struct random_source random;
    char text[TOKEN_TEXT_MAX];
    char copy[TOKEN_TEXT_MAX];
    struct token_digest digest;
    struct token_digest read;
    random_init(&random, random_seed_from_number(3));
    token_make(&random, text, &digest);
    assert_int_equal(strlen(text), TOKEN_TEXT_MAX - 1);
    assert_true(token_parse(text, &read));
    assert_memory_equal(&digest, &read, sizeof(digest));
    // Every character counts: each changed one gives another digest or no token at all.
    for (size_t i = 0; text[i] != '\0'; i++) {
        memcpy(copy, text, sizeof(copy));
        copy[i] = copy[i] == 'A' ? 'B' : 'A';
        assert_false(token_parse(copy, &read) && memcmp(&digest, &read, sizeof(digest)) == 0);
    }
    text[10] = '\0';
    assert_false(token_parse(text, &read));
    assert_false(token_parse("", &read));
    token_make(&random, copy, &read);
    assert_memory_not_equal(&digest, &read, sizeof(digest));
}

static struct user make_user(const char *name)
{
    struct user user = {0};
    (void)snprintf(user.name, sizeof(user.name), "%s", name);
    return user;
}

static void test_removing_a_user_ends_tokens(void **state)
{
    (void)state;
    struct random_source random;
    struct accounts accounts;
    random_init(&random, random_seed_from_number(4));
    accounts_init(&accounts, &random);
    struct user anna = make_user("anna");
    struct user ben = make_user("ben");
    accounts_add_user(&accounts, &anna);
    accounts_add_user(&accounts, &ben);
    struct token_digest last = {{0}};
    for (int i = 0; i < 100; i++) {
        char text[TOKEN_TEXT_MAX];
        struct token token = {.scope = SCOPE_READ};
        (void)snprintf(token.user, sizeof(token.user), "%s", i % 2 == 0 ? "anna" : "ben");
        token_make(&random, text, &token.digest);
        accounts_add_token(&accounts, &token);
        last = token.digest;
    }
    assert_int_equal(accounts_user(&accounts, "anna")->tokens, 50);
    accounts_remove_user(&accounts, accounts_user(&accounts, "anna"));
    assert_null(accounts_user(&accounts, "anna"));
    assert_int_equal(accounts.tokens.count, 50);
    assert_non_null(accounts_token(&accounts, &last));
    char id[TOKEN_ID_MAX];
    assert_ptr_equal(accounts_token_by_id(&accounts, token_print_id(&last, id)),
                     accounts_token(&accounts, &last));
    assert_null(accounts_token_by_id(&accounts, "0000000000000000"));
    accounts_release(&accounts);
}

static void test_scopes(void **state)
{
    (void)state;
    enum token_scope scope = SCOPE_READ;
    assert_true(token_scope_parse("all", &scope, NULL));
    assert_int_equal(scope, SCOPE_ALL);
    assert_false(token_scope_parse("root", &scope, NULL));
    assert_false(token_scope_parse("", &scope, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_names),
        cmocka_unit_test(test_token_text),
        cmocka_unit_test(test_removing_a_user_ends_tokens),
        cmocka_unit_test(test_scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
