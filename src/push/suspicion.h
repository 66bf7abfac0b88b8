// SPDX-License-Identifier: BSD-2-Clause
// Keeps a flood of forged payloads from using up the machine: checking a signature costs 50
// microseconds, dropping a datagram unseen nearly nothing.
//
// Sources are hashed into buckets. A bucket that brought too many forgeries in this second is not
// listened to until the next; when there are too many in all, only buckets that brought something
// genuine lately are. What is lost by that is fetched over HTTP like any missing payload.
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
    uint32_t forged;        // in this second
    struct instant genuine; // when it last brought something genuine
    bool trusted;           // it has done so at all
};

struct suspicion {
    struct hash_key key;
    struct instant second; // when this second began
    uint32_t forged;       // in this second, in all
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
