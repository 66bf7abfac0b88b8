// SPDX-License-Identifier: BSD-2-Clause
// Drives a query server's core from a UDP socket and a timer: the part that the shells of the QSA
// and the QSR have in common.
#ifndef IVIP_NODE_CORE_PUMP_H
#define IVIP_NODE_CORE_PUMP_H

#include "node/node.h"
#include "node/udp.h"

// The functions of a core, each called with `core`.
struct core_functions {
    void (*input)(void *core, struct instant now, const struct endpoint *from, const uint8_t *bytes,
                  size_t length);
    size_t (*next_output)(void *core, struct instant now, struct endpoint *to, uint8_t *buffer);
    struct instant (*next_deadline)(const void *core);
    void (*tick)(void *core, struct instant now);
};

struct core_pump;

// Listens there. The core stays the caller's and must outlive the pump.
struct core_pump *core_pump_open(struct node *node, const struct endpoint *listen,
                                 const struct core_functions *functions, void *core,
                                 struct error *error);
// The core is not called any more when it returns.
void core_pump_close(struct core_pump *pump);

// Sends what the core has to send and sets the timer. Call it after every call of the core from
// elsewhere.
void core_pump_drain(struct core_pump *pump);

const struct udp *core_pump_udp(const struct core_pump *pump);

#endif
