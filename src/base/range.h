// SPDX-License-Identifier: BSD-2-Clause
// Units of SPI space and ranges of them.
//
// Ivip maps address space in units: one IPv4 address, or one IPv6 /64 (fast-push §3.1). A MAB is
// a prefix of units; UABs and micronets are any range of them, not bound to powers of two
// (fast-push §3.3, §3.4). A unit is held as a number:
//
//     IPv4   the address itself                      20.1.0.16      -> 0x14010010
//     IPv6   the upper 64 bits of the address        2001:db8:0:40:: -> 0x20010db800000040
//
// Positions and lengths are distinct types so that they cannot be mixed up.
#ifndef IVIP_BASE_RANGE_H
#define IVIP_BASE_RANGE_H

#include "base/address.h"

// One unit's place in its family's address space.
struct unit {
    uint64_t index;
};

// How many units.
struct unit_count {
    uint64_t units;
};

// `length` units from `start` on. A valid range has at least one unit and does not run past the
// end of the family's space.
struct range {
    enum family family;
    struct unit start;
    struct unit_count length;
};

#define RANGE_TEXT_MAX 96

// MAB sizes (design; arch §2.7: none shorter than /8, BGP takes nothing longer than /24 or /48).
#define MAB_IPV4_LENGTH_MIN 8
#define MAB_IPV4_LENGTH_MAX 24
#define MAB_IPV6_LENGTH_MIN 16
#define MAB_IPV6_LENGTH_MAX 48

// The unit that an address lies in; for IPv6 the lower 64 bits are dropped.
struct unit unit_of_address(const struct address *address);
// The first address of a unit.
struct address unit_address(enum family family, struct unit unit);

// The last unit of a range.
static inline struct unit range_last(const struct range *range)
{
    return (struct unit){range->start.index + (range->length.units - 1)};
}

// The range from `first` to `last`, both included; `last` must not be before `first`. Of all IPv6
// space it is not valid: a count holds less than 2^64 units.
static inline struct range range_between(enum family family, struct unit first, struct unit last)
{
    return (struct range){family, first, {last.index - first.index + 1}};
}

bool range_valid(const struct range *range);
bool range_equal(const struct range *a, const struct range *b);
bool range_contains_unit(const struct range *range, enum family family, struct unit unit);
bool range_contains_address(const struct range *range, const struct address *address);
// True when every unit of `inner` is in `outer`.
bool range_contains(const struct range *outer, const struct range *inner);
bool range_overlaps(const struct range *a, const struct range *b);

// The units of a prefix. An IPv6 prefix longer than /64 has no whole unit and is refused, as is
// ::/0.
bool range_of_prefix(const struct prefix *prefix, struct range *range, struct error *error);

// Reads a micronet or UAB as people write ranges:
//     20.1.0.16/28  20.1.0.5-20.1.0.9  20.1.0.5+5  20.1.0.5
//     2001:db8:0:40::/62  2001:db8:0:40::/64+3  2001:db8:0:40::-2001:db8:0:42::  2001:db8:0:40::
// An address alone is a range of one unit. IPv6 addresses name whole /64s, so their lower 64 bits
// must be zero (except in an address alone, which stands for the /64 it lies in).
bool range_parse(const char *text, struct range *range, struct error *error);
// Writes it back in the shortest of those forms: an address, a prefix, or "first-last" (IPv4) and
// "first/64+count" (IPv6). Returns `buffer`.
const char *range_print(const struct range *range, char buffer[RANGE_TEXT_MAX]);

// Checks that a prefix can be a MAB (the limits above) and gives its units.
bool mab_check(const struct prefix *prefix, struct range *units, struct error *error);

#endif
