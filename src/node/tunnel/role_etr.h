// SPDX-License-Identifier: BSD-2-Clause
// The shell of the ETR: raw sockets in, the TUN out.
#ifndef IVIP_NODE_TUNNEL_ROLE_ETR_H
#define IVIP_NODE_TUNNEL_ROLE_ETR_H

#include "node/node.h"

bool role_etr_start(struct node *node, struct error *error);

#endif
