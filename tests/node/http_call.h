// SPDX-License-Identifier: BSD-2-Clause
// Requests to an HTTP server of this process, by libcurl in a thread of their own, so that handlers
// can run in the node's loop.
#ifndef IVIP_TESTS_NODE_HTTP_CALL_H
#define IVIP_TESTS_NODE_HTTP_CALL_H

#include "base/address.h"
#include "node/node.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

// One request, and its answer.
struct call {
    char url[128];
    const char *body; // POST when not NULL
    size_t body_length;
    bool chunked;
    const char *header; // one more
    const char *pin;    // of the server's key; NULL: plain HTTP
    CURLcode result;
    long status;
    char answer[4096];
    size_t answer_length;
    char type[64];
    bool done;
    uv_async_t finished;
};

// Begins a request for that path; what `call` points to stays until it is finished.
uv_thread_t call_begin(struct call *call, struct node *node, const struct endpoint *server,
                       const char *path);
// Runs the node's loop until the request is done.
void call_finish(struct call *call, struct node *node, uv_thread_t thread);

#endif
