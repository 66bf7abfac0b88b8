// SPDX-License-Identifier: BSD-2-Clause
#include "authority/account.h"

#include "base/memory.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_PREFIX       "ivip_" // so that people and secret scanners recognise one
#define TOKEN_PREFIX_CHARS (sizeof(TOKEN_PREFIX) - 1)
#define TOKEN_VARIANT      sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(PASSWORD_HASH_MAX == crypto_pwhash_STRBYTES, "room for libsodium's text form");

void accounts_init(struct accounts *accounts, struct random_source *random)
{
    table_init(&accounts->users);
    table_init(&accounts->tokens);
    list_init(&accounts->unsaved);
    random_bytes(random, accounts->key.bytes, sizeof(accounts->key.bytes));
}

void accounts_release(struct accounts *accounts)
{
    for (struct user *user = accounts_next_user(accounts, NULL); user != NULL;
         user = accounts_next_user(accounts, NULL))
        accounts_remove_user(accounts, user);
    assert(accounts->tokens.count == 0);
    table_release(&accounts->users);
    table_release(&accounts->tokens);
}

bool user_name_check(const char *name, struct error *error)
{
    size_t length = strlen(name);
    if (length == 0 || length >= USER_NAME_MAX)
        return error_set(error, ERROR_INPUT, "bad-user-name",
                         "a user name has 1 to %d characters, not %zu", USER_NAME_MAX - 1, length);
    bool good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length &&
                strchr("._-", name[0]) == NULL;
    if (!good)
        return error_set(error, ERROR_INPUT, "bad-user-name",
                         "a user name is made of a-z, 0-9, \".\", \"_\" and \"-\", and begins with "
                         "a letter or digit");
    if (strcmp(name, OPERATOR_NAME) == 0)
        return error_set(error, ERROR_INPUT, "bad-user-name",
                         "\"%s\" stands for the operator of the RUAS in its audit trail; choose "
                         "another name",
                         name);
    return true;
}

bool password_check(const char *password, struct error *error)
{
    size_t length = strlen(password);
    if (length < PASSWORD_MIN || length > PASSWORD_MAX)
        return error_set(error, ERROR_INPUT, "bad-password", "a password has %d to %d characters",
                         PASSWORD_MIN, PASSWORD_MAX);
    return true;
}

static uint64_t name_hash(const struct accounts *accounts, const char *name)
{
    return hash_bytes(&accounts->key, name, strlen(name));
}

static uint64_t digest_hash(const struct accounts *accounts, const struct token_digest *digest)
{
    return hash_bytes(&accounts->key, digest->bytes, sizeof(digest->bytes));
}

static bool match_user(const struct table_node *node, const void *key)
{
    return strcmp(container_of(node, struct user, node)->name, key) == 0;
}

static bool match_token(const struct table_node *node, const void *key)
{
    const struct token *token = container_of(node, struct token, node);
    const struct token_digest *digest = key;
    return sodium_memcmp(token->digest.bytes, digest->bytes, sizeof(digest->bytes)) == 0;
}

struct user *accounts_user(const struct accounts *accounts, const char *name)
{
    struct table_node *node =
        table_find(&accounts->users, name_hash(accounts, name), match_user, name);
    return node == NULL ? NULL : container_of(node, struct user, node);
}

struct user *accounts_add_user(struct accounts *accounts, const struct user *user)
{
    assert(accounts_user(accounts, user->name) == NULL);
    struct user *added = memory_copy(user, sizeof(*user));
    added->uabs = added->tokens = added->scheduled = 0;
    table_insert(&accounts->users, &added->node, name_hash(accounts, added->name));
    return added;
}

void accounts_remove_user(struct accounts *accounts, struct user *user)
{
    struct token *token = accounts_next_token(accounts, NULL);
    while (token != NULL) {
        struct token *next = accounts_next_token(accounts, token);
        if (strcmp(token->user, user->name) == 0)
            accounts_remove_token(accounts, token);
        token = next;
    }
    assert(user->tokens == 0);
    table_remove(&accounts->users, &user->node);
    sodium_memzero(user->password, sizeof(user->password));
    memory_free(user);
}

struct token *accounts_token(const struct accounts *accounts, const struct token_digest *digest)
{
    struct table_node *node =
        table_find(&accounts->tokens, digest_hash(accounts, digest), match_token, digest);
    return node == NULL ? NULL : container_of(node, struct token, node);
}

struct token *accounts_token_by_id(const struct accounts *accounts, const char *id)
{
    char buffer[TOKEN_ID_MAX];
    struct token *token = accounts_next_token(accounts, NULL);
    while (token != NULL && strcmp(token_print_id(&token->digest, buffer), id) != 0)
        token = accounts_next_token(accounts, token);
    return token;
}

struct token *accounts_add_token(struct accounts *accounts, const struct token *token)
{
    struct user *user = accounts_user(accounts, token->user);
    assert(user != NULL);
    assert(accounts_token(accounts, &token->digest) == NULL);
    struct token *added = memory_copy(token, sizeof(*token));
    list_init(&added->unsaved);
    table_insert(&accounts->tokens, &added->node, digest_hash(accounts, &added->digest));
    user->tokens++;
    return added;
}

void accounts_remove_token(struct accounts *accounts, struct token *token)
{
    struct user *user = accounts_user(accounts, token->user);
    assert(user != NULL && user->tokens > 0);
    user->tokens--;
    table_remove(&accounts->tokens, &token->node);
    list_remove(&token->unsaved);
    memory_free(token);
}

void accounts_use_token(struct accounts *accounts, struct token *token, struct wall_time time)
{
    token->used = time;
    list_remove(&token->unsaved);
    list_append(&accounts->unsaved, &token->unsaved);
}

bool token_has_expired(const struct token *token, struct wall_time time)
{
    return token->expires.ms != 0 && time.ms >= token->expires.ms;
}

struct user *accounts_next_user(const struct accounts *accounts, const struct user *user)
{
    struct table_node *node = table_next(&accounts->users, user == NULL ? NULL : &user->node);
    return node == NULL ? NULL : container_of(node, struct user, node);
}

struct token *accounts_next_token(const struct accounts *accounts, const struct token *token)
{
    struct table_node *node = table_next(&accounts->tokens, token == NULL ? NULL : &token->node);
    return node == NULL ? NULL : container_of(node, struct token, node);
}

static void digest_of(const uint8_t secret[TOKEN_SECRET_BYTES], struct token_digest *digest)
{
    int result = crypto_generichash(digest->bytes, sizeof(digest->bytes), secret,
                                    TOKEN_SECRET_BYTES, NULL, 0);
    assert(result == 0);
    (void)result;
}

void token_make(struct random_source *random, char text[TOKEN_TEXT_MAX],
                struct token_digest *digest)
{
    uint8_t secret[TOKEN_SECRET_BYTES];
    random_bytes(random, secret, sizeof(secret));
    digest_of(secret, digest);
    memcpy(text, TOKEN_PREFIX, TOKEN_PREFIX_CHARS);
    (void)sodium_bin2base64(text + TOKEN_PREFIX_CHARS, TOKEN_TEXT_MAX - TOKEN_PREFIX_CHARS, secret,
                            sizeof(secret), TOKEN_VARIANT);
    sodium_memzero(secret, sizeof(secret));
}

bool token_parse(const char *text, struct token_digest *digest)
{
    uint8_t secret[TOKEN_SECRET_BYTES];
    size_t length = 0;
    if (strlen(text) != TOKEN_TEXT_MAX - 1 || memcmp(text, TOKEN_PREFIX, TOKEN_PREFIX_CHARS) != 0)
        return false;
    if (sodium_base642bin(secret, sizeof(secret), text + TOKEN_PREFIX_CHARS,
                          TOKEN_TEXT_MAX - 1 - TOKEN_PREFIX_CHARS, NULL, &length, NULL,
                          TOKEN_VARIANT) != 0 ||
        length != sizeof(secret))
        return false;
    digest_of(secret, digest);
    sodium_memzero(secret, sizeof(secret));
    return true;
}

const char *token_print_id(const struct token_digest *digest, char buffer[TOKEN_ID_MAX])
{
    return sodium_bin2hex(buffer, TOKEN_ID_MAX, digest->bytes, (TOKEN_ID_MAX - 1) / 2);
}

const char *token_scope_name(enum token_scope scope)
{
    switch (scope) {
    case SCOPE_READ:
        return "read";
    case SCOPE_MAP:
        return "map";
    case SCOPE_ALL:
        return "all";
    }
    return "unknown";
}

bool token_scope_parse(const char *text, enum token_scope *scope, struct error *error)
{
    for (enum token_scope each = SCOPE_READ; each <= SCOPE_ALL; each++)
        if (strcmp(text, token_scope_name(each)) == 0) {
            *scope = each;
            return true;
        }
    return error_set(error, ERROR_INPUT, "bad-scope",
                     "\"%.20s\" is no scope of a token; there are read, map and all", text);
}
