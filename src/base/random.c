// SPDX-License-Identifier: BSD-2-Clause
#include "base/random.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

struct random_seed random_seed_from_system(void)
{
    struct random_seed seed;
    randombytes_buf(seed.bytes, sizeof(seed.bytes));
    return seed;
}

struct random_seed random_seed_from_number(uint64_t number)
{
    struct random_seed seed = {{0}};
    for (size_t i = 0; i < sizeof(number); i++)
        seed.bytes[i] = (uint8_t)(number >> (8 * i));
    return seed;
}

void random_init(struct random_source *source, struct random_seed seed)
{
    memset(source, 0, sizeof(*source));
    source->seed = seed;
    source->used = RANDOM_BLOCK_BYTES;
}

// The block number is the nonce, so no part of the key stream comes twice.
static void refill(struct random_source *source)
{
    uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    static_assert(sizeof(nonce) == sizeof(source->block), "ChaCha20 takes a 64-bit nonce");
    memcpy(nonce, &source->block, sizeof(nonce));
    (void)crypto_stream_chacha20(source->bytes, sizeof(source->bytes), nonce, source->seed.bytes);
    source->block++;
    source->used = 0;
}

void random_bytes(struct random_source *source, void *bytes, size_t length)
{
    uint8_t *out = bytes;
    while (length > 0) {
        if (source->used == sizeof(source->bytes))
            refill(source);
        size_t part = sizeof(source->bytes) - source->used;
        if (part > length)
            part = length;
        memcpy(out, source->bytes + source->used, part);
        source->used += part;
        out += part;
        length -= part;
    }
}

uint64_t random_u64(struct random_source *source)
{
    uint64_t value = 0;
    random_bytes(source, &value, sizeof(value));
    return value;
}

uint64_t random_nonzero(struct random_source *source)
{
    uint64_t value = random_u64(source);
    while (value == 0)
        value = random_u64(source);
    return value;
}

uint64_t random_below(struct random_source *source, uint64_t bound)
{
    assert(bound > 0);
    // Values past the last whole multiple of `bound` would favour small results: draw again.
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value = random_u64(source);
    while (value >= limit)
        value = random_u64(source);
    return value % bound;
}
