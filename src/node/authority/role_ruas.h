// SPDX-License-Identifier: BSD-2-Clause
// The ruas role: the front door (REST over HTTPS), the master database with its store, scheduled
// sets, the operator's control commands, and the output to QSAs and Replicators.
#ifndef IVIP_NODE_AUTHORITY_ROLE_RUAS_H
#define IVIP_NODE_AUTHORITY_ROLE_RUAS_H

#include "node/node.h"

bool role_ruas_start(struct node *node, struct error *error);

#endif
