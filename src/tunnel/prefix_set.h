// SPDX-License-Identifier: BSD-2-Clause
// The addresses that any of a list of prefixes covers. Looking one up takes a binary search, since
// an ETR does it for each packet, and an ITR that shares the MABs with others refuses 200,000 of
// them.
#ifndef IVIP_TUNNEL_PREFIX_SET_H
#define IVIP_TUNNEL_PREFIX_SET_H

#include "base/address.h"

#include <stdbool.h>
#include <stddef.h>

struct prefix_set;

// Copies the prefixes, which may overlap and be of both families.
struct prefix_set *prefix_set_new(const struct prefix *prefixes, size_t count);
void prefix_set_free(struct prefix_set *set);

bool prefix_set_contains(const struct prefix_set *set, const struct address *address);
bool prefix_set_empty(const struct prefix_set *set);
// True where a prefix of that family is in it.
bool prefix_set_has_family(const struct prefix_set *set, enum family family);

#endif
