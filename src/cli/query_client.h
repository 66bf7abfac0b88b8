// SPDX-License-Identifier: BSD-2-Clause
// Asking a query server once, over UDP.
#ifndef IVIP_CLI_QUERY_CLIENT_H
#define IVIP_CLI_QUERY_CLIENT_H

#include "base/address.h"
#include "base/error.h"
#include "base/instant.h"
#include "cli/command.h"
#include "wire/query.h"

struct query_answer {
    struct query_message message;
    struct endpoint server;
    struct duration round_trip; // from the last request sent
};

// The server that `text` names ("ADDRESS[:PORT]" or "NAME[:PORT]"), or where it is NULL the one
// that a node on this machine is or asks.
bool query_server_find(const struct arguments *arguments, const char *text, struct endpoint *server,
                       struct error *error);

// Asks for the mapping of an address, up to three times.
bool query_server_ask(const struct endpoint *server, const struct address *question,
                      struct query_answer *answer, struct error *error);
// Asks only whether the server lives (Alive Request).
bool query_server_alive(const struct endpoint *server, struct query_answer *answer,
                        struct error *error);

#endif
