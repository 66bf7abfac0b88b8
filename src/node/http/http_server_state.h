// SPDX-License-Identifier: BSD-2-Clause
// What http_server.c and http_exchange.c share.
#ifndef IVIP_NODE_HTTP_HTTP_SERVER_STATE_H
#define IVIP_NODE_HTTP_HTTP_SERVER_STATE_H

#include "base/list.h"
#include "node/http/http_connections.h"
#include "node/http/http_server.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#define REPLY_HEADERS_MAX 8

struct http_server {
    // The node's thread
    struct node *node;
    http_handler *handler;
    void *state;
    struct endpoint local;
    int listener;       // libmicrohttpd's, which closes it
    uv_async_t arrived; // requests, or releases
    // The server's thread
    uv_thread_t thread;
    uv_loop_t loop;
    struct MHD_Daemon *daemon;
    struct http_connections *connections;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_async_t called;          // replies, or another order
    uint64_t pause_ms;          // before libmicrohttpd's next turn, while it only waits for clients
    struct list_node exchanges; // all that have a connection; by `node`
    size_t large_bodies;        // the room that they have for bodies above HTTP_BODY_SMALL
    _Atomic uint64_t bodies_too_large, bodies_without_room; // refused; read in the node's thread
    // Both, under the lock
    uv_mutex_t lock;
    struct list_node requests; // whole, not handled yet; by `queued`
    struct list_node replies;  // ready to be sent; by `queued`
    struct list_node releases; // struct release
    struct duration patience;
    bool stopping;
};

enum http_body_fate {
    HTTP_BODY_TAKEN,
    HTTP_BODY_TOO_LARGE,
    HTTP_BODY_NO_ROOM, // others have all of HTTP_LARGE_BODIES_MAX
};

// A request and its answer. The server's thread has it until the request is whole, the node's
// thread until the reply is ready, then the server's again.
struct http_exchange {
    struct list_node node;
    struct list_node queued;
    struct http_server *server;        // NULL once the connection is gone
    struct MHD_Connection *connection; // NULL likewise
    struct MHD_Response *response;     // the reply, until it is queued
    unsigned status;
    bool handed_over; // the handler has it or had it
    bool replied;
    bool suspended;
    enum http_body_fate body_fate;
    char *method;
    char *path;
    char *body;
    size_t body_length;
    size_t body_room; // octets that fit, a NUL behind them
    size_t discarded;
    struct endpoint peer;
    size_t header_count;
    struct {
        char *name;
        char *value;
    } headers[REPLY_HEADERS_MAX];
};

// Bytes that somebody in the node's thread lent for a reply.
struct release {
    struct list_node node;
    struct http_server *server;
    void (*release)(void *owner);
    void *owner;
};

struct http_exchange *http_exchange_new(struct http_server *server,
                                        struct MHD_Connection *connection, const char *url,
                                        const char *method);
void http_exchange_free(struct http_exchange *exchange);
// Takes a piece of the body. False where the connection should be cut: a peer that goes on sending
// far beyond the limit does not wait for an answer.
bool http_exchange_take_body(struct http_exchange *exchange, const char *bytes, size_t length);
// Refuses a body that was not taken.
void http_exchange_refuse_body(struct http_exchange *exchange);
// The room for large bodies that it had is for others now.
void http_exchange_leave_room(struct http_exchange *exchange);
// Gives the reply to libmicrohttpd.
enum MHD_Result http_exchange_send(struct http_exchange *exchange);

// To be called in the node's thread: the reply is ready.
void http_server_replied(struct http_server *server, struct http_exchange *exchange);
// To be called in any thread: the bytes are not needed any more.
void http_server_release(struct release *release);

#endif
