// SPDX-License-Identifier: BSD-2-Clause
// SIPP addresses and prefixes: 64 bits, and contiguous masks over them (overview §2).
//
//   global unicast  |C| provider 31 | subscriber, subnet, node 32 |  C = 1: it knows IPv4 only
//   cluster         | prefix n      | zeros                       |  any router "at" the prefix
//   local-use       |01111101| subnet 8 | link address 48         |
//   multicast       |C1111111| 000T | scope 4 | group 48          |
//
// An address is held as one number in host byte order, so that masks and comparisons are single
// machine instructions; bit 0 is the leftmost, the C-bit.
#ifndef SIPP_LIB_ADDRESS_H
#define SIPP_LIB_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define SIPP_ADDRESS_BITS     64
#define SIPP_ADDRESS_OCTETS   8
#define SIPP_ADDRESS_TEXT_MAX 20 // "0080:0000:0000:0001" and the final NUL
#define SIPP_PREFIX_TEXT_MAX  24 // with "/64" behind

struct sipp_address {
    uint64_t bits;
};

// Bits of the address behind `length` are zero.
struct sipp_prefix {
    struct sipp_address address;
    uint8_t length; // 0 to 64
};

enum sipp_kind {
    SIPP_UNSPECIFIED, // all zeros: "no address"
    SIPP_LOOPBACK,    // 0000:0000:0000:0001
    SIPP_LOCAL_USE,   // made from a link address
    SIPP_MULTICAST,
    SIPP_UNICAST, // global unicast of a SIPP node, or a cluster address
    SIPP_IPV4,    // global unicast of a node that knows IPv4 only (C-bit set)
};

// Multicast scopes (RFC 1710 §4.3).
enum sipp_scope {
    SIPP_SCOPE_NODE = 1,
    SIPP_SCOPE_LINK = 2,
    SIPP_SCOPE_SITE = 5,
    SIPP_SCOPE_ORGANISATION = 8,
    SIPP_SCOPE_COMMUNITY = 11,
    SIPP_SCOPE_GLOBAL = 14,
};

// Groups that everybody knows (overview §2.2 refers to SIP: nodes, hosts and routers), and the one
// that §8 suggests for configuration servers, whose number is ours.
enum sipp_group {
    SIPP_GROUP_NODES = 1,
    SIPP_GROUP_HOSTS = 2,
    SIPP_GROUP_ROUTERS = 3,
    SIPP_GROUP_CONFIGURATION_SERVERS = 0x100,
};

// A 48-bit link address (IEEE 802), in transmission order.
struct link_address {
    uint8_t octets[6];
};

#define SIPP_ADDRESS_NONE     ((struct sipp_address){0})
#define SIPP_ADDRESS_LOOPBACK ((struct sipp_address){1})

static inline bool sipp_address_equal(struct sipp_address a, struct sipp_address b)
{
    return a.bits == b.bits;
}

static inline bool sipp_address_none(struct sipp_address address)
{
    return address.bits == 0;
}

// True for multicast addresses, with the C-bit set or not.
static inline bool sipp_address_multicast(struct sipp_address address)
{
    return (address.bits >> 56 & 0x7f) == 0x7f;
}

// True for local-use addresses (§2.1.3).
static inline bool sipp_address_local_use(struct sipp_address address)
{
    return address.bits >> 56 == 0x7d;
}

// True where the C-bit is set: the node knows only the low 32 bits (appendix A).
static inline bool sipp_address_ipv4(struct sipp_address address)
{
    return address.bits >> 63 != 0;
}

// The mask of a prefix: `length` ones from the left. `length` is 0 to 64.
static inline uint64_t sipp_mask(unsigned length)
{
    return length == 0 ? 0 : UINT64_MAX << (SIPP_ADDRESS_BITS - length);
}

enum sipp_kind sipp_address_kind(struct sipp_address address);
// "global unicast", "local-use", ... for people.
const char *sipp_kind_name(enum sipp_kind kind);

// Reads 16 hexadecimal digits; a colon must follow the 4th and may follow the 8th and 12th
// (RFC 8507 §2.3): "0080:0000:c0a8:0101", "0080:0000c0a80101".
bool sipp_address_parse(const char *text, struct sipp_address *address, struct error *error);
// Writes four groups of four digits and returns `buffer`.
const char *sipp_address_print(struct sipp_address address, char buffer[SIPP_ADDRESS_TEXT_MAX]);

// The address of an IPv4-only node: C-bit, the 31-bit provider ID of `provider`, and the IPv4
// address (host byte order). The C-bit and low half of `provider` are ignored.
struct sipp_address sipp_address_from_ipv4(struct sipp_address provider, uint32_t ipv4);
// The low 32 bits: all that an IPv4 node knows of an address.
uint32_t sipp_address_to_ipv4(struct sipp_address address);

// The local-use address of a link address of `length` octets, 1 to 6; shorter ones stand at the
// low end with zeros before them (§2.1.3). `subnet` is 0 where no router told it.
struct sipp_address sipp_local_use(uint8_t subnet, const uint8_t *link, unsigned length);
// The link address inside a local-use address.
struct link_address sipp_local_use_link(struct sipp_address address);
// The subnet inside it: 0 where the address means something on one link only.
static inline uint8_t sipp_local_use_subnet(struct sipp_address address)
{
    return (uint8_t)(address.bits >> 48);
}

// The multicast address of a permanent group (the T flag clear); `group` is cut to 48 bits.
struct sipp_address sipp_multicast(enum sipp_scope scope, uint64_t group);
enum sipp_scope sipp_multicast_scope(struct sipp_address address);

// Cuts an address to its first `length` bits.
struct sipp_prefix sipp_prefix_of(struct sipp_address address, unsigned length);
// The prefix that a mask covers; refuses masks with a one behind a zero ("mask-not-contiguous").
bool sipp_prefix_from_mask(struct sipp_address address, uint64_t mask, struct sipp_prefix *prefix,
                           struct error *error);
// Reads "0080:0000:0000:0000/32". Bits behind the length are an error, not silently lost.
bool sipp_prefix_parse(const char *text, struct sipp_prefix *prefix, struct error *error);
const char *sipp_prefix_print(const struct sipp_prefix *prefix, char buffer[SIPP_PREFIX_TEXT_MAX]);

static inline bool sipp_prefix_equal(const struct sipp_prefix *a, const struct sipp_prefix *b)
{
    return a->length == b->length && a->address.bits == b->address.bits;
}

static inline bool sipp_prefix_contains(const struct sipp_prefix *prefix,
                                        struct sipp_address address)
{
    return ((prefix->address.bits ^ address.bits) & sipp_mask(prefix->length)) == 0;
}

// True where one of the two prefixes lies inside the other.
bool sipp_prefix_overlaps(const struct sipp_prefix *a, const struct sipp_prefix *b);
// How many leading bits two addresses share, 0 to 64.
unsigned sipp_common_bits(struct sipp_address a, struct sipp_address b);
// The cluster address of a prefix: its bits, then zeros (§2.1.2).
struct sipp_address sipp_cluster(const struct sipp_prefix *prefix);

#endif
