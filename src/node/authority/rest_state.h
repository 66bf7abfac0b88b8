// SPDX-License-Identifier: BSD-2-Clause
// What the files rest*.c share.
#ifndef IVIP_NODE_AUTHORITY_REST_STATE_H
#define IVIP_NODE_AUTHORITY_REST_STATE_H

#include "node/authority/rest.h"

// One authenticated request being answered.
struct rest_call {
    struct master *master;
    const struct rest_request *request;
    const struct grant *grant;
    char with[40];      // "password" or "token ID", for the audit trail
    const char *tail;   // what follows the route's path: an id
    const json_t *body; // parsed; NULL without one
    bool counted;       // its commands, against the user's limit
    struct rest_reply *reply;
};

typedef bool rest_handler(struct rest_call *call, struct error *error);

// Each fills call->reply, or returns false with an error.
rest_handler rest_get_me, rest_get_micronets, rest_get_audit, rest_get_usage;
rest_handler rest_post_commands, rest_get_scheduled, rest_delete_scheduled;
rest_handler rest_get_tokens, rest_post_token, rest_delete_token;

// Replies with an object, whose reference is taken over; adds "v":1.
void rest_reply_ok(struct rest_call *call, unsigned status, json_t *json);
// The begin of a line of the audit trail for this call.
struct audit rest_audit(const struct rest_call *call, const char *action, const char *what);
// Stores and commits a change with a line of the audit trail; `what` (a reference taken over) is
// what was asked.
bool rest_commit(struct rest_call *call, const struct change *change, const char *action,
                 json_t *what, struct error *error);
// Reads "limit": 1 to REST_PAGE_MAX.
bool rest_limit(const struct rest_request *request, size_t *limit, struct error *error);
json_t *rest_micronet_json(const struct micronet *micronet);
json_t *rest_range_json(const struct range *range);
json_t *rest_time_json(struct wall_time time); // null for 0
// Scheduled sets of a user (NULL: of all), oldest first; where `only` is not NULL, those that lie
// whole inside that range. A new reference to an array.
json_t *rest_scheduled_json(const struct ruas *ruas, const char *user, const struct range *only);
// A token without its secret, which is not known any more.
json_t *rest_token_json(const struct token *token);
// Reads "scope", "micronet" and "expires", each of which may be missing.
bool rest_read_token_request(const json_t *body, struct token_request *request,
                             struct error *error);
// Refuses those who came with a token; `what` they wanted is the subject of the sentence.
bool rest_password_only(const struct rest_call *call, const char *what, struct error *error);

#endif
