// SPDX-License-Identifier: BSD-2-Clause
#include "../../fuzz/fuzzer.h"
#include "../check.h"
#include "base/random.h"
#include "vectors.h"
#include "wire/payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct secret_key test_key(void)
{
    uint8_t seed[32];
    for (size_t i = 0; i < sizeof(seed); i++)
        seed[i] = (uint8_t)i;
    struct secret_key key;
    key_from_seed(seed, &key);
    return key;
}

static void say_update(struct text *text, const struct update *update)
{
    static const char *const kinds[] = {"", "map", "define", "split", "join", "delete"};
    char range[RANGE_TEXT_MAX];
    char address[ADDRESS_TEXT_MAX];
    text_add(text, "update: %s %s", kinds[update->kind], range_print(&update->range, range));
    if (update->kind == UPDATE_SPLIT) {
        struct address at = unit_address(update->range.family, update->at);
        text_add(text, " at=%s", address_print(&at, address));
    } else if (update->kind == UPDATE_MAP || update->kind == UPDATE_DEFINE)
        text_add(text, " etr=%s", address_print(&update->etr, address));
    text_add(text, "\n");
}

static void say_updates(struct text *text, struct payload_section *section, const char *mab)
{
    text_add(text, "section: updates %s sequence=%" PRIu64 " part=%u/%u\n", mab,
             section->mab_sequence, section->part, section->parts);
    struct update update;
    while (update_decode(&section->updates, (enum family)section->mab.address.family, &update))
        say_update(text, &update);
    if (section->updates.failed)
        text_add(text, "update: malformed\n");
}

static void say_section(struct text *text, struct payload_section *section)
{
    char mab[PREFIX_TEXT_MAX];
    bool unknown = section->type < SECTION_UPDATES || section->type > SECTION_STATE;
    if (unknown)
        text_add(text, "section: unknown type=%u%s\n", section->type,
                 section->critical ? " critical" : "");
    else if (section->type == SECTION_HEARTBEAT)
        text_add(text, "section: heartbeat\n");
    else if (section->type == SECTION_UPDATES)
        say_updates(text, section, prefix_print(&section->mab, mab));
    else {
        bool snapshot = section->type == SECTION_SNAPSHOT;
        text_add(text, "section: %s %s sequence=%" PRIu64 " hash=%016" PRIx64 "%016" PRIx64,
                 snapshot ? "snapshot" : "state", prefix_print(&section->mab, mab),
                 section->mab_sequence, section->hash.lanes[0], section->hash.lanes[1]);
        if (snapshot)
            text_add(text, " time=%" PRIu64 " micronets=%" PRIu64, section->time.ms,
                     section->micronets);
        text_add(text, "\n");
    }
}

static void say_payload(struct text *text, const uint8_t *bytes, size_t length,
                        const struct public_key *key)
{
    struct payload_header header;
    struct reader sections;
    enum decode_reason reason = payload_open(bytes, length, &header, &sections);
    if (reason != DECODE_OK) {
        text_add(text, "refused: %s\n", decode_reason_name(reason));
        return;
    }
    text_add(text,
             "payload: ruas=%016" PRIx64 " epoch=%" PRIu64 " sequence=%" PRIu64 " time=%" PRIu64
             "\n",
             header.ruas, header.epoch, header.sequence, header.time.ms);
    struct payload_section section;
    while (payload_next_section(&sections, &section))
        say_section(text, &section);
    if (sections.failed)
        text_add(text, "section: malformed\n");
    text_add(text, "signature: %s\n", payload_verify(bytes, length, key) ? "good" : "bad");
}

static void test_vectors(void **state)
{
    (void)state;
    struct secret_key secret = test_key();
    struct public_key key = key_public(&secret);
    FILE *file = vectors_open("payload.txt");
    static struct vector vector;
    size_t count = 0;
    for (; vectors_next(file, &vector); count++) {
        struct text text = {{0}, 0};
        say_payload(&text, vector.bytes, vector.length, &key);
        if (strcmp(text.bytes, vector.meaning) != 0)
            fail_msg("%s\nexpected\n%s\nread\n%s", vector.name, vector.meaning, text.bytes);
        // Written again as the same octets, where it is whole and of known sections.
        (void)LLVMFuzzerTestOneInput(vector.bytes, vector.length);
    }
    (void)fclose(file);
    assert_true(count > 40);
}

static struct payload_header some_header(void)
{
    struct secret_key secret = test_key();
    struct public_key key = key_public(&secret);
    return (struct payload_header){key_id(&key), 3, 77, {1767225600123}};
}

static void test_writes_the_vector(void **state)
{
    (void)state;
    struct secret_key secret = test_key();
    struct payload_header header = some_header();
    FILE *file = vectors_open("payload.txt");
    static struct vector vector;
    assert_true(vectors_next(file, &vector));
    (void)fclose(file);
    assert_string_equal(vector.name, "heartbeat");
    struct payload_writer payload;
    payload_begin(&payload, &header);
    assert_true(payload_empty(&payload));
    assert_true(
        payload_add_section(&payload, &(struct payload_section){.type = SECTION_HEARTBEAT}));
    assert_false(payload_empty(&payload));
    assert_int_equal(payload_seal(&payload, &secret), vector.length);
    assert_memory_equal(payload.bytes, vector.bytes, vector.length);
}

static struct update random_update(struct random_source *random, enum family family)
{
    struct update update = {.kind = (enum update_kind)(1 + random_below(random, 5))};
    update.range.family = family;
    uint64_t units = 2 + random_below(random, 1000);
    update.range.length.units = units;
    update.range.start.index = random_below(random, UINT32_MAX - 2000);
    if (update.kind == UPDATE_SPLIT)
        update.at.index = update.range.start.index + 1 + random_below(random, units - 1);
    if (update.kind == UPDATE_MAP || update.kind == UPDATE_DEFINE) {
        static const enum family families[] = {FAMILY_NONE, FAMILY_IPV4, FAMILY_IPV6};
        update.etr.family = (uint8_t)families[random_below(random, 3)];
        random_bytes(random, update.etr.octets, family_octets((enum family)update.etr.family));
    }
    return update;
}

// Spreads a set over payloads as a sender does, and reads it back; returns the parts.
static uint16_t spread(enum family family, const struct update *updates, size_t count)
{
    struct secret_key secret = test_key();
    struct payload_header header = some_header();
    struct prefix mab;
    assert_true(prefix_parse(family == FAMILY_IPV4 ? "20.0.0.0/14" : "2001:db8::/32", &mab, NULL));
    uint16_t parts = updates_parts(family, updates, count);
    size_t written = 0;
    size_t read = 0;
    for (uint16_t part = 0; part < parts; part++) {
        struct payload_writer payload;
        payload_begin(&payload, &header);
        written +=
            payload_add_updates(&payload, &mab, 5, part, parts, updates + written, count - written);
        size_t length = payload_seal(&payload, &secret);
        assert_true(length > 0 && length <= PAYLOAD_BYTES_MAX);
        struct reader sections;
        struct payload_section section;
        assert_int_equal(payload_open(payload.bytes, length, &header, &sections), DECODE_OK);
        assert_true(payload_next_section(&sections, &section));
        assert_true(section.part == part && section.parts == parts);
        struct update update;
        while (update_decode(&section.updates, family, &update))
            assert_memory_equal(&update, &updates[read++], sizeof(update));
        assert_false(section.updates.failed);
        assert_false(payload_next_section(&sections, &section));
        assert_false(sections.failed);
    }
    assert_int_equal(written, count);
    assert_int_equal(read, count);
    return parts;
}

static void test_sets_of_all_sizes(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(1));
    static struct update updates[UPDATE_SET_MAX];
    for (int i = 0; i < 300; i++) {
        enum family family = random_below(&random, 2) == 0 ? FAMILY_IPV4 : FAMILY_IPV6;
        size_t count = 1 + random_below(&random, i % 10 == 0 ? UPDATE_SET_MAX : 50);
        memset(updates, 0, sizeof(updates));
        for (size_t n = 0; n < count; n++)
            updates[n] = random_update(&random, family);
        (void)spread(family, updates, count);
    }
}

static void test_largest_set_fits_the_parts(void **state)
{
    (void)state;
    static struct update updates[UPDATE_SET_MAX];
    for (size_t i = 0; i < UPDATE_SET_MAX; i++) {
        updates[i].kind = UPDATE_MAP;
        updates[i].range = (struct range){FAMILY_IPV6, {i + 1}, {1}};
        updates[i].etr.family = FAMILY_IPV6;
        updates[i].etr.octets[0] = 0x20;
    }
    assert_int_equal(spread(FAMILY_IPV6, updates, UPDATE_SET_MAX), 32);
}

static void test_sections_until_full(void **state)
{
    (void)state;
    struct secret_key secret = test_key();
    struct payload_header header = some_header();
    struct payload_section section = {.type = SECTION_STATE, .mab_sequence = 1};
    assert_true(prefix_parse("20.0.0.0/14", &section.mab, NULL));
    struct payload_writer payload;
    payload_begin(&payload, &header);
    size_t count = 0;
    while (payload_add_section(&payload, &section))
        count++;
    assert_int_equal(count, PAYLOAD_SECTION_ROOM / (SECTION_HEADER_BYTES + STATE_BODY_BYTES));
    assert_true(payload_room(&payload) < SECTION_HEADER_BYTES + STATE_BODY_BYTES);
    size_t length = payload_seal(&payload, &secret);
    struct reader sections;
    assert_int_equal(payload_open(payload.bytes, length, &header, &sections), DECODE_OK);
    struct payload_section read;
    while (payload_next_section(&sections, &read))
        count--;
    assert_int_equal(count, 0);
}

// No octet can be changed, and no end cut off, without the signature or the frame noticing.
static void test_every_octet_counts(void **state)
{
    (void)state;
    struct secret_key secret = test_key();
    struct public_key key = key_public(&secret);
    struct payload_header header = some_header();
    struct payload_writer payload;
    payload_begin(&payload, &header);
    (void)payload_add_section(&payload, &(struct payload_section){.type = SECTION_HEARTBEAT});
    size_t length = payload_seal(&payload, &secret);
    struct reader sections;
    for (size_t i = 0; i < length; i++) {
        payload.bytes[i] ^= 0x10;
        assert_false(payload_open(payload.bytes, length, &header, &sections) == DECODE_OK &&
                     payload_verify(payload.bytes, length, &key));
        payload.bytes[i] ^= 0x10;
        assert_int_not_equal(payload_open(payload.bytes, i, &header, &sections), DECODE_OK);
    }
    assert_true(payload_verify(payload.bytes, length, &key));
    key_generate(&secret);
    key = key_public(&secret);
    assert_false(payload_verify(payload.bytes, length, &key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_writes_the_vector),
        cmocka_unit_test(test_sets_of_all_sizes),
        cmocka_unit_test(test_largest_set_fits_the_parts),
        cmocka_unit_test(test_sections_until_full),
        cmocka_unit_test(test_every_octet_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
