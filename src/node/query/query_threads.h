// SPDX-License-Identifier: BSD-2-Clause
// Cores of query servers side by side, each in a thread of its own with its own socket at the same
// address, so that a node answers on as many processors as it has.
//
//     queriers a, b --> socket --> thread 1: core 1 --> socket --> upstream servers
//     queriers c, d --> socket --> thread 2: core 2 --> socket --> upstream servers
//
// The kernel gives the datagrams of one querier always to the same socket (SO_REUSEPORT). So each
// core has its own queriers, and it alone knows what they were told. Should a querier's datagrams
// come to another thread than before, it meets another instance there and drops what it had, as
// from a server that started anew (docs/protocol.md, rule 8).
//
// What a server answers to a core must reach that core's thread. With one thread the socket of the
// queriers serves for that; several threads, each have a second socket, with a port of its own.
//
// A thread holds its core for a turn: what came, what is due, what is to be sent. The loop's thread
// gets it between two turns, for as long as it needs it.
#ifndef IVIP_NODE_QUERY_QUERY_THREADS_H
#define IVIP_NODE_QUERY_QUERY_THREADS_H

#include "base/error.h"
#include "base/instant.h"
#include "node/udp.h"
#include "query/foresight.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a turn sends besides one datagram for each that it read. Tens of thousands of updates may be
// due at once, and a thread that sends them first does not read: what is asked and acknowledged
// meanwhile is lost, and what is not acknowledged is sent again. So where more waits to be read,
// half as many as were read: with the acknowledgements that they bring, a thread bears as many as
// it reads.
#define QUERY_UPDATES_PART  2
#define QUERY_UPDATES_QUIET 128 // where nothing waits; so it is soon read what comes meanwhile

// The functions of a core, each called with one of `cores`.
struct query_core {
    // Before all else of a turn; may be NULL.
    void (*begin)(void *core, struct instant now);
    // Before a batch of more than one question.
    void (*foresee)(void *core, const struct foresight *foresight);
    void (*input)(void *core, struct instant now, const struct endpoint *from, const uint8_t *bytes,
                  size_t length);
    size_t (*next_output)(void *core, struct instant now, struct endpoint *to, uint8_t *buffer);
    struct instant (*next_deadline)(const void *core);
    void (*tick)(void *core, struct instant now);
    // How loaded the thread is, 0 to 255; a few times a second.
    void (*set_load)(void *core, uint8_t load);
    bool asks; // it also asks servers upstream
};

struct query_threads;

// Listens there with a thread for each core. The cores stay the caller's, who must not touch them
// but between query_threads_hold and _release until the threads have ended.
struct query_threads *query_threads_open(const struct endpoint *listen,
                                         const struct query_core *functions, void *const *cores,
                                         size_t count, struct error *error);
// Ends the threads and closes the sockets. NULL does nothing.
void query_threads_close(struct query_threads *threads);

// Waits until thread `i` is between two turns and keeps it there. Only the loop's thread may call
// it, and may hold one at a time.
void query_threads_hold(struct query_threads *threads, size_t i);
// Lets it go on, at once with a turn.
void query_threads_release(struct query_threads *threads, size_t i);
// Makes thread `i` begin a turn, from any thread.
void query_threads_wake(struct query_threads *threads, size_t i);

struct endpoint query_threads_local(const struct query_threads *threads);
// The load of thread `i`, which is held.
uint8_t query_threads_load(const struct query_threads *threads, size_t i);
// Adds the counters of its sockets to `sum`; it is held.
void query_threads_add_udp(const struct query_threads *threads, size_t i, struct udp_counters *sum);

#endif
