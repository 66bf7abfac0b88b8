// SPDX-License-Identifier: BSD-2-Clause
// The shell of the locator: asks DNS which query servers an ITR or a QSC of this network is to
// ask, and keeps what it heard over restarts (docs/discovery.md, "Finding upstreams").
//
//     resolver <--> locator core --> upstreams of the ITR or QSC
//                        \--> STATE/upstreams-ROLE.json
#ifndef IVIP_NODE_QUERY_UPSTREAM_FINDER_H
#define IVIP_NODE_QUERY_UPSTREAM_FINDER_H

#include "node/metrics.h"
#include "node/node.h"
#include "query/locator.h"
#include "query/querier.h"

struct upstream_finder_config {
    const char *role;   // "itr" or "qsr"; a constant
    const char *domain; // "": that of the host
    const char *trust_anchor;
    const struct config_endpoints *dns; // all of these stay readable while the finder lives
    enum config_dnssec dnssec;
    bool asks_qscs;
};

struct upstream_finder;

// `changed` is called, from the loop, with the servers to be asked from now on: for what was kept
// from an earlier run, and whenever DNS names others. Never from within this call.
struct upstream_finder *upstream_finder_open(
    struct node *node, const struct upstream_finder_config *config,
    void (*changed)(void *state, const struct querier_server *servers, size_t count), void *state,
    struct error *error);
void upstream_finder_close(struct upstream_finder *finder);

// True while there are servers to ask; otherwise `why` says in a sentence what DNS answers.
bool upstream_finder_healthy(const struct upstream_finder *finder, char *why, size_t size);
void upstream_finder_write_metrics(const struct upstream_finder *finder, struct metrics_page *page);
// A new reference to a JSON object.
json_t *upstream_finder_status(const struct upstream_finder *finder);

#endif
