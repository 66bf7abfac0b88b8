// SPDX-License-Identifier: BSD-2-Clause
#include "keys.h"

#include <math.h>

uint64_t quick_next(struct quick_random *random)
{
    uint64_t x = random->state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    random->state = x;
    return x;
}

uint64_t quick_below(struct quick_random *random, uint64_t bound)
{
    return (quick_next(random) >> 32) * bound >> 32;
}

void keys_random(struct quick_random *random, uint32_t n, uint32_t *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        places[i] = (uint32_t)quick_below(random, n);
}

// A place for each rank, all over the range and for different ranks different: multiplication by
// an odd constant modulo a power of two permutes; what falls outside is permuted again.
static uint32_t strew(uint32_t rank, uint32_t n)
{
    uint32_t mask = n <= 1 ? 0 : UINT32_MAX >> __builtin_clz(n - 1);
    uint32_t place = rank;
    do
        place = (place * 2654435761u + 12345) & mask;
    while (place >= n);
    return place;
}

void keys_zipf(struct quick_random *random, uint32_t n, uint32_t *places, size_t count)
{
    // The harmonic sum is close to a logarithm, so its inverse is close to an exponential: rank k
    // gets about ln((k+1)/k) / ln(n+1) of the lookups.
    double scale = log((double)n + 1);
    for (size_t i = 0; i < count; i++) {
        double uniform = (double)(quick_next(random) >> 11) * 0x1p-53;
        uint32_t rank = (uint32_t)(exp(uniform * scale) - 1);
        places[i] = strew(rank < n ? rank : n - 1, n);
    }
}
