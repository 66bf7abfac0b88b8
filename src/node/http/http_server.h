// SPDX-License-Identifier: BSD-2-Clause
// HTTP and HTTPS servers (libmicrohttpd), each in a thread of its own; requests are handled in the
// node's loop.
#ifndef IVIP_NODE_HTTP_HTTP_SERVER_H
#define IVIP_NODE_HTTP_HTTP_SERVER_H

#include "base/error.h"
#include "node/metrics.h"
#include "node/node.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_BODY_MAX   (1024 * 1024) // largest request body taken
#define HTTP_BODY_SMALL (64 * 1024)   // for which there is always room
// What larger ones may take together, of all requests that a server has at a time.
#define HTTP_LARGE_BODIES_MAX (64 * HTTP_BODY_MAX)

struct certificate;
struct http_server;
struct http_exchange; // one request and its answer

// Called with each whole request, in the thread of the node's loop. Must answer with http_reply,
// now or later in the same thread.
typedef void http_handler(void *state, struct http_exchange *exchange);

// Listens: HTTPS with a certificate, which stays the caller's and is not needed afterwards, or HTTP
// with NULL.
struct http_server *http_server_open(struct node *node, const struct endpoint *listen,
                                     const struct certificate *certificate, http_handler *handler,
                                     void *state, struct error *error);
// Opens one with another certificate where `before` listens, which is then closed. NULL, and that
// goes on, where it cannot be opened.
struct http_server *http_server_replace(struct http_server *before,
                                        const struct certificate *certificate, struct error *error);
// Ends open exchanges and frees the server.
void http_server_close(struct http_server *server);
struct endpoint http_server_local(const struct http_server *server);
// How its connections went, with the label server=NAME.
void http_server_write_metrics(const struct http_server *server, const char *name,
                               struct metrics_page *page);
// How long a connection may take to bring one whole request; HTTP_REQUEST_SECONDS without this. It
// has HTTP_ANSWER_TIMES as long for the answer.
void http_server_set_patience(struct http_server *server, struct duration patience);

// What was asked; texts are valid until the exchange is answered.
const char *http_method(const struct http_exchange *exchange);                   // "GET"
const char *http_path(const struct http_exchange *exchange);                     // "/v1/x"
const char *http_query(const struct http_exchange *exchange, const char *name);  // or NULL
const char *http_header(const struct http_exchange *exchange, const char *name); // or NULL
const char *http_body(const struct http_exchange *exchange, size_t *length);     // NUL-ended
struct endpoint http_peer(const struct http_exchange *exchange);

// Answers; the bytes are copied. `type` is a content type constant.
void http_reply(struct http_exchange *exchange, unsigned status, const char *type,
                const void *bytes, size_t length);
// Answers with memory from memory_new that the server frees when it is sent.
void http_reply_owned(struct http_exchange *exchange, unsigned status, const char *type,
                      void *bytes, size_t length);
// Answers with memory that many answers may share: it must stay until `release` is called, once,
// with `owner`, in the thread of the node's loop.
void http_reply_shared(struct http_exchange *exchange, unsigned status, const char *type,
                       const void *bytes, size_t length, void (*release)(void *owner), void *owner);
// Adds a header to the answer still to come.
void http_reply_header(struct http_exchange *exchange, const char *name, const char *value);
// The HTTP status that fits an error.
unsigned http_status(enum error_code code);
// Answers with {"v":1,"error":{"reason":...,"text":...}} and the status that fits error->code.
void http_reply_error(struct http_exchange *exchange, const struct error *error);
// Answers with a JSON document; takes over the reference.
void http_reply_json(struct http_exchange *exchange, unsigned status, json_t *json);

#endif
