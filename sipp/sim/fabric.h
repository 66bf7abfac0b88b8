// SPDX-License-Identifier: BSD-2-Clause
// An internet in one process: nodes joined by wires, in virtual time, each run the same. The
// engine of the simulator (src/sim/engine.h) keeps the time, moves what is on its way, and gives
// every node a clock of its own.
//
// Wires carry what nodes put out to everybody whose link address it is for, after one to eleven
// microseconds, so frames overtake each other. Routes are set as a routing protocol would have:
// along the fewest hops to the nearest origin of each prefix, and not through stubs.
#ifndef SIPP_SIM_FABRIC_H
#define SIPP_SIM_FABRIC_H

#include "sipp/lib/node.h"

#define FABRIC_MTU_MAX 1490 // the engine's datagrams hold that, an interface and a link address

struct fabric;

struct fabric *fabric_new(uint64_t seed);
// Frees the nodes too.
void fabric_free(struct fabric *fabric);
// The time on the clock of a node.
struct instant fabric_now(const struct fabric *fabric, const struct node *node);

// Adds a node; a `stub` passes no packets between others when routes are set. Returns its number.
size_t fabric_add(struct fabric *fabric, const struct node_config *config, bool stub);
struct node *fabric_node(const struct fabric *fabric, size_t node);
size_t fabric_count(const struct fabric *fabric);
// Adds a wire; returns its number.
size_t fabric_wire(struct fabric *fabric);
// Plugs a new interface of the node into the wire and returns the interface's number.
uint16_t fabric_plug(struct fabric *fabric, size_t wire, size_t node, uint16_t mtu);
// The same, as a boundary of the node's site.
uint16_t fabric_plug_boundary(struct fabric *fabric, size_t wire, size_t node, uint16_t mtu);
// A wire between two nodes.
size_t fabric_join(struct fabric *fabric, size_t a, size_t b);
// Pulls an interface's plug, and puts it into another wire.
void fabric_unplug(struct fabric *fabric, size_t node, uint16_t interface);
void fabric_replug(struct fabric *fabric, size_t wire, size_t node, uint16_t interface);

// `node` originates `prefix`: routers elsewhere get routes towards it when fabric_route is called.
// With an `interface`, the node itself finds the prefix's addresses on that link. fabric_route may
// be called again when something has changed: routes that lead nowhere any more are removed.
void fabric_originate(struct fabric *fabric, size_t node, struct sipp_prefix prefix,
                      uint16_t interface);
void fabric_route(struct fabric *fabric);

// Called for each packet put on a wire.
typedef void fabric_watch(void *state, size_t wire, size_t from, const uint8_t *bytes,
                          size_t length);
void fabric_set_watch(struct fabric *fabric, fabric_watch *watch, void *state);

// Every frame arrives twice, or not at all, with these probabilities, in parts of a million. To be
// set before the first time passes.
void fabric_duplicate(struct fabric *fabric, uint32_t probability);
void fabric_lose(struct fabric *fabric, uint32_t probability);

// A node loses power: it is unplugged everywhere, and what it knew is gone. `fabric_start` puts a
// new one with the same interfaces into its place and into its wires; whoever made it must equip it
// again.
void fabric_stop(struct fabric *fabric, size_t node);
struct node *fabric_start(struct fabric *fabric, size_t node, const struct node_config *config);

// Runs for a time: packets move and timers fire in order.
void fabric_run(struct fabric *fabric, struct duration time);

#endif
