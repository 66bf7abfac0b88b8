// SPDX-License-Identifier: BSD-2-Clause
#include "wire/page_message.h"

#include "wire/extension.h"

#include <assert.h>
#include <string.h>

#define RESERVED_BYTES 14

static void encode_name(struct writer *writer, const char *name)
{
    uint8_t octets[MAB_PAGE_NAME_OCTETS] = {0};
    if (name[0] != '\0')
        mab_page_name_pack(name, octets);
    writer_bytes(writer, octets, sizeof(octets));
}

static void decode_name(struct reader *reader, char name[MAB_PAGE_NAME_TEXT_MAX])
{
    static const uint8_t zeros[MAB_PAGE_NAME_OCTETS];
    uint8_t octets[MAB_PAGE_NAME_OCTETS] = {0};
    reader_bytes(reader, octets, sizeof(octets));
    name[0] = '\0';
    if (memcmp(octets, zeros, sizeof(zeros)) != 0)
        mab_page_name_unpack(octets, name);
}

static void encode_reply(struct writer *writer, const struct page_message *message)
{
    assert((message->status == PAGE_FOUND) == (message->length > 0));
    assert(message->length <= MAB_PAGE_BYTES_MAX && message->root.level <= MAB_PAGE_LEVEL_MAX);
    encode_name(writer, message->root.page);
    writer_u8(writer, message->root.page[0] != '\0' ? (uint8_t)message->root.level : 0);
    writer_u8(writer, (uint8_t)message->status);
    writer_u16(writer, (uint16_t)message->length);
    if (message->length > 0)
        writer_bytes(writer, message->bytes, message->length);
}

size_t page_message_encode(const struct page_message *message, uint8_t *buffer, size_t size)
{
    struct writer writer = writer_over(buffer, size);
    message_encode_header(&writer, message->type);
    writer_u64(&writer, message->nonce);
    encode_name(&writer, message->page);
    if (message->type == MESSAGE_PAGE_REPLY) {
        encode_reply(&writer, message);
    } else {
        assert(message->type == MESSAGE_PAGE_REQUEST);
        writer_zeros(&writer, RESERVED_BYTES);
        if (message->page[0] != '\0')
            extension_pad(&writer, PAGE_MESSAGE_BYTES_MAX);
    }
    return message_finish(&writer);
}

static enum decode_reason decode_reply(struct reader *reader, struct page_message *message)
{
    decode_name(reader, message->root.page);
    message->root.level = reader_u8(reader);
    uint8_t status = reader_u8(reader);
    message->length = reader_u16(reader);
    if (reader->failed)
        return DECODE_SHORT;
    bool found = status == PAGE_FOUND;
    bool asked = message->page[0] != '\0';
    bool none = message->root.page[0] == '\0';
    if (status > PAGE_LONGER || found != (message->length > 0) || asked == (status == PAGE_NONE) ||
        message->length > MAB_PAGE_BYTES_MAX || message->root.level > MAB_PAGE_LEVEL_MAX ||
        (none && message->root.level != 0))
        return DECODE_VALUE;
    message->status = (enum page_status)status;
    message->bytes = reader_take(reader, message->length);
    return reader->failed ? DECODE_SHORT : DECODE_OK;
}

enum decode_reason page_message_decode(const uint8_t *bytes, size_t length,
                                       struct page_message *message)
{
    struct reader reader = reader_over(bytes, length);
    memset(message, 0, sizeof(*message));
    enum decode_reason reason = message_decode_header(&reader, length, &message->type);
    if (reason != DECODE_OK)
        return reason;
    bool reply = message->type == MESSAGE_PAGE_REPLY;
    if (!reply && message->type != MESSAGE_PAGE_REQUEST)
        return DECODE_TYPE;
    if (length > PAGE_REQUEST_BYTES_MAX)
        return DECODE_LENGTH;
    message->nonce = reader_u64(&reader);
    decode_name(&reader, message->page);
    if (!reply)
        (void)reader_take(&reader, RESERVED_BYTES);
    if (reader.failed)
        return DECODE_SHORT;
    if (reply)
        reason = decode_reply(&reader, message);
    return reason == DECODE_OK && !extensions_step_over(&reader) ? DECODE_EXTENSION : reason;
}

bool page_message_claimed(const uint8_t *bytes, size_t length)
{
    struct reader reader = reader_over(bytes, length);
    (void)reader_take(&reader, 3);
    uint8_t type = reader_u8(&reader);
    return type == MESSAGE_PAGE_REQUEST || type == MESSAGE_PAGE_REPLY;
}

const char *page_status_name(enum page_status status)
{
    switch (status) {
    case PAGE_FOUND:
        return "found";
    case PAGE_NONE:
        return "none";
    case PAGE_UNKNOWN:
        return "unknown";
    case PAGE_LONGER:
        return "longer";
    }
    return "?";
}
