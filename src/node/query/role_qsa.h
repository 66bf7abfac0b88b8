// SPDX-License-Identifier: BSD-2-Clause
// The shell of the QSA: keeps its copies in step with a feed, answers queries from them, and hands
// them to a full-database ITR in the same node.
#ifndef IVIP_NODE_QUERY_ROLE_QSA_H
#define IVIP_NODE_QUERY_ROLE_QSA_H

#include "mapping/database.h"
#include "node/node.h"

bool role_qsa_start(struct node *node, struct error *error);

// For the other roles of the node; `state` is node_role(node, "qsa"). Everything stays valid while
// the role runs, in the loop's thread.

const struct database *role_qsa_database(const void *state);
// The MABs it serves: 0 to count - 1. Returns whether its copy of the MAB may be answered from,
// and tunnelled by, now.
size_t role_qsa_mab_count(const void *state);
bool role_qsa_mab(const void *state, size_t i, struct prefix *mab);
// The ETR prefixes that the RUASes refuse, until the next change.
const struct prefix *role_qsa_refused(const void *state, size_t *count);

// Told of changes, from the loop; it must not call the role's node_* functions of stopping.
struct role_qsa_watcher {
    void *state;
    void (*mabs)(void *state);    // a MAB came, went, or may be answered from or not
    void (*refused)(void *state); // the refused prefixes changed
};
// One watcher, which is copied; NULL ends it. It is not called from here.
void role_qsa_watch(void *state, const struct role_qsa_watcher *watcher);

#endif
