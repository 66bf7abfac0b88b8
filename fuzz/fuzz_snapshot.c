// SPDX-License-Identifier: BSD-2-Clause
// Any octets as a snapshot, rightly signed so that they get past the signature.
//
// The first octet says what the rest is: 0 a whole snapshot but for RUAS and signature, which are
// put in; others the blocks alone, of a MAB of that kind. What is read without complaint must be
// written again as a snapshot that reads as the same database.
#include "fuzzer.h"

#include "base/memory.h"
#include "mapping/mapping_state.h"
#include "mapping/snapshot.h"
#include "mapping/snapshot_blocks.h"

#include <sodium.h>
#include <string.h>

#define RUAS_AT       24 // in the header of a snapshot
#define HEADER_BYTES  80
#define LENGTH_MAX    ((size_t)1 << 20)
#define MICRONETS_MAX (1 << 18) // so that one input takes no minute

static const char *const mabs[] = {"20.1.0.0/22", "20.0.0.0/16", "2001:db8:7::/48", "2001:db8::/32",
                                   "ffff::/16"};

static void write_again(const struct mapping *mapping, const struct secret_key *key)
{
    struct public_key public = key_public(key);
    struct snapshot_info info = {.ruas = key_id(&public)};
    struct snapshot_bytes snapshot;
    struct mapping *again = NULL;
    REQUIRE(snapshot_write(mapping, &info, key, &snapshot, NULL));
    REQUIRE(snapshot_read(snapshot.bytes, snapshot.length, &public, &info, &again, NULL));
    struct mapping_hash first = mapping_hash(mapping);
    struct mapping_hash second = mapping_hash(again);
    REQUIRE(mapping_hash_equal(&first, &second));
    REQUIRE(mapping_count(mapping) == mapping_count(again));
    memory_free(snapshot.bytes);
    mapping_free(again);
}

static void read_whole(const uint8_t *bytes, size_t length, const struct secret_key *key)
{
    if (length < HEADER_BYTES)
        return;
    struct public_key public = key_public(key);
    uint8_t *whole = memory_new(length + SIGNATURE_BYTES);
    memcpy(whole, bytes, length);
    uint64_t id = key_id(&public);
    for (unsigned i = 0; i < 8; i++)
        whole[RUAS_AT + i] = (uint8_t)(id >> (56 - 8 * i));
    uint8_t digest[64];
    struct signature signature;
    (void)crypto_generichash(digest, sizeof(digest), whole, length, NULL, 0);
    key_sign(key, "ivip snapshot v1", digest, sizeof(digest), &signature);
    memcpy(whole + length, signature.bytes, SIGNATURE_BYTES);
    struct snapshot_info info;
    struct mapping *mapping = NULL;
    if (snapshot_inspect(whole, length + SIGNATURE_BYTES, &info, NULL) &&
        info.micronets <= MICRONETS_MAX &&
        snapshot_read(whole, length + SIGNATURE_BYTES, &public, &info, &mapping, NULL)) {
        REQUIRE(mapping_count(mapping) == info.micronets);
        write_again(mapping, key);
        mapping_free(mapping);
    }
    memory_free(whole);
}

static void read_blocks(const char *mab_text, const uint8_t *bytes, size_t length,
                        const struct secret_key *key)
{
    struct prefix mab;
    REQUIRE(prefix_parse(mab_text, &mab, NULL));
    struct mapping *mapping = mapping_new(&mab, NULL);
    struct reader reader = reader_over(bytes, length);
    bool good = snapshot_blocks_read(&reader, MICRONETS_MAX, mapping, NULL);
    REQUIRE(mapping_count(mapping) <= MICRONETS_MAX);
    if (good)
        write_again(mapping, key);
    mapping_free(mapping);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0 || length > LENGTH_MAX)
        return 0;
    uint8_t seed[32] = {1};
    struct secret_key key;
    key_from_seed(seed, &key);
    size_t kind = bytes[0] % (sizeof(mabs) / sizeof(mabs[0]) + 1);
    if (kind == 0)
        read_whole(bytes + 1, length - 1, &key);
    else
        read_blocks(mabs[kind - 1], bytes + 1, length - 1, &key);
    return 0;
}
