// SPDX-License-Identifier: BSD-2-Clause
// Encoding and decoding of the query protocol (docs/protocol.md, "Query protocol"; DRTM §2).
#ifndef IVIP_WIRE_QUERY_H
#define IVIP_WIRE_QUERY_H

#include "base/address.h"
#include "base/range.h"
#include "wire/message.h"
#include "wire/page_message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUERY_HEADER_BYTES      40
#define QUERY_ANSWER_BYTES      88  // a Map Reply or Cache Update without extensions
#define QUERY_REQUEST_BYTES     192 // least size of a request, so that no reply is larger
#define QUERY_LENGTH_MAX        512 // of these messages
#define QUERY_MESSAGE_BYTES_MAX PAGE_MESSAGE_BYTES_MAX // of whatever a query core sends
#define QUERY_ALTERNATIVES_MAX  4
#define QUERY_FLUSHED_MAX       8
#define QUERY_RELEASED_MAX      9  // an ack can confirm all that an update flushed
#define QUERY_ALTERNATIVE_BYTES 24 // what naming one adds to a reply
#define QUERY_FLUSHED_BYTES     12 // what flushing one more adds to a Cache Update

// How long "not in a MAB" may be cached, as no update follows it (docs/protocol.md, rule 3).
#define QUERY_NOT_IN_MAB_MS 10000

// The load that a server reports (docs/protocol.md, rule 9).
#define QUERY_LOAD_ROOM 128 // below: it may be asked more
#define QUERY_LOAD_SHED 192 // from there on it is to be asked less, and names alternatives
#define QUERY_LOAD_FULL 255 // it loses or refuses requests

enum query_status {
    QUERY_MAPPED = 0,
    QUERY_ZERO = 1,
    QUERY_NOT_IN_MAB = 2,
    QUERY_TRY_ANOTHER = 3,
    QUERY_BUSY = 4,
    QUERY_FLUSH = 5,
};

// Any message of the query protocol. Which fields count depends on `type`:
//   all:                      nonce, token, querier_sequence, server_sequence, instance
//   Map Request:              question
//   Map Reply, Cache Update:  status, range, etr, load, caching_ms, mab_sequence, alternatives
//   Cache Update, flush:      flushed
//   their Acks:               released
struct query_message {
    enum message_type type;
    uint64_t nonce;
    uint64_t token;
    uint32_t querier_sequence;
    uint32_t server_sequence;
    uint64_t instance;

    struct address question;

    enum query_status status;
    uint8_t load;
    uint32_t caching_ms;
    struct range range;
    struct address etr; // FAMILY_NONE unless status is QUERY_MAPPED
    uint64_t mab_sequence;
    size_t alternative_count;
    struct endpoint alternatives[QUERY_ALTERNATIVES_MAX];

    size_t flushed_count;
    uint64_t flushed[QUERY_FLUSHED_MAX]; // nonces; what was told under them is to be forgotten, too

    size_t released_count;
    uint64_t released[QUERY_RELEASED_MAX]; // nonces under which the querier holds nothing any more
};

// Writes the message into `buffer` (QUERY_MESSAGE_BYTES_MAX is always enough) and returns its
// length. Requests come out padded to QUERY_REQUEST_BYTES.
size_t query_encode(const struct query_message *message, uint8_t *buffer, size_t size);

// Reads a datagram. Nothing in `message` may be used unless DECODE_OK is returned. A decoded range
// is valid (range_valid) and no longer than its family's space.
enum decode_reason query_decode(const uint8_t *bytes, size_t length, struct query_message *message);

// Whether a datagram claims to be for a querier (Map Reply, Cache Update, Alive Reply, Map Request
// Ack, Page Reply) rather than for a server: how a node that is both hands it to the right side. It
// checks nothing else.
bool query_is_for_querier(const uint8_t *bytes, size_t length);

// What a Map Request says it asks: to look ahead only, as hardly anything is checked. False for
// other datagrams. The question is of a known family.
bool query_peek(const uint8_t *bytes, size_t length, uint64_t *nonce, struct address *question);

const char *query_status_name(enum query_status status);

#endif
