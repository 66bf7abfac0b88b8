// SPDX-License-Identifier: BSD-2-Clause
// Random numbers for protocol cores: a ChaCha20 stream from a seed given at creation.
//
// The daemon seeds it from the kernel, so that nonces cannot be guessed; the simulator seeds it
// from its scenario, so that a run replays exactly.
#ifndef IVIP_BASE_RANDOM_H
#define IVIP_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_SEED_BYTES  32
#define RANDOM_BLOCK_BYTES 512

struct random_seed {
    uint8_t bytes[RANDOM_SEED_BYTES];
};

// Holds no pointers; may be embedded and copied (a copy repeats the same numbers).
struct random_source {
    struct random_seed seed;
    uint64_t block; // number of the next block of the stream
    size_t used;    // bytes of `bytes` handed out
    uint8_t bytes[RANDOM_BLOCK_BYTES];
};

// A seed nobody can guess, from the kernel.
struct random_seed random_seed_from_system(void);
// A seed for tests and simulations: the same number gives the same stream.
struct random_seed random_seed_from_number(uint64_t number);

void random_init(struct random_source *source, struct random_seed seed);
void random_bytes(struct random_source *source, void *bytes, size_t length);
uint64_t random_u64(struct random_source *source);
// Any but 0.
uint64_t random_nonzero(struct random_source *source);
// Uniform in 0 .. bound-1; `bound` must not be 0.
uint64_t random_below(struct random_source *source, uint64_t bound);

#endif
