// SPDX-License-Identifier: BSD-2-Clause
#include "push/directory.h"

#include "base/cursor.h"
#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_TEXT_MAX      33 // 32 hexadecimal digits and the final NUL
#define SIGNATURE_TEXT_MAX 89 // base64 of 64 octets and the final NUL
#define CANONICAL          (JSON_COMPACT | JSON_SORT_KEYS)

static json_t *write_mab(const struct directory_mab *mab)
{
    char prefix[PREFIX_TEXT_MAX];
    json_t *object = json_pack("{s:s,s:I}", "prefix", prefix_print(&mab->mab, prefix), "sequence",
                               (json_int_t)mab->sequence);
    if (mab->hash_known) {
        char hash[HASH_TEXT_MAX];
        (void)snprintf(hash, sizeof(hash), "%016" PRIx64 "%016" PRIx64, mab->hash.lanes[0],
                       mab->hash.lanes[1]);
        (void)json_object_set_new(object, "hash", json_string(hash));
    }
    return object;
}

static json_t *write_unsigned(const struct directory *directory)
{
    json_t *mabs = json_array();
    for (size_t i = 0; i < directory->mab_count; i++)
        (void)json_array_append_new(mabs, write_mab(&directory->mabs[i]));
    json_t *refused = json_array();
    for (size_t i = 0; i < directory->refused_count; i++) {
        char prefix[PREFIX_TEXT_MAX];
        (void)json_array_append_new(refused,
                                    json_string(prefix_print(&directory->refused[i], prefix)));
    }
    char key[KEY_TEXT_MAX];
    return json_pack("{s:i,s:s,s:I,s:I,s:I,s:o,s:o}", "v", 1, "ruas",
                     key_print(&directory->ruas, key), "epoch", (json_int_t)directory->epoch,
                     "sequence", (json_int_t)directory->sequence, "time",
                     (json_int_t)directory->time.ms, "mabs", mabs, "refused", refused);
}

char *directory_write(const struct directory *directory, const struct secret_key *key,
                      size_t *length)
{
    json_t *object = write_unsigned(directory);
    assert(object != NULL);
    char *canonical = json_dumps(object, CANONICAL);
    assert(canonical != NULL);
    struct signature signature;
    key_sign(key, DIRECTORY_CONTEXT, canonical, strlen(canonical), &signature);
    free(canonical);
    char text[SIGNATURE_TEXT_MAX];
    (void)sodium_bin2base64(text, sizeof(text), signature.bytes, sizeof(signature.bytes),
                            sodium_base64_VARIANT_ORIGINAL);
    (void)json_object_set_new(object, "signature", json_string(text));
    char *dumped = json_dumps(object, CANONICAL);
    assert(dumped != NULL);
    json_decref(object);
    *length = strlen(dumped);
    char *document = memory_copy(dumped, *length + 1);
    free(dumped);
    return document;
}

static bool malformed(struct error *error, const char *what)
{
    return error_set(error, ERROR_FORMAT, "bad-directory", "the directory of the RUAS %s", what);
}

// Takes the signature out of the object and checks it over the rest.
static bool check_signature(json_t *object, const struct public_key *key, struct error *error)
{
    const char *text = json_string_value(json_object_get(object, "signature"));
    struct signature signature;
    size_t length = 0;
    if (text == NULL ||
        sodium_base642bin(signature.bytes, sizeof(signature.bytes), text, strlen(text), NULL,
                          &length, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        length != sizeof(signature.bytes))
        return malformed(error, "has no signature");
    (void)json_object_del(object, "signature");
    char *canonical = json_dumps(object, CANONICAL);
    bool good = canonical != NULL &&
                key_verify(key, DIRECTORY_CONTEXT, canonical, strlen(canonical), &signature);
    free(canonical);
    if (!good)
        return error_set(error, ERROR_FORGED, "bad-signature",
                         "the directory is not signed with the key that the config names for this "
                         "RUAS: check `key` and `url`");
    return true;
}

static bool read_number(const json_t *object, const char *name, uint64_t *number)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *number = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_hash(const char *text, struct mapping_hash *hash)
{
    uint8_t octets[16];
    size_t length = 0;
    if (strlen(text) != HASH_TEXT_MAX - 1 ||
        sodium_hex2bin(octets, sizeof(octets), text, strlen(text), NULL, &length, NULL) != 0)
        return false;
    struct reader reader = reader_over(octets, length);
    hash->lanes[0] = reader_u64(&reader);
    hash->lanes[1] = reader_u64(&reader);
    return !reader.failed;
}

static bool read_mab(const json_t *object, struct directory_mab *mab)
{
    const char *prefix = json_string_value(json_object_get(object, "prefix"));
    struct range units;
    if (prefix == NULL || !prefix_parse(prefix, &mab->mab, NULL) ||
        !mab_check(&mab->mab, &units, NULL) || !read_number(object, "sequence", &mab->sequence))
        return false;
    const json_t *hash = json_object_get(object, "hash");
    mab->hash_known = hash != NULL;
    return hash == NULL || (json_is_string(hash) && read_hash(json_string_value(hash), &mab->hash));
}

static bool read_mabs(const json_t *array, struct directory *directory, struct error *error)
{
    if (!json_is_array(array) || json_array_size(array) > DIRECTORY_MABS_MAX)
        return malformed(error, "has no list of MABs, or too long a list");
    directory->mab_count = json_array_size(array);
    directory->mabs = memory_new_array(directory->mab_count, sizeof(*directory->mabs));
    for (size_t i = 0; i < directory->mab_count; i++)
        if (!read_mab(json_array_get(array, i), &directory->mabs[i]))
            return malformed(error, "has a MAB that makes no sense");
    return true;
}

static bool read_refused(const json_t *array, struct directory *directory, struct error *error)
{
    if (!json_is_array(array) || json_array_size(array) > DIRECTORY_REFUSED_MAX)
        return malformed(error, "has no list of refused prefixes, or too long a list");
    directory->refused_count = json_array_size(array);
    directory->refused = memory_new_array(directory->refused_count, sizeof(struct prefix));
    for (size_t i = 0; i < directory->refused_count; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL || !prefix_parse(text, &directory->refused[i], NULL))
            return malformed(error, "refuses a prefix that makes no sense");
    }
    return true;
}

static bool read_object(json_t *object, const struct public_key *key, struct directory *directory,
                        struct error *error)
{
    const char *ruas = json_string_value(json_object_get(object, "ruas"));
    if (json_integer_value(json_object_get(object, "v")) != 1)
        return malformed(error, "is of a version this program does not know");
    if (!check_signature(object, key, error))
        return false;
    if (ruas == NULL || !key_parse(ruas, &directory->ruas, NULL) ||
        !key_equal(&directory->ruas, key))
        return malformed(error, "names another key than it is signed with");
    if (!read_number(object, "epoch", &directory->epoch) || directory->epoch == 0 ||
        !read_number(object, "sequence", &directory->sequence) ||
        !read_number(object, "time", &directory->time.ms))
        return malformed(error, "lacks a number");
    return read_mabs(json_object_get(object, "mabs"), directory, error) &&
           read_refused(json_object_get(object, "refused"), directory, error);
}

bool directory_read(const void *bytes, size_t length, const struct public_key *key,
                    struct directory *directory, struct error *error)
{
    memset(directory, 0, sizeof(*directory));
    if (length > DIRECTORY_BYTES_MAX)
        return malformed(error, "is too long");
    json_error_t where;
    json_t *object = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(object)) {
        json_decref(object);
        return malformed(error, "is not a JSON object");
    }
    bool read = read_object(object, key, directory, error);
    json_decref(object);
    if (!read)
        directory_release(directory);
    return read;
}

void directory_release(struct directory *directory)
{
    memory_free(directory->mabs);
    memory_free(directory->refused);
    memset(directory, 0, sizeof(*directory));
}
