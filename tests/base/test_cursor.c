// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/cursor.h"

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t buffer[64];
    struct writer writer = writer_over(buffer, sizeof(buffer));
    writer_u8(&writer, 1);
    writer_u16(&writer, 0x0203);
    writer_u32(&writer, 0x04050607);
    writer_u64(&writer, 0x08090a0b0c0d0e0f);
    uint8_t *length = writer_reserve_u16(&writer);
    writer_zeros(&writer, 5);
    writer_patch_u16(&writer, length);
    assert_false(writer.failed);
    assert_int_equal(writer_length(&writer), 22);
    for (uint8_t i = 0; i < 15; i++)
        assert_int_equal(buffer[i], i + 1);

    struct reader reader = reader_over(buffer, writer_length(&writer));
    assert_int_equal(reader_u8(&reader), 1);
    assert_int_equal(reader_u16(&reader), 0x0203);
    assert_int_equal(reader_u32(&reader), 0x04050607);
    assert_int_equal(reader_u64(&reader), 0x08090a0b0c0d0e0f);
    assert_int_equal(reader_u16(&reader), 5);
    struct reader rest = reader_sub(&reader, 5);
    assert_int_equal(reader_left(&rest), 5);
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
}

static void test_errors_stick(void **state)
{
    (void)state;
    uint8_t bytes[3] = {1, 2, 3};
    struct reader reader = reader_over(bytes, sizeof(bytes));
    assert_int_equal(reader_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(reader_u8(&reader), 0);
    assert_int_equal(reader_left(&reader), 0);
    struct reader sub = reader_sub(&reader, 0);
    assert_true(sub.failed);

    struct writer writer = writer_over(bytes, sizeof(bytes));
    writer_u32(&writer, 9);
    writer_u8(&writer, 9);
    assert_true(writer.failed);
    assert_int_equal(writer_length(&writer), 0);
    assert_int_equal(bytes[0], 1);
    assert_null(writer_reserve_u16(&writer));
}

static void test_unknown_family_fails(void **state)
{
    (void)state;
    uint8_t bytes[16] = {0};
    struct reader reader = reader_over(bytes, sizeof(bytes));
    struct address address = reader_address(&reader, (enum family)5);
    assert_true(reader.failed);
    assert_true(address_is_zero(&address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_errors_stick),
        cmocka_unit_test(test_unknown_family_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
