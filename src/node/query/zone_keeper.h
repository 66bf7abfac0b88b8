// SPDX-License-Identifier: BSD-2-Clause
// Keeps what DNS said last of all MABs and their QSAs in the state directory (discovery.zone), so
// that a QSR which starts while DNS is down knows them (docs/discovery.md, "Kept on disk").
//
//     start:  file --> answers --> discovery core       as if DNS had given them
//     later:  validated answers --> store --> file      written by a worker, whole or not at all
//
// The core checks kept answers as it checks any: pages by the digests that are their names.
#ifndef IVIP_NODE_QUERY_ZONE_KEEPER_H
#define IVIP_NODE_QUERY_ZONE_KEEPER_H

#include "node/node.h"
#include "query/discovery.h"

#include <stdbool.h>
#include <stdint.h>

// Kept answers older than this are not used. Whoever keeps DNS from answering could as well answer
// with what was signed some days ago, until the signatures end, commonly after one to two weeks:
// within a week this trust gives him nothing that he has not got.
#define ZONE_KEPT_SECONDS_MAX (7 * 24 * 3600)
// The file says when DNS last confirmed the set, to within this.
#define ZONE_KEPT_REFRESH_SECONDS 3600

struct zone_keeper;

// `discovery` stays the caller's and must outlive the keeper.
struct zone_keeper *zone_keeper_open(struct node *node, const char *domain,
                                     const char *trust_anchor, struct discovery *discovery);
// Writes what is not written yet.
void zone_keeper_close(struct zone_keeper *keeper);

// Gives the answers that were kept to the discovery core, which must be new. True when the MABs are
// known by it; they are to be asked for again all the same.
bool zone_keeper_restore(struct zone_keeper *keeper);
// To be called with each answer, after the core had it. `changed`: what is known changed by it.
void zone_keeper_note(struct zone_keeper *keeper, const struct dns_question *question,
                      const struct dns_answer *answer, bool changed);

// Whether what is known was only kept, and DNS has not confirmed it since the start.
bool zone_keeper_unconfirmed(const struct zone_keeper *keeper);
// Seconds since DNS last confirmed the set of MABs; negative where it never did.
int64_t zone_keeper_age_seconds(const struct zone_keeper *keeper);

#endif
