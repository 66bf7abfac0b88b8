// SPDX-License-Identifier: BSD-2-Clause
// Keeps a flood of forged payloads from using up the machine: checking a signature costs 50
// microseconds, dropping a datagram unseen nearly nothing.
//
// A source that brought something genuine lately is listened to until it forges too much itself.
// All others are hashed into buckets: a bucket that brought too many forgeries in this second is
// not listened to until the next, and none is when there are too many in all. What is lost by that
// is fetched over HTTP like any missing payload.
#ifndef IVIP_PUSH_SUSPICION_H
#define IVIP_PUSH_SUSPICION_H

#include "base/address.h"
#include "base/hash.h"
#include "base/instant.h"
#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

#define SUSPICION_BUCKETS           256
#define FORGERIES_PER_SOURCE_SECOND 100
#define FORGERIES_IN_ALL_PER_SECOND 1000

struct suspicion_bucket {
    struct address genuine_source; // that brought something genuine last
    struct instant genuine_at;     // when it did
    uint32_t forged_by_genuine;    // in this second
    uint32_t forged;               // in this second, by the others
};

struct suspicion {
    struct hash_key key;
    struct instant second; // when this second began
    uint32_t forged;       // in this second, in all but by genuine sources
    struct suspicion_bucket buckets[SUSPICION_BUCKETS];
};

void suspicion_init(struct suspicion *suspicion, struct random_source *random);
// True when a datagram from there is worth the check of a signature.
bool suspicion_allows(struct suspicion *suspicion, struct instant now,
                      const struct address *source);
// Notes how the check went.
void suspicion_note(struct suspicion *suspicion, struct instant now, const struct address *source,
                    bool genuine);

#endif
