// SPDX-License-Identifier: BSD-2-Clause
#include "base/range.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The highest unit of a family.
static uint64_t last_index(enum family family)
{
    return family == FAMILY_IPV4 ? UINT32_MAX : UINT64_MAX;
}

// Bits of a prefix that name one unit.
static unsigned unit_bits(enum family family)
{
    return family == FAMILY_IPV4 ? 32 : 64;
}

struct unit unit_of_address(const struct address *address)
{
    assert(address->family != FAMILY_NONE);
    if (address->family == FAMILY_IPV4)
        return (struct unit){address_to_ipv4(address)};
    uint64_t index = 0;
    for (size_t i = 0; i < 8; i++)
        index = index << 8 | address->octets[i];
    return (struct unit){index};
}

struct address unit_address(enum family family, struct unit unit)
{
    if (family == FAMILY_IPV4)
        return address_from_ipv4((uint32_t)unit.index);
    struct address address = {.family = FAMILY_IPV6};
    for (size_t i = 0; i < 8; i++)
        address.octets[i] = (uint8_t)(unit.index >> (56 - 8 * i));
    return address;
}

bool range_valid(const struct range *range)
{
    if (range->family != FAMILY_IPV4 && range->family != FAMILY_IPV6)
        return false;
    uint64_t last = last_index(range->family);
    return range->length.units > 0 && range->start.index <= last &&
           range->length.units - 1 <= last - range->start.index;
}

bool range_equal(const struct range *a, const struct range *b)
{
    return a->family == b->family && a->start.index == b->start.index &&
           a->length.units == b->length.units;
}

bool range_contains_unit(const struct range *range, enum family family, struct unit unit)
{
    return range->family == family && unit.index >= range->start.index &&
           unit.index - range->start.index < range->length.units;
}

bool range_contains_address(const struct range *range, const struct address *address)
{
    return address->family != FAMILY_NONE &&
           range_contains_unit(range, (enum family)address->family, unit_of_address(address));
}

bool range_contains(const struct range *outer, const struct range *inner)
{
    return range_contains_unit(outer, inner->family, inner->start) &&
           range_contains_unit(outer, inner->family, range_last(inner));
}

bool range_overlaps(const struct range *a, const struct range *b)
{
    return range_contains_unit(a, b->family, b->start) ||
           range_contains_unit(b, a->family, a->start);
}

bool range_of_prefix(const struct prefix *prefix, struct range *range, struct error *error)
{
    enum family family = (enum family)prefix->address.family;
    unsigned bits = unit_bits(family);
    char text[PREFIX_TEXT_MAX];
    if (prefix->length > bits)
        return error_set(error, ERROR_INPUT, "finer-than-unit",
                         "%s is finer than an IPv6 /64, the smallest unit that can be mapped",
                         prefix_print(prefix, text));
    if (bits - prefix->length >= 64)
        return error_set(error, ERROR_INPUT, "bad-prefix", "%s is the whole address space",
                         prefix_print(prefix, text));
    *range = (struct range){
        family, unit_of_address(&prefix->address), {(uint64_t)1 << (bits - prefix->length)}};
    return true;
}

// The unit that a boundary of a written range names: for IPv6 only whole /64s have one.
static bool parse_boundary(const char *text, enum family *family, struct unit *unit,
                           struct error *error)
{
    struct address address;
    if (!address_parse(text, &address, error))
        return false;
    *family = (enum family)address.family;
    *unit = unit_of_address(&address);
    struct address whole = unit_address(*family, *unit);
    if (!address_equal(&whole, &address))
        return error_set(error, ERROR_INPUT, "finer-than-unit",
                         "\"%s\" is finer than an IPv6 /64, the smallest unit that can be mapped",
                         text);
    return true;
}

static bool parse_between(const char *first, const char *last, const char *text,
                          struct range *range, struct error *error)
{
    enum family first_family = FAMILY_NONE;
    enum family last_family = FAMILY_NONE;
    struct unit first_unit = {0};
    struct unit last_unit = {0};
    if (!parse_boundary(first, &first_family, &first_unit, error) ||
        !parse_boundary(last, &last_family, &last_unit, error))
        return false;
    if (first_family != last_family)
        return error_set(error, ERROR_INPUT, "bad-range", "\"%s\" mixes IPv4 and IPv6", text);
    if (last_unit.index < first_unit.index)
        return error_set(error, ERROR_INPUT, "bad-range", "\"%s\" ends before it begins", text);
    struct range between = range_between(first_family, first_unit, last_unit);
    if (!range_valid(&between)) // 2^64 units, which no count can hold
        return error_set(error, ERROR_INPUT, "bad-range", "\"%s\" is the whole address space",
                         text);
    *range = between;
    return true;
}

static bool parse_counted(char *start, const char *count_text, const char *text,
                          struct range *range, struct error *error)
{
    char *slash = strchr(start, '/');
    if (slash != NULL && strchr(start, ':') != NULL && strcmp(slash, "/64") == 0)
        *slash = '\0';
    struct range parsed = {0};
    if (!parse_boundary(start, &parsed.family, &parsed.start, error))
        return false;
    char *end = NULL;
    errno = 0;
    parsed.length.units = strtoull(count_text, &end, 10);
    if (count_text[0] < '0' || count_text[0] > '9' || *end != '\0' || errno != 0 ||
        parsed.length.units == 0)
        return error_set(error, ERROR_INPUT, "bad-range",
                         "\"%s\" in \"%s\" is not a count of %s (1 or more)", count_text, text,
                         parsed.family == FAMILY_IPV4 ? "addresses" : "/64s");
    if (!range_valid(&parsed))
        return error_set(error, ERROR_INPUT, "bad-range",
                         "\"%s\" runs past the end of the address space", text);
    *range = parsed;
    return true;
}

bool range_parse(const char *text, struct range *range, struct error *error)
{
    char copy[RANGE_TEXT_MAX];
    if (strlen(text) >= sizeof(copy))
        return error_set(error, ERROR_INPUT, "bad-range", "\"%.40s...\" is too long for a range",
                         text);
    memcpy(copy, text, strlen(text) + 1);
    char *dash = strchr(copy, '-');
    if (dash != NULL) {
        *dash = '\0';
        return parse_between(copy, dash + 1, text, range, error);
    }
    char *plus = strchr(copy, '+');
    if (plus != NULL) {
        *plus = '\0';
        return parse_counted(copy, plus + 1, text, range, error);
    }
    if (strchr(copy, '/') != NULL) {
        struct prefix prefix;
        return prefix_parse(copy, &prefix, error) && range_of_prefix(&prefix, range, error);
    }
    struct address address;
    if (!address_parse(copy, &address, error))
        return false;
    *range = (struct range){(enum family)address.family, unit_of_address(&address), {1}};
    return true;
}

const char *range_print(const struct range *range, char buffer[RANGE_TEXT_MAX])
{
    char first[ADDRESS_TEXT_MAX];
    char last[ADDRESS_TEXT_MAX];
    struct address start = unit_address(range->family, range->start);
    (void)address_print(&start, first);
    uint64_t length = range->length.units;
    bool aligned = (length & (length - 1)) == 0 && (range->start.index & (length - 1)) == 0;
    if (length == 1 && range->family == FAMILY_IPV4)
        (void)snprintf(buffer, RANGE_TEXT_MAX, "%s", first);
    else if (aligned)
        (void)snprintf(buffer, RANGE_TEXT_MAX, "%s/%u", first,
                       unit_bits(range->family) - (unsigned)__builtin_ctzll(length));
    else if (range->family == FAMILY_IPV4) {
        struct address end = unit_address(range->family, range_last(range));
        (void)snprintf(buffer, RANGE_TEXT_MAX, "%s-%s", first, address_print(&end, last));
    } else
        (void)snprintf(buffer, RANGE_TEXT_MAX, "%s/64+%" PRIu64, first, length);
    return buffer;
}

bool mab_check(const struct prefix *prefix, struct range *units, struct error *error)
{
    bool ipv4 = prefix->address.family == FAMILY_IPV4;
    unsigned shortest = ipv4 ? MAB_IPV4_LENGTH_MIN : MAB_IPV6_LENGTH_MIN;
    unsigned longest = ipv4 ? MAB_IPV4_LENGTH_MAX : MAB_IPV6_LENGTH_MAX;
    char text[PREFIX_TEXT_MAX];
    if (prefix->length < shortest || prefix->length > longest)
        return error_set(error, ERROR_INPUT, "bad-mab",
                         "%s cannot be a MAB: an %s MAB is a prefix from /%u to /%u",
                         prefix_print(prefix, text), ipv4 ? "IPv4" : "IPv6", shortest, longest);
    return range_of_prefix(prefix, units, error);
}
