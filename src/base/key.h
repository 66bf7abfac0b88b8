// SPDX-License-Identifier: BSD-2-Clause
// Node keys: Ed25519, named by their public half as in WireGuard.
//
// Every signature covers a context string first, so that bytes signed for one purpose (a payload)
// can never be passed off as another (a snapshot).
#ifndef IVIP_BASE_KEY_H
#define IVIP_BASE_KEY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBLIC_KEY_BYTES 32
#define SECRET_KEY_BYTES 64 // seed and public half, as libsodium keeps it
#define SIGNATURE_BYTES  64
#define KEY_TEXT_MAX     45 // base64 of 32 bytes and the final NUL

struct public_key {
    uint8_t bytes[PUBLIC_KEY_BYTES];
};

// Wipe with key_wipe when done; never log it.
struct secret_key {
    uint8_t bytes[SECRET_KEY_BYTES];
};

struct signature {
    uint8_t bytes[SIGNATURE_BYTES];
};

// A new key from the kernel's random numbers.
void key_generate(struct secret_key *secret);
// The same key each time for the same 32-byte seed (key files keep the seed).
void key_from_seed(const uint8_t seed[32], struct secret_key *secret);
void key_seed(const struct secret_key *secret, uint8_t seed[32]);
struct public_key key_public(const struct secret_key *secret);
void key_wipe(struct secret_key *secret);
bool key_equal(const struct public_key *a, const struct public_key *b);
// A short name for a key in messages: the first 8 bytes of its BLAKE2b digest, big-endian.
uint64_t key_id(const struct public_key *key);

// Base64 with padding, 44 characters.
bool key_parse(const char *text, struct public_key *key, struct error *error);
const char *key_print(const struct public_key *key, char buffer[KEY_TEXT_MAX]);

// Signs or checks `context` (a constant text) followed by `length` bytes.
void key_sign(const struct secret_key *secret, const char *context, const void *bytes,
              size_t length, struct signature *signature);
bool key_verify(const struct public_key *key, const char *context, const void *bytes, size_t length,
                const struct signature *signature);

#endif
