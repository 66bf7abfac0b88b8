// SPDX-License-Identifier: BSD-2-Clause
// What the process may do. A node started as root keeps the few capabilities that its roles need,
// changes to the configured account, and can never gain anything again or start another program.
//
//     started as root -> directories made and given to the account -> privileges_drop
//                     -> roles start, with only their capabilities
#ifndef IVIP_NODE_PRIVILEGES_H
#define IVIP_NODE_PRIVILEGES_H

#include "node/config/config.h"

// Makes the state directory and the one that the control socket lies in, for the account that the
// node will run as. What exists already stays as it is.
bool privileges_prepare(const struct config *config, struct error *error);

// Keeps CAP_NET_ADMIN and CAP_NET_RAW where there is an itr or etr, CAP_NET_BIND_SERVICE where a
// port below 1024 is configured, and nothing else; takes the configured account; sets
// no_new_privs; and lets the kernel refuse system calls that a node has no business with. To be
// called before any thread is started. A node that was not started as root keeps what it has.
bool privileges_drop(const struct config *config, struct error *error);

#endif
