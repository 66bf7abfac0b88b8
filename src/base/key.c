// SPDX-License-Identifier: BSD-2-Clause
#include "base/key.h"

#include "base/memory.h"

#include <sodium.h>
#include <string.h>

// Longest message signed without allocating: a payload. Snapshots sign a digest.
#define SIGN_BUFFER_BYTES 2048

void key_generate(struct secret_key *secret)
{
    struct public_key public;
    (void)crypto_sign_keypair(public.bytes, secret->bytes);
}

void key_from_seed(const uint8_t seed[32], struct secret_key *secret)
{
    struct public_key public;
    (void)crypto_sign_seed_keypair(public.bytes, secret->bytes, seed);
}

void key_seed(const struct secret_key *secret, uint8_t seed[32])
{
    (void)crypto_sign_ed25519_sk_to_seed(seed, secret->bytes);
}

struct public_key key_public(const struct secret_key *secret)
{
    struct public_key public;
    (void)crypto_sign_ed25519_sk_to_pk(public.bytes, secret->bytes);
    return public;
}

void key_wipe(struct secret_key *secret)
{
    sodium_memzero(secret, sizeof(*secret));
}

bool key_equal(const struct public_key *a, const struct public_key *b)
{
    return sodium_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

uint64_t key_id(const struct public_key *key)
{
    uint8_t digest[crypto_generichash_BYTES];
    (void)crypto_generichash(digest, sizeof(digest), key->bytes, sizeof(key->bytes), NULL, 0);
    uint64_t id = 0;
    for (size_t i = 0; i < sizeof(id); i++)
        id = id << 8 | digest[i];
    return id;
}

bool key_parse(const char *text, struct public_key *key, struct error *error)
{
    struct public_key parsed;
    size_t length = 0;
    if (sodium_base642bin(parsed.bytes, sizeof(parsed.bytes), text, strlen(text), NULL, &length,
                          NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        length != sizeof(parsed.bytes))
        return error_set(error, ERROR_INPUT, "bad-key",
                         "\"%.60s\" is not a public key (44 characters of base64, as "
                         "`ivip key --public` prints it)",
                         text);
    *key = parsed;
    return true;
}

const char *key_print(const struct public_key *key, char buffer[KEY_TEXT_MAX])
{
    return sodium_bin2base64(buffer, KEY_TEXT_MAX, key->bytes, sizeof(key->bytes),
                             sodium_base64_VARIANT_ORIGINAL);
}

// Context, a NUL, then the message, in one piece. Returns memory to free where `room` is too small.
static uint8_t *join(uint8_t room[SIGN_BUFFER_BYTES], const char *context, const void *bytes,
                     size_t length, size_t *total)
{
    size_t prefix = strlen(context) + 1;
    *total = prefix + length;
    uint8_t *joined = *total <= SIGN_BUFFER_BYTES ? room : memory_new(*total);
    memcpy(joined, context, prefix);
    memcpy(joined + prefix, bytes, length);
    return joined;
}

void key_sign(const struct secret_key *secret, const char *context, const void *bytes,
              size_t length, struct signature *signature)
{
    uint8_t room[SIGN_BUFFER_BYTES];
    size_t total = 0;
    uint8_t *joined = join(room, context, bytes, length, &total);
    (void)crypto_sign_detached(signature->bytes, NULL, joined, total, secret->bytes);
    if (joined != room)
        memory_free(joined);
}

bool key_verify(const struct public_key *key, const char *context, const void *bytes, size_t length,
                const struct signature *signature)
{
    uint8_t room[SIGN_BUFFER_BYTES];
    size_t total = 0;
    uint8_t *joined = join(room, context, bytes, length, &total);
    bool good = crypto_sign_verify_detached(signature->bytes, joined, total, key->bytes) == 0;
    if (joined != room)
        memory_free(joined);
    return good;
}
