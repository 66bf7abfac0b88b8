// SPDX-License-Identifier: BSD-2-Clause
// The forwarding table: longest prefix over 64 bits (overview §4).
//
// A binary trie with compressed paths. Each node holds a prefix; both children lie inside it and
// differ in the first bit behind it. A node without a next hop has two children, so a table of n
// prefixes has less than 2n nodes and a look-up visits at most one node a level of the hierarchy:
//
//            0/0
//           /   \.
//     0040/32    0080/32 -> interface 2
//                 /    \.
//        0080::1/48     0080::2/48
#ifndef SIPP_LIB_FORWARDING_H
#define SIPP_LIB_FORWARDING_H

#include "sipp/lib/address.h"

#include <stddef.h>

// Where packets for a prefix go: to `gateway` on `interface`, or, where it is SIPP_ADDRESS_NONE,
// to the destination itself, which is on that link.
struct next_hop {
    uint16_t interface;
    struct sipp_address gateway;
};

struct forwarding;

struct forwarding *forwarding_new(void);
void forwarding_free(struct forwarding *table);
size_t forwarding_count(const struct forwarding *table);

// Sets the next hop of a prefix; one that it had is replaced.
void forwarding_set(struct forwarding *table, const struct sipp_prefix *prefix,
                    struct next_hop next_hop);
// False where the prefix was not in the table.
bool forwarding_remove(struct forwarding *table, const struct sipp_prefix *prefix);
// The next hop of the longest prefix that contains the address; NULL where none does. Valid until
// the table changes.
const struct next_hop *forwarding_look_up(const struct forwarding *table,
                                          struct sipp_address address);
// The next hop of exactly this prefix, or NULL.
const struct next_hop *forwarding_get(const struct forwarding *table,
                                      const struct sipp_prefix *prefix);

// Calls `visit` for every prefix, in order of address, shorter before longer.
typedef void forwarding_visit(void *state, const struct sipp_prefix *prefix,
                              const struct next_hop *next_hop);
void forwarding_walk(const struct forwarding *table, forwarding_visit *visit, void *state);

#endif
