// SPDX-License-Identifier: BSD-2-Clause
// The end user's side of the REST interface: where the RUAS is, how it is known, and one request.
//
// ~/.config/ivip/client.yaml, or the file that --client or IVIP_CLIENT names:
//
//     uas: https://192.0.2.1:4748
//     key: BASE64                   public key of the RUAS; the connection is refused without it
//     token_file: /home/me/.config/ivip/token
#ifndef IVIP_CLI_CLIENT_H
#define IVIP_CLI_CLIENT_H

#include "base/error.h"
#include "base/key.h"
#include "cli/command.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CLIENT_OPTION                                                                              \
    {                                                                                              \
        "client", "FILE", "client config instead of ~/.config/ivip/client.yaml"                    \
    }

#define NO_COMMAND ((size_t)-1)

struct client {
    char url[256];
    struct public_key key;
    char token[256]; // wipe with client_release
    long timeout_ms;
};

// Reads the client config that the command line asks for, and the token.
bool client_open(struct client *client, const struct arguments *arguments, struct error *error);
void client_release(struct client *client);

// Sends a request and reads the answer, a new reference. An error that the server answers with
// fills `error`, and *failed with the number of the command it is about (NO_COMMAND: none; `failed`
// may be NULL). `body` may be NULL.
json_t *client_call(const struct client *client, const char *method, const char *path,
                    const json_t *body, size_t *failed, struct error *error);

#endif
