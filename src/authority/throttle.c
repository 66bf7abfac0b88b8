// SPDX-License-Identifier: BSD-2-Clause
#include "authority/throttle.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"

#include <assert.h>
#include <stdint.h>

// A key is kept as its keyed hash: two keys share a bucket with a chance of 2^-64, and nobody
// without the hash key can make them.
struct bucket {
    struct table_node node;
    struct list_node recent; // in throttle.recent, longest quiet first
    uint64_t key;
    uint32_t left;
    struct instant counted; // `left` was right at this moment
};

struct throttle {
    struct throttle_config config;
    struct hash_key hash_key;
    struct table buckets;
    struct list_node recent;
};

struct throttle *throttle_new(const struct throttle_config *config, struct random_source *random)
{
    assert(config->burst > 0 && config->refill.ns > 0 && config->keys_max > 0);
    struct throttle *throttle = memory_new(sizeof(*throttle));
    throttle->config = *config;
    random_bytes(random, throttle->hash_key.bytes, sizeof(throttle->hash_key.bytes));
    table_init(&throttle->buckets);
    list_init(&throttle->recent);
    return throttle;
}

static void forget(struct throttle *throttle, struct bucket *bucket)
{
    table_remove(&throttle->buckets, &bucket->node);
    list_remove(&bucket->recent);
    memory_free(bucket);
}

void throttle_free(struct throttle *throttle)
{
    if (throttle == NULL)
        return;
    while (!list_empty(&throttle->recent))
        forget(throttle, container_of(list_first(&throttle->recent), struct bucket, recent));
    table_release(&throttle->buckets);
    memory_free(throttle);
}

static bool match_bucket(const struct table_node *node, const void *key)
{
    return container_of(node, struct bucket, node)->key == *(const uint64_t *)key;
}

static struct bucket *find(const struct throttle *throttle, const void *key, size_t length)
{
    uint64_t hash = hash_bytes(&throttle->hash_key, key, length);
    struct table_node *node = table_find(&throttle->buckets, hash, match_bucket, &hash);
    return node == NULL ? NULL : container_of(node, struct bucket, node);
}

static struct bucket *add(struct throttle *throttle, struct instant now, const void *key,
                          size_t length)
{
    if (throttle->buckets.count == throttle->config.keys_max)
        forget(throttle, container_of(list_first(&throttle->recent), struct bucket, recent));
    struct bucket *bucket = memory_new(sizeof(*bucket));
    bucket->key = hash_bytes(&throttle->hash_key, key, length);
    bucket->left = throttle->config.burst;
    bucket->counted = now;
    table_insert(&throttle->buckets, &bucket->node, bucket->key);
    list_append(&throttle->recent, &bucket->recent);
    return bucket;
}

// Adds what was gained since the last look; the part of a refill under way stays counted.
static void refill(const struct throttle *throttle, struct bucket *bucket, struct instant now)
{
    uint64_t step = throttle->config.refill.ns;
    uint64_t gained = instant_since(now, bucket->counted).ns / step;
    uint32_t missing = throttle->config.burst - bucket->left;
    if (gained >= missing) {
        bucket->left = throttle->config.burst;
        bucket->counted = now;
    } else {
        bucket->left += (uint32_t)gained;
        bucket->counted.ns += gained * step;
    }
}

bool throttle_take(struct throttle *throttle, struct instant now, const void *key, size_t length,
                   uint32_t amount, struct duration *wait)
{
    if (amount > throttle->config.burst)
        amount = throttle->config.burst;
    struct bucket *bucket = find(throttle, key, length);
    if (bucket == NULL)
        bucket = add(throttle, now, key, length);
    refill(throttle, bucket, now);
    list_remove(&bucket->recent);
    list_append(&throttle->recent, &bucket->recent);
    if (bucket->left >= amount) {
        bucket->left -= amount;
        return true;
    }
    if (wait != NULL) {
        uint64_t full = (amount - bucket->left) * throttle->config.refill.ns;
        uint64_t passed = instant_since(now, bucket->counted).ns;
        *wait = (struct duration){full > passed ? full - passed : 0};
    }
    return false;
}

uint32_t throttle_left(const struct throttle *throttle, struct instant now, const void *key,
                       size_t length)
{
    struct bucket *bucket = find(throttle, key, length);
    if (bucket == NULL)
        return throttle->config.burst;
    refill(throttle, bucket, now);
    return bucket->left;
}

void throttle_give(struct throttle *throttle, const void *key, size_t length, uint32_t amount)
{
    struct bucket *bucket = find(throttle, key, length);
    if (bucket == NULL)
        return;
    uint32_t missing = throttle->config.burst - bucket->left;
    bucket->left += amount < missing ? amount : missing;
}

size_t throttle_count(const struct throttle *throttle)
{
    return throttle->buckets.count;
}
