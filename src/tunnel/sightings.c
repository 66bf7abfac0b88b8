// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/sightings.h"

#include "base/memory.h"

#define BUCKETS (SIGHTINGS_MAX / SIGHTING_WAYS)

_Static_assert((BUCKETS & (BUCKETS - 1)) == 0, "a bucket is found by the low bits of a hash");

struct sighting {
    uint64_t unit;
    struct instant last; // 0: the slot is free
    enum family family;
};

struct sightings {
    struct hash_key key;
    struct sighting slots[BUCKETS][SIGHTING_WAYS];
};

struct sightings *sightings_new(struct hash_key key)
{
    struct sightings *sightings = memory_new(sizeof(*sightings));
    sightings->key = key;
    return sightings;
}

void sightings_free(struct sightings *sightings)
{
    memory_free(sightings);
}

bool sightings_note(struct sightings *sightings, struct instant now, enum family family,
                    struct unit unit)
{
    uint64_t words[2] = {(uint64_t)family, unit.index};
    uint64_t hash = hash_bytes(&sightings->key, words, sizeof(words));
    struct sighting *bucket = sightings->slots[hash & (BUCKETS - 1)];
    struct sighting *oldest = &bucket[0];
    for (size_t i = 0; i < SIGHTING_WAYS; i++) {
        struct sighting *slot = &bucket[i];
        if (slot->family == family && slot->unit == unit.index) {
            struct instant end = instant_add(slot->last, duration_s(SIGHTING_SECONDS));
            slot->last = now;
            return !instant_reached(now, end);
        }
        if (slot->last.ns < oldest->last.ns)
            oldest = slot;
    }
    *oldest = (struct sighting){unit.index, now, family};
    return false;
}
