// SPDX-License-Identifier: BSD-2-Clause
// Which addresses a micronet may be mapped to (fast-push §3.7: "multicast, SPI space, private
// address space or ... some other prefixes"; arch §2.8).
//
// Three layers, each with an error of its own:
//   - never an ETR: addresses that are not global unicast (the list in etr_policy.c);
//   - "etr-inside-mab": an address that is itself mapped space would make ITRs tunnel in circles;
//   - "etr-refused": prefixes that this RUAS's config names.
// 6to4 addresses (2002::/16) carry an IPv4 address, to which the same rules apply.
// Benchmarking space (198.18.0.0/15, 2001:2::/48) is allowed: laboratories live there.
#ifndef IVIP_AUTHORITY_ETR_POLICY_H
#define IVIP_AUTHORITY_ETR_POLICY_H

#include "base/address.h"
#include "base/error.h"
#include "mapping/mab_table.h"

#include <stdbool.h>
#include <stddef.h>

struct etr_policy {
    const struct mab_table *mabs; // all MABs known; not owned
    const struct prefix *refused; // from the config; not owned
    size_t refused_count;
};

// False, with the reason, where no micronet may be mapped to this address. The mapping "zero"
// (FAMILY_NONE) is always allowed.
bool etr_policy_check(const struct etr_policy *policy, const struct address *etr,
                      struct error *error);

#endif
