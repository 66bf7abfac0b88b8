// SPDX-License-Identifier: BSD-2-Clause
#include "push/suspicion.h"

#include <string.h>

#define TRUST_SECONDS 60

void suspicion_init(struct suspicion *suspicion, struct random_source *random)
{
    memset(suspicion, 0, sizeof(*suspicion));
    random_bytes(random, suspicion->key.bytes, sizeof(suspicion->key.bytes));
}

static struct suspicion_bucket *bucket_of(struct suspicion *suspicion, const struct address *source)
{
    uint64_t hash = hash_bytes(&suspicion->key, source->octets, sizeof(source->octets));
    return &suspicion->buckets[hash % SUSPICION_BUCKETS];
}

// Forgets the forgeries of seconds gone by.
static void turn_second(struct suspicion *suspicion, struct instant now)
{
    if (!instant_reached(now, instant_add(suspicion->second, duration_s(1))))
        return;
    suspicion->second = now;
    suspicion->forged = 0;
    for (size_t i = 0; i < SUSPICION_BUCKETS; i++)
        suspicion->buckets[i].forged = 0;
}

bool suspicion_allows(struct suspicion *suspicion, struct instant now, const struct address *source)
{
    turn_second(suspicion, now);
    const struct suspicion_bucket *bucket = bucket_of(suspicion, source);
    if (bucket->forged >= FORGERIES_PER_SOURCE_SECOND)
        return false;
    bool trusted = bucket->trusted &&
                   !instant_reached(now, instant_add(bucket->genuine, duration_s(TRUST_SECONDS)));
    return trusted || suspicion->forged < FORGERIES_IN_ALL_PER_SECOND;
}

void suspicion_note(struct suspicion *suspicion, struct instant now, const struct address *source,
                    bool genuine)
{
    struct suspicion_bucket *bucket = bucket_of(suspicion, source);
    if (genuine) {
        bucket->trusted = true;
        bucket->genuine = now;
        return;
    }
    bucket->forged++;
    suspicion->forged++;
}
