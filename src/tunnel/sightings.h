// SPDX-License-Identifier: BSD-2-Clause
// Which destinations were seen a short while ago: an ITR may ask only for those that get a second
// packet (arch §2.25, §10), so that scans and stray packets cost its query servers nothing.
//
// A fixed number of slots, SIGHTING_WAYS for each hash value; where they are all taken, the oldest
// sighting gives way. Forgetting one costs its destination one packet more before it is asked for.
#ifndef IVIP_TUNNEL_SIGHTINGS_H
#define IVIP_TUNNEL_SIGHTINGS_H

#include "base/hash.h"
#include "base/instant.h"
#include "base/range.h"

#include <stdbool.h>

#define SIGHTING_SECONDS 120   // a second packet later than this counts as a first one
#define SIGHTINGS_MAX    65536 // remembered at a time
#define SIGHTING_WAYS    4

struct sightings;

struct sightings *sightings_new(struct hash_key key);
void sightings_free(struct sightings *sightings);

// Notes a packet for `unit`. True where there was another within the last SIGHTING_SECONDS.
bool sightings_note(struct sightings *sightings, struct instant now, enum family family,
                    struct unit unit);

#endif
