// SPDX-License-Identifier: BSD-2-Clause
// IP addresses, endpoints and prefixes, of both families.
#ifndef IVIP_BASE_ADDRESS_H
#define IVIP_BASE_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum family {
    FAMILY_NONE = 0, // no address at all: as a mapping it means "zero", drop the packet
    FAMILY_IPV4 = 4,
    FAMILY_IPV6 = 6,
};

// An IP address in network byte order. Octets that the family does not use are zero, so two
// addresses are equal exactly when their bytes are.
struct address {
    uint8_t family; // enum family
    uint8_t octets[16];
};

// Where a UDP or TCP peer is: address and port (host byte order).
struct endpoint {
    struct address address;
    uint16_t port;
};

// A BGP prefix. Bits of the address below `length` are zero.
struct prefix {
    struct address address;
    uint8_t length; // bits, 0 to 32 or 0 to 128
};

#define ADDRESS_TEXT_MAX  46 // longest IPv6 text and the final NUL
#define PREFIX_TEXT_MAX   50
#define ENDPOINT_TEXT_MAX 54 // "[address]:port" and the final NUL

#define ADDRESS_ZERO ((struct address){0})

// 4 or 16; 0 for FAMILY_NONE.
size_t family_octets(enum family family);
// "IPv4", "IPv6" or "none".
const char *family_name(enum family family);

// Makes an IPv4 address from a number in host byte order, or gives the number back.
struct address address_from_ipv4(uint32_t value);
uint32_t address_to_ipv4(const struct address *address);
// Makes an address from 4 or 16 octets in network byte order.
struct address address_from_octets(enum family family, const uint8_t *octets);

// True for FAMILY_NONE: the mapping "zero".
bool address_is_zero(const struct address *address);
bool address_equal(const struct address *a, const struct address *b);
// Family first, then octets; <0, 0, >0 as memcmp.
int address_compare(const struct address *a, const struct address *b);

// Reads "192.0.2.1" or "2001:db8::1", and nothing else. `error` says what was wrong with it.
bool address_parse(const char *text, struct address *address, struct error *error);
// Writes the address (RFC 5952 for IPv6; "zero" for FAMILY_NONE) and returns `buffer`.
const char *address_print(const struct address *address, char buffer[ADDRESS_TEXT_MAX]);

// Reads "192.0.2.1:4341" or "[2001:db8::1]:4341". Without a port, `default_port` is taken; with
// `default_port` 0 the port is required.
bool endpoint_parse(const char *text, uint16_t default_port, struct endpoint *endpoint,
                    struct error *error);
const char *endpoint_print(const struct endpoint *endpoint, char buffer[ENDPOINT_TEXT_MAX]);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

// Reads "20.0.0.0/14" or "2001:db8::/32". Bits below the length are an error, not silently lost.
bool prefix_parse(const char *text, struct prefix *prefix, struct error *error);
const char *prefix_print(const struct prefix *prefix, char buffer[PREFIX_TEXT_MAX]);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
bool prefix_contains(const struct prefix *prefix, const struct address *address);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);

#endif
