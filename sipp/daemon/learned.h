// SPDX-License-Identifier: BSD-2-Clause
// The routes of the kernel's table that are SIPP's, as last heard over netlink, and which of them
// is in use: for each prefix the one with the least metric, the newest among equals.
//
// Netlink tells of changes one by one, and may lose some. So all that is known is held here; after
// a loss everything is asked for again, and what is not said again is gone.
#ifndef SIPP_DAEMON_LEARNED_H
#define SIPP_DAEMON_LEARNED_H

#include "sipp/lib/forwarding.h"

#define LEARNED_CHOICES_MAX 8 // routes to one prefix; the oldest gives way

struct learned;

// Routes that are in use are put into `table`, and taken out of it again.
struct learned *learned_new(struct forwarding *table);
void learned_free(struct learned *learned); // leaves the table as it is

// A route is there. With `replace` it takes the place of the others of its metric.
void learned_add(struct learned *learned, const struct sipp_prefix *prefix, uint32_t metric,
                 struct next_hop next_hop, bool replace);
// A route is gone. One that is not known, as it was replaced before, changes nothing.
void learned_remove(struct learned *learned, const struct sipp_prefix *prefix, uint32_t metric,
                    struct next_hop next_hop);
// Everything is told again between these two. What was not is gone at the end.
void learned_begin(struct learned *learned);
void learned_end(struct learned *learned);

#endif
