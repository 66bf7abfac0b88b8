// SPDX-License-Identifier: BSD-2-Clause
// Any octets as the directory of a RUAS: as they are, and, where they are a JSON object, signed
// anew, so that what stands behind the signature is reached. What is read must be written and read
// again as the same.
#include "fuzzer.h"

#include "base/memory.h"
#include "push/directory.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

// The object with the key's name and signature in it; NULL where the octets are no object. The
// caller frees it with free().
static char *sign_anew(const uint8_t *bytes, size_t length, const struct secret_key *secret)
{
    json_t *object = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    char name[KEY_TEXT_MAX];
    struct public_key key = key_public(secret);
    (void)json_object_del(object, "signature");
    (void)json_object_set_new(object, "ruas", json_string(key_print(&key, name)));
    char *canonical = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    REQUIRE(canonical != NULL);
    struct signature signature;
    key_sign(secret, DIRECTORY_CONTEXT, canonical, strlen(canonical), &signature);
    free(canonical);
    char text[sodium_base64_ENCODED_LEN(SIGNATURE_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    (void)sodium_bin2base64(text, sizeof(text), signature.bytes, sizeof(signature.bytes),
                            sodium_base64_VARIANT_ORIGINAL);
    (void)json_object_set_new(object, "signature", json_string(text));
    char *document = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return document;
}

static void check_same(const struct directory *a, const struct directory *b)
{
    REQUIRE(a->epoch == b->epoch && a->sequence == b->sequence && a->time.ms == b->time.ms);
    REQUIRE(a->mab_count == b->mab_count && a->refused_count == b->refused_count);
    for (size_t i = 0; i < a->mab_count; i++) {
        const struct directory_mab *mab = &a->mabs[i];
        const struct directory_mab *again = &b->mabs[i];
        REQUIRE(prefix_equal(&mab->mab, &again->mab) && mab->sequence == again->sequence);
        REQUIRE(mab->hash_known == again->hash_known);
        REQUIRE(!mab->hash_known || mapping_hash_equal(&mab->hash, &again->hash));
    }
    for (size_t i = 0; i < a->refused_count; i++)
        REQUIRE(prefix_equal(&a->refused[i], &b->refused[i]));
}

static void read_and_write(const char *text, const struct secret_key *secret)
{
    struct public_key key = key_public(secret);
    struct directory directory;
    struct directory again;
    if (!directory_read(text, strlen(text), &key, &directory, NULL))
        return;
    size_t length = 0;
    char *written = directory_write(&directory, secret, &length);
    REQUIRE(directory_read(written, length, &key, &again, NULL));
    check_same(&directory, &again);
    directory_release(&again);
    directory_release(&directory);
    memory_free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const uint8_t seed[32] = {1};
    struct secret_key secret;
    struct directory directory;
    key_from_seed(seed, &secret);
    struct public_key key = key_public(&secret);
    if (directory_read(bytes, length, &key, &directory, NULL))
        directory_release(&directory);
    char *text = sign_anew(bytes, length, &secret);
    if (text != NULL)
        read_and_write(text, &secret);
    free(text);
    return 0;
}
