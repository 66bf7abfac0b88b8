// SPDX-License-Identifier: BSD-2-Clause
// Which roles a node has, and how they start.
#ifndef IVIP_NODE_ROLES_H
#define IVIP_NODE_ROLES_H

#include "node/node.h"

// Starts the configured roles in the order in which they build on each other: ruas, qsa, qsr, itr,
// etr. After a failure, those that did start are left for node_free to stop.
bool roles_start(struct node *node, struct error *error);

#endif
