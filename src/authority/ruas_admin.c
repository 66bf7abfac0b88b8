// SPDX-License-Identifier: BSD-2-Clause
// Administration: users, UABs and tokens. Each prepare checks and describes; ruas_commit does it.
#include "authority/ruas_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct user *find_user(const struct ruas *ruas, const char *name, struct error *error)
{
    struct user *user = accounts_user(&ruas->accounts, name);
    if (user == NULL)
        (void)error_set(error, ERROR_NOT_FOUND, "no-such-user", "there is no user \"%.64s\"", name);
    return user;
}

static void copy_name(char to[USER_NAME_MAX], const char *name)
{
    assert(strlen(name) < USER_NAME_MAX);
    (void)snprintf(to, USER_NAME_MAX, "%s", name);
}

static void copy_hash(char to[PASSWORD_HASH_MAX], const char *hash)
{
    assert(strlen(hash) < PASSWORD_HASH_MAX);
    (void)snprintf(to, PASSWORD_HASH_MAX, "%s", hash);
}

bool ruas_prepare_user_add(struct ruas *ruas, const char *name, const char *password_hash,
                           struct wall_time time, struct change *change, struct error *error)
{
    if (!user_name_check(name, error))
        return false;
    if (accounts_user(&ruas->accounts, name) != NULL)
        return error_set(error, ERROR_CONFLICT, "user-exists", "there is a user \"%s\" already",
                         name);
    ruas_begin_change(ruas, change, CHANGE_USER_ADD, time);
    copy_name(change->user.name, name);
    copy_hash(change->user.password, password_hash);
    change->user.created = time;
    return true;
}

bool ruas_prepare_user_password(struct ruas *ruas, const char *name, const char *password_hash,
                                struct wall_time time, struct change *change, struct error *error)
{
    if (find_user(ruas, name, error) == NULL)
        return false;
    ruas_begin_change(ruas, change, CHANGE_USER_PASSWORD, time);
    copy_name(change->user.name, name);
    copy_hash(change->user.password, password_hash);
    return true;
}

bool ruas_prepare_user_remove(struct ruas *ruas, const char *name, struct wall_time time,
                              struct change *change, struct error *error)
{
    const struct user *user = find_user(ruas, name, error);
    if (user == NULL)
        return false;
    if (user->uabs > 0)
        return error_set(error, ERROR_CONFLICT, "user-has-uabs",
                         "%zu UABs are delegated to \"%s\"; remove those first", user->uabs, name);
    ruas_begin_change(ruas, change, CHANGE_USER_REMOVE, time);
    copy_name(change->user.name, name);
    return true;
}

// --- UABs ----------------------------------------------------------------------------------------

// The mapping of the MAB that holds all of the range.
static const struct mapping *find_mapping(const struct ruas *ruas, const struct range *range,
                                          struct error *error)
{
    char text[RANGE_TEXT_MAX];
    const struct mapping *mapping = ruas_mapping_of(ruas, range);
    if (mapping != NULL)
        return mapping;
    (void)error_set(error, ERROR_INPUT, "not-in-a-mab",
                    "%s is not inside one MAB of this RUAS; its config lists them",
                    range_print(range, text));
    return NULL;
}

// A micronet that lies on the edge of a UAB could be changed by nobody.
static bool check_edge(const struct mapping *mapping, const struct range *range, struct unit unit,
                       struct error *error)
{
    char text[RANGE_TEXT_MAX];
    char micronet_text[RANGE_TEXT_MAX];
    struct micronet micronet;
    if (mapping_lookup(mapping, unit, &micronet) == MAPPING_GAP ||
        range_contains(range, &micronet.range))
        return true;
    return error_set(error, ERROR_CONFLICT, "cuts-micronet",
                     "%s cuts through the micronet %s; a micronet lies inside one UAB",
                     range_print(range, text), range_print(&micronet.range, micronet_text));
}

bool ruas_prepare_uab_add(struct ruas *ruas, const struct range *range, const char *user,
                          uint64_t micronets_max, struct wall_time time, struct change *change,
                          struct error *error)
{
    const struct mapping *mapping = find_mapping(ruas, range, error);
    if (mapping == NULL || find_user(ruas, user, error) == NULL ||
        !delegation_check_free(ruas->delegation, range, error) ||
        !check_edge(mapping, range, range->start, error) ||
        !check_edge(mapping, range, range_last(range), error))
        return false;
    ruas_begin_change(ruas, change, CHANGE_UAB_ADD, time);
    change->uab.range = *range;
    copy_name(change->uab.user, user);
    change->uab.micronets_max = micronets_max == 0 ? UAB_MICRONETS_DEFAULT : micronets_max;
    change->uab.micronets = ruas_count_micronets(ruas, range);
    return true;
}

bool ruas_prepare_uab_remove(struct ruas *ruas, const struct range *range, bool force,
                             struct wall_time time, struct change *change, struct error *error)
{
    char text[RANGE_TEXT_MAX];
    const struct uab *uab = delegation_find(ruas->delegation, range->family, range->start);
    if (uab == NULL || !range_equal(&uab->range, range))
        return error_set(error, ERROR_NOT_FOUND, "no-such-uab", "there is no UAB %s",
                         range_print(range, text));
    if (uab->micronets > 0 && !force)
        return error_set(error, ERROR_CONFLICT, "uab-in-use",
                         "%" PRIu64 " micronets are in UAB %s of \"%s\"; have them deleted, or "
                         "force it to leave them as they are",
                         uab->micronets, range_print(range, text), uab->user);
    ruas_begin_change(ruas, change, CHANGE_UAB_REMOVE, time);
    change->uab = *uab;
    return true;
}

// --- tokens --------------------------------------------------------------------------------------

// A token of the user that is of no use any more; NULL where there is none.
static const struct token *find_expired(const struct ruas *ruas,
                                        const struct token_request *request)
{
    const struct token *token = accounts_next_token(&ruas->accounts, NULL);
    while (token != NULL &&
           (strcmp(token->user, request->user) != 0 || !token_has_expired(token, request->time)))
        token = accounts_next_token(&ruas->accounts, token);
    return token;
}

// `*expired` is then the token that has to go, or NULL.
static bool check_token_request(const struct ruas *ruas, const struct token_request *request,
                                const struct token **expired, struct error *error)
{
    const struct user *user = find_user(ruas, request->user, error);
    *expired = NULL;
    if (user == NULL)
        return false;
    if (user->tokens >= TOKENS_USER_MAX)
        *expired = find_expired(ruas, request);
    if (user->tokens >= TOKENS_USER_MAX && *expired == NULL)
        return error_set(error, ERROR_CONFLICT, "too-many-tokens",
                         "\"%s\" has %zu tokens, the most a user may have; revoke some", user->name,
                         user->tokens);
    if (request->expires.ms != 0 && request->expires.ms <= request->time.ms)
        return error_set(error, ERROR_INPUT, "expires-in-the-past",
                         "a token that has expired already would be of no use");
    if (request->limited &&
        delegation_check(ruas->delegation, request->user, &request->only, error) == NULL)
        return false;
    return true;
}

bool ruas_prepare_token_add(struct ruas *ruas, const struct token_request *request,
                            char text[TOKEN_TEXT_MAX], struct change *change, struct error *error)
{
    const struct token *expired = NULL;
    if (!check_token_request(ruas, request, &expired, error))
        return false;
    ruas_begin_change(ruas, change, CHANGE_TOKEN_ADD, request->time);
    change->replaces = expired != NULL;
    if (expired != NULL)
        change->expired = expired->digest;
    struct token *token = &change->token;
    token_make(&ruas->random, text, &token->digest);
    copy_name(token->user, request->user);
    token->scope = request->scope;
    token->limited = request->limited;
    if (request->limited)
        token->only = request->only;
    token->created = request->time;
    token->expires = request->expires;
    return true;
}

bool ruas_prepare_token_revoke(struct ruas *ruas, const char *user, const char *id,
                               struct wall_time time, struct change *change, struct error *error)
{
    const struct token *token = accounts_token_by_id(&ruas->accounts, id);
    // A user must not learn from the answer which ids others have.
    if (token == NULL || (user != NULL && strcmp(token->user, user) != 0))
        return error_set(error, ERROR_NOT_FOUND, "no-such-token", "there is no token \"%.20s\"",
                         id);
    ruas_begin_change(ruas, change, CHANGE_TOKEN_REVOKE, time);
    change->token = *token;
    return true;
}
