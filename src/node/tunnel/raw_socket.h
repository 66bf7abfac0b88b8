// SPDX-License-Identifier: BSD-2-Clause
// Raw IP sockets, in batches: the ITR's way out, and the ETR's way in.
//
// The sender writes whole IP headers itself, because the outer source is the sending host's. The
// receiver takes protocols 4 and 41 of both families, after the kernel has put fragments together.
#ifndef IVIP_NODE_TUNNEL_RAW_SOCKET_H
#define IVIP_NODE_TUNNEL_RAW_SOCKET_H

#include "node/node.h"
#include "tunnel/coalescer.h"
#include "tunnel/etr.h"
#include "tunnel/segments.h"

#include <stdbool.h>
#include <stdint.h>

#define RAW_SEND_BATCH    64 // pieces; more than one super-packet of 64 KB makes
#define RAW_RECEIVE_BATCH COALESCER_BATCH

struct raw_sender;

struct raw_sender_counters {
    uint64_t sent;
    uint64_t sent_octets;
    uint64_t too_big;     // EMSGSIZE: longer than the link carries
    uint64_t no_buffers;  // ENOBUFS, EAGAIN: the link or the socket is full
    uint64_t unreachable; // no route any more, or the firewall refused
    uint64_t failed;      // any other error
};

// With `device` not NULL, everything leaves by that device, whatever other routes say.
struct raw_sender *raw_sender_open(const char *device, struct error *error);
void raw_sender_close(struct raw_sender *sender);

// Room for the next piece to `to`; what its payload points at must stay until raw_sender_flush.
// Full batches are flushed here.
struct piece *raw_sender_slot(struct raw_sender *sender, const struct address *to);
// The slot given last was filled in.
void raw_sender_commit(struct raw_sender *sender);
// Sends all that was committed.
void raw_sender_flush(struct raw_sender *sender);
// Takes out an address that a piece was too big for since the last time.
bool raw_sender_next_too_big(struct raw_sender *sender, struct address *to);
const struct raw_sender_counters *raw_sender_counters(const struct raw_sender *sender);

struct raw_receiver;

// A packet received: with its outer header for IPv4; for IPv6, where the kernel keeps the header,
// without it, and `outer` filled in.
struct raw_packet {
    enum family family;
    uint8_t *bytes;
    uint32_t length;
    struct etr_outer outer;
};

// Called for each packet of a batch, whose bytes stay where they are until the end of the batch.
typedef void raw_receive(void *state, struct raw_packet *packet);
// Called after each batch.
typedef void raw_batch_end(void *state);

struct raw_receiver_counters {
    uint64_t overflowed; // the kernel dropped because we were too slow
};

// Receives what is sent to `at`, an address of this host, or with NULL to any.
struct raw_receiver *raw_receiver_open(struct node *node, const struct address *at,
                                       raw_receive *receive, raw_batch_end *batch_end, void *state,
                                       struct error *error);
// Closes and frees when the loop lets go of it.
void raw_receiver_close(struct raw_receiver *receiver);
const struct raw_receiver_counters *raw_receiver_counters(const struct raw_receiver *receiver);

#endif
