// SPDX-License-Identifier: BSD-2-Clause
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t family_octets(enum family family)
{
    switch (family) {
    case FAMILY_IPV4:
        return 4;
    case FAMILY_IPV6:
        return 16;
    case FAMILY_NONE:
        break;
    }
    return 0;
}

const char *family_name(enum family family)
{
    switch (family) {
    case FAMILY_IPV4:
        return "IPv4";
    case FAMILY_IPV6:
        return "IPv6";
    case FAMILY_NONE:
        break;
    }
    return "none";
}

struct address address_from_ipv4(uint32_t value)
{
    struct address address = {.family = FAMILY_IPV4};
    address.octets[0] = (uint8_t)(value >> 24);
    address.octets[1] = (uint8_t)(value >> 16);
    address.octets[2] = (uint8_t)(value >> 8);
    address.octets[3] = (uint8_t)value;
    return address;
}

uint32_t address_to_ipv4(const struct address *address)
{
    const uint8_t *o = address->octets;
    return (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3];
}

struct address address_from_octets(enum family family, const uint8_t *octets)
{
    struct address address = {.family = (uint8_t)family};
    memcpy(address.octets, octets, family_octets(family));
    return address;
}

bool address_is_zero(const struct address *address)
{
    return address->family == FAMILY_NONE;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

int address_compare(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof(*a));
}

bool address_parse(const char *text, struct address *address, struct error *error)
{
    struct address parsed = {0};
    if (strchr(text, ':') != NULL) {
        parsed.family = FAMILY_IPV6;
        if (inet_pton(AF_INET6, text, parsed.octets) == 1) {
            *address = parsed;
            return true;
        }
        return error_set(error, ERROR_INPUT, "bad-address", "\"%s\" is not an IPv6 address", text);
    }
    parsed.family = FAMILY_IPV4;
    if (inet_pton(AF_INET, text, parsed.octets) == 1) {
        *address = parsed;
        return true;
    }
    return error_set(error, ERROR_INPUT, "bad-address",
                     "\"%s\" is not an IP address (like 192.0.2.1 or 2001:db8::1)", text);
}

const char *address_print(const struct address *address, char buffer[ADDRESS_TEXT_MAX])
{
    if (address->family == FAMILY_IPV4)
        (void)inet_ntop(AF_INET, address->octets, buffer, ADDRESS_TEXT_MAX);
    else if (address->family == FAMILY_IPV6)
        (void)inet_ntop(AF_INET6, address->octets, buffer, ADDRESS_TEXT_MAX);
    else
        (void)snprintf(buffer, ADDRESS_TEXT_MAX, "zero");
    return buffer;
}

// A decimal number from 0 to `max`, no sign, no blanks, no leading zeros beyond "0" itself.
static bool parse_number(const char *text, unsigned long max, unsigned long *number)
{
    if (*text < '0' || *text > '9' || (text[0] == '0' && text[1] != '\0'))
        return false;
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value > max)
        return false;
    *number = value;
    return true;
}

// Splits "address:port" or "[address]:port"; `port` stays empty where none was written.
static bool split_endpoint(const char *text, char *address, size_t address_size, const char **port)
{
    const char *start = text;
    const char *end = NULL;
    if (*text == '[') {
        start = text + 1;
        end = strchr(start, ']');
        if (end == NULL || (end[1] != ':' && end[1] != '\0'))
            return false;
        *port = end[1] == ':' ? end + 2 : "";
    } else {
        const char *first = strchr(text, ':');
        bool several = first != NULL && strchr(first + 1, ':') != NULL;
        end = first == NULL || several ? text + strlen(text) : first;
        *port = first == NULL || several ? "" : first + 1;
    }
    size_t length = (size_t)(end - start);
    if (length == 0 || length >= address_size)
        return false;
    memcpy(address, start, length);
    address[length] = '\0';
    return true;
}

bool endpoint_parse(const char *text, uint16_t default_port, struct endpoint *endpoint,
                    struct error *error)
{
    char address_text[ADDRESS_TEXT_MAX];
    const char *port_text = "";
    struct endpoint parsed = {.port = default_port};
    if (!split_endpoint(text, address_text, sizeof(address_text), &port_text))
        return error_set(error, ERROR_INPUT, "bad-endpoint",
                         "\"%s\" is not an address with a port (like 192.0.2.1:4341 or "
                         "[2001:db8::1]:4341)",
                         text);
    if (!address_parse(address_text, &parsed.address, error))
        return false;
    if (*port_text == '\0') {
        if (default_port == 0)
            return error_set(error, ERROR_INPUT, "bad-endpoint", "\"%s\" lacks a port", text);
        *endpoint = parsed;
        return true;
    }
    unsigned long port = 0;
    if (!parse_number(port_text, UINT16_MAX, &port) || port == 0)
        return error_set(error, ERROR_INPUT, "bad-endpoint",
                         "port \"%s\" in \"%s\" is not a number from 1 to 65535", port_text, text);
    parsed.port = (uint16_t)port;
    *endpoint = parsed;
    return true;
}

const char *endpoint_print(const struct endpoint *endpoint, char buffer[ENDPOINT_TEXT_MAX])
{
    char address[ADDRESS_TEXT_MAX];
    bool brackets = endpoint->address.family == FAMILY_IPV6;
    (void)snprintf(buffer, ENDPOINT_TEXT_MAX, "%s%s%s:%u", brackets ? "[" : "",
                   address_print(&endpoint->address, address), brackets ? "]" : "",
                   (unsigned)endpoint->port);
    return buffer;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && address_equal(&a->address, &b->address);
}

// Clears the bits of `address` below `length`; tells whether any was set.
static bool mask_address(struct address *address, unsigned length)
{
    bool cleared = false;
    size_t octets = family_octets((enum family)address->family);
    for (size_t i = 0; i < octets; i++) {
        unsigned kept = length > i * 8 ? length - (unsigned)i * 8 : 0;
        uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff << (8 - kept));
        cleared |= (address->octets[i] & ~mask) != 0;
        address->octets[i] &= mask;
    }
    return cleared;
}

bool prefix_parse(const char *text, struct prefix *prefix, struct error *error)
{
    char address_text[ADDRESS_TEXT_MAX];
    const char *slash = strchr(text, '/');
    if (slash == NULL || (size_t)(slash - text) >= sizeof(address_text))
        return error_set(error, ERROR_INPUT, "bad-prefix",
                         "\"%s\" is not a prefix (like 20.0.0.0/14 or 2001:db8::/32)", text);
    memcpy(address_text, text, (size_t)(slash - text));
    address_text[slash - text] = '\0';
    struct prefix parsed = {0};
    if (!address_parse(address_text, &parsed.address, error))
        return false;
    unsigned long bits = family_octets((enum family)parsed.address.family) * 8;
    unsigned long length = 0;
    if (!parse_number(slash + 1, bits, &length))
        return error_set(error, ERROR_INPUT, "bad-prefix",
                         "prefix length \"%s\" in \"%s\" is not a number from 0 to %lu", slash + 1,
                         text, bits);
    parsed.length = (uint8_t)length;
    if (mask_address(&parsed.address, parsed.length)) {
        char suggestion[PREFIX_TEXT_MAX];
        return error_set(error, ERROR_INPUT, "bad-prefix",
                         "\"%s\" has address bits set below /%lu; did you mean %s?", text, length,
                         prefix_print(&parsed, suggestion));
    }
    *prefix = parsed;
    return true;
}

const char *prefix_print(const struct prefix *prefix, char buffer[PREFIX_TEXT_MAX])
{
    char address[ADDRESS_TEXT_MAX];
    (void)snprintf(buffer, PREFIX_TEXT_MAX, "%s/%u", address_print(&prefix->address, address),
                   (unsigned)prefix->length);
    return buffer;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
    return a->length == b->length && address_equal(&a->address, &b->address);
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
    if (prefix->address.family != address->family || address->family == FAMILY_NONE)
        return false;
    struct address masked = *address;
    (void)mask_address(&masked, prefix->length);
    return address_equal(&masked, &prefix->address);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
    return a->length <= b->length ? prefix_contains(a, &b->address)
                                  : prefix_contains(b, &a->address);
}
