// SPDX-License-Identifier: BSD-2-Clause
// What users ask about themselves: who they are, their micronets, tokens and audit trail.
#include "node/authority/command_json.h"
#include "node/authority/rest_state.h"
#include "node/authority/rest_time.h"
#include "node/http/json_error.h"

#include <assert.h>
#include <string.h>

// --- me ------------------------------------------------------------------------------------------

// Of a token that is for one range: the UABs with units of that range.
static json_t *uabs_json(const struct delegation *delegation, const struct grant *grant)
{
    json_t *uabs = json_array();
    for (const struct uab *uab = delegation_next_of(delegation, grant->user, NULL); uab != NULL;
         uab = delegation_next_of(delegation, grant->user, uab))
        if (!grant->limited || range_overlaps(&uab->range, &grant->only))
            json_array_append_new(uabs, json_pack("{s:o, s:I, s:I}", "range",
                                                  rest_range_json(&uab->range), "micronets",
                                                  (json_int_t)uab->micronets, "micronets_max",
                                                  (json_int_t)uab->micronets_max));
    return uabs;
}

bool rest_get_me(struct rest_call *call, struct error *error)
{
    (void)error;
    const struct grant *grant = call->grant;
    json_t *uabs = uabs_json(ruas_delegation(call->master->ruas), grant);
    rest_reply_ok(call, 200,
                  json_pack("{s:s, s:s, s:o, s:o, s:o}", "user", grant->user, "scope",
                            token_scope_name(grant->scope), "micronet",
                            grant->limited ? rest_range_json(&grant->only) : json_null(), "expires",
                            rest_time_json(grant->expires), "uabs", uabs));
    return true;
}

// --- micronets -----------------------------------------------------------------------------------

// A walk over a user's micronets, one page long.
struct page {
    const struct ruas *ruas;
    struct range only; // family NONE: everything
    struct range limited;
    struct range after; // the last micronet of the page before; family NONE: the first page
    size_t left;
    bool more;
    json_t *micronets;
    struct micronet last;
};

static bool wanted(const struct page *page, const struct range *range)
{
    return (page->only.family == FAMILY_NONE || range_overlaps(&page->only, range)) &&
           (page->limited.family == FAMILY_NONE || range_overlaps(&page->limited, range));
}

// Moves `from` forward to `start` when that is behind it.
static void skip_to(struct unit *from, uint64_t start)
{
    if (start > from->index)
        from->index = start;
}

// Where to begin in a UAB; false where this page has nothing to look for there.
static bool begin_in(const struct page *page, const struct range *uab, struct unit *from,
                     uint64_t *last)
{
    *from = uab->start;
    *last = range_last(uab).index;
    if (!wanted(page, uab))
        return false;
    const struct range *windows[] = {&page->only, &page->limited};
    for (size_t i = 0; i < 2; i++)
        if (windows[i]->family != FAMILY_NONE) {
            skip_to(from, windows[i]->start.index);
            uint64_t end = range_last(windows[i]).index;
            *last = end < *last ? end : *last;
        }
    if (page->after.family == FAMILY_NONE)
        return true;
    if (page->after.family != uab->family)
        return page->after.family < uab->family;
    if (range_last(&page->after).index == UINT64_MAX)
        return false;
    skip_to(from, range_last(&page->after).index + 1);
    return from->index <= *last;
}

// Adds those of one UAB; false when the page is full.
static bool add_micronets(struct page *page, const struct uab *uab)
{
    struct unit from;
    uint64_t last = 0;
    struct micronet micronet;
    const struct mapping *mapping = ruas_mapping_of(page->ruas, &uab->range);
    if (mapping == NULL || !begin_in(page, &uab->range, &from, &last))
        return true;
    while (from.index <= last && mapping_next(mapping, from, &micronet) &&
           micronet.range.start.index <= last) {
        if (page->left == 0) {
            page->more = true;
            return false;
        }
        page->left--;
        page->last = micronet;
        json_array_append_new(page->micronets, rest_micronet_json(&micronet));
        if (range_last(&micronet.range).index >= last)
            break;
        from.index = range_last(&micronet.range).index + 1;
    }
    return true;
}

static bool read_window(const char *name, const char *text, struct range *window,
                        struct error *error)
{
    if (text == NULL || range_parse(text, window, error))
        return true;
    error_prefix(error, "\"%s\"", name);
    return false;
}

bool rest_get_micronets(struct rest_call *call, struct error *error)
{
    struct page page = {.ruas = call->master->ruas};
    if (!rest_limit(call->request, &page.left, error) ||
        !read_window("range", call->request->range, &page.only, error) ||
        !read_window("after", call->request->after, &page.after, error))
        return false;
    if (call->grant->limited)
        page.limited = call->grant->only;
    page.micronets = json_array();
    const struct delegation *delegation = ruas_delegation(page.ruas);
    const struct uab *uab = delegation_next_of(delegation, call->grant->user, NULL);
    while (uab != NULL && add_micronets(&page, uab))
        uab = delegation_next_of(delegation, call->grant->user, uab);
    rest_reply_ok(call, 200,
                  json_pack("{s:o, s:o}", "micronets", page.micronets, "next",
                            page.more ? rest_range_json(&page.last.range) : json_null()));
    return true;
}

bool rest_get_audit(struct rest_call *call, struct error *error)
{
    size_t limit = 0;
    if (!rest_limit(call->request, &limit, error))
        return false;
    if (call->grant->limited)
        return error_set(error, ERROR_DENIED, "scope",
                         "the audit trail is for tokens that are for all your space");
    json_t *lines = store_read_audit(call->master->store, call->grant->user, limit, error);
    if (lines == NULL)
        return false;
    rest_reply_ok(call, 200, json_pack("{s:o}", "audit", lines));
    return true;
}

// --- tokens --------------------------------------------------------------------------------------

bool rest_password_only(const struct rest_call *call, const char *what, struct error *error)
{
    if (!call->grant->by_token)
        return true;
    return error_set(error, ERROR_DENIED, "needs-password",
                     "%s needs your user name and password, not a token", what);
}

bool rest_get_tokens(struct rest_call *call, struct error *error)
{
    if (!rest_password_only(call, "listing tokens", error))
        return false;
    const struct accounts *accounts = ruas_accounts(call->master->ruas);
    json_t *tokens = json_array();
    for (const struct token *token = accounts_next_token(accounts, NULL); token != NULL;
         token = accounts_next_token(accounts, token))
        if (strcmp(token->user, call->grant->user) == 0)
            json_array_append_new(tokens, rest_token_json(token));
    rest_reply_ok(call, 200, json_pack("{s:o}", "tokens", tokens));
    return true;
}

json_t *rest_token_json(const struct token *token)
{
    char id[TOKEN_ID_MAX];
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id",
                     token_print_id(&token->digest, id), "user", token->user, "scope",
                     token_scope_name(token->scope), "micronet",
                     token->limited ? rest_range_json(&token->only) : json_null(), "created",
                     rest_time_json(token->created), "expires", rest_time_json(token->expires),
                     "used", rest_time_json(token->used));
}

bool rest_read_token_request(const json_t *body, struct token_request *request, struct error *error)
{
    const json_t *expires = json_object_get(body, "expires");
    const json_t *micronet = json_object_get(body, "micronet");
    const json_t *scope = json_object_get(body, "scope");
    const char *text = NULL;
    request->scope = SCOPE_ALL;
    if (scope != NULL && ((text = json_get_text(body, "scope", error)) == NULL ||
                          !token_scope_parse(text, &request->scope, error)))
        return false;
    request->limited = micronet != NULL && !json_is_null(micronet);
    if (request->limited && ((text = json_get_text(body, "micronet", error)) == NULL ||
                             !range_parse(text, &request->only, error)))
        return false;
    return expires == NULL || json_is_null(expires) ||
           ((text = json_get_text(body, "expires", error)) != NULL &&
            time_parse(text, &request->expires, error));
}

bool rest_post_token(struct rest_call *call, struct error *error)
{
    static const char *const allowed[] = {"scope", "micronet", "expires", NULL};
    struct change change;
    char secret[TOKEN_TEXT_MAX];
    char id[TOKEN_ID_MAX];
    struct token_request request = {.user = call->grant->user, .time = call->request->time};
    if (!rest_password_only(call, "making a token", error) ||
        !json_check_members(call->body, allowed, error) ||
        !rest_read_token_request(call->body, &request, error) ||
        !ruas_prepare_token_add(call->master->ruas, &request, secret, &change, error) ||
        !rest_commit(call, &change, "token-add", rest_token_json(&change.token), error))
        return false;
    rest_reply_ok(call, 201,
                  json_pack("{s:s, s:s, s:s}", "token", secret, "id",
                            token_print_id(&change.token.digest, id), "scope",
                            token_scope_name(change.token.scope)));
    return true;
}

bool rest_delete_token(struct rest_call *call, struct error *error)
{
    struct change change;
    char id[TOKEN_ID_MAX];
    // A token may end itself, so that one that leaked can be stopped by whoever finds it.
    bool itself =
        call->grant->by_token && strcmp(token_print_id(&call->grant->token, id), call->tail) == 0;
    if ((!itself && !rest_password_only(call, "revoking another token", error)) ||
        !ruas_prepare_token_revoke(call->master->ruas, call->grant->user, call->tail,
                                   call->request->time, &change, error) ||
        !rest_commit(call, &change, "token-revoke", rest_token_json(&change.token), error))
        return false;
    rest_reply_ok(call, 200,
                  json_pack("{s:s}", "revoked", token_print_id(&change.token.digest, id)));
    return true;
}
