// SPDX-License-Identifier: BSD-2-Clause
// The caching query server: answers from what it learned, asks upstream for the rest, and passes
// every Cache Update on to those it told (DRTM §2; arch §2.22). It is the QSR, whose upstreams are
// QSAs, and the QSC, whose upstreams are QSRs or other QSCs, in chains of any depth.
//
//     queriers <---> teller | waiting | querier <---> upstreams
//
// A core without I/O.
#ifndef IVIP_QUERY_QSR_H
#define IVIP_QUERY_QSR_H

#include "mapping/mab_table.h"
#include "query/latency.h"
#include "query/querier.h"
#include "query/teller.h"

// A cached mapping with less than this left is asked for again rather than handed on: the querier
// could hardly use it.
#define QSR_CACHING_LEFT_MS_MIN 1000

struct qsr_config {
    struct querier_config querier; // upstreams, and the limits of the cache
    struct teller_config teller;
    size_t waiting_max; // most requests that wait for upstream answers; see waiting_room.h
};

struct qsr_counters {
    uint64_t dropped[DECODE_REASONS]; // datagrams of queriers refused, by reason
    uint64_t hits, misses, merged;    // requests: answered from cache; asked; joined one asked
    uint64_t refused_full;            // answered with busy: too many wait, or of that host
    uint64_t outside;                 // in no MAB
    uint64_t serverless;              // no server of the MAB is known
};

struct qsr;

struct qsr *qsr_new(const struct qsr_config *config, struct random_seed seed, struct instant now);
void qsr_free(struct qsr *qsr);

// These questions come next; see foresight.h.
void qsr_foresee(struct qsr *qsr, const struct foresight *foresight);
void qsr_input(struct qsr *qsr, struct instant now, const struct endpoint *from,
               const uint8_t *bytes, size_t length);
// As for all cores: 0 when there is nothing to send.
size_t qsr_next_output(struct qsr *qsr, struct instant now, struct endpoint *to, uint8_t *buffer);
struct instant qsr_next_deadline(const struct qsr *qsr);
void qsr_tick(struct qsr *qsr, struct instant now);

// Which group of upstreams answers for an address: the number of its MAB in the table, which the
// caller keeps as long as the QSR; NULL (as at first): all addresses are asked of group 0. What is
// in no MAB of the table is answered from here.
void qsr_set_mabs(struct qsr *qsr, const struct mab_table *mabs);
// The pages of the set of MABs, for those who ask for them; see teller_set_pages.
void qsr_set_pages(struct qsr *qsr, struct page_shelf *shelf);
// Takes other servers for a group; see querier_set_group.
void qsr_set_group(struct qsr *qsr, struct instant now, size_t group,
                   const struct querier_server *servers, size_t count);
// Forgets what is cached for any part of the range, and tells those who were told; who waits for an
// answer is told to try another.
void qsr_forget(struct qsr *qsr, struct instant now, const struct range *range);
// Takes other upstreams; see querier_set_upstreams.
void qsr_set_upstreams(struct qsr *qsr, struct instant now, const struct endpoint *upstreams,
                       size_t count);

// How loaded whoever runs it is; see teller_set_load. What waits and is asked counts, too.
void qsr_set_load(struct qsr *qsr, uint8_t load);
// Other servers that can answer the same; see teller_set_alternatives.
void qsr_set_alternatives(struct qsr *qsr, const struct endpoint *alternatives, size_t count);

// Its two sides, for counters, limits and status. What they have to send or tell comes through the
// QSR.
const struct querier *qsr_querier(const struct qsr *qsr);
const struct teller *qsr_teller(const struct qsr *qsr);
// Requests that wait for upstream answers.
size_t qsr_waiting(const struct qsr *qsr);
// How long questions took to be answered by upstream servers.
const struct latency *qsr_latency(const struct qsr *qsr);
const struct qsr_counters *qsr_counters(const struct qsr *qsr);

#endif
