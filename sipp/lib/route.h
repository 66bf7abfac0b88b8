// SPDX-License-Identifier: BSD-2-Clause
// Address sequences and route sequences: what makes SIPP more than a longer address (overview §3).
//
// A node is reached by an *address sequence*, high-order address first; its last address alone
// identifies the node. A packet carries a *route sequence*: the source's address sequence with the
// low-order address first, perhaps a policy route, then the destination's address sequence:
//
//        source of H         destination of I
//      S.H , Q.D   ,      * Q.E , S.I               '*' marks the active address, which stands in
//       |                           |               the destination field of the header
//      identifies H         identifies I
//
// A router that the active address names advances the mark. The receiver cuts its own address
// sequence off the tail, reverses what is left and has the way back, whatever features the sender
// used on the way there.
#ifndef SIPP_LIB_ROUTE_H
#define SIPP_LIB_ROUTE_H

#include "sipp/lib/address.h"

#include <stddef.h>

// Addresses of one node's own sequence: three are enough for any foreseeable need (§3.2).
#define SEQUENCE_MAX 3
// Addresses of a whole route sequence. The wire could carry 257; 32 is generous for real routes and
// bounds how much work and how many detours one packet can cause.
#define ROUTE_MAX 32

// One node's address sequence, high-order address first.
struct sequence {
    uint8_t count; // 1 to SEQUENCE_MAX
    struct sipp_address addresses[SEQUENCE_MAX];
};

// An address sequence that a node considers its own. Multicast groups that it joined are its own
// for reception, but cannot be a source.
struct own_sequence {
    struct sequence sequence;
    bool source_capable;
};

// A series of addresses in packet order: a policy route, or the far end of an association.
struct path {
    uint8_t count; // 0 to ROUTE_MAX - 1
    struct sipp_address addresses[ROUTE_MAX];
};

// A route sequence. addresses[0] is the source field, addresses[active] the destination field.
struct route {
    uint8_t count;  // 2 to ROUTE_MAX
    uint8_t active; // 1 to count - 1
    struct sipp_address addresses[ROUTE_MAX];
};

// A sequence of one address.
struct sequence sequence_of(struct sipp_address address);
// The identifying address: the low-order, last one.
struct sipp_address sequence_identity(const struct sequence *sequence);
bool sequence_equal(const struct sequence *a, const struct sequence *b);
// The same addresses as a path towards the node.
struct path path_of(const struct sequence *sequence);
bool path_equal(const struct path *a, const struct path *b);
// The last address of a path: who is reached by it.
struct sipp_address path_identity(const struct path *path);

// Forms the route sequence of a packet to send (§3.2, §5): `source` low-order first, then the
// policy route `via` (NULL for none), then `destination`; active is the first address behind the
// source. False where it would be longer than ROUTE_MAX; `route` is then unchanged.
bool route_form(const struct sequence *source, const struct path *via,
                const struct path *destination, struct route *route);
bool route_equal(const struct route *a, const struct route *b);
// True for a route sequence whose counts are in their limits.
bool route_valid(const struct route *route);

// Who sent the packet and whom it is for: the first and the last address.
struct sipp_address route_source(const struct route *route);
struct sipp_address route_destination(const struct route *route);
struct sipp_address route_active(const struct route *route);
// True where no address is left behind the active one.
bool route_finished(const struct route *route);
// Makes the next address active; must not be finished.
void route_advance(struct route *route);

// The longest of `own` that is the tail of `route` and leaves at least the source before it, or
// `count` where none is (§3.2: isolation).
size_t route_isolate(const struct route *route, const struct own_sequence *own, size_t count);

// The source-capable sequence of `own` whose high-order address shares most leading bits with
// `destination`; the earlier one among equals; `count` where none is source-capable (§5.1: the
// best match).
size_t sequence_choose(const struct own_sequence *own, size_t count,
                       struct sipp_address destination);

// Which of `paths` to a correspondent to take: the one whose first address shares most leading bits
// with a source-capable own sequence; the earlier one among equals (§5.1). `path_count` must not
// be 0.
size_t path_choose(const struct path *paths, size_t path_count, const struct own_sequence *own,
                   size_t own_count);

// Everything before the last `tail` addresses, reversed: the way back to the sender (rule 2).
// `tail` must be less than route->count.
struct path route_way_back(const struct route *route, size_t tail);

// Forms the route sequence of the answer to a received packet by the four rules of §3.2: strip the
// own sequence from the tail, reverse the rest, put a source-capable own sequence before it (the
// stripped one, if it may be a source), and make the first address behind it active. False where
// the packet does not end in an own sequence or no own sequence may be a source.
bool route_reply(const struct route *received, const struct own_sequence *own, size_t count,
                 struct route *reply);

// The route sequence by which a node on the way tells the sender of an error: the addresses
// already used, in reverse, from `source` (one of the node's own sequences). False where it would
// be too long.
bool route_error_back(const struct route *received, const struct sequence *source,
                      struct route *back);

#endif
