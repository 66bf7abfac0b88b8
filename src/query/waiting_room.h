// SPDX-License-Identifier: BSD-2-Clause
// Who waits for what at a caching server: requests for one unit wait together for one answer.
//
//     unit 20.1.0.20 -- request of X -- request of Y        answered one after the other
//     unit 20.1.0.70 -- request of X
//     host of X: 2        host of Y: 1
//
// No host can take the room of all others: one may have at most as many requests waiting as there
// are places free. So one alone gets half of them, each of two a third, and a newcomer always finds
// some. A host is an IPv4 address or an IPv6 /64: more ports, or more addresses in its network, do
// not give it more.
#ifndef IVIP_QUERY_WAITING_ROOM_H
#define IVIP_QUERY_WAITING_ROOM_H

#include "base/hash.h"
#include "base/table.h"
#include "query/slab.h"
#include "query/teller.h"

#include <stdbool.h>
#include <stddef.h>

struct waiting_room {
    struct hash_key key;
    size_t places;
    struct table units; // struct waiting_queue
    struct table hosts; // struct waiting_host
    struct slab queues, requests, host_slab;
};

void waiting_room_init(struct waiting_room *room, struct hash_key key, size_t places);
void waiting_room_release(struct waiting_room *room);

// Requests that wait.
size_t waiting_room_count(const struct waiting_room *room);
// Whether one more request from there may wait.
bool waiting_room_admits(const struct waiting_room *room, const struct endpoint *from);
// Whether somebody waits for the unit of that address.
bool waiting_room_awaits(const struct waiting_room *room, const struct address *address);
// A request waits for the unit of an address; it must have been admitted.
void waiting_room_enter(struct waiting_room *room, const struct address *address,
                        const struct asker *asker);
// Takes out the first request that waits for the unit of an address; false where none does.
bool waiting_room_leave(struct waiting_room *room, const struct address *address,
                        struct asker *asker);

#endif
