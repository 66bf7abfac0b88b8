// SPDX-License-Identifier: BSD-2-Clause
#include "wire/query.h"

#include "base/cursor.h"
#include "wire/extension.h"

#include <assert.h>
#include <string.h>

#define ALTERNATIVE_BYTES   20
#define NONCE_BYTES         8
#define ADDRESS_FIELD_BYTES 16

static_assert(EXTENSION_HEADER_BYTES + ALTERNATIVE_BYTES == QUERY_ALTERNATIVE_BYTES, "as told");
static_assert(EXTENSION_HEADER_BYTES + NONCE_BYTES == QUERY_FLUSHED_BYTES, "as told");
static_assert(QUERY_ANSWER_BYTES + QUERY_FLUSHED_MAX * QUERY_FLUSHED_BYTES <= QUERY_REQUEST_BYTES,
              "whatever servers send fits their outbox");
static_assert(QUERY_ANSWER_BYTES + QUERY_ALTERNATIVES_MAX * QUERY_ALTERNATIVE_BYTES <=
                  QUERY_REQUEST_BYTES,
              "no answer may be larger than the least request");

static bool is_request(enum message_type type)
{
    return type == MESSAGE_MAP_REQUEST || type == MESSAGE_ALIVE_REQUEST;
}

static bool is_answer(enum message_type type)
{
    return type == MESSAGE_MAP_REPLY || type == MESSAGE_CACHE_UPDATE;
}

// From a querier.
static bool is_ack(enum message_type type)
{
    return type == MESSAGE_MAP_REPLY_ACK || type == MESSAGE_CACHE_UPDATE_ACK;
}

static bool is_flush(const struct query_message *message)
{
    return message->type == MESSAGE_CACHE_UPDATE && message->status == QUERY_FLUSH;
}

// An address in a field of 16 octets; what the family does not use is zero.
static void encode_address(struct writer *writer, const struct address *address)
{
    writer_bytes(writer, address->octets, ADDRESS_FIELD_BYTES);
}

static bool decode_address(struct reader *reader, uint8_t family, struct address *address)
{
    memset(address, 0, sizeof(*address));
    address->family = family;
    reader_bytes(reader, address->octets, ADDRESS_FIELD_BYTES);
    for (size_t i = family_octets((enum family)family); i < ADDRESS_FIELD_BYTES; i++)
        if (address->octets[i] != 0)
            return false;
    return true;
}

static bool family_known(uint8_t family)
{
    return family == FAMILY_IPV4 || family == FAMILY_IPV6;
}

static void encode_answer(struct writer *writer, const struct query_message *message)
{
    assert(message->alternative_count <= QUERY_ALTERNATIVES_MAX);
    assert((message->status == QUERY_MAPPED) == !address_is_zero(&message->etr));
    writer_u8(writer, (uint8_t)message->status);
    writer_u8(writer, (uint8_t)message->range.family);
    writer_u8(writer, message->etr.family);
    writer_u8(writer, message->load);
    writer_u32(writer, message->caching_ms);
    writer_u64(writer, message->range.start.index);
    writer_u64(writer, message->range.length.units);
    encode_address(writer, &message->etr);
    writer_u64(writer, message->mab_sequence);
    for (size_t i = 0; i < message->alternative_count; i++) {
        const struct endpoint *alternative = &message->alternatives[i];
        writer_u16(writer, EXTENSION_ALTERNATIVE);
        writer_u16(writer, ALTERNATIVE_BYTES);
        writer_u8(writer, alternative->address.family);
        writer_u8(writer, 0);
        writer_u16(writer, alternative->port);
        encode_address(writer, &alternative->address);
    }
}

static void encode_nonces(struct writer *writer, uint16_t type, const uint64_t *nonces,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        writer_u16(writer, type);
        writer_u16(writer, NONCE_BYTES);
        writer_u64(writer, nonces[i]);
    }
}

size_t query_encode(const struct query_message *message, uint8_t *buffer, size_t size)
{
    struct writer writer = writer_over(buffer, size);
    message_encode_header(&writer, message->type);
    writer_u64(&writer, message->nonce);
    writer_u64(&writer, message->token);
    writer_u32(&writer, message->querier_sequence);
    writer_u32(&writer, message->server_sequence);
    writer_u64(&writer, message->instance);
    if (message->type == MESSAGE_MAP_REQUEST) {
        writer_u8(&writer, message->question.family);
        writer_zeros(&writer, 3);
        encode_address(&writer, &message->question);
    }
    assert(message->flushed_count <= QUERY_FLUSHED_MAX);
    assert(message->released_count <= QUERY_RELEASED_MAX);
    if (is_answer(message->type))
        encode_answer(&writer, message);
    if (is_flush(message))
        encode_nonces(&writer, EXTENSION_FLUSHED, message->flushed, message->flushed_count);
    if (is_ack(message->type))
        encode_nonces(&writer, EXTENSION_RELEASED, message->released, message->released_count);
    if (is_request(message->type))
        extension_pad(&writer, QUERY_REQUEST_BYTES);
    return message_finish(&writer);
}

static enum decode_reason decode_question(struct reader *reader, struct query_message *message)
{
    uint8_t family = reader_u8(reader);
    (void)reader_take(reader, 3);
    bool clean = decode_address(reader, family, &message->question);
    if (reader->failed)
        return DECODE_SHORT;
    return clean && family_known(family) ? DECODE_OK : DECODE_VALUE;
}

// Whether the status may stand in this message, and the fields that depend on it are right.
static bool answer_consistent(const struct query_message *message)
{
    const struct range *range = &message->range;
    bool one_unit = range->length.units == 1;
    bool update = message->type == MESSAGE_CACHE_UPDATE;
    if (!range_valid(range))
        return false;
    if ((message->status == QUERY_MAPPED) != family_known(message->etr.family))
        return false;
    switch (message->status) {
    case QUERY_MAPPED:
    case QUERY_ZERO:
        return true;
    case QUERY_NOT_IN_MAB:
    case QUERY_TRY_ANOTHER:
    case QUERY_BUSY:
        return !update && one_unit;
    case QUERY_FLUSH:
        return update;
    }
    return false;
}

static enum decode_reason decode_answer(struct reader *reader, struct query_message *message)
{
    uint8_t status = reader_u8(reader);
    uint8_t range_family = reader_u8(reader);
    uint8_t etr_family = reader_u8(reader);
    message->load = reader_u8(reader);
    message->caching_ms = reader_u32(reader);
    message->range.start.index = reader_u64(reader);
    message->range.length.units = reader_u64(reader);
    bool clean = decode_address(reader, etr_family, &message->etr);
    message->mab_sequence = reader_u64(reader);
    if (reader->failed)
        return DECODE_SHORT;
    if (!clean || status > QUERY_FLUSH || !family_known(range_family) ||
        (etr_family != FAMILY_NONE && !family_known(etr_family)))
        return DECODE_VALUE;
    message->status = (enum query_status)status;
    message->range.family = (enum family)range_family;
    return answer_consistent(message) ? DECODE_OK : DECODE_VALUE;
}

static enum decode_reason decode_alternative(struct reader *value, struct query_message *message)
{
    if (message->alternative_count == QUERY_ALTERNATIVES_MAX)
        return DECODE_EXTENSION;
    struct endpoint *alternative = &message->alternatives[message->alternative_count];
    uint8_t family = reader_u8(value);
    (void)reader_u8(value);
    alternative->port = reader_u16(value);
    bool clean = decode_address(value, family, &alternative->address);
    if (value->failed || reader_left(value) != 0)
        return DECODE_EXTENSION;
    if (!clean || !family_known(family) || alternative->port == 0)
        return DECODE_VALUE;
    message->alternative_count++;
    return DECODE_OK;
}

static enum decode_reason decode_nonce(struct reader *value, uint64_t *nonces, size_t *count,
                                       size_t most)
{
    uint64_t nonce = reader_u64(value);
    if (value->failed || reader_left(value) != 0 || *count == most)
        return DECODE_EXTENSION;
    nonces[(*count)++] = nonce;
    return DECODE_OK;
}

// One extension; those that mean nothing in this message are stepped over.
static enum decode_reason decode_extension(uint16_t type, struct reader *value,
                                           struct query_message *message)
{
    if (type == EXTENSION_ALTERNATIVE && is_answer(message->type))
        return decode_alternative(value, message);
    if (type == EXTENSION_FLUSHED && is_flush(message))
        return decode_nonce(value, message->flushed, &message->flushed_count, QUERY_FLUSHED_MAX);
    if (type == EXTENSION_RELEASED && is_ack(message->type))
        return decode_nonce(value, message->released, &message->released_count, QUERY_RELEASED_MAX);
    return DECODE_OK;
}

static enum decode_reason decode_extensions(struct reader *reader, struct query_message *message)
{
    enum decode_reason reason = DECODE_OK;
    while (reason == DECODE_OK && reader_left(reader) > 0) {
        uint16_t type = reader_u16(reader);
        uint16_t length = reader_u16(reader);
        struct reader value = reader_sub(reader, length);
        reason = reader->failed ? DECODE_EXTENSION : decode_extension(type, &value, message);
    }
    return reason;
}

// Which length a datagram of this type may have.
static enum decode_reason check_length(enum message_type type, size_t length)
{
    if (length > QUERY_LENGTH_MAX)
        return DECODE_LENGTH;
    if (is_request(type) && length < QUERY_REQUEST_BYTES)
        return DECODE_SHORT;
    return DECODE_OK;
}

enum decode_reason query_decode(const uint8_t *bytes, size_t length, struct query_message *message)
{
    struct reader reader = reader_over(bytes, length);
    memset(message, 0, sizeof(*message));
    enum decode_reason reason = message_decode_header(&reader, length, &message->type);
    if (reason != DECODE_OK)
        return reason;
    if (message->type < MESSAGE_MAP_REQUEST || message->type > MESSAGE_ALIVE_REPLY)
        return DECODE_TYPE;
    reason = check_length(message->type, length);
    if (reason != DECODE_OK)
        return reason;
    message->nonce = reader_u64(&reader);
    message->token = reader_u64(&reader);
    message->querier_sequence = reader_u32(&reader);
    message->server_sequence = reader_u32(&reader);
    message->instance = reader_u64(&reader);
    if (reader.failed)
        return DECODE_SHORT;
    if (message->instance == 0)
        return DECODE_VALUE;
    if (message->type == MESSAGE_MAP_REQUEST)
        reason = decode_question(&reader, message);
    else if (is_answer(message->type))
        reason = decode_answer(&reader, message);
    return reason == DECODE_OK ? decode_extensions(&reader, message) : reason;
}

bool query_is_for_querier(const uint8_t *bytes, size_t length)
{
    struct reader reader = reader_over(bytes, length);
    (void)reader_take(&reader, 3);
    uint8_t type = reader_u8(&reader);
    return type == MESSAGE_MAP_REQUEST_ACK || type == MESSAGE_MAP_REPLY ||
           type == MESSAGE_CACHE_UPDATE || type == MESSAGE_ALIVE_REPLY ||
           type == MESSAGE_PAGE_REPLY;
}

bool query_peek(const uint8_t *bytes, size_t length, uint64_t *nonce, struct address *question)
{
    struct reader reader = reader_over(bytes, length);
    struct query_message message;
    (void)reader_take(&reader, 3);
    uint8_t type = reader_u8(&reader);
    (void)reader_take(&reader, MESSAGE_HEADER_BYTES - 4);
    *nonce = reader_u64(&reader);
    (void)reader_take(&reader, QUERY_HEADER_BYTES - MESSAGE_HEADER_BYTES - 8);
    if (type != MESSAGE_MAP_REQUEST || decode_question(&reader, &message) != DECODE_OK)
        return false;
    *question = message.question;
    return true;
}

const char *query_status_name(enum query_status status)
{
    switch (status) {
    case QUERY_MAPPED:
        return "mapped";
    case QUERY_ZERO:
        return "zero";
    case QUERY_NOT_IN_MAB:
        return "not-in-mab";
    case QUERY_TRY_ANOTHER:
        return "try-another";
    case QUERY_BUSY:
        return "busy";
    case QUERY_FLUSH:
        return "flush";
    }
    return "unknown";
}
