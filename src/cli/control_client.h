// SPDX-License-Identifier: BSD-2-Clause
// The operator's side of the control socket: which node, and one request.
#ifndef IVIP_CLI_CONTROL_CLIENT_H
#define IVIP_CLI_CONTROL_CLIENT_H

#include "base/error.h"
#include "cli/command.h"

#include <jansson.h>

#define CONTROL_OPTION                                                                             \
    {                                                                                              \
        "control", "SOCKET", "control socket of the node; needed where several run"                \
    }

#define CONTROL_SOCKETS_MAX 64

struct control_sockets {
    size_t count;
    char paths[CONTROL_SOCKETS_MAX][108];
};

// The sockets that the command line means: the one of --control or IVIP_CONTROL, else all those in
// /run/ivip. False where there is none.
bool control_sockets_find(const struct arguments *arguments, struct control_sockets *sockets,
                          struct error *error);

// Sends one request (its reference is taken over) and returns a new reference to the answer; NULL
// with `error` filled where the node refuses, or does not answer.
json_t *control_call(const char *path, json_t *request, struct error *error);

// Asks the one node that the command line means; with several it is the first that lives and knows
// the command.
json_t *control_ask(const struct arguments *arguments, json_t *request, struct error *error);

#endif
