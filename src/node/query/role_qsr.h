// SPDX-License-Identifier: BSD-2-Clause
// The shell of the QSR, or QSC: a caching query server on a UDP socket.
#ifndef IVIP_NODE_QUERY_ROLE_QSR_H
#define IVIP_NODE_QUERY_ROLE_QSR_H

#include "node/node.h"

bool role_qsr_start(struct node *node, struct error *error);

#endif
