// SPDX-License-Identifier: BSD-2-Clause
// What an ITR knows of each ETR that it tunnels to: whether it may, how large an outer packet the
// way there carries, and for an ETR of the other family which of the ITR's own addresses to send
// from.
//
// Whether it may is decided once and remembered until the rules change (etr_paths_new_rules), so a
// long list of refused prefixes costs nothing a packet. The way is found out by the shell, because
// only the kernel knows it, and again every PATH_SECONDS, because routes change. Bounded; the
// least recently used ETR is forgotten first.
#ifndef IVIP_TUNNEL_ETR_PATHS_H
#define IVIP_TUNNEL_ETR_PATHS_H

#include "base/address.h"
#include "base/hash.h"
#include "base/instant.h"
#include "base/list.h"
#include "base/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATH_SECONDS 10

enum etr_rule {
    ETR_RULE_UNKNOWN, // not yet decided under the rules of now
    ETR_RULE_ALLOWED,
    ETR_RULE_NOT_ROUTABLE, // multicast, loopback, link-local and the like
    ETR_RULE_IN_MAB,       // would come back to an ITR
    ETR_RULE_REFUSED,      // in a refused prefix
};

struct etr_path {
    struct address etr;
    enum etr_rule rule;
    uint32_t mtu;           // octets of an outer packet; 0: there is no route
    struct address source;  // the ITR's address on that way; FAMILY_NONE: none
    struct instant expires; // when to find it out again; 0: it never was
    uint64_t packets;       // tunnelled to it, segments counted singly
    uint64_t octets;        // of inner packets
    // Of the table.
    uint64_t generation;
    struct table_node by_address;
    struct list_node recent;
};

struct etr_paths;

struct etr_paths *etr_paths_new(size_t limit, struct hash_key key);
void etr_paths_free(struct etr_paths *paths);

// The record of an ETR, made where there is none; it holds until another ETR is used.
struct etr_path *etr_paths_use(struct etr_paths *paths, const struct address *etr);
// The same where a number is known that nearly always stands for this ETR, as its number in a
// mapping does: found by it without hashing the address.
struct etr_path *etr_paths_use_numbered(struct etr_paths *paths, uint64_t number,
                                        const struct address *etr);
// The record of an ETR, or NULL.
struct etr_path *etr_paths_find(struct etr_paths *paths, const struct address *etr);
// All ETRs are to be judged anew.
void etr_paths_new_rules(struct etr_paths *paths);
size_t etr_paths_count(const struct etr_paths *paths);
// Walks all: from *place 0 on; NULL at the end.
const struct etr_path *etr_paths_next(const struct etr_paths *paths, size_t *place);

#endif
