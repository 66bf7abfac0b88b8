// SPDX-License-Identifier: BSD-2-Clause
// The shell of discovery: asks DNS what the discovery core wants to know, and gives a QSR the
// servers of each MAB (docs/discovery.md).
//
//     resolver <--> discovery core --> QSR: MABs, groups of servers
#ifndef IVIP_NODE_QUERY_FINDER_H
#define IVIP_NODE_QUERY_FINDER_H

#include "node/metrics.h"
#include "node/node.h"
#include "node/query/qsr_threads.h"

struct finder;

// `threads` stay the caller's and must outlive the finder.
struct finder *finder_open(struct node *node, const struct config_qsr *config,
                           struct qsr_threads *threads, struct error *error);
void finder_close(struct finder *finder);

// True once the MABs are known; otherwise `why` says in a sentence what DNS answers.
bool finder_healthy(const struct finder *finder, char *why, size_t size);
void finder_write_metrics(const struct finder *finder, struct metrics_page *page);
// A new reference to a JSON object.
json_t *finder_status(const struct finder *finder);

#endif
