// SPDX-License-Identifier: BSD-2-Clause
// The shell of discovery: asks DNS what the discovery core wants to know, and gives a QSR the
// servers of each MAB (docs/discovery.md).
//
//     resolver <--> discovery core --> QSR: MABs, groups of servers
#ifndef IVIP_NODE_QUERY_FINDER_H
#define IVIP_NODE_QUERY_FINDER_H

#include "node/metrics.h"
#include "node/node.h"
#include "query/qsr.h"

struct finder;

// `qsr` stays the caller's and must outlive the finder; `changed` is called after it was told
// something.
struct finder *finder_open(struct node *node, const struct config_qsr *config, struct qsr *qsr,
                           void (*changed)(void *state), void *state, struct error *error);
void finder_close(struct finder *finder);

// True once the MABs are known; otherwise `why` says in a sentence what DNS answers.
bool finder_healthy(const struct finder *finder, char *why, size_t size);
void finder_write_metrics(const struct finder *finder, struct metrics_page *page);
// A new reference to a JSON object.
json_t *finder_status(const struct finder *finder);

#endif
