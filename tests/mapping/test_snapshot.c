// SPDX-License-Identifier: BSD-2-Clause
// Snapshots: round trips of random databases of both families, and everything that is refused.
#include "../check.h"
#include "base/cursor.h"
#include "base/memory.h"
#include "mapping/snapshot.h"
#include "model.h"

#include <sodium.h>
#include <string.h>
#include <zstd.h>

#define HEADER_BYTES 80

static struct secret_key test_key(uint8_t number)
{
    uint8_t seed[32] = {number};
    struct secret_key key;
    key_from_seed(seed, &key);
    return key;
}

static struct mapping *random_mapping(struct model *model, const char *mab, uint64_t seed)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(seed));
    model_init(model, mab);
    struct mapping *mapping = mapping_new(&model->mab, NULL);
    for (unsigned i = 0; i < 3000; i++) {
        struct model before = *model;
        struct update update = model_random_update(model, &random);
        if (model_apply(model, &update) != NULL)
            *model = before;
        else
            assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
    }
    return mapping;
}

static struct snapshot_info info_of(const struct secret_key *key)
{
    struct public_key public = key_public(key);
    return (struct snapshot_info){
        .ruas = key_id(&public), .epoch = 3, .sequence = 77, .time = {1234567890123}};
}

static struct snapshot_bytes write(const struct mapping *mapping, const struct secret_key *key)
{
    struct snapshot_info info = info_of(key);
    struct snapshot_bytes snapshot;
    struct error error = {0};
    if (!snapshot_write(mapping, &info, key, &snapshot, &error))
        fail_msg("%s", error.text);
    return snapshot;
}

static void round_trip(const char *mab, uint64_t seed)
{
    struct model *model = memory_new(sizeof(*model));
    struct secret_key key = test_key(1);
    struct public_key public = key_public(&key);
    struct mapping *mapping = random_mapping(model, mab, seed);
    struct snapshot_bytes snapshot = write(mapping, &key);
    struct snapshot_info info;
    struct mapping *again = NULL;
    struct error error = {0};
    if (!snapshot_read(snapshot.bytes, snapshot.length, &public, &info, &again, &error))
        fail_msg("%s: %s", mab, error.text);
    model_compare(model, again);
    assert_true(prefix_equal(&info.mab, &model->mab));
    assert_int_equal(info.sequence, 77);
    assert_int_equal(info.epoch, 3);
    assert_int_equal(info.time.ms, 1234567890123);
    assert_int_equal(info.micronets, model_count(model));
    // The copy has another history, and gives the same bytes.
    struct snapshot_bytes second = write(again, &key);
    assert_int_equal(second.length, snapshot.length);
    assert_memory_equal(second.bytes, snapshot.bytes, snapshot.length);
    // It takes updates as the original does.
    struct random_source random;
    random_init(&random, random_seed_from_number(seed));
    for (unsigned i = 0; i < 500; i++) {
        struct update update = model_random_update(model, &random);
        assert_int_equal(mapping_apply(mapping, &update, 1, NULL, NULL),
                         mapping_apply(again, &update, 1, NULL, NULL));
    }
    struct mapping_hash a = mapping_hash(mapping);
    struct mapping_hash b = mapping_hash(again);
    assert_true(mapping_hash_equal(&a, &b));
    memory_free(snapshot.bytes);
    memory_free(second.bytes);
    mapping_free(mapping);
    mapping_free(again);
    memory_free(model);
}

static void test_round_trip(void **state)
{
    (void)state;
    const char *mabs[] = {"20.1.0.0/22",     "20.0.0.0/12",   "255.0.0.0/8",
                          "2001:db8:7::/48", "2001:db8::/32", "ffff::/16"};
    for (size_t i = 0; i < 6; i++)
        round_trip(mabs[i], i);
}

// More micronets and more ETRs than one block holds, each micronet with an ETR of its own.
static void test_many_blocks(void **state)
{
    (void)state;
    struct secret_key key = test_key(1);
    struct public_key public = key_public(&key);
    struct prefix mab;
    assert_true(prefix_parse("2001:db8::/32", &mab, NULL));
    struct mapping *mapping = mapping_new(&mab, NULL);
    for (uint32_t i = 0; i < 140000; i++) {
        struct update update = {.kind = UPDATE_DEFINE,
                                .range = {FAMILY_IPV6, {0x20010db800000000 + i * 7}, {1 + i % 7}},
                                .etr = address_from_ipv4(0xc6000000 + i)};
        assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
    }
    struct snapshot_bytes snapshot = write(mapping, &key);
    struct snapshot_info info;
    struct mapping *again = NULL;
    assert_true(snapshot_read(snapshot.bytes, snapshot.length, &public, &info, &again, NULL));
    struct mapping_hash a = mapping_hash(mapping);
    struct mapping_hash b = mapping_hash(again);
    assert_true(mapping_hash_equal(&a, &b));
    assert_int_equal(mapping_count(again), 140000);
    assert_true(mapping_memory(again) <= mapping_memory(mapping) * 5 / 4);
    memory_free(snapshot.bytes);
    mapping_free(mapping);
    mapping_free(again);
}

static uint32_t number_at(const struct mapping *mapping, uint64_t unit)
{
    return mapping_etr_number(mapping, (struct unit){unit});
}

// Maps one of the units of 20.1.0.0/24 to an ETR, zero for 0.
static void map_unit(struct mapping *mapping, uint64_t unit, uint32_t etr)
{
    struct update update = {.kind = UPDATE_MAP,
                            .range = {FAMILY_IPV4, {unit}, {1}},
                            .etr = etr == 0 ? ADDRESS_ZERO : address_from_ipv4(etr)};
    assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
}

// A mapping that was loaded knows how many micronets have each ETR: the last one that leaves it,
// and no other, sets its number free for another ETR.
static void test_etr_counts(void **state)
{
    (void)state;
    struct secret_key key = test_key(1);
    struct public_key public = key_public(&key);
    struct prefix mab;
    assert_true(prefix_parse("20.1.0.0/24", &mab, NULL));
    struct mapping *mapping = mapping_new(&mab, NULL);
    const uint64_t base = 0x14010000;
    for (uint32_t i = 0; i < 100; i++) {
        struct update update = {.kind = UPDATE_DEFINE,
                                .range = {FAMILY_IPV4, {base + i}, {1}},
                                .etr = address_from_ipv4(0xc6120000 + i % 2)};
        assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
    }
    struct snapshot_bytes snapshot = write(mapping, &key);
    struct snapshot_info info;
    struct mapping *again = NULL;
    assert_true(snapshot_read(snapshot.bytes, snapshot.length, &public, &info, &again, NULL));
    uint32_t number = number_at(again, base);
    for (uint32_t i = 2; i < 100; i += 2)
        map_unit(again, base + i, 0);
    map_unit(again, base + 2, 0xc6130001);
    assert_int_not_equal(number_at(again, base + 2), number); // one still has it
    map_unit(again, base, 0);
    map_unit(again, base, 0xc6130002);
    assert_int_equal(number_at(again, base), number);
    memory_free(snapshot.bytes);
    mapping_free(mapping);
    mapping_free(again);
}

static void refuse(const void *bytes, size_t length, const char *reason)
{
    struct secret_key key = test_key(1);
    struct public_key public = key_public(&key);
    struct snapshot_info info;
    struct mapping *mapping = NULL;
    struct error error = {0};
    assert_false(snapshot_read(bytes, length, &public, &info, &mapping, &error));
    assert_null(mapping);
    assert_string_equal(error.reason, reason);
    assert_true(strlen(error.text) > 20);
}

static void test_damage(void **state)
{
    (void)state;
    struct model *model = memory_new(sizeof(*model));
    struct secret_key key = test_key(1);
    struct mapping *mapping = random_mapping(model, "20.1.0.0/22", 9);
    struct snapshot_bytes snapshot = write(mapping, &key);
    for (size_t length = 0; length < snapshot.length; length += length < 200 ? 1 : 97)
        refuse(snapshot.bytes, length,
               length < 10                  ? "not-a-snapshot"
               : length < HEADER_BYTES + 64 ? "snapshot-truncated"
                                            : "snapshot-forged");
    for (size_t i = HEADER_BYTES; i < snapshot.length; i += 13) {
        snapshot.bytes[i] ^= 4;
        refuse(snapshot.bytes, snapshot.length, "snapshot-forged");
        snapshot.bytes[i] ^= 4;
    }
    snapshot.bytes[0] ^= 1;
    refuse(snapshot.bytes, snapshot.length, "not-a-snapshot");
    snapshot.bytes[0] ^= 1;
    snapshot.bytes[9] = 2;
    refuse(snapshot.bytes, snapshot.length, "snapshot-too-new");
    memory_free(snapshot.bytes);
    struct secret_key other = test_key(2);
    snapshot = write(mapping, &other);
    refuse(snapshot.bytes, snapshot.length, "snapshot-forged");
    memory_free(snapshot.bytes);
    mapping_free(mapping);
    memory_free(model);
}

// Wrong snapshots, rightly signed: put together by hand.

struct forge {
    uint8_t bytes[1 << 16];
    size_t length;
};

static void forge_begin(struct forge *forge, const char *mab, uint64_t micronets)
{
    struct secret_key key = test_key(1);
    struct snapshot_info info = info_of(&key);
    assert_true(prefix_parse(mab, &info.mab, NULL));
    struct writer writer = writer_over(forge->bytes, HEADER_BYTES);
    writer_bytes(&writer, "IVIPSNAP", 8);
    writer_u16(&writer, 1);
    writer_u16(&writer, HEADER_BYTES);
    writer_u8(&writer, info.mab.address.family);
    writer_u8(&writer, info.mab.length);
    writer_u16(&writer, 0);
    writer_bytes(&writer, info.mab.address.octets, 8);
    writer_u64(&writer, info.ruas);
    writer_u64(&writer, 1);
    writer_u64(&writer, 1);
    writer_u64(&writer, 1);
    writer_u64(&writer, micronets);
    writer_zeros(&writer, 16);
    assert_false(writer.failed);
    forge->length = HEADER_BYTES;
}

static void forge_raw_block(struct forge *forge, uint16_t type, uint16_t flags, const void *body,
                            size_t length)
{
    struct writer writer =
        writer_over(forge->bytes + forge->length, sizeof(forge->bytes) - forge->length);
    writer_u16(&writer, type);
    writer_u16(&writer, flags);
    writer_u32(&writer, (uint32_t)length);
    writer_bytes(&writer, body, length);
    assert_false(writer.failed);
    forge->length += writer_length(&writer);
}

static void forge_block(struct forge *forge, uint16_t type, const void *plain, size_t length)
{
    uint8_t packed[4096];
    size_t packed_length = ZSTD_compress(packed, sizeof(packed), plain, length, 3);
    assert_false(ZSTD_isError(packed_length));
    forge_raw_block(forge, type, 1, packed, packed_length);
}

static void forge_refused(struct forge *forge, const char *reason)
{
    struct secret_key key = test_key(1);
    uint8_t digest[64];
    struct signature signature;
    (void)crypto_generichash(digest, sizeof(digest), forge->bytes, forge->length, NULL, 0);
    key_sign(&key, "ivip snapshot v1", digest, sizeof(digest), &signature);
    memcpy(forge->bytes + forge->length, signature.bytes, sizeof(signature.bytes));
    refuse(forge->bytes, forge->length + sizeof(signature.bytes), reason);
}

static void forged_micronets(struct forge *forge, const char *mab, const void *plain, size_t length)
{
    forge_begin(forge, mab, 3);
    forge_block(forge, 2, plain, length);
    forge_raw_block(forge, 3, 1, NULL, 0);
    forge_refused(forge, "snapshot-corrupt");
}

static void test_wrong_blocks(void **state)
{
    (void)state;
    struct forge *forge = memory_new(sizeof(*forge));
    const char *mab = "20.1.0.0/24";
    // Count, then gaps, lengths less one, ETR numbers: width and planes.
    forged_micronets(forge, mab, "\0\0\0\1\2\1\0\0\0", 9);   // starts behind the MAB
    forged_micronets(forge, mab, "\0\0\0\1\0\2\1\0\0", 9);   // is longer than the MAB
    forged_micronets(forge, mab, "\0\0\0\2\0\1\xff\0\0", 9); // the second has no room
    forged_micronets(forge, mab, "\0\0\0\1\0\0\1\1", 8);     // an ETR that is not there
    forged_micronets(forge, mab, "\0\0\0\1\x09\0\0\0\0\0\0\0\0\0\0\0", 16); // too wide
    forged_micronets(forge, mab, "\0\0\0\1\0\0\0\0", 8);                    // more than the columns
    forged_micronets(forge, mab, "\0\0\0\2\0\0\1\0", 8);                    // a column cut off
    forged_micronets(forge, mab, "\0\0\0\0\0\0\0", 7);                      // none
    forged_micronets(forge, mab, "\0\1\0\1\0\0\0", 7); // more than a block may hold
    forged_micronets(forge, mab, "\0\0\0\4\0\0\0", 7); // more than it claims
    forged_micronets(forge, mab, "\0\0\0\1\0\0\0", 7); // fewer than it claims
    forged_micronets(forge, mab, "\0\0\0\3\0\0\0", 7); // the hash of others
    forged_micronets(forge, mab, "", 0);
    forged_micronets(forge, "2001:db8::/48",
                     "\0\0\0\2\1\0\1\10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                     "\xff\0",
                     25); // lengths that overflow
    forge_begin(forge, mab, 0);
    forge_block(forge, 1, "\0\0\0\1\5\1\2\3\4", 9); // an ETR of no family
    forge_refused(forge, "snapshot-corrupt");
    forge_begin(forge, mab, 0);
    forge_block(forge, 1, "\0\0\0\2\4\1\2\3\4", 9); // fewer ETRs than it says
    forge_refused(forge, "snapshot-corrupt");
    forge_begin(forge, mab, 0);
    forge_block(forge, 1, "\0\0\0\1\4\1\2\3\4\5", 10); // more
    forge_refused(forge, "snapshot-corrupt");
    forge_begin(forge, mab, 0);
    forge_raw_block(forge, 2, 1, "not zstd", 8);
    forge_refused(forge, "snapshot-corrupt");
    forge_begin(forge, mab, 0); // no end
    forge_refused(forge, "snapshot-corrupt");
    forge_raw_block(forge, 3, 1, NULL, 0);
    forge_raw_block(forge, 3, 1, NULL, 0); // something behind the end
    forge_refused(forge, "snapshot-corrupt");
    forge_begin(forge, mab, 0);
    forge_raw_block(forge, 3, 1, "x", 1); // something in the end
    forge_refused(forge, "snapshot-corrupt");
    forge_begin(forge, mab, 0);
    forge_raw_block(forge, 99, 1, "new", 3);
    forge_refused(forge, "snapshot-too-new");
    forge_begin(forge, mab, 257);
    forge_refused(forge, "snapshot-corrupt");
    forge_begin(forge, "20.1.0.0/25", 0);
    forge_refused(forge, "bad-mab");
    forge_begin(forge, mab, 0);
    forge->bytes[16 + 3] = 1; // a bit below the prefix length
    forge_refused(forge, "snapshot-corrupt");
    memory_free(forge);
}

// A few octets that unpack to a great many are refused before they are.
static void test_bomb(void **state)
{
    (void)state;
    struct forge *forge = memory_new(sizeof(*forge));
    size_t length = 64 << 20;
    uint8_t *zeros = memory_new(length);
    uint8_t *packed = memory_new(1 << 16);
    size_t packed_length = ZSTD_compress(packed, 1 << 16, zeros, length, 3);
    assert_false(ZSTD_isError(packed_length));
    forge_begin(forge, "2001:db8::/32", 1);
    forge_raw_block(forge, 2, 1, packed, packed_length);
    forge_refused(forge, "snapshot-corrupt");
    memory_free(zeros);
    memory_free(packed);
    memory_free(forge);
}

// A part that is not critical, and a longer header, are stepped over.
static void test_extension(void **state)
{
    (void)state;
    struct secret_key key = test_key(1);
    struct public_key public = key_public(&key);
    struct forge *forge = memory_new(sizeof(*forge));
    forge_begin(forge, "20.1.0.0/24", 0);
    forge->bytes[11] = HEADER_BYTES + 5;
    memset(forge->bytes + HEADER_BYTES, 0x55, 5);
    forge->length += 5;
    forge_raw_block(forge, 99, 0, "new", 3);
    forge_raw_block(forge, 3, 1, NULL, 0);
    uint8_t digest[64];
    struct signature signature;
    (void)crypto_generichash(digest, sizeof(digest), forge->bytes, forge->length, NULL, 0);
    key_sign(&key, "ivip snapshot v1", digest, sizeof(digest), &signature);
    memcpy(forge->bytes + forge->length, signature.bytes, sizeof(signature.bytes));
    struct snapshot_info info;
    struct mapping *mapping = NULL;
    struct error error = {0};
    if (!snapshot_read(forge->bytes, forge->length + 64, &public, &info, &mapping, &error))
        fail_msg("%s", error.text);
    assert_int_equal(mapping_count(mapping), 0);
    assert_true(snapshot_inspect(forge->bytes, forge->length + 64, &info, &error));
    assert_int_equal(info.mab.length, 24);
    mapping_free(mapping);
    memory_free(forge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_many_blocks),
        cmocka_unit_test(test_damage),     cmocka_unit_test(test_wrong_blocks),
        cmocka_unit_test(test_bomb),       cmocka_unit_test(test_extension),
        cmocka_unit_test(test_etr_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
