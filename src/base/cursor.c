// SPDX-License-Identifier: BSD-2-Clause
#include "base/cursor.h"

#include <assert.h>
#include <string.h>

struct reader reader_over(const void *bytes, size_t length)
{
    const uint8_t *start = bytes;
    return (struct reader){start, length == 0 ? start : start + length, false};
}

size_t reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : (size_t)(reader->end - reader->next);
}

const uint8_t *reader_take(struct reader *reader, size_t length)
{
    if (reader->failed || (size_t)(reader->end - reader->next) < length) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *taken = reader->next;
    reader->next += length;
    return taken;
}

uint8_t reader_u8(struct reader *reader)
{
    const uint8_t *b = reader_take(reader, 1);
    return b == NULL ? 0 : b[0];
}

uint16_t reader_u16(struct reader *reader)
{
    const uint8_t *b = reader_take(reader, 2);
    return b == NULL ? 0 : (uint16_t)(b[0] << 8 | b[1]);
}

uint32_t reader_u32(struct reader *reader)
{
    const uint8_t *b = reader_take(reader, 4);
    if (b == NULL)
        return 0;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

uint64_t reader_u64(struct reader *reader)
{
    uint64_t high = reader_u32(reader);
    uint64_t low = reader_u32(reader);
    return reader->failed ? 0 : high << 32 | low;
}

void reader_bytes(struct reader *reader, void *bytes, size_t length)
{
    const uint8_t *b = reader_take(reader, length);
    if (b == NULL)
        memset(bytes, 0, length);
    else
        memcpy(bytes, b, length);
}

struct reader reader_sub(struct reader *reader, size_t length)
{
    const uint8_t *b = reader_take(reader, length);
    if (b == NULL)
        return (struct reader){NULL, NULL, true};
    return reader_over(b, length);
}

struct address reader_address(struct reader *reader, enum family family)
{
    if (family != FAMILY_IPV4 && family != FAMILY_IPV6)
        reader->failed = true;
    const uint8_t *octets = reader_take(reader, family_octets(family));
    return octets == NULL ? ADDRESS_ZERO : address_from_octets(family, octets);
}

struct writer writer_over(void *bytes, size_t size)
{
    uint8_t *start = bytes;
    return (struct writer){start, start, start + size, false};
}

size_t writer_length(const struct writer *writer)
{
    return (size_t)(writer->next - writer->start);
}

size_t writer_left(const struct writer *writer)
{
    return writer->failed ? 0 : (size_t)(writer->end - writer->next);
}

// The place for `length` bytes, or NULL where they do not fit.
static uint8_t *writer_room(struct writer *writer, size_t length)
{
    if (writer->failed || (size_t)(writer->end - writer->next) < length) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *room = writer->next;
    writer->next += length;
    return room;
}

void writer_u8(struct writer *writer, uint8_t value)
{
    uint8_t *b = writer_room(writer, 1);
    if (b != NULL)
        b[0] = value;
}

void writer_u16(struct writer *writer, uint16_t value)
{
    uint8_t *b = writer_room(writer, 2);
    if (b == NULL)
        return;
    b[0] = (uint8_t)(value >> 8);
    b[1] = (uint8_t)value;
}

void writer_u32(struct writer *writer, uint32_t value)
{
    uint8_t *b = writer_room(writer, 4);
    if (b == NULL)
        return;
    b[0] = (uint8_t)(value >> 24);
    b[1] = (uint8_t)(value >> 16);
    b[2] = (uint8_t)(value >> 8);
    b[3] = (uint8_t)value;
}

void writer_u64(struct writer *writer, uint64_t value)
{
    writer_u32(writer, (uint32_t)(value >> 32));
    writer_u32(writer, (uint32_t)value);
}

void writer_bytes(struct writer *writer, const void *bytes, size_t length)
{
    uint8_t *b = writer_room(writer, length);
    if (b != NULL && length > 0)
        memcpy(b, bytes, length);
}

void writer_zeros(struct writer *writer, size_t length)
{
    uint8_t *b = writer_room(writer, length);
    if (b != NULL && length > 0)
        memset(b, 0, length);
}

void writer_address(struct writer *writer, const struct address *address)
{
    writer_bytes(writer, address->octets, family_octets((enum family)address->family));
}

uint8_t *writer_reserve_u16(struct writer *writer)
{
    uint8_t *place = writer_room(writer, 2);
    if (place != NULL)
        memset(place, 0, 2);
    return place;
}

void writer_patch_u16(struct writer *writer, uint8_t *place)
{
    if (writer->failed)
        return;
    assert(place != NULL && place + 2 <= writer->next);
    size_t length = (size_t)(writer->next - (place + 2));
    if (length > UINT16_MAX) {
        writer->failed = true;
        return;
    }
    place[0] = (uint8_t)(length >> 8);
    place[1] = (uint8_t)length;
}
