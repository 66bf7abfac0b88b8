// SPDX-License-Identifier: BSD-2-Clause
#include "wire/message.h"

#include <assert.h>

#define LENGTH_OFFSET 4

const char *decode_reason_name(enum decode_reason reason)
{
    static const char *const names[DECODE_REASONS] = {
        [DECODE_OK] = "ok",           [DECODE_SHORT] = "short",         [DECODE_MAGIC] = "magic",
        [DECODE_VERSION] = "version", [DECODE_TYPE] = "type",           [DECODE_LENGTH] = "length",
        [DECODE_VALUE] = "value",     [DECODE_EXTENSION] = "extension",
    };
    assert(reason < DECODE_REASONS);
    return names[reason];
}

static bool type_known(uint8_t type)
{
    return (type >= MESSAGE_MAP_REQUEST && type <= MESSAGE_PAGE_REPLY) || type == MESSAGE_PAYLOAD;
}

enum decode_reason message_decode_header(struct reader *reader, size_t length,
                                         enum message_type *type)
{
    uint16_t magic = reader_u16(reader);
    uint8_t version = reader_u8(reader);
    uint8_t type_value = reader_u8(reader);
    uint16_t length_value = reader_u16(reader);
    (void)reader_u16(reader); // flags: for later versions to use
    if (reader->failed)
        return DECODE_SHORT;
    if (magic != MESSAGE_MAGIC)
        return DECODE_MAGIC;
    if (version != MESSAGE_VERSION)
        return DECODE_VERSION;
    if (!type_known(type_value))
        return DECODE_TYPE;
    if (length_value != length)
        return DECODE_LENGTH;
    *type = (enum message_type)type_value;
    return DECODE_OK;
}

void message_encode_header(struct writer *writer, enum message_type type)
{
    assert(writer_length(writer) == 0);
    writer_u16(writer, MESSAGE_MAGIC);
    writer_u8(writer, MESSAGE_VERSION);
    writer_u8(writer, (uint8_t)type);
    writer_u16(writer, 0); // length: see message_finish
    writer_u16(writer, 0);
}

size_t message_finish(struct writer *writer)
{
    size_t length = writer_length(writer);
    if (writer->failed || length > UINT16_MAX)
        return 0;
    assert(length >= MESSAGE_HEADER_BYTES);
    writer->start[LENGTH_OFFSET] = (uint8_t)(length >> 8);
    writer->start[LENGTH_OFFSET + 1] = (uint8_t)length;
    return length;
}
