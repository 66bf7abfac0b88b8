// SPDX-License-Identifier: BSD-2-Clause
// Caching servers side by side, each in a thread of its own (query_threads.h) with a cache of its
// own: nothing is shared. What several of them are asked for is asked upstream once by each, held
// in memory once by each, and told to each when it changes.
//
// What is set here holds for all; numbers are sums. All functions are for the loop's thread.
#ifndef IVIP_NODE_QUERY_QSR_THREADS_H
#define IVIP_NODE_QUERY_QSR_THREADS_H

#include "node/config/config.h"
#include "node/query/query_threads.h"
#include "query/choice.h"
#include "query/qsr.h"

struct qsr_threads;

// Listens there with `count` threads (1 to QSR_THREADS_MAX), which share the limits of `config`.
struct qsr_threads *qsr_threads_open(const struct endpoint *listen, const struct qsr_config *config,
                                     size_t count, struct error *error);
void qsr_threads_close(struct qsr_threads *threads);

// As the functions of qsr.h.

// The table is copied.
void qsr_threads_set_mabs(struct qsr_threads *threads, const struct mab_table *mabs);
void qsr_threads_set_group(struct qsr_threads *threads, size_t group,
                           const struct querier_server *servers, size_t count);
void qsr_threads_set_upstreams(struct qsr_threads *threads, const struct endpoint *upstreams,
                               size_t count);
void qsr_threads_set_alternatives(struct qsr_threads *threads, const struct endpoint *alternatives,
                                  size_t count);
void qsr_threads_forget(struct qsr_threads *threads, const struct range *ranges, size_t count);

// The pages of the set of MABs, which all of them hold; see teller_set_pages.
void qsr_threads_set_pages(struct qsr_threads *threads, struct page_shelf *shelf);
size_t qsr_threads_count(const struct qsr_threads *threads);
struct endpoint qsr_threads_local(const struct qsr_threads *threads);

// What all of them say of themselves together.
struct qsr_report {
    struct qsr_counters counters;
    size_t waiting;
    struct latency latency;
    struct teller_report teller;
    struct querier_report querier;
    struct udp_counters udp;
    uint8_t loads[QSR_THREADS_MAX]; // of each thread
};
struct qsr_report qsr_threads_report(struct qsr_threads *threads);
// The servers of a group, in the order in which the first thread prefers them. What was learned
// from one is the sum; it is avoided where all threads avoid it. Fills `upstreams`
// (CHOICE_MEMBERS_MAX) and returns how many there are.
size_t qsr_threads_group(struct qsr_threads *threads, size_t group,
                         struct querier_upstream *upstreams);

#endif
