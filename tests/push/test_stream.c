// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "push/assembly.h"
#include "push/stream.h"
#include "push/suspicion.h"

#include <string.h>

static void hold(struct stream *stream, uint64_t sequence)
{
    uint8_t bytes[PAYLOAD_BYTES_MAX] = {(uint8_t)sequence};
    stream_hold(stream, sequence, true, bytes, 100);
}

static void test_order_and_repeats(void **state)
{
    (void)state;
    struct stream stream;
    stream_init(&stream);
    stream_restart(&stream, 1, 10);
    assert_int_equal(stream_judge(&stream, 9), STREAM_REPEAT);
    assert_int_equal(stream_judge(&stream, 10 + STREAM_WINDOW), STREAM_BEYOND);
    hold(&stream, 11);
    assert_int_equal(stream_judge(&stream, 11), STREAM_REPEAT);
    assert_null(stream_front(&stream));
    hold(&stream, 10);
    for (uint64_t sequence = 10; sequence <= 11; sequence++) {
        const struct stream_slot *slot = stream_front(&stream);
        assert_non_null(slot);
        assert_int_equal(slot->bytes[0], sequence);
        stream_advance(&stream);
        assert_int_equal(stream_judge(&stream, sequence), STREAM_REPEAT);
    }
    assert_null(stream_front(&stream));
    assert_int_equal(stream.held, 0);
    stream_release(&stream);
}

static void test_gaps(void **state)
{
    (void)state;
    struct stream stream;
    stream_init(&stream);
    stream_restart(&stream, 1, 1);
    uint64_t first = 0;
    uint64_t last = 0;
    assert_false(stream_gap(&stream, 256, &first, &last));
    hold(&stream, 1);
    hold(&stream, 4);
    hold(&stream, 6);
    assert_true(stream_gap(&stream, 256, &first, &last));
    assert_true(first == 2 && last == 5); // one request for both, over the 4 that is there
    for (uint64_t sequence = 7; sequence <= 30; sequence++)
        hold(&stream, sequence);
    hold(&stream, 32);
    assert_true(stream_gap(&stream, 256, &first, &last));
    assert_true(first == 2 && last == 5); // 31 is too far away
    assert_true(stream_gap(&stream, 1, &first, &last));
    assert_true(first == 2 && last == 2);
    stream_note(&stream, 100000);
    hold(&stream, 2);
    hold(&stream, 3);
    hold(&stream, 5);
    assert_true(stream_gap(&stream, 256, &first, &last));
    assert_true(first == 31 && last == 31 + 255);
    stream_release(&stream);
}

static void test_rebase_keeps_what_is_ahead(void **state)
{
    (void)state;
    struct stream stream;
    stream_init(&stream);
    stream_restart(&stream, 1, 100);
    hold(&stream, 100);
    hold(&stream, 105);
    hold(&stream, 100 + STREAM_WINDOW - 1);
    stream_rebase(&stream, 103);
    assert_int_equal(stream_judge(&stream, 105), STREAM_REPEAT);
    assert_int_equal(stream.held, 2);
    stream_rebase(&stream, 50); // back: the farthest is out of the window now
    assert_int_equal(stream.held, 1);
    assert_int_equal(stream_judge(&stream, 50), STREAM_FRESH);
    stream_rebase(&stream, 1000000);
    assert_int_equal(stream.held, 0);
    assert_int_equal(stream.highest, 999999);
    stream_release(&stream);
}

// A section of `count` updates of one set.
static struct payload_section part(uint8_t *bytes, uint64_t sequence, uint16_t number,
                                   uint16_t parts, size_t count)
{
    struct payload_section section = {
        .type = SECTION_UPDATES, .mab_sequence = sequence, .part = number, .parts = parts};
    assert_true(prefix_parse("20.0.0.0/14", &section.mab, NULL));
    struct writer writer = writer_over(bytes, PAYLOAD_BYTES_MAX);
    struct update update = {UPDATE_JOIN, {FAMILY_IPV4, {0x14000000}, {2}}, ADDRESS_ZERO, {0}};
    for (size_t i = 0; i < count; i++)
        update_encode(&writer, FAMILY_IPV4, &update);
    section.updates = reader_over(bytes, writer_length(&writer));
    return section;
}

static enum assembly_outcome add(struct assembly *assembly, uint64_t sequence, uint16_t number,
                                 uint16_t parts, size_t count)
{
    uint8_t bytes[PAYLOAD_BYTES_MAX];
    struct payload_section section = part(bytes, sequence, number, parts, count);
    return assembly_add(assembly, &section);
}

static void test_sets_in_parts(void **state)
{
    (void)state;
    static struct assembly assembly;
    assembly_reset(&assembly);
    assert_int_equal(add(&assembly, 1, 0, 1, 3), ASSEMBLY_WHOLE);
    assert_int_equal(assembly.count, 3);
    assert_int_equal(add(&assembly, 2, 0, 3, 10), ASSEMBLY_PART);
    assert_int_equal(add(&assembly, 2, 1, 3, 10), ASSEMBLY_PART);
    assert_int_equal(add(&assembly, 2, 2, 3, 5), ASSEMBLY_WHOLE);
    assert_int_equal(assembly.count, 25);
    // A part is missing, repeated, of another set, or of another number of parts.
    assert_int_equal(add(&assembly, 3, 1, 2, 1), ASSEMBLY_BROKEN);
    assert_int_equal(add(&assembly, 4, 0, 3, 1), ASSEMBLY_PART);
    assert_int_equal(add(&assembly, 4, 2, 3, 1), ASSEMBLY_BROKEN);
    assert_int_equal(add(&assembly, 5, 0, 2, 1), ASSEMBLY_PART);
    assert_int_equal(add(&assembly, 6, 1, 2, 1), ASSEMBLY_BROKEN);
    assert_int_equal(add(&assembly, 5, 1, 2, 1), ASSEMBLY_BROKEN);
    assert_int_equal(add(&assembly, 7, 0, 2, 1), ASSEMBLY_PART);
    assert_int_equal(add(&assembly, 7, 1, 4, 1), ASSEMBLY_BROKEN);
    assert_int_equal(add(&assembly, 8, 0, 2, 1), ASSEMBLY_PART);
    assert_int_equal(add(&assembly, 8, 0, 2, 1), ASSEMBLY_PART); // begun anew
    assert_int_equal(add(&assembly, 8, 1, 2, 1), ASSEMBLY_WHOLE);
    assert_int_equal(assembly.count, 2);
}

static void test_sets_that_are_too_large(void **state)
{
    (void)state;
    static struct assembly assembly;
    assembly_reset(&assembly);
    uint16_t parts = SECTION_PARTS_MAX;
    for (uint16_t i = 0; i < UPDATE_SET_MAX / 100; i++)
        assert_int_equal(add(&assembly, 1, i, parts, 100), ASSEMBLY_PART);
    assert_int_equal(add(&assembly, 1, UPDATE_SET_MAX / 100, parts, 100), ASSEMBLY_BROKEN);
}

static void test_suspicion(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(1));
    static struct suspicion suspicion;
    suspicion_init(&suspicion, &random);
    struct instant now = {3000000000};
    struct address good = address_from_ipv4(0x0a000001);
    struct address bad = address_from_ipv4(0x0a000002);
    suspicion_note(&suspicion, now, &good, true);
    for (int i = 0; i < FORGERIES_PER_SOURCE_SECOND; i++) {
        assert_true(suspicion_allows(&suspicion, now, &bad));
        suspicion_note(&suspicion, now, &bad, false);
    }
    assert_false(suspicion_allows(&suspicion, now, &bad));
    // From everywhere: only who brought something genuine is still listened to.
    size_t checked = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        struct address source = address_from_ipv4(0x0b000000 + i);
        if (suspicion_allows(&suspicion, now, &source)) {
            checked++;
            suspicion_note(&suspicion, now, &source, false);
        }
    }
    assert_true(checked < FORGERIES_IN_ALL_PER_SECOND + FORGERIES_PER_SOURCE_SECOND);
    assert_true(suspicion_allows(&suspicion, now, &good));
    now = instant_add(now, duration_s(1));
    assert_true(suspicion_allows(&suspicion, now, &bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_repeats),          cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_rebase_keeps_what_is_ahead), cmocka_unit_test(test_sets_in_parts),
        cmocka_unit_test(test_sets_that_are_too_large),    cmocka_unit_test(test_suspicion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
