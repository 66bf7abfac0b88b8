// SPDX-License-Identifier: BSD-2-Clause
// The REST interface of the RUAS: what end users, their tools and their multihoming monitors talk
// to (fast-push §3.7). docs/authority.md lists the requests and answers.
//
// It knows nothing of sockets: role_ruas gives it each request, verifies passwords in a worker
// thread where it asks for that, and sends the reply.
//
//     rest_begin --- token, or nothing to ask ----------------> REST_REPLIED
//         \--------- password: REST_VERIFY -> (worker) -> rest_finish -> replied
#ifndef IVIP_NODE_AUTHORITY_REST_H
#define IVIP_NODE_AUTHORITY_REST_H

#include "authority/account.h"
#include "authority/ruas.h"
#include "base/address.h"
#include "base/error.h"
#include "base/instant.h"
#include "node/authority/master.h"

#include <jansson.h>
#include <stddef.h>

#define REST_PAGE_MAX     1000 // micronets or audit lines in one answer
#define REST_PAGE_DEFAULT 100
#define REST_WORK_OCTETS  64 // of a body that came to no commands: count as one

// One request. The texts are the caller's, and NULL where the request has none.
struct rest_request {
    const char *method;
    const char *path;
    const char *authorization; // header
    const char *range;         // query parameters
    const char *after;
    const char *limit;
    const char *body;
    size_t body_length;
    struct address from;
    struct instant now;
    struct wall_time time;
};

struct rest_reply {
    unsigned status;
    json_t *json;         // a reference for the caller
    bool ask_credentials; // add "WWW-Authenticate"
    bool try_later;       // add "Retry-After"
    bool held;            // true only once the set is settled (master_settle): send it then, or an
                          // error instead
};

enum rest_step { REST_REPLIED, REST_VERIFY };

// Begins to answer. REST_REPLIED: `reply` is filled. REST_VERIFY: the caller finds out whether
// `password` matches login->password_hash, wipes `password`, and calls rest_finish.
enum rest_step rest_begin(struct master *master, const struct rest_request *request,
                          struct login *login, char password[PASSWORD_MAX + 1],
                          struct rest_reply *reply);
void rest_finish(struct master *master, const struct rest_request *request,
                 const struct login *login, bool matches, struct rest_reply *reply);

// Fills a reply with an error.
void rest_reply_error(struct rest_reply *reply, const struct error *error);

#endif
