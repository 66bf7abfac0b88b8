// SPDX-License-Identifier: BSD-2-Clause
// Usage at the RUAS: takes the reports of ITRs, and shows sums to its operator and to end users.
#ifndef IVIP_NODE_AUTHORITY_RUAS_USAGE_H
#define IVIP_NODE_AUTHORITY_RUAS_USAGE_H

#include "node/authority/rest_state.h"
#include "node/node.h"

#define USAGE_LINES_MAX 100000 // in one answer to the operator; UABs are listed all
#define USAGE_DAYS      31     // that end users see

// State of the command and of the public server's handler; embedded in the role.
struct ruas_usage {
    struct node *node;
    struct master *master;
    struct usage_report report; // the one being read
};

// Adds the command "ruas.usage".
void ruas_usage_add(struct ruas_usage *usage);
// What POST /v1/usage does (public_take of public_server.h).
bool ruas_usage_take(void *state, const uint8_t *bytes, size_t length, struct error *error);

#endif
