// SPDX-License-Identifier: BSD-2-Clause
// One version of the set of MABs as its users look at it: which prefixes are MABs, and which no ETR
// may be in (docs/discovery.md).
#ifndef IVIP_QUERY_MAB_SET_H
#define IVIP_QUERY_MAB_SET_H

#include "base/address.h"
#include "query/mab_index.h"

#include <stddef.h>

// Sorted, without overlap.
struct mab_set {
    size_t mab_count;
    struct prefix *mabs;
    size_t refused_count;
    struct prefix *refused; // prefixes that no ETR may be in
};

// The set of all entries of a version, which stay the caller's; to be ended with mab_set_release,
// which leaves an empty set.
struct mab_set mab_set_of_entries(const struct mab_entries *entries);
void mab_set_release(struct mab_set *set);

// MABs that are in one set only: each call gives the next of `a` that is not in `b`, from `*at`,
// which began as 0, on. NULL when there is none.
const struct prefix *mab_set_next_only(const struct mab_set *a, const struct mab_set *b,
                                       size_t *at);

#endif
