// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/snapshot.h"

#include "base/cursor.h"
#include "base/memory.h"
#include "mapping/mapping_state.h"
#include "mapping/snapshot_blocks.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define MAGIC        "IVIPSNAP"
#define MAGIC_BYTES  8
#define VERSION      1
#define HEADER_BYTES 80
#define CONTEXT      "ivip snapshot v1"
#define DIGEST_BYTES 64

static void write_header(struct writer *writer, const struct snapshot_info *info)
{
    writer_bytes(writer, MAGIC, MAGIC_BYTES);
    writer_u16(writer, VERSION);
    writer_u16(writer, HEADER_BYTES);
    writer_u8(writer, info->mab.address.family);
    writer_u8(writer, info->mab.length);
    writer_u16(writer, 0);
    writer_bytes(writer, info->mab.address.octets, 8);
    writer_u64(writer, info->ruas);
    writer_u64(writer, info->epoch);
    writer_u64(writer, info->sequence);
    writer_u64(writer, info->time.ms);
    writer_u64(writer, info->micronets);
    writer_u64(writer, info->hash.lanes[0]);
    writer_u64(writer, info->hash.lanes[1]);
    assert(!writer->failed && writer_left(writer) == 0);
}

static void digest_of(const void *bytes, size_t length, uint8_t digest[DIGEST_BYTES])
{
    (void)crypto_generichash(digest, DIGEST_BYTES, bytes, length, NULL, 0);
}

bool snapshot_write(const struct mapping *mapping, struct snapshot_info *info,
                    const struct secret_key *key, struct snapshot_bytes *snapshot,
                    struct error *error)
{
    info->mab = *mapping_mab(mapping);
    info->micronets = mapping_count(mapping);
    info->hash = mapping_hash(mapping);
    if (info->micronets > SNAPSHOT_MICRONETS_MAX)
        return error_set(error, ERROR_LIMIT, "too-many-micronets",
                         "a MAB of %" PRIu64 " micronets is too large for a snapshot: at most %d",
                         info->micronets, SNAPSHOT_MICRONETS_MAX);
    struct growing out = {0};
    struct writer header = writer_over(growing_extend(&out, HEADER_BYTES), HEADER_BYTES);
    write_header(&header, info);
    if (!snapshot_blocks_write(mapping, &out, error)) {
        memory_free(out.bytes);
        return false;
    }
    if (out.length > SNAPSHOT_BYTES_MAX - SIGNATURE_BYTES) {
        memory_free(out.bytes);
        return error_set(error, ERROR_LIMIT, "snapshot-too-large",
                         "a snapshot of %" PRIu64 " micronets takes more than the %d octets that "
                         "are allowed",
                         info->micronets, SNAPSHOT_BYTES_MAX);
    }
    uint8_t digest[DIGEST_BYTES];
    struct signature signature;
    digest_of(out.bytes, out.length, digest);
    key_sign(key, CONTEXT, digest, sizeof(digest), &signature);
    memcpy(growing_extend(&out, SIGNATURE_BYTES), signature.bytes, SIGNATURE_BYTES);
    *snapshot = (struct snapshot_bytes){memory_resize(out.bytes, out.length), out.length};
    return true;
}

// Reads the header, which is `header_length` octets long.
static bool read_header(struct reader *reader, struct snapshot_info *info, size_t *header_length,
                        struct error *error)
{
    char magic[MAGIC_BYTES];
    reader_bytes(reader, magic, sizeof(magic));
    uint16_t version = reader_u16(reader);
    if (reader->failed || memcmp(magic, MAGIC, MAGIC_BYTES) != 0)
        return error_set(error, ERROR_FORMAT, "not-a-snapshot", "this is not an Ivip snapshot");
    if (version != VERSION)
        return error_set(error, ERROR_FORMAT, "snapshot-too-new",
                         "the snapshot is of version %u, and this version of Ivip reads %d",
                         version, VERSION);
    *header_length = reader_u16(reader);
    enum family family = (enum family)reader_u8(reader);
    uint8_t length = reader_u8(reader);
    (void)reader_u16(reader);
    uint8_t octets[16] = {0};
    reader_bytes(reader, octets, 8);
    info->ruas = reader_u64(reader);
    info->epoch = reader_u64(reader);
    info->sequence = reader_u64(reader);
    info->time.ms = reader_u64(reader);
    info->micronets = reader_u64(reader);
    info->hash.lanes[0] = reader_u64(reader);
    info->hash.lanes[1] = reader_u64(reader);
    if (reader->failed || *header_length < HEADER_BYTES)
        return error_set(error, ERROR_FORMAT, "snapshot-truncated",
                         "the snapshot ends within its header");
    if (family != FAMILY_IPV4 && family != FAMILY_IPV6)
        return error_set(error, ERROR_FORMAT, "snapshot-corrupt",
                         "the snapshot's MAB is of no known address family");
    info->mab = (struct prefix){address_from_octets(family, octets), length};
    return true;
}

// The MAB's units; an error where it cannot be one, or has bits below its length.
static bool check_mab(const struct snapshot_info *info, struct range *units, struct error *error)
{
    if (!mab_check(&info->mab, units, error))
        return false;
    struct address first = unit_address(units->family, units->start);
    if ((units->start.index & (units->length.units - 1)) == 0 &&
        address_equal(&first, &info->mab.address))
        return true;
    return error_set(error, ERROR_FORMAT, "snapshot-corrupt",
                     "the snapshot's MAB has bits set below its prefix length");
}

// Everything that can be known before the signature was checked: format and sizes.
static bool read_front(const void *bytes, size_t length, struct snapshot_info *info,
                       size_t *header_length, struct error *error)
{
    if (length > SNAPSHOT_BYTES_MAX)
        return error_set(error, ERROR_LIMIT, "snapshot-too-large",
                         "a snapshot of %zu octets: at most %d are allowed", length,
                         SNAPSHOT_BYTES_MAX);
    struct reader reader = reader_over(bytes, length);
    struct range units;
    if (!read_header(&reader, info, header_length, error) || !check_mab(info, &units, error))
        return false;
    if (*header_length + SIGNATURE_BYTES > length)
        return error_set(error, ERROR_FORMAT, "snapshot-truncated",
                         "the snapshot is cut off: %zu octets are not even its header and "
                         "signature",
                         length);
    if (info->micronets > units.length.units || info->micronets > SNAPSHOT_MICRONETS_MAX)
        return error_set(error, ERROR_FORMAT, "snapshot-corrupt",
                         "the snapshot claims %" PRIu64 " micronets, more than its MAB has units "
                         "or a snapshot may hold (%d)",
                         info->micronets, SNAPSHOT_MICRONETS_MAX);
    return true;
}

static bool check_signature(const uint8_t *bytes, size_t signed_length,
                            const struct snapshot_info *info, const struct public_key *key,
                            struct error *error)
{
    uint8_t digest[DIGEST_BYTES];
    struct signature signature;
    memcpy(signature.bytes, bytes + signed_length, SIGNATURE_BYTES);
    digest_of(bytes, signed_length, digest);
    if (info->ruas == key_id(key) && key_verify(key, CONTEXT, digest, sizeof(digest), &signature))
        return true;
    return error_set(error, ERROR_FORGED, "snapshot-forged",
                     "the snapshot is not what the RUAS signed: it was damaged, cut off, or comes "
                     "from someone else");
}

// That the database built is the one the header speaks of.
static bool check_result(const struct mapping *mapping, const struct snapshot_info *info,
                         struct error *error)
{
    struct mapping_hash hash = mapping_hash(mapping);
    if (mapping_count(mapping) == info->micronets && mapping_hash_equal(&hash, &info->hash))
        return true;
    return error_set(error, ERROR_FORMAT, "snapshot-corrupt",
                     "the snapshot holds %" PRIu64 " micronets where it claims %" PRIu64
                     ", or others than it was made of",
                     mapping_count(mapping), info->micronets);
}

bool snapshot_read(const void *bytes, size_t length, const struct public_key *key,
                   struct snapshot_info *info, struct mapping **mapping, struct error *error)
{
    size_t header_length = 0;
    if (!read_front(bytes, length, info, &header_length, error))
        return false;
    size_t signed_length = length - SIGNATURE_BYTES;
    if (!check_signature(bytes, signed_length, info, key, error))
        return false;
    struct mapping *built = mapping_new(&info->mab, error);
    if (built == NULL)
        return false;
    store_expect(&built->store, info->micronets);
    struct reader blocks =
        reader_over((const uint8_t *)bytes + header_length, signed_length - header_length);
    if (!snapshot_blocks_read(&blocks, info->micronets, built, error) ||
        !check_result(built, info, error)) {
        mapping_free(built);
        return false;
    }
    *mapping = built;
    return true;
}

bool snapshot_inspect(const void *bytes, size_t length, struct snapshot_info *info,
                      struct error *error)
{
    size_t header_length = 0;
    return read_front(bytes, length, info, &header_length, error);
}
