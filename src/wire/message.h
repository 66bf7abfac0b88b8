// SPDX-License-Identifier: BSD-2-Clause
// The header that all UDP messages begin with (docs/protocol.md, "Common header").
#ifndef IVIP_WIRE_MESSAGE_H
#define IVIP_WIRE_MESSAGE_H

#include "base/cursor.h"

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAGIC        0x4976
#define MESSAGE_VERSION      1
#define MESSAGE_HEADER_BYTES 8

enum message_type {
    MESSAGE_MAP_REQUEST = 1,
    MESSAGE_MAP_REQUEST_ACK = 2,
    MESSAGE_MAP_REPLY = 3,
    MESSAGE_MAP_REPLY_ACK = 4,
    MESSAGE_CACHE_UPDATE = 5,
    MESSAGE_CACHE_UPDATE_ACK = 6,
    MESSAGE_ALIVE_REQUEST = 7,
    MESSAGE_ALIVE_REPLY = 8,
    MESSAGE_PAGE_REQUEST = 9,
    MESSAGE_PAGE_REPLY = 10,
    MESSAGE_PAYLOAD = 32,
};

// Why a message was refused; each is a counter. decode_reason_name gives the metric's label.
enum decode_reason {
    DECODE_OK = 0,
    DECODE_SHORT,     // ends before a field that must be there
    DECODE_MAGIC,     // not an Ivip message
    DECODE_VERSION,   // a version this program does not speak
    DECODE_TYPE,      // a type that is unknown or does not belong on this port
    DECODE_LENGTH,    // length field and datagram differ, or the message is over its limit
    DECODE_VALUE,     // a field holds a value that is not allowed
    DECODE_EXTENSION, // extensions or sections do not fit the message
    DECODE_REASONS,   // how many there are
};

const char *decode_reason_name(enum decode_reason reason);

// Reads the common header from the start of a datagram of `length` bytes; on DECODE_OK `reader`
// stands behind it.
enum decode_reason message_decode_header(struct reader *reader, size_t length,
                                         enum message_type *type);
// Writes it with the length still to be patched by message_finish.
void message_encode_header(struct writer *writer, enum message_type type);
// Puts the final length in; returns the bytes written, or 0 where they did not fit.
size_t message_finish(struct writer *writer);

#endif
