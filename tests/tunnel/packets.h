// SPDX-License-Identifier: BSD-2-Clause
// Small packets for tests of behaviour, where the octets do not matter (those that do are in
// fixtures.h).
#ifndef IVIP_TESTS_TUNNEL_PACKETS_H
#define IVIP_TESTS_TUNNEL_PACKETS_H

#include "tunnel/packet.h"

#include <assert.h>
#include <string.h>

static inline struct address address_of(const char *text)
{
    struct address address;
    bool parsed = address_parse(text, &address, NULL);
    assert(parsed);
    (void)parsed;
    return address;
}

// Writes a packet of `length` octets between two addresses of one family and returns `length`.
// Protocol 253 is for experiments; `mark` goes into the payload, where there is any.
static inline uint32_t make_packet(uint8_t *bytes, const struct address *source,
                                   const struct address *destination, uint32_t length,
                                   bool dont_fragment, uint8_t mark)
{
    memset(bytes, mark, length);
    if (source->family == FAMILY_IPV6) {
        assert(length >= IPV6_HEADER_BYTES);
        memset(bytes, 0, IPV6_HEADER_BYTES);
        bytes[0] = 0x60;
        store_u16(bytes + 4, (uint16_t)(length - IPV6_HEADER_BYTES));
        bytes[6] = 253;
        bytes[7] = 64;
        memcpy(bytes + 8, source->octets, 16);
        memcpy(bytes + 24, destination->octets, 16);
        return length;
    }
    assert(length >= IPV4_HEADER_BYTES);
    memset(bytes, 0, IPV4_HEADER_BYTES);
    bytes[0] = 0x45;
    store_u16(bytes + 2, (uint16_t)length);
    store_u16(bytes + 6, dont_fragment ? IPV4_DONT_FRAGMENT : 0);
    bytes[8] = 64;
    bytes[9] = 253;
    memcpy(bytes + 12, source->octets, 4);
    memcpy(bytes + 16, destination->octets, 4);
    ipv4_finish_header(bytes, IPV4_HEADER_BYTES);
    return length;
}

#endif
