// SPDX-License-Identifier: BSD-2-Clause
// Associations: what a node keeps about each correspondent (overview §3.2).
//
// The two identifying addresses never change while an association lives; the address sequences in
// use do. Whatever route the correspondent's last packet took, the next one to it takes in
// reverse: a mobile host's move, or a policy we know nothing of, reaches us this way.
#ifndef SIPP_LIB_ASSOCIATION_H
#define SIPP_LIB_ASSOCIATION_H

#include "base/instant.h"
#include "base/random.h"
#include "sipp/lib/route.h"

#define ASSOCIATIONS_MAX 4096 // the one unused for longest gives way to a new one

struct association {
    struct sipp_address local; // identifying addresses
    struct sipp_address remote;
    struct path path; // to the correspondent, now; ends in `remote`
    bool heard;       // `path` came from a packet of the correspondent
    struct instant last_used;
};

struct associations; // owns its entries

struct associations *associations_new(const struct random_source *random);
void associations_free(struct associations *associations);
size_t associations_count(const struct associations *associations);

// The association between two identifying addresses, or NULL.
struct association *associations_find(struct associations *associations, struct sipp_address local,
                                      struct sipp_address remote);
// Finds or makes it and sets the path in use; `path` must not be empty.
struct association *associations_set(struct associations *associations, struct instant now,
                                     struct sipp_address local, const struct path *path,
                                     bool heard);
// Walks: start with NULL.
struct association *associations_next(const struct associations *associations,
                                      const struct association *after);

#endif
