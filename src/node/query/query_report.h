// SPDX-License-Identifier: BSD-2-Clause
// The two sides of the query protocol in metrics and status pages: the teller that QSA and QSR
// have, the querier that QSR and ITR have.
#ifndef IVIP_NODE_QUERY_QUERY_REPORT_H
#define IVIP_NODE_QUERY_QUERY_REPORT_H

#include "base/instant.h"
#include "node/metrics.h"
#include "node/udp.h"
#include "query/latency.h"
#include "query/querier.h"
#include "query/teller.h"
#include "wire/message.h"

#include <jansson.h>
#include <stddef.h>

// `role` becomes the label role="...".
void query_report_teller(const struct teller_report *teller, const char *role,
                         struct metrics_page *page);
void query_report_querier(const struct querier_report *querier, const char *role,
                          struct metrics_page *page);
// Datagrams that could not be read, by reason.
void query_report_malformed(const uint64_t dropped[DECODE_REASONS], const char *role,
                            struct metrics_page *page);
// How many threads answer, and how loaded each is.
void query_report_threads(const uint8_t *loads, size_t count, const char *role,
                          struct metrics_page *page);
// What went in and out of a role's query sockets.
void query_report_udp(const struct udp_counters *counters, const char *role,
                      struct metrics_page *page);

// New references to JSON objects.
json_t *query_status_teller(const struct teller_report *teller);
json_t *query_status_querier(const struct querier_report *querier);
// Servers, as a JSON array.
json_t *query_status_upstreams(const struct querier_upstream *upstreams, size_t count,
                               struct instant now);
// The servers of a group, those preferred first.
json_t *query_status_group(const struct querier *querier, size_t group, struct instant now);
// The loads of threads, as a JSON array.
json_t *query_status_loads(const uint8_t *loads, size_t count);

// A Prometheus histogram.
void latency_write(const struct latency *latency, const char *name, const char *help,
                   const char *role, struct metrics_page *page);

#endif
