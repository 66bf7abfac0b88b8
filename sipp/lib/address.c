// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/address.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define C_BIT            (UINT64_C(1) << 63)
#define LOCAL_USE_PREFIX UINT64_C(0x7d)
#define MULTICAST_PREFIX UINT64_C(0x7f)
#define LINK_BITS        UINT64_C(0x0000ffffffffffff)

enum sipp_kind sipp_address_kind(struct sipp_address address)
{
    if (sipp_address_none(address))
        return SIPP_UNSPECIFIED;
    if (sipp_address_equal(address, SIPP_ADDRESS_LOOPBACK))
        return SIPP_LOOPBACK;
    if (sipp_address_local_use(address))
        return SIPP_LOCAL_USE;
    if (sipp_address_multicast(address))
        return SIPP_MULTICAST;
    return sipp_address_ipv4(address) ? SIPP_IPV4 : SIPP_UNICAST;
}

const char *sipp_kind_name(enum sipp_kind kind)
{
    switch (kind) {
    case SIPP_UNSPECIFIED:
        return "unspecified";
    case SIPP_LOOPBACK:
        return "loopback";
    case SIPP_LOCAL_USE:
        return "local-use";
    case SIPP_MULTICAST:
        return "multicast";
    case SIPP_IPV4:
        return "global unicast of an IPv4-only node";
    case SIPP_UNICAST:
        break;
    }
    return "global unicast";
}

// The value of a hexadecimal digit, or -1.
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool sipp_address_parse(const char *text, struct sipp_address *address, struct error *error)
{
    uint64_t bits = 0;
    unsigned digits = 0;
    bool after_fourth = false;
    bool just_colon = false;
    const char *at = text;
    for (; *at != '\0'; at++) {
        bool may_colon = digits % 4 == 0 && digits > 0 && digits < 16 && !just_colon;
        if (*at == ':' && may_colon) {
            after_fourth = after_fourth || digits == 4;
            just_colon = true;
            continue;
        }
        if (digit_value(*at) < 0 || digits == 16)
            break;
        bits = bits << 4 | (unsigned)digit_value(*at);
        digits++;
        just_colon = false;
    }
    if (*at != '\0' || digits != 16 || !after_fourth)
        return error_set(error, ERROR_INPUT, "bad-address",
                         "\"%.40s\" is not a SIPP address; write 16 hexadecimal digits in groups "
                         "of four, as in 0080:0000:c0a8:0101",
                         text);
    address->bits = bits;
    return true;
}

const char *sipp_address_print(struct sipp_address address, char buffer[SIPP_ADDRESS_TEXT_MAX])
{
    (void)snprintf(buffer, SIPP_ADDRESS_TEXT_MAX, "%04x:%04x:%04x:%04x",
                   (unsigned)(address.bits >> 48), (unsigned)(address.bits >> 32 & 0xffff),
                   (unsigned)(address.bits >> 16 & 0xffff), (unsigned)(address.bits & 0xffff));
    return buffer;
}

struct sipp_address sipp_address_from_ipv4(struct sipp_address provider, uint32_t ipv4)
{
    return (struct sipp_address){C_BIT | (provider.bits & sipp_mask(32)) | ipv4};
}

uint32_t sipp_address_to_ipv4(struct sipp_address address)
{
    return (uint32_t)address.bits;
}

struct sipp_address sipp_local_use(uint8_t subnet, const uint8_t *link, unsigned length)
{
    assert(length >= 1 && length <= 6);
    uint64_t bits = 0;
    for (unsigned i = 0; i < length; i++)
        bits = bits << 8 | link[i];
    return (struct sipp_address){LOCAL_USE_PREFIX << 56 | (uint64_t)subnet << 48 | bits};
}

struct link_address sipp_local_use_link(struct sipp_address address)
{
    struct link_address link;
    for (unsigned i = 0; i < 6; i++)
        link.octets[i] = (uint8_t)(address.bits >> (40 - 8 * i));
    return link;
}

struct sipp_address sipp_multicast(enum sipp_scope scope, uint64_t group)
{
    return (struct sipp_address){MULTICAST_PREFIX << 56 | (uint64_t)scope << 48 |
                                 (group & LINK_BITS)};
}

enum sipp_scope sipp_multicast_scope(struct sipp_address address)
{
    return (enum sipp_scope)(address.bits >> 48 & 0xf);
}

struct sipp_prefix sipp_prefix_of(struct sipp_address address, unsigned length)
{
    assert(length <= SIPP_ADDRESS_BITS);
    return (struct sipp_prefix){{address.bits & sipp_mask(length)}, (uint8_t)length};
}

bool sipp_prefix_from_mask(struct sipp_address address, uint64_t mask, struct sipp_prefix *prefix,
                           struct error *error)
{
    unsigned length = mask == UINT64_MAX ? 64 : (unsigned)__builtin_clzll(~mask);
    char text[SIPP_ADDRESS_TEXT_MAX];
    if (mask != sipp_mask(length))
        return error_set(error, ERROR_INPUT, "mask-not-contiguous",
                         "the mask %s has a one behind a zero; SIPP masks are contiguous",
                         sipp_address_print((struct sipp_address){mask}, text));
    *prefix = sipp_prefix_of(address, length);
    return true;
}

bool sipp_prefix_parse(const char *text, struct sipp_prefix *prefix, struct error *error)
{
    const char *slash = strchr(text, '/');
    char address_text[SIPP_ADDRESS_TEXT_MAX];
    char *end = NULL;
    unsigned long length = 0;
    if (slash != NULL && isdigit((unsigned char)slash[1]))
        length = strtoul(slash + 1, &end, 10);
    if (end == NULL || *end != '\0' || length > SIPP_ADDRESS_BITS ||
        (size_t)(slash - text) >= sizeof(address_text))
        return error_set(error, ERROR_INPUT, "bad-prefix",
                         "\"%.40s\" is not a SIPP prefix; write address/length with a length of 0 "
                         "to 64, as in 0080:0000:0000:0000/32",
                         text);
    memcpy(address_text, text, (size_t)(slash - text));
    address_text[slash - text] = '\0';
    struct sipp_address address = SIPP_ADDRESS_NONE;
    if (!sipp_address_parse(address_text, &address, error))
        return false;
    if ((address.bits & ~sipp_mask((unsigned)length)) != 0)
        return error_set(error, ERROR_INPUT, "bits-behind-prefix",
                         "%s has bits set behind its first %lu; clear them or lengthen the prefix",
                         text, length);
    *prefix = (struct sipp_prefix){address, (uint8_t)length};
    return true;
}

const char *sipp_prefix_print(const struct sipp_prefix *prefix, char buffer[SIPP_PREFIX_TEXT_MAX])
{
    char text[SIPP_ADDRESS_TEXT_MAX];
    (void)snprintf(buffer, SIPP_PREFIX_TEXT_MAX, "%s/%u", sipp_address_print(prefix->address, text),
                   prefix->length);
    return buffer;
}

bool sipp_prefix_overlaps(const struct sipp_prefix *a, const struct sipp_prefix *b)
{
    return a->length <= b->length ? sipp_prefix_contains(a, b->address)
                                  : sipp_prefix_contains(b, a->address);
}

unsigned sipp_common_bits(struct sipp_address a, struct sipp_address b)
{
    uint64_t differ = a.bits ^ b.bits;
    return differ == 0 ? SIPP_ADDRESS_BITS : (unsigned)__builtin_clzll(differ);
}

struct sipp_address sipp_cluster(const struct sipp_prefix *prefix)
{
    return (struct sipp_address){prefix->address.bits & sipp_mask(prefix->length)};
}
