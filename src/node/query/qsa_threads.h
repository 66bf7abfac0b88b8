// SPDX-License-Identifier: BSD-2-Clause
// QSAs side by side, each in a thread of its own with its own socket at the same address, so that
// a node answers on as many processors as it has.
//
// The kernel gives the datagrams of one querier always to the same socket (SO_REUSEPORT). So each
// thread has its own queriers, and its QSA alone knows what they were told: nothing is shared
// between threads but the mappings, which are read without locks. Whoever changes a mapping, in
// the loop's thread, then tells all QSAs, each of which tells its own queriers.
//
// Should a querier's datagrams come to another thread than before, it meets another instance there
// and drops what it had, as from a server that started anew (docs/protocol.md, rule 8).
#ifndef IVIP_NODE_QUERY_QSA_THREADS_H
#define IVIP_NODE_QUERY_QSA_THREADS_H

#include "node/query/qsa_news.h"
#include "node/udp.h"

struct qsa_threads;

// Listens there with `count` threads (1 to QSA_THREADS_MAX), which share the limits of `config`.
struct qsa_threads *qsa_threads_open(const struct endpoint *listen, const struct qsa_config *config,
                                     size_t count, struct error *error);
// Ends the threads. No mapping is looked at any more when it returns.
void qsa_threads_close(struct qsa_threads *threads);

// Tells all threads, and releases the news.
void qsa_threads_tell(struct qsa_threads *threads, struct qsa_news *news);

size_t qsa_threads_count(const struct qsa_threads *threads);
struct endpoint qsa_threads_local(const struct qsa_threads *threads);

// What all threads say of themselves together, at most a moment ago.
struct qsa_report {
    struct qsa_counters counters;
    struct teller_report teller;
    struct udp_counters udp;
};
struct qsa_report qsa_threads_report(struct qsa_threads *threads);

#endif
