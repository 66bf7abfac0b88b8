// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "wire/message.h"

static enum decode_reason decode(const uint8_t *bytes, size_t length, enum message_type *type)
{
    struct reader reader = reader_over(bytes, length);
    enum decode_reason reason = message_decode_header(&reader, length, type);
    if (reason == DECODE_OK)
        assert_int_equal(reader_left(&reader), length - MESSAGE_HEADER_BYTES);
    return reason;
}

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t buffer[32];
    struct writer writer = writer_over(buffer, sizeof(buffer));
    message_encode_header(&writer, MESSAGE_ALIVE_REPLY);
    writer_u32(&writer, 7);
    assert_int_equal(message_finish(&writer), 12);
    const uint8_t expected[12] = {0x49, 0x76, 1, 8, 0, 12, 0, 0, 0, 0, 0, 7};
    assert_memory_equal(buffer, expected, sizeof(expected));
    enum message_type type = MESSAGE_PAYLOAD;
    assert_int_equal(decode(buffer, 12, &type), DECODE_OK);
    assert_int_equal(type, MESSAGE_ALIVE_REPLY);
    buffer[7] = 0xff; // flags are for later versions
    assert_int_equal(decode(buffer, 12, &type), DECODE_OK);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        size_t length;
        enum decode_reason reason;
    } cases[] = {
        {{0x49, 0x76, 1, 1, 0, 8, 0}, 7, DECODE_SHORT},
        {{0x49, 0x75, 1, 1, 0, 8, 0, 0}, 8, DECODE_MAGIC},
        {{0x49, 0x76, 0, 1, 0, 8, 0, 0}, 8, DECODE_VERSION},
        {{0x49, 0x76, 1, 0, 0, 8, 0, 0}, 8, DECODE_TYPE},
        {{0x49, 0x76, 1, 11, 0, 8, 0, 0}, 8, DECODE_TYPE},
        {{0x49, 0x76, 1, 33, 0, 8, 0, 0}, 8, DECODE_TYPE},
        {{0x49, 0x76, 1, 32, 0, 9, 0, 0}, 8, DECODE_LENGTH},
        {{0x49, 0x76, 1, 32, 1, 8, 0, 0}, 8, DECODE_LENGTH},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum message_type type = MESSAGE_PAYLOAD;
        assert_int_equal(decode(cases[i].bytes, cases[i].length, &type), cases[i].reason);
    }
}

static void test_message_that_does_not_fit(void **state)
{
    (void)state;
    uint8_t buffer[9];
    struct writer writer = writer_over(buffer, sizeof(buffer));
    message_encode_header(&writer, MESSAGE_MAP_REPLY);
    writer_u16(&writer, 1);
    assert_int_equal(message_finish(&writer), 0);
}

static void test_reasons_have_names(void **state)
{
    (void)state;
    for (int reason = 0; reason < DECODE_REASONS; reason++)
        assert_non_null(decode_reason_name((enum decode_reason)reason));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_message_that_does_not_fit),
        cmocka_unit_test(test_reasons_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
