// SPDX-License-Identifier: BSD-2-Clause
// UABs: which range of a MAB is delegated to which user (fast-push §3.3).
//
// UABs do not overlap, each lies inside one MAB, and a micronet never crosses the edge of one. So
// "may this user change this range?" is one look at the UAB that covers its first unit:
//
//     MAB   |------------------------------------------------------|
//     UABs     [ anna      ][ ben ]      [ anna ]
//     micronets  (..)(.)(...)(...)         (..)
//
// The index is one interval map a family; its values number the slots of an array. Each user's UABs
// also hang together in order, so what a user has is found without looking at others'.
#ifndef IVIP_AUTHORITY_DELEGATION_H
#define IVIP_AUTHORITY_DELEGATION_H

#include "authority/account.h"
#include "base/error.h"
#include "base/list.h"
#include "base/random.h"
#include "base/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UAB_MICRONETS_DEFAULT 65536 // most micronets in a UAB, unless the operator says otherwise

struct uab {
    struct range range;
    char user[USER_NAME_MAX];
    uint64_t micronets_max;
    uint64_t micronets;       // there now
    int64_t pending;          // by how much the set under way would change that
    struct list_node of_user; // in the user's list, IPv4 first, by start
};

struct delegation;

struct delegation *delegation_new(struct random_source *random);
void delegation_free(struct delegation *delegation);
size_t delegation_count(const struct delegation *delegation);

// True when no unit of the range is delegated; otherwise the error says to whom it is.
bool delegation_check_free(const struct delegation *delegation, const struct range *range,
                           struct error *error);
// Adds a copy of a UAB; its range must be free.
void delegation_add(struct delegation *delegation, const struct uab *uab);
// Takes it out and frees it.
void delegation_remove(struct delegation *delegation, struct uab *uab);

// The UAB that covers a unit, or NULL. Valid until the next add or remove.
struct uab *delegation_find(const struct delegation *delegation, enum family family,
                            struct unit unit);
// The first UAB of that family that covers `from` or starts after it, for walking in order.
struct uab *delegation_next(const struct delegation *delegation, enum family family,
                            struct unit from);

// The user's UABs in order, IPv4 first: start with NULL; NULL at the end.
struct uab *delegation_next_of(const struct delegation *delegation, const char *user,
                               const struct uab *uab);

// The UAB in which `user` may change `range`; NULL, with an error that says whose it is, where they
// may not.
struct uab *delegation_check(const struct delegation *delegation, const char *user,
                             const struct range *range, struct error *error);

#endif
