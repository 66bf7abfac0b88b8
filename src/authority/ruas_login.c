// SPDX-License-Identifier: BSD-2-Clause
// Logging in: who is it? Passwords are verified by the shell in between begin and end.
#include "authority/ruas_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// What failures are counted by: an IPv4 address, or an IPv6 /64, which one host can fill.
static size_t source_key(const struct address *from, uint8_t key[9])
{
    size_t octets = from->family == FAMILY_IPV6 ? 8 : 4;
    key[0] = from->family;
    memcpy(key + 1, from->octets, octets);
    return octets + 1;
}

static bool too_many(struct duration wait, struct error *error)
{
    return error_set(error, ERROR_LIMIT, "too-many-logins",
                     "too many failed logins; try again in %" PRIu64 " s",
                     wait.ns / 1000000000 + 1);
}

// An attempt is counted when it begins and given back when it succeeds, so a thousand attempts at
// once are as bad as one after the other.
bool ruas_login_begin(struct ruas *ruas, struct instant now, const char *user,
                      const struct address *from, struct login *login, struct error *error)
{
    uint8_t key[9];
    size_t key_length = source_key(from, key);
    struct duration wait = {0};
    memset(login, 0, sizeof(*login));
    login->from = *from;
    (void)snprintf(login->user, sizeof(login->user), "%s", user);
    if (!throttle_take(ruas->login_sources, now, key, key_length, 1, &wait))
        return too_many(wait, error);
    if (!throttle_take(ruas->login_users, now, login->user, strlen(login->user), 1, &wait)) {
        // Others made this name wait. Nothing was tried, so the source has not failed.
        throttle_give(ruas->login_sources, key, key_length, 1);
        return too_many(wait, error);
    }
    const struct user *known = accounts_user(&ruas->accounts, user);
    login->known = known != NULL;
    memcpy(login->password_hash, known != NULL ? known->password : ruas->decoy_password,
           sizeof(login->password_hash));
    return true;
}

static bool wrong_credentials(struct error *error)
{
    return error_set(error, ERROR_DENIED, "wrong-credentials",
                     "unknown user, wrong password, or a token that is not valid");
}

bool ruas_login_end(struct ruas *ruas, const struct login *login, bool matches, struct grant *grant,
                    struct error *error)
{
    // The user may have been removed, or even replaced, while the password was being verified.
    const struct user *user = accounts_user(&ruas->accounts, login->user);
    bool same = user != NULL &&
                memcmp(user->password, login->password_hash, sizeof(login->password_hash)) == 0;
    if (!login->known || !matches || !same)
        return wrong_credentials(error);
    uint8_t key[9];
    throttle_give(ruas->login_sources, key, source_key(&login->from, key), 1);
    throttle_give(ruas->login_users, login->user, strlen(login->user), 1);
    memset(grant, 0, sizeof(*grant));
    memcpy(grant->user, login->user, sizeof(grant->user));
    grant->scope = SCOPE_ALL;
    return true;
}

static void grant_of_token(const struct token *token, struct grant *grant)
{
    memset(grant, 0, sizeof(*grant));
    memcpy(grant->user, token->user, sizeof(grant->user));
    grant->scope = token->scope;
    grant->limited = token->limited;
    grant->only = token->only;
    grant->by_token = true;
    grant->token = token->digest;
    grant->expires = token->expires;
}

bool ruas_login_token(struct ruas *ruas, struct wall_time time, const char *text,
                      struct grant *grant, struct error *error)
{
    struct token_digest digest;
    if (!token_parse(text, &digest))
        return wrong_credentials(error);
    struct token *token = accounts_token(&ruas->accounts, &digest);
    if (token == NULL || token_has_expired(token, time))
        return wrong_credentials(error);
    accounts_use_token(&ruas->accounts, token, time);
    grant_of_token(token, grant);
    return true;
}

const struct token *ruas_next_used_token(struct ruas *ruas)
{
    struct list_node *node = list_first(&ruas->accounts.unsaved);
    if (node == NULL)
        return NULL;
    list_remove(node);
    return container_of(node, struct token, unsaved);
}
