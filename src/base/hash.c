// SPDX-License-Identifier: BSD-2-Clause
#include "base/hash.h"

#include <sodium.h>
#include <string.h>

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t length)
{
    uint8_t digest[crypto_shorthash_BYTES];
    uint64_t value = 0;
    (void)crypto_shorthash(digest, bytes, length, key->bytes);
    memcpy(&value, digest, sizeof(value));
    return value;
}

uint64_t hash_endpoint(const struct hash_key *key, const struct endpoint *endpoint)
{
    uint8_t bytes[sizeof(endpoint->address) + sizeof(endpoint->port)];
    memcpy(bytes, &endpoint->address, sizeof(endpoint->address));
    memcpy(bytes + sizeof(endpoint->address), &endpoint->port, sizeof(endpoint->port));
    return hash_bytes(key, bytes, sizeof(bytes));
}

uint64_t hash_prefix(const struct hash_key *key, const struct prefix *prefix)
{
    uint8_t bytes[sizeof(prefix->address.octets) + 2];
    memcpy(bytes, prefix->address.octets, sizeof(prefix->address.octets));
    bytes[sizeof(bytes) - 2] = prefix->address.family;
    bytes[sizeof(bytes) - 1] = prefix->length;
    return hash_bytes(key, bytes, sizeof(bytes));
}
