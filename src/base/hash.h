// SPDX-License-Identifier: BSD-2-Clause
// Keyed hash for tables (SipHash-2-4 of libsodium): a peer that does not know the key cannot
// choose entries that collide.
#ifndef IVIP_BASE_HASH_H
#define IVIP_BASE_HASH_H

#include "base/address.h"

#include <stddef.h>
#include <stdint.h>

#define HASH_KEY_BYTES 16

struct hash_key {
    uint8_t bytes[HASH_KEY_BYTES];
};

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t length);
uint64_t hash_endpoint(const struct hash_key *key, const struct endpoint *endpoint);
uint64_t hash_prefix(const struct hash_key *key, const struct prefix *prefix);

#endif
