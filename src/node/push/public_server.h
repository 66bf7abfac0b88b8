// SPDX-License-Identifier: BSD-2-Clause
// The public HTTP interface of a RUAS: directory, missing payloads, snapshots, health
// (docs/protocol.md, "HTTP interface of the RUAS"). Everything it serves is signed.
#ifndef IVIP_NODE_PUSH_PUBLIC_SERVER_H
#define IVIP_NODE_PUSH_PUBLIC_SERVER_H

#include "node/config/config.h"
#include "node/node.h"
#include "node/push/snapshot_keeper.h"
#include "push/sender.h"

#include <stdbool.h>

#define PUBLIC_BYTES_MAX    ((size_t)256 << 20) // of payloads on their way to those who asked
#define DIRECTORY_CACHED_MS 100                 // so long the same directory is given to all

struct public_server;

struct public_server_counters {
    uint64_t directories, payload_requests, payloads, snapshots, refused, bytes;
};

// Serves what the sender and the keeper have; they must outlive it. `refused` holds the prefixes
// no ETR may be in.
struct public_server *public_server_open(struct node *node, const struct endpoint *listen,
                                         const struct sender *sender,
                                         struct snapshot_keeper *keeper,
                                         const struct config_prefixes *refused,
                                         struct error *error);
// Called with the body of each POST /v1/usage; true: acknowledge it.
typedef bool public_take(void *state, const uint8_t *bytes, size_t length, struct error *error);
// Without this, nothing can be posted.
void public_server_set_usage(struct public_server *server, public_take *take, void *state);
void public_server_close(struct public_server *server);
void public_server_set_refused(struct public_server *server, const struct config_prefixes *refused);
struct endpoint public_server_local(const struct public_server *server);
// How its connections went.
void public_server_write_metrics(const struct public_server *server, struct metrics_page *page);
const struct public_server_counters *public_server_counters(const struct public_server *server);

#endif
