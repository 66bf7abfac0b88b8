// SPDX-License-Identifier: BSD-2-Clause
// The shell of the ITR: the TUN in, raw sockets out, and mappings from query servers or from the
// QSA of the same node.
#ifndef IVIP_NODE_TUNNEL_ROLE_ITR_H
#define IVIP_NODE_TUNNEL_ROLE_ITR_H

#include "node/node.h"

bool role_itr_start(struct node *node, struct error *error);

#endif
