// SPDX-License-Identifier: BSD-2-Clause
// QSAs side by side, each in a thread of its own (query_threads.h). Nothing is shared between them
// but the mappings, which are read without locks. Whoever changes a mapping, in the loop's thread,
// then tells all QSAs, each of which tells its own queriers.
#ifndef IVIP_NODE_QUERY_QSA_THREADS_H
#define IVIP_NODE_QUERY_QSA_THREADS_H

#include "node/query/qsa_news.h"
#include "node/query/query_threads.h"

struct qsa_threads;

// Listens there with `count` threads (1 to QSA_THREADS_MAX), which share the limits of `config`.
struct qsa_threads *qsa_threads_open(const struct endpoint *listen, const struct qsa_config *config,
                                     size_t count, struct error *error);
// Ends the threads. No mapping is looked at any more when it returns.
void qsa_threads_close(struct qsa_threads *threads);

// Tells all threads, and releases the news.
void qsa_threads_tell(struct qsa_threads *threads, struct qsa_news *news);

// From now on: how long answers may be cached, and the others to name (teller_set_alternatives).
void qsa_threads_set(struct qsa_threads *threads, struct duration caching_time,
                     const struct endpoint *alternatives, size_t count);
// The pages of the set of MABs, which all of them hold; see teller_set_pages.
void qsa_threads_set_pages(struct qsa_threads *threads, struct page_shelf *shelf);
size_t qsa_threads_count(const struct qsa_threads *threads);
struct endpoint qsa_threads_local(const struct qsa_threads *threads);

// What all QSAs say of themselves together.
struct qsa_report {
    struct qsa_counters counters;
    struct teller_report teller;
    struct udp_counters udp;
    uint8_t loads[QSA_THREADS_MAX]; // of each thread
};
struct qsa_report qsa_threads_report(struct qsa_threads *threads);

#endif
