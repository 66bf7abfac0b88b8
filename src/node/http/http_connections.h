// SPDX-License-Identifier: BSD-2-Clause
// The connections of an HTTP server, and how many and how long anybody may have them.
//
// libmicrohttpd ends connections that are silent. A peer that sends an octet now and then is not,
// and holds its place for ever, as does one that takes its answer so, with all the memory that the
// answer is in; one with an IPv6 network of its own has as many addresses as it wants. So each
// connection has some seconds for a whole request, TLS handshake included, and some minutes for the
// answer, and places are counted by source: an IPv4 address, or an IPv6 /64.
//
//     accepted -> waits for a request -> is answered -> waits for the next
//                  `- too long: cut       `- too long: cut
#ifndef IVIP_NODE_HTTP_HTTP_CONNECTIONS_H
#define IVIP_NODE_HTTP_HTTP_CONNECTIONS_H

#include "base/instant.h"

#include <microhttpd.h>
#include <stdint.h>
#include <uv.h>

#define HTTP_CONNECTIONS_MAX            1024 // of one server
#define HTTP_CONNECTIONS_PER_SOURCE_MAX 256
#define HTTP_REQUEST_SECONDS            30 // from the connection, or the answer before, to the whole
#define HTTP_ANSWER_TIMES               20 // as long from there until the answer is taken

struct http_connections;

// How connections went; to be read in any thread.
struct http_connection_counts {
    uint64_t accepted; // and were open at some time
    uint64_t refused;  // too many of one source: closed at once
    uint64_t cut;      // took too long for a whole request, or an answer
    uint64_t open;     // now
};

// `loop` must run until http_connections_close has had its turn in it.
struct http_connections *http_connections_new(uv_loop_t *loop);
// To be called when libmicrohttpd has closed all of them; frees it.
void http_connections_close(struct http_connections *connections);
// Another time than HTTP_REQUEST_SECONDS, for connections that begin to wait from now on.
void http_connections_set_patience(struct http_connections *connections, struct duration patience);

struct http_connection_counts http_connections_counts(const struct http_connections *connections);

// The callbacks that libmicrohttpd wants: MHD_AcceptPolicyCallback, MHD_NotifyConnectionCallback.
enum MHD_Result http_connections_accept(void *state, const struct sockaddr *address,
                                        socklen_t length);
void http_connections_notify(void *connections, struct MHD_Connection *connection, void **context,
                             enum MHD_ConnectionNotificationCode code);
// The request is whole: its answer is waited for, and has to be taken.
void http_connection_whole(struct MHD_Connection *connection);
// It was answered: the next request is waited for.
void http_connection_wait(struct MHD_Connection *connection);

#endif
