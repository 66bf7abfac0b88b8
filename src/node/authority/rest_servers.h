// SPDX-License-Identifier: BSD-2-Clause
// The HTTPS servers of the REST interface. Both give the same resources: one to programs, which pin
// the node's key, and where the config says so one to browsers, with a certificate of a kind that
// these know.
#ifndef IVIP_NODE_AUTHORITY_REST_SERVERS_H
#define IVIP_NODE_AUTHORITY_REST_SERVERS_H

#include "node/http/http_server.h"
#include "node/metrics.h"
#include "node/node.h"

#include <stdbool.h>
#include <time.h>

// All zeros where none is open.
struct rest_servers {
    struct node *node;
    http_handler *handler;
    void *state;
    struct http_server *pinned;
    struct http_server *web; // NULL without ruas.web
    char *web_certificate;   // that it has, in PEM; owned
    time_t web_end;          // when that runs out
};

// Opens them as the node's config says. False, with some perhaps open, where one cannot be.
bool rest_servers_open(struct rest_servers *servers, struct node *node, http_handler *handler,
                       void *state, struct error *error);
// Reads the certificate for browsers again, since those are renewed every few weeks, and takes over
// another one. False, and nothing changes, where it is no good.
bool rest_servers_reload(struct rest_servers *servers, const struct config *config,
                         struct error *error);
// Closes those that are open.
void rest_servers_close(struct rest_servers *servers);

void rest_servers_write_metrics(const struct rest_servers *servers, struct metrics_page *page);

#endif
