// SPDX-License-Identifier: BSD-2-Clause
// Fetches over HTTP (libcurl) in the node's loop: plain GETs and POSTs with a limit on everything
// that the other side decides. What is asked, and whom, it does not decide at all: no redirection
// is followed.
#ifndef IVIP_NODE_HTTP_HTTP_CLIENT_H
#define IVIP_NODE_HTTP_HTTP_CLIENT_H

#include "base/instant.h"
#include "node/node.h"

#include <stddef.h>
#include <stdint.h>

#define HTTP_STALL_SECONDS 10 // a transfer that brings next to nothing for so long is given up

// How a fetch ended.
struct http_answer {
    unsigned status; // 0: no answer, and `problem` says why
    uint8_t *bytes;  // the body; whoever sets this to NULL takes it over (memory_free)
    size_t length;
    const char *problem; // a sentence part such as "could not connect", NULL with an answer
};

// Called once, in the loop's thread, when a fetch has ended; not after http_client_cancel.
typedef void http_answered(void *state, struct http_answer *answer);

struct http_client;
struct http_fetch;

struct http_client *http_client_new(struct node *node);
// Cancels all fetches and frees the client when its handles are closed.
void http_client_free(struct http_client *client);

// Begins a fetch. Bodies above `most` bytes fail; so does all that takes longer than `timeout`.
// The fetch is valid until `answered` was called or it was cancelled.
struct http_fetch *http_client_get(struct http_client *client, const char *url, size_t most,
                                   struct duration timeout, http_answered *answered, void *state);
// The same for a POST of `length` bytes, which are copied, as application/octet-stream.
struct http_fetch *http_client_post(struct http_client *client, const char *url, const void *bytes,
                                    size_t length, size_t most, struct duration timeout,
                                    http_answered *answered, void *state);
void http_client_cancel(struct http_fetch *fetch);

#endif
