// SPDX-License-Identifier: BSD-2-Clause
// What a batch of datagrams is about to ask, read before the first of them is answered.
//
//     question 1 .. question 64  -->  memory that each will need is asked for, all at once
//     question 1 .. question 64  -->  each is answered, and finds it in the processor's cache
//
// What is told and cached of millions of ranges does not fit the processor's cache, so a question
// alone waits for memory several times, one place after the other. Nothing is decided here, and
// nothing has to be right: what was foreseen may be gone when the question is answered.
#ifndef IVIP_QUERY_FORESIGHT_H
#define IVIP_QUERY_FORESIGHT_H

#include "base/address.h"
#include "query/range_map.h"
#include "query/slab.h"

#include <stddef.h>
#include <stdint.h>

#define FORESIGHT_MAX 64 // questions in a batch; of further ones nothing is foreseen

struct foresight {
    size_t count;
    struct foreseen {
        struct endpoint from;
        uint64_t nonce;
    } questions[FORESIGHT_MAX];
    size_t unit_counts[2]; // IPv4, IPv6
    uint64_t units[2][FORESIGHT_MAX];
};

// Empty. The rest needs no initialisation.
void foresight_init(struct foresight *foresight);
// Adds a datagram, where it is a Map Request.
void foresight_add(struct foresight *foresight, const struct endpoint *from, const uint8_t *bytes,
                   size_t length);
// Asks memory for all that leads from the units to objects of a slab, which the map numbers, and
// for the first octets of these. Fills `objects` with them, or in place of one that is not there
// any other place of the slab, and returns how many there are.
size_t foresight_ranges(const struct foresight *foresight, const struct range_map *map,
                        const struct slab *slab, const void *objects[FORESIGHT_MAX]);

#endif
