// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/icmp.h"

#include "sipp/lib/checksum.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define OFFSET_CHECKSUM 2

bool icmp_is_error(uint8_t type)
{
    return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
}

const char *icmp_type_name(uint8_t type)
{
    switch (type) {
    case ICMP_ECHO_REPLY:
        return "echo-reply";
    case ICMP_UNREACHABLE:
        return "unreachable";
    case ICMP_ECHO:
        return "echo";
    case ICMP_TIME_EXCEEDED:
        return "time-exceeded";
    case ICMP_PARAMETER_PROBLEM:
        return "parameter-problem";
    case ICMP_WHERE_ARE_YOU:
        return "where-are-you";
    case ICMP_I_AM_HERE:
        return "i-am-here";
    case ICMP_REGISTRATION_REQUEST:
        return "registration-request";
    case ICMP_REGISTRATION_REPLY:
        return "registration-reply";
    case ICMP_CONFIGURATION:
        return "configuration";
    default:
        return "unknown";
    }
}

static struct sipp_address read_address(struct reader *reader)
{
    return (struct sipp_address){reader_u64(reader)};
}

static struct link_address read_link(struct reader *reader)
{
    struct link_address link;
    reader_bytes(reader, link.octets, sizeof(link.octets));
    return link;
}

static void decode_here(struct reader *reader, struct icmp_i_am_here *here)
{
    here->lifetime = reader_u16(reader);
    here->link = read_link(reader);
    here->identity = read_address(reader);
    here->count = reader_u8(reader);
    (void)reader_take(reader, 3);
    if (here->count > ICMP_PREFIXES_MAX)
        reader->failed = true;
    for (uint8_t i = 0; !reader->failed && i < here->count; i++) {
        struct sipp_address address = read_address(reader);
        uint8_t length = reader_u8(reader);
        (void)reader_take(reader, 3);
        if (length > SIPP_ADDRESS_BITS || (address.bits & ~sipp_mask(length)) != 0)
            reader->failed = true;
        here->prefixes[i] = (struct sipp_prefix){address, length};
    }
}

static void decode_registration(struct reader *reader, struct icmp_registration *registration)
{
    registration->lifetime = reader_u16(reader);
    (void)reader_u16(reader);
    registration->number = reader_u64(reader);
    registration->mobile = read_address(reader);
    registration->base = read_address(reader);
    reader_bytes(reader, registration->authenticator, ICMP_AUTHENTICATOR_SIZE);
}

static void decode_configuration(struct reader *reader, struct icmp_configuration *configuration)
{
    (void)reader_u32(reader);
    configuration->number = reader_u64(reader);
    (void)reader_u16(reader);
    configuration->link = read_link(reader);
    configuration->sequence.count = reader_u8(reader);
    (void)reader_take(reader, 3);
    if (configuration->sequence.count > SEQUENCE_MAX)
        reader->failed = true;
    for (uint8_t i = 0; !reader->failed && i < configuration->sequence.count; i++)
        configuration->sequence.addresses[i] = read_address(reader);
}

// Reads what follows the checksum; the type is known already.
static void decode_body(struct reader *reader, struct icmp_message *message)
{
    switch (message->type) {
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
        message->error.parameter = reader_u32(reader);
        message->error.quote_length = reader_left(reader);
        message->error.quote = reader_take(reader, message->error.quote_length);
        break;
    case ICMP_ECHO:
    case ICMP_ECHO_REPLY:
        message->echo.identifier = reader_u16(reader);
        message->echo.number = reader_u16(reader);
        message->echo.length = reader_left(reader);
        message->echo.data = reader_take(reader, message->echo.length);
        break;
    case ICMP_WHERE_ARE_YOU:
        (void)reader_u16(reader);
        message->where.link = read_link(reader);
        message->where.sought = read_address(reader);
        break;
    case ICMP_I_AM_HERE:
        decode_here(reader, &message->here);
        break;
    case ICMP_REGISTRATION_REQUEST:
    case ICMP_REGISTRATION_REPLY:
        decode_registration(reader, &message->registration);
        break;
    case ICMP_CONFIGURATION:
        decode_configuration(reader, &message->configuration);
        break;
    default:
        reader->failed = true;
    }
}

bool icmp_decode(struct sipp_address source, struct sipp_address destination, const uint8_t *bytes,
                 size_t length, struct icmp_message *message)
{
    if (length < ICMP_HEADER_BYTES || length > UINT16_MAX ||
        sipp_checksum(source, destination, SIPP_PAYLOAD_ICMP, bytes, length) != 0)
        return false;
    struct reader reader = reader_over(bytes, length);
    memset(message, 0, sizeof(*message));
    message->type = reader_u8(&reader);
    message->code = reader_u8(&reader);
    (void)reader_u16(&reader);
    decode_body(&reader, message);
    return !reader.failed;
}

static void encode_here(struct writer *writer, const struct icmp_i_am_here *here)
{
    assert(here->count <= ICMP_PREFIXES_MAX);
    writer_u16(writer, here->lifetime);
    writer_bytes(writer, here->link.octets, sizeof(here->link.octets));
    writer_u64(writer, here->identity.bits);
    writer_u8(writer, here->count);
    writer_zeros(writer, 3);
    for (uint8_t i = 0; i < here->count; i++) {
        writer_u64(writer, here->prefixes[i].address.bits);
        writer_u8(writer, here->prefixes[i].length);
        writer_zeros(writer, 3);
    }
}

// Everything but the authenticator.
static void encode_registration(struct writer *writer, const struct icmp_registration *registration)
{
    writer_u16(writer, registration->lifetime);
    writer_u16(writer, 0);
    writer_u64(writer, registration->number);
    writer_u64(writer, registration->mobile.bits);
    writer_u64(writer, registration->base.bits);
}

static void encode_configuration(struct writer *writer,
                                 const struct icmp_configuration *configuration)
{
    assert(configuration->sequence.count <= SEQUENCE_MAX);
    writer_u32(writer, 0);
    writer_u64(writer, configuration->number);
    writer_u16(writer, 0);
    writer_bytes(writer, configuration->link.octets, sizeof(configuration->link.octets));
    writer_u8(writer, configuration->sequence.count);
    writer_zeros(writer, 3);
    for (uint8_t i = 0; i < configuration->sequence.count; i++)
        writer_u64(writer, configuration->sequence.addresses[i].bits);
}

static void encode_body(struct writer *writer, const struct icmp_message *message)
{
    switch ((enum icmp_type)message->type) {
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
        writer_u32(writer, message->error.parameter);
        writer_bytes(writer, message->error.quote,
                     message->error.quote_length < ICMP_QUOTE_MAX ? message->error.quote_length
                                                                  : ICMP_QUOTE_MAX);
        break;
    case ICMP_ECHO:
    case ICMP_ECHO_REPLY:
        writer_u16(writer, message->echo.identifier);
        writer_u16(writer, message->echo.number);
        writer_bytes(writer, message->echo.data, message->echo.length);
        break;
    case ICMP_WHERE_ARE_YOU:
        writer_u16(writer, 0);
        writer_bytes(writer, message->where.link.octets, sizeof(message->where.link.octets));
        writer_u64(writer, message->where.sought.bits);
        break;
    case ICMP_I_AM_HERE:
        encode_here(writer, &message->here);
        break;
    case ICMP_REGISTRATION_REQUEST:
    case ICMP_REGISTRATION_REPLY:
        encode_registration(writer, &message->registration);
        writer_bytes(writer, message->registration.authenticator, ICMP_AUTHENTICATOR_SIZE);
        break;
    case ICMP_CONFIGURATION:
        encode_configuration(writer, &message->configuration);
        break;
    }
}

size_t icmp_encode(struct sipp_address source, struct sipp_address destination,
                   const struct icmp_message *message, uint8_t *bytes, size_t size)
{
    struct writer writer = writer_over(bytes, size);
    writer_u8(&writer, message->type);
    writer_u8(&writer, message->code);
    writer_u16(&writer, 0);
    encode_body(&writer, message);
    size_t length = writer_length(&writer);
    if (writer.failed || length > UINT16_MAX)
        return 0;
    uint16_t sum = sipp_checksum(source, destination, SIPP_PAYLOAD_ICMP, bytes, length);
    bytes[OFFSET_CHECKSUM] = (uint8_t)(sum >> 8);
    bytes[OFFSET_CHECKSUM + 1] = (uint8_t)sum;
    return length;
}

static void registration_digest(const struct icmp_message *message, const struct mobile_key *key,
                                uint8_t digest[ICMP_AUTHENTICATOR_SIZE])
{
    static const char context[] = "SIPP mobile registration 1";
    uint8_t bytes[64 + sizeof(context)];
    struct writer writer = writer_over(bytes, sizeof(bytes));
    writer_bytes(&writer, context, sizeof(context));
    writer_u8(&writer, message->type);
    writer_u8(&writer, message->code);
    encode_registration(&writer, &message->registration);
    assert(!writer.failed);
    int done = crypto_generichash(digest, ICMP_AUTHENTICATOR_SIZE, bytes, writer_length(&writer),
                                  key->bytes, sizeof(key->bytes));
    assert(done == 0);
    (void)done;
}

void icmp_registration_sign(struct icmp_message *message, const struct mobile_key *key)
{
    registration_digest(message, key, message->registration.authenticator);
}

bool icmp_registration_verify(const struct icmp_message *message, const struct mobile_key *key)
{
    uint8_t digest[ICMP_AUTHENTICATOR_SIZE];
    registration_digest(message, key, digest);
    return sodium_memcmp(digest, message->registration.authenticator, sizeof(digest)) == 0;
}
