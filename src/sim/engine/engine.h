// SPDX-License-Identifier: BSD-2-Clause
// The simulator's engine: runs protocol cores in virtual time, from one seed, over a simulated
// network. Everything that happens is decided by the seed, so a run can be repeated exactly.
//
// It knows nothing of what the cores do: a node is any state machine in the shape that all cores
// share (input, next output, next deadline, tick). A scenario adds nodes and schedules actions, and
// looks at what goes over the network through a watch.
#ifndef IVIP_SIM_ENGINE_ENGINE_H
#define IVIP_SIM_ENGINE_ENGINE_H

#include "base/address.h"
#include "base/instant.h"
#include "base/random.h"
#include "sim/engine/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ENGINE_DATAGRAM_MAX 1500
#define ENGINE_NOBODY       SIZE_MAX // a node number that stands for none

// A core, as the engine drives it. `next_output` fills `to` and `buffer` (ENGINE_DATAGRAM_MAX) and
// returns 0 when there is nothing more to send.
struct engine_core {
    void (*input)(void *state, struct instant now, const struct endpoint *from,
                  const uint8_t *bytes, size_t length);
    size_t (*next_output)(void *state, struct instant now, struct endpoint *to, uint8_t *buffer);
    struct instant (*next_deadline)(const void *state);
    void (*tick)(void *state, struct instant now);
};

// On leaving: sent, lost, or to an address nobody has. Later: arrived, or at a node that is down.
enum engine_fate {
    ENGINE_SENT,
    ENGINE_LOST,
    ENGINE_UNREACHABLE,
    ENGINE_ARRIVED,
    ENGINE_IN_VAIN,
};

// A datagram as a watch sees it. `from_node` is who really sent it, whatever `from` says.
struct engine_datagram {
    enum engine_fate fate;
    size_t from_node;
    size_t to_node; // or ENGINE_NOBODY
    struct endpoint from;
    struct endpoint to;
    const uint8_t *bytes;
    size_t length;
};

struct engine;

typedef void engine_watch(void *state, struct instant now, const struct engine_datagram *datagram);
// Says whether a datagram that leaves is lost, besides what the network loses.
typedef bool engine_filter(void *state, const struct engine_datagram *datagram);
typedef void engine_action(void *state, struct instant now);
// Writes one line, without its end, on what a datagram says.
typedef void engine_describe(FILE *file, const uint8_t *bytes, size_t length);

struct engine *engine_new(uint64_t seed, size_t nodes_max);
void engine_free(struct engine *engine);

// Time since the start of the run. The clock of each node differs from it by a constant of its own.
struct instant engine_now(const struct engine *engine);
struct random_source *engine_random(struct engine *engine);
struct network *engine_network(struct engine *engine);

// Adds a node, which is up when `state` is not NULL. `name` is a constant or outlives the engine.
size_t engine_add_node(struct engine *engine, const char *name, const struct endpoint *endpoint,
                       const struct engine_core *core, void *state);
// The node goes on with another state: NULL is a crash. Whatever it had not sent yet is lost.
void engine_set_state(struct engine *engine, size_t node, void *state);
bool engine_node_up(const struct engine *engine, size_t node);
// The time on the clock of a node: what its core is given.
struct instant engine_node_now(const struct engine *engine, size_t node);
// Something called a function of the node's core: its outputs and deadline are fetched again.
void engine_touched(struct engine *engine, size_t node);

// Calls `action` at that time.
void engine_schedule(struct engine *engine, struct instant at, engine_action *action, void *state);
// A node sends a datagram that its core did not make, under any address: an attacker.
void engine_inject(struct engine *engine, size_t node, const struct endpoint *from,
                   const struct endpoint *to, const uint8_t *bytes, size_t length);
void engine_set_watch(struct engine *engine, engine_watch *watch, void *state);
void engine_set_filter(struct engine *engine, engine_filter *filter, void *state);

// Runs until that time, or until engine_stop.
void engine_run(struct engine *engine, struct instant until);
void engine_stop(struct engine *engine);

// The trace: a line for each datagram and note, of the last ENGINE_TRACE_LINES.
#define ENGINE_TRACE_LINES 4096
void engine_note(struct engine *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void engine_print_trace(const struct engine *engine, FILE *file, engine_describe *describe);

#endif
