// SPDX-License-Identifier: BSD-2-Clause
// Keys for benchmarks: which of N micronets each lookup is for.
#ifndef IVIP_BENCH_KEYS_H
#define IVIP_BENCH_KEYS_H

#include <stddef.h>
#include <stdint.h>

// Fast numbers for benchmarks (xorshift); not for anything else.
struct quick_random {
    uint64_t state;
};

uint64_t quick_next(struct quick_random *random);
// Uniform in 0 .. bound-1, near enough; bound below 2^32.
uint64_t quick_below(struct quick_random *random, uint64_t bound);

// Fills `places` with numbers below `n`: all equally likely, or by Zipf's law (the k-th most
// wanted is wanted 1/k as often as the first), with the wanted ones strewn over all places.
void keys_random(struct quick_random *random, uint32_t n, uint32_t *places, size_t count);
void keys_zipf(struct quick_random *random, uint32_t n, uint32_t *places, size_t count);

#endif
