// SPDX-License-Identifier: BSD-2-Clause
// The simulated network: for each datagram it says when, and how often, it arrives. It knows
// nothing of what it carries.
//
// Nodes are numbered 0 .. nodes-1. Each ordered pair of them is a path with conditions of its own,
// so faults may be one-way.
#ifndef IVIP_SIM_ENGINE_NETWORK_H
#define IVIP_SIM_ENGINE_NETWORK_H

#include "base/instant.h"
#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Probabilities are in parts of a million.
struct path_conditions {
    struct duration delay;  // of every datagram
    struct duration jitter; // more, uniform from 0: also what reorders
    uint32_t loss;
    uint32_t duplicated; // arrives twice
    uint32_t delayed;    // arrives later than all jitter, by up to `delayed_by`
    uint32_t replayed;   // arrives again, up to `replayed_by` later
    struct duration delayed_by;
    struct duration replayed_by;
    uint64_t rate; // octets a second; 0: no limit. What finds a full second queued is dropped
};

#define NETWORK_COPIES_MAX 3

struct network;

struct network *network_new(size_t nodes);
void network_free(struct network *network);

// Sets the conditions of all paths, or of one.
void network_set_all(struct network *network, const struct path_conditions *conditions);
void network_set(struct network *network, size_t from, size_t to,
                 const struct path_conditions *conditions);
// Cuts the path from one node to another, or mends it.
void network_cut(struct network *network, size_t from, size_t to, bool cut);
bool network_is_cut(const struct network *network, size_t from, size_t to);
// Mends all cuts.
void network_mend(struct network *network);

// A datagram of `length` octets leaves. Fills `arrivals` and returns how many there are: 0 when it
// is lost.
size_t network_carry(struct network *network, struct random_source *random, struct instant now,
                     size_t from, size_t to, size_t length,
                     struct instant arrivals[NETWORK_COPIES_MAX]);

#endif
