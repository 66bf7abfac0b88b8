// SPDX-License-Identifier: BSD-2-Clause
// Which MABs the ITR can serve now, and their routes: in the kernel exactly while it can.
//
//              first answer               three questions in a row failed
//     waiting ---------------> routed ------------------------------------> waiting
//              (or: in step)          (or: lost step)
//
// A caching ITR learns what it can serve from its questions: an answer for an address in a MAB
// says that its query servers know that MAB; MAB_FAILURES_MAX failures in a row say that they do
// not. MABs that gave no sign for MAB_QUIET_SECONDS, and those waiting, are probed by asking for
// an address of theirs, so a DITR stops announcing a MAB also when nobody sends to it. A
// full-database ITR is told (mab_routes_set). MABs in the set that a query server tells are vouched
// for: while it does, each is served unless questions about it fail, and nobody probes 200,000
// MABs.
#ifndef IVIP_NODE_TUNNEL_MAB_ROUTES_H
#define IVIP_NODE_TUNNEL_MAB_ROUTES_H

#include "base/address.h"
#include "base/error.h"
#include "base/instant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAB_FAILURES_MAX  3
#define MAB_QUIET_SECONDS 10
#define MAB_PROBES_MAX    64   // in one call of the tick
#define MAB_SETTLED_MAX   1000 // routes added or removed in one call of mab_routes_settle

struct mab_routes;

// Routes go to the device with `index`, with that routing protocol number.
struct mab_routes *mab_routes_new(unsigned index, uint8_t protocol);
// Removes all routes and frees.
void mab_routes_free(struct mab_routes *mabs);

// Adds a MAB, waiting. False where it is there already or overlaps another.
bool mab_routes_add(struct mab_routes *mabs, const struct prefix *mab);
void mab_routes_remove(struct mab_routes *mabs, const struct prefix *mab);
// Says whether a MAB that was added can be served, and adds or removes its route; false where the
// kernel refused. Cheap when nothing changes.
bool mab_routes_set(struct mab_routes *mabs, const struct prefix *mab, bool served);
// Names a MAB, where it was added; `vouched`: as one of the set that query servers tell.
void mab_routes_name(struct mab_routes *mabs, const struct prefix *mab, bool vouched);
// Whether a query server tells that set now. The routes follow with mab_routes_settle.
void mab_routes_set_vouched(struct mab_routes *mabs, bool told);
// Adds and removes routes of MABs that are vouched for, MAB_SETTLED_MAX at most; to be called again
// and again. Cheap when nothing is to be done.
void mab_routes_settle(struct mab_routes *mabs);
// Looks whether the kernel has the routes still, at one of them in each call. Where somebody took
// it away (the device was down, or a network manager tidied up) it is put back, and all others are
// held to be lost and wait to be added again: false.
bool mab_routes_check(struct mab_routes *mabs);
// For one who names all MABs anew: after mab_routes_begin_set, mab_routes_unset tells of which of
// them nothing was said by mab_routes_set or mab_routes_name.
void mab_routes_begin_set(struct mab_routes *mabs);
bool mab_routes_unset(const struct mab_routes *mabs, size_t i);

// A question for an address was answered, or failed. Addresses in no MAB are ignored.
void mab_routes_answered(struct mab_routes *mabs, struct instant now,
                         const struct address *address);
void mab_routes_failed(struct mab_routes *mabs, const struct address *address);
// The next address to ask for only to see whether its MAB is served; false when there is none now.
// A new round begins with each mab_routes_begin_probes.
void mab_routes_begin_probes(struct mab_routes *mabs);
bool mab_routes_next_probe(struct mab_routes *mabs, struct instant now, struct address *address);

// Walks all: 0 to mab_routes_count - 1, in no particular order.
size_t mab_routes_count(const struct mab_routes *mabs);
const struct prefix *mab_routes_at(const struct mab_routes *mabs, size_t i, bool *served);
size_t mab_routes_served(const struct mab_routes *mabs);

#endif
