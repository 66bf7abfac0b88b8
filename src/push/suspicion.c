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
        suspicion->buckets[i].forged = suspicion->buckets[i].forged_by_genuine = 0;
}

static bool is_trusted(const struct suspicion_bucket *bucket, struct instant now,
                       const struct address *source)
{
    struct instant until = instant_add(bucket->genuine_at, duration_s(TRUST_SECONDS));
    return address_equal(&bucket->genuine_source, source) && instant_before(now, until);
}

bool suspicion_allows(struct suspicion *suspicion, struct instant now, const struct address *source)
{
    turn_second(suspicion, now);
    const struct suspicion_bucket *bucket = bucket_of(suspicion, source);
    if (is_trusted(bucket, now, source))
        return bucket->forged_by_genuine < FORGERIES_PER_SOURCE_SECOND;
    return bucket->forged < FORGERIES_PER_SOURCE_SECOND &&
           suspicion->forged < FORGERIES_IN_ALL_PER_SECOND;
}

void suspicion_note(struct suspicion *suspicion, struct instant now, const struct address *source,
                    bool genuine)
{
    struct suspicion_bucket *bucket = bucket_of(suspicion, source);
    if (genuine) {
        bucket->genuine_source = *source;
        bucket->genuine_at = now;
    } else if (is_trusted(bucket, now, source))
        bucket->forged_by_genuine++;
    else {
        bucket->forged++;
        suspicion->forged++;
    }
}
