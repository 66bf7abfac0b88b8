// SPDX-License-Identifier: BSD-2-Clause
// What the operator of a RUAS does over the control socket. Members of request and answer:
//
//     ruas.user-add     user, password            -> user
//     ruas.user-password user, password           -> user
//     ruas.user-list                              -> users
//     ruas.user-remove  user                      -> user
//     ruas.uab-add      range, user, [micronets]  -> range, user, micronets_max
//     ruas.uab-list     [user]                    -> uabs
//     ruas.uab-remove   range, [force]            -> range
//     ruas.token-add    user, [scope, micronet, expires] -> token, id
//     ruas.token-list   [user]                    -> tokens
//     ruas.token-revoke id                        -> id
//     ruas.scheduled    [user]                    -> scheduled
//     ruas.audit        [user, limit]             -> audit
//     ruas.status                                 -> what `ivip status` shows of the role
#ifndef IVIP_NODE_AUTHORITY_RUAS_CONTROL_H
#define IVIP_NODE_AUTHORITY_RUAS_CONTROL_H

#include "node/authority/master.h"
#include "node/node.h"

#define RUAS_COMMANDS_MAX 16

// State of the commands; embedded in the role, and outlives them.
struct ruas_control {
    struct node *node;
    struct master *master;
    struct ruas_command {
        struct ruas_control *control;
        control_command *run;
    } commands[RUAS_COMMANDS_MAX];
};

void ruas_control_add(struct ruas_control *control);
// A new reference: MABs, counts, store.
json_t *ruas_control_status(const struct master *master);
// The text form of a password's argon2id hash. Takes tens of milliseconds and 64 MiB, on purpose.
bool ruas_hash_password(const char *password, char hash[PASSWORD_HASH_MAX], struct error *error);

#endif
