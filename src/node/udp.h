// SPDX-License-Identifier: BSD-2-Clause
// UDP sockets in the node's loop, received and sent in batches (recvmmsg, sendmmsg).
#ifndef IVIP_NODE_UDP_H
#define IVIP_NODE_UDP_H

#include "node/node.h"

#define UDP_BATCH 64 // datagrams for each system call

struct udp;

// Called for each datagram; `bytes` is valid during the call only.
typedef void udp_receive(void *state, const struct endpoint *from, const uint8_t *bytes,
                         size_t length);
// A datagram that was read; `bytes` is valid during the call only.
struct udp_datagram {
    struct endpoint from;
    const uint8_t *bytes;
    size_t length;
};
// Called with all datagrams of a batch before the first of them is given to udp_receive.
typedef void udp_foresee(void *state, const struct udp_datagram *datagrams, size_t count);
// Called once after each batch, so that a core is drained once and not for each datagram. May be
// NULL.
typedef void udp_batch_end(void *state);

// Binds to an address and port; the address "::" takes both families that the host has. Port 0 lets
// the kernel choose.
struct udp *udp_open(struct node *node, const struct endpoint *listen, udp_receive *receive,
                     udp_batch_end *batch_end, void *state, struct error *error);
// A socket for a thread of its own. Nobody watches it: the thread polls udp_descriptor, and calls
// udp_read.
struct udp *udp_open_alone(const struct endpoint *listen, udp_receive *receive,
                           udp_batch_end *batch_end, void *state, struct error *error);
// From now on others of the same account may be opened at its address and port.
void udp_share(struct udp *udp);
// As udp_open_alone, at the address and port of one that shares them. The kernel gives each peer's
// datagrams always to the same of them, so long as none is opened or closed.
struct udp *udp_open_shared(const struct endpoint *listen, udp_receive *receive,
                            udp_batch_end *batch_end, void *state, struct error *error);
// At first nothing is called before a batch.
void udp_foresee_with(struct udp *udp, udp_foresee *foresee);
int udp_descriptor(const struct udp *udp);
// Reads up to UDP_BATCH datagrams, if there are any; true when there may be more.
bool udp_read(struct udp *udp);
void udp_close(struct udp *udp);
// Where it is bound.
struct endpoint udp_local(const struct udp *udp);

// Queues a datagram; it goes out with udp_flush, or when the batch is full. UDP may lose it, and
// so may a full socket: that is counted, not reported.
void udp_send(struct udp *udp, const struct endpoint *to, const uint8_t *bytes, size_t length);
void udp_flush(struct udp *udp);

struct udp_counters {
    uint64_t received, sent, send_failed, truncated;
    uint64_t lost; // as of udp_queue
};
struct udp_counters udp_counters(const struct udp *udp);
void udp_counters_add(struct udp_counters *sum, const struct udp_counters *part);

// Lets no more octets wait in the kernel to be read than that (the kernel counts some 768 for a
// short datagram, and gives twice as many as are asked for): where peers ask again, those of the
// last milliseconds are wanted, and not those of long ago.
void udp_bound_queue(struct udp *udp, size_t octets);
// What waits in the kernel to be read.
struct udp_queue {
    uint8_t full;  // the part of its room that is taken, of 255
    uint64_t lost; // datagrams that found no room, ever; the kernel counts modulo 2^32
};
struct udp_queue udp_queue(const struct udp *udp);

#endif
