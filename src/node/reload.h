// SPDX-License-Identifier: BSD-2-Clause
// A new config taken over by a running node: whole or not at all.
#ifndef IVIP_NODE_RELOAD_H
#define IVIP_NODE_RELOAD_H

#include "node/node.h"

// Gives `config` to the roles whose section differs from `old`. Where one refuses, those that had
// taken it over get `old` back, and false is returned. What only a restart can change (the set of
// roles, name, key, state, control, metrics, user) is refused before any role is asked.
bool reload_roles(struct node *node, const struct config *old, const struct config *config,
                  struct error *error);

// True where the two say the same, so that there is nothing to take over.
bool reload_changes_nothing(const struct config *old, const struct config *config);

#endif
