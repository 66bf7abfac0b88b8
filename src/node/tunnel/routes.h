// SPDX-License-Identifier: BSD-2-Clause
// The kernel's routing, by rtnetlink: routes of MABs to the TUN, and questions to it.
//
// Routes of MABs carry a protocol number of their own, which BIRD and FRR can match (`ip route
// show proto 155`):
//
//     155  a DITR's: for the BGP daemon to learn and announce to the world
//     156  an ITR's that only its own network uses
#ifndef IVIP_NODE_TUNNEL_ROUTES_H
#define IVIP_NODE_TUNNEL_ROUTES_H

#include "base/address.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define ROUTE_PROTOCOL_ANNOUNCED 155
#define ROUTE_PROTOCOL_LOCAL     156

// Brings a device up with this MTU.
bool routes_link_up(unsigned index, uint32_t mtu, struct error *error);
// The largest MTU of the devices that are up, loopback aside; 1500 where there is none.
uint32_t routes_largest_mtu(void);

// A device, as the kernel has it now.
struct routes_link {
    bool up;
    uint64_t overflowed; // packets that found no room in its queue, ever
};
// False where there is none of that index.
bool routes_link_state(unsigned index, struct routes_link *link);

// The MTU of a device; false where there is none of that name, or it is down.
bool routes_device_mtu(const char *device, uint32_t *mtu);

// Adds the route of a prefix to a device, in the place of another of ours.
bool routes_add(const struct prefix *prefix, unsigned index, uint8_t protocol, struct error *error);
// Takes it out; not being there is no error.
bool routes_remove(const struct prefix *prefix, unsigned index, uint8_t protocol,
                   struct error *error);

// Whether the route of a prefix to that device is there still, as far as a look at its first
// address tells: true also where a longer prefix or another route of that prefix hides it, or the
// kernel does not say.
bool routes_there(const struct prefix *prefix, unsigned index);

// The way to a destination as the kernel sees it now: the path MTU, learned ones included, and
// the address of ours that it would send from. False where there is no route.
bool routes_find(const struct address *destination, uint32_t *mtu, struct address *source);

#endif
