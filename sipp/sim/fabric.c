// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/sim/fabric.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define NODES_MAX   2000
#define WIRES_MAX   6000
#define WIRE_ENDS   64
#define ORIGINS_MAX 8000
#define WIRE_DELAY  duration_us(1)
#define UNPLUGGED   SIZE_MAX

struct end {
    size_t node;
    uint16_t interface;
};

struct wire {
    struct end ends[WIRE_ENDS];
    size_t count;
};

struct origin {
    size_t node;
    struct sipp_prefix prefix;
    uint16_t interface;
};

struct station {
    struct node *node;
    bool stub;
    size_t wires[NODE_INTERFACES_MAX];
};

struct frame {
    struct heap_node arrival; // ties are broken by the order of sending, through `now` moving on
    struct end to;
    struct link_address from;
    size_t length;
    uint8_t bytes[];
};

struct fabric {
    struct random_source random;
    struct instant now;
    uint64_t sent; // makes arrivals at the same instant keep their order
    struct heap frames;
    struct station stations[NODES_MAX];
    size_t count;
    struct wire *wires;
    size_t wire_count;
    struct origin *origins;
    size_t origin_count;
    fabric_watch *watch;
    void *watch_state;
};

struct fabric *fabric_new(uint64_t seed)
{
    struct fabric *fabric = memory_new(sizeof(*fabric));
    random_init(&fabric->random, random_seed_from_number(seed));
    heap_init(&fabric->frames);
    fabric->now = (struct instant){duration_s(1000).ns};
    fabric->wires = memory_new_array(WIRES_MAX, sizeof(struct wire));
    fabric->origins = memory_new_array(ORIGINS_MAX, sizeof(struct origin));
    return fabric;
}

void fabric_free(struct fabric *fabric)
{
    struct heap_node *first;
    while ((first = heap_first(&fabric->frames)) != NULL) {
        heap_remove(&fabric->frames, first);
        memory_free(container_of(first, struct frame, arrival));
    }
    heap_release(&fabric->frames);
    for (size_t i = 0; i < fabric->count; i++)
        node_free(fabric->stations[i].node);
    memory_free(fabric->wires);
    memory_free(fabric->origins);
    memory_free(fabric);
}

struct instant fabric_now(const struct fabric *fabric)
{
    return fabric->now;
}

size_t fabric_add(struct fabric *fabric, const struct node_config *config, bool stub)
{
    assert(fabric->count < NODES_MAX);
    struct station *station = &fabric->stations[fabric->count];
    struct random_seed seed = random_seed_from_number(random_u64(&fabric->random));
    station->node = node_new(config, seed, fabric->now);
    station->stub = stub;
    return fabric->count++;
}

struct node *fabric_node(const struct fabric *fabric, size_t node)
{
    assert(node < fabric->count);
    return fabric->stations[node].node;
}

size_t fabric_count(const struct fabric *fabric)
{
    return fabric->count;
}

size_t fabric_wire(struct fabric *fabric)
{
    assert(fabric->wire_count < WIRES_MAX);
    return fabric->wire_count++;
}

uint16_t fabric_plug(struct fabric *fabric, size_t wire, size_t node, uint16_t mtu)
{
    struct station *station = &fabric->stations[node];
    size_t number = node_interface_count(station->node);
    struct interface interface = {.mtu = mtu};
    // Locally administered: 02, then the node and its interface.
    uint64_t link = UINT64_C(0x020000000000) | (uint64_t)node << 8 | number;
    for (unsigned i = 0; i < 6; i++)
        interface.link.octets[i] = (uint8_t)(link >> (40 - 8 * i));
    uint16_t added = node_add_interface(station->node, &interface);
    station->wires[added] = UNPLUGGED;
    fabric_replug(fabric, wire, node, added);
    return added;
}

size_t fabric_join(struct fabric *fabric, size_t a, size_t b)
{
    size_t wire = fabric_wire(fabric);
    (void)fabric_plug(fabric, wire, a, 1500);
    (void)fabric_plug(fabric, wire, b, 1500);
    return wire;
}

void fabric_unplug(struct fabric *fabric, size_t node, uint16_t interface)
{
    struct station *station = &fabric->stations[node];
    assert(station->wires[interface] != UNPLUGGED);
    struct wire *wire = &fabric->wires[station->wires[interface]];
    for (size_t i = 0; i < wire->count; i++) {
        if (wire->ends[i].node == node && wire->ends[i].interface == interface)
            wire->ends[i--] = wire->ends[--wire->count];
    }
    station->wires[interface] = UNPLUGGED;
    node_set_carrier(station->node, interface, false);
}

void fabric_replug(struct fabric *fabric, size_t wire, size_t node, uint16_t interface)
{
    assert(wire < fabric->wire_count && fabric->wires[wire].count < WIRE_ENDS);
    struct wire *into = &fabric->wires[wire];
    into->ends[into->count++] = (struct end){node, interface};
    fabric->stations[node].wires[interface] = wire;
    node_set_carrier(fabric->stations[node].node, interface, true);
}

// ---- routes

void fabric_originate(struct fabric *fabric, size_t node, struct sipp_prefix prefix,
                      uint16_t interface)
{
    assert(fabric->origin_count < ORIGINS_MAX);
    fabric->origins[fabric->origin_count++] = (struct origin){node, prefix, interface};
}

struct search {
    size_t queue[NODES_MAX];
    size_t head;
    size_t tail;
    bool seen[NODES_MAX];
    bool origin[NODES_MAX];
};

// Gives every router beside `from` a route to the prefix through it.
static void spread_route(struct fabric *fabric, struct search *search, size_t from,
                         const struct sipp_prefix *prefix)
{
    const struct station *station = &fabric->stations[from];
    uint16_t interfaces = (uint16_t)node_interface_count(station->node);
    for (uint16_t i = 0; i < interfaces; i++) {
        if (station->wires[i] == UNPLUGGED)
            continue;
        const struct wire *wire = &fabric->wires[station->wires[i]];
        struct sipp_address gateway =
            sipp_local_use(0, node_interface(station->node, i)->link.octets, 6);
        for (size_t j = 0; j < wire->count; j++) {
            struct end end = wire->ends[j];
            if (search->seen[end.node] || !node_is_router(fabric->stations[end.node].node))
                continue;
            search->seen[end.node] = true;
            search->queue[search->tail++] = end.node;
            forwarding_set(node_forwarding(fabric->stations[end.node].node), prefix,
                           (struct next_hop){end.interface, gateway});
        }
    }
}

static void route_prefix(struct fabric *fabric, struct search *search,
                         const struct sipp_prefix *prefix)
{
    memset(search, 0, sizeof(*search));
    for (size_t i = 0; i < fabric->origin_count; i++) {
        const struct origin *origin = &fabric->origins[i];
        if (!sipp_prefix_equal(&origin->prefix, prefix) || search->seen[origin->node])
            continue;
        search->seen[origin->node] = true;
        search->origin[origin->node] = true;
        search->queue[search->tail++] = origin->node;
        if (origin->interface != NODE_NO_INTERFACE)
            forwarding_set(node_forwarding(fabric->stations[origin->node].node), prefix,
                           (struct next_hop){origin->interface, SIPP_ADDRESS_NONE});
    }
    while (search->head < search->tail) {
        size_t node = search->queue[search->head++];
        if (search->origin[node] || !fabric->stations[node].stub)
            spread_route(fabric, search, node, prefix);
    }
}

void fabric_route(struct fabric *fabric)
{
    struct search *search = memory_new(sizeof(*search));
    for (size_t i = 0; i < fabric->origin_count; i++)
        route_prefix(fabric, search, &fabric->origins[i].prefix);
    memory_free(search);
}

// ---- packets and time

void fabric_set_watch(struct fabric *fabric, fabric_watch *watch, void *state)
{
    fabric->watch = watch;
    fabric->watch_state = state;
}

// Puts a packet on the wire that the interface is plugged into.
static void put(struct fabric *fabric, size_t from, uint16_t interface,
                const struct link_address *to, const uint8_t *bytes, size_t length)
{
    const struct station *station = &fabric->stations[from];
    if (station->wires[interface] == UNPLUGGED)
        return;
    const struct wire *wire = &fabric->wires[station->wires[interface]];
    if (fabric->watch != NULL)
        fabric->watch(fabric->watch_state, station->wires[interface], from, bytes, length);
    for (size_t i = 0; i < wire->count; i++) {
        struct end end = wire->ends[i];
        const struct interface *other =
            node_interface(fabric->stations[end.node].node, end.interface);
        bool group = (to->octets[0] & 1) != 0;
        if ((end.node == from && end.interface == interface) ||
            (!group && memcmp(&other->link, to, sizeof(*to)) != 0))
            continue;
        struct frame *frame = memory_new(sizeof(*frame) + length);
        frame->to = end;
        frame->from = node_interface(station->node, interface)->link;
        frame->length = length;
        memcpy(frame->bytes, bytes, length);
        // One nanosecond apart, so that frames sent first arrive first.
        struct instant arrival = instant_add(fabric->now, WIRE_DELAY);
        arrival.ns += fabric->sent++ % 1000;
        heap_set(&fabric->frames, &frame->arrival, arrival);
    }
}

static void collect(struct fabric *fabric, size_t from)
{
    struct node_output output;
    while (node_next_output(fabric->stations[from].node, &output))
        put(fabric, from, output.interface, &output.link, output.bytes, output.length);
}

static void arrive(struct fabric *fabric, struct frame *frame)
{
    struct station *station = &fabric->stations[frame->to.node];
    struct node_hop hop;
    if (node_receive(station->node, fabric->now, frame->to.interface, &frame->from, frame->bytes,
                     frame->length, &hop) == NODE_FORWARD)
        put(fabric, frame->to.node, hop.interface, &hop.link, frame->bytes, hop.length);
    collect(fabric, frame->to.node);
    memory_free(frame);
}

// The node whose timer is due first.
static struct instant next_timer(const struct fabric *fabric, size_t *node)
{
    struct instant first = INSTANT_NEVER;
    for (size_t i = 0; i < fabric->count; i++) {
        struct instant deadline = node_next_deadline(fabric->stations[i].node);
        if (instant_before(deadline, first)) {
            first = deadline;
            *node = i;
        }
    }
    return first;
}

void fabric_run(struct fabric *fabric, struct duration time)
{
    struct instant end = instant_add(fabric->now, time);
    size_t due = 0;
    for (size_t i = 0; i < fabric->count; i++)
        collect(fabric, i);
    struct instant timer = next_timer(fabric, &due);
    for (;;) {
        struct heap_node *first = heap_first(&fabric->frames);
        bool is_frame = first != NULL && !instant_before(timer, first->deadline);
        struct instant next = is_frame ? first->deadline : timer;
        if (instant_before(end, next))
            break;
        if (instant_before(fabric->now, next))
            fabric->now = next;
        if (is_frame) {
            heap_remove(&fabric->frames, first);
            struct frame *frame = container_of(first, struct frame, arrival);
            size_t node = frame->to.node;
            arrive(fabric, frame);
            struct instant deadline = node_next_deadline(fabric->stations[node].node);
            if (instant_before(deadline, timer) || node == due)
                timer = next_timer(fabric, &due);
        } else {
            node_tick(fabric->stations[due].node, fabric->now);
            collect(fabric, due);
            timer = next_timer(fabric, &due);
        }
    }
    fabric->now = end;
}
