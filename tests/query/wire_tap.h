// SPDX-License-Identifier: BSD-2-Clause
// What the tests of the query cores share: names for endpoints and ranges, and messages made and
// read as a peer would.
#ifndef IVIP_TESTS_QUERY_WIRE_TAP_H
#define IVIP_TESTS_QUERY_WIRE_TAP_H

#include "../check.h"
#include "base/instant.h"
#include "base/range.h"
#include "wire/query.h"

#include <string.h>

static inline struct endpoint endpoint_of(const char *text)
{
    struct endpoint endpoint;
    struct error error;
    if (!endpoint_parse(text, 4746, &endpoint, &error))
        fail_msg("%s", error.text);
    return endpoint;
}

static inline struct address address_of(const char *text)
{
    struct address address;
    struct error error;
    if (strcmp(text, "zero") == 0)
        return ADDRESS_ZERO;
    if (!address_parse(text, &address, &error))
        fail_msg("%s", error.text);
    return address;
}

static inline struct range range_of(const char *text)
{
    struct range range;
    struct error error;
    if (!range_parse(text, &range, &error))
        fail_msg("%s", error.text);
    return range;
}

static inline struct prefix prefix_of(const char *text)
{
    struct prefix prefix;
    struct error error;
    if (!prefix_parse(text, &prefix, &error))
        fail_msg("%s", error.text);
    return prefix;
}

static inline struct instant at_ms(uint64_t ms)
{
    // Not at the start of time, where a forgotten field could pass for an instant.
    return instant_add((struct instant){duration_s(1000).ns}, duration_ms(ms));
}

// Octets of a message, ready to be given to a core.
struct datagram {
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length;
};

static inline struct datagram datagram_of(const struct query_message *message)
{
    struct datagram datagram;
    datagram.length = query_encode(message, datagram.bytes, sizeof(datagram.bytes));
    assert_true(datagram.length > 0);
    return datagram;
}

static inline struct query_message message_of(const uint8_t *bytes, size_t length)
{
    struct query_message message;
    assert_int_equal(query_decode(bytes, length, &message), DECODE_OK);
    return message;
}

static inline void assert_range(struct range range, const char *text)
{
    char printed[RANGE_TEXT_MAX];
    assert_string_equal(range_print(&range, printed), text);
}

static inline void assert_address(struct address address, const char *text)
{
    char printed[ADDRESS_TEXT_MAX];
    assert_string_equal(address_print(&address, printed), text);
}

static inline void assert_endpoint(struct endpoint endpoint, const char *text)
{
    char printed[ENDPOINT_TEXT_MAX];
    assert_string_equal(endpoint_print(&endpoint, printed), text);
}

// What a core put out, or not: a message of that type to that endpoint.
static inline void assert_sent(bool sent, const struct query_message *message,
                               const struct endpoint *to, enum message_type type,
                               const char *to_text)
{
    if (!sent)
        fail_msg("nothing sent, not type %d to %s", type, to_text);
    assert_int_equal(message->type, type);
    assert_endpoint(*to, to_text);
}

static inline void assert_not_sent(bool sent, const struct query_message *message)
{
    if (sent)
        fail_msg("unexpected message of type %d", message->type);
}

// The acknowledgement of a Map Reply, or of a Cache Update, by a querier.
static inline struct query_message acknowledgement_of(const struct query_message *message)
{
    struct query_message ack = {
        .type =
            message->type == MESSAGE_MAP_REPLY ? MESSAGE_MAP_REPLY_ACK : MESSAGE_CACHE_UPDATE_ACK,
        .nonce = message->nonce,
        .token = message->token,
        .querier_sequence = message->querier_sequence,
        .server_sequence = message->server_sequence,
        .instance = 0xe,
        .released_count = message->flushed_count,
    };
    for (size_t i = 0; i < message->flushed_count; i++)
        ack.released[i] = message->flushed[i];
    return ack;
}

#endif
