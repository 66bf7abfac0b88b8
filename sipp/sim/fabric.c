// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/sim/fabric.h"

#include "base/cursor.h"
#include "base/list.h"
#include "base/memory.h"
#include "sim/engine/engine.h"

#include <assert.h>
#include <string.h>

#define NODES_MAX      2000
#define WIRES_MAX      6000
#define WIRE_ENDS      64
#define ORIGINS_MAX    8000
#define WIRE_DELAY     duration_us(1)
#define WIRE_JITTER    duration_us(10)
#define LATE_NODES_MAX 8 // that join after the first time passed
#define UNPLUGGED      SIZE_MAX

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

struct frame {
    struct list_node place;
    struct end to;
    struct link_address from;
    size_t length;
    uint8_t bytes[];
};

struct station {
    struct fabric *fabric;
    size_t number;
    struct node *node;
    bool stub;
    size_t wires[NODE_INTERFACES_MAX];
    size_t stopped[NODE_INTERFACES_MAX]; // where a node without power was plugged in
    struct list_node leaving;            // frames for the engine to take
};

struct fabric {
    struct random_source random;
    struct engine *engine; // made when the first time passes
    size_t engine_nodes;   // stations that it knows
    struct instant now;    // on the engine's clock
    uint32_t duplicated;
    uint32_t lost;
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
    fabric->wires = memory_new_array(WIRES_MAX, sizeof(struct wire));
    fabric->origins = memory_new_array(ORIGINS_MAX, sizeof(struct origin));
    return fabric;
}

static void drop_leaving(struct station *station)
{
    struct list_node *place;
    while ((place = list_first(&station->leaving)) != NULL) {
        list_remove(place);
        memory_free(container_of(place, struct frame, place));
    }
}

void fabric_free(struct fabric *fabric)
{
    engine_free(fabric->engine);
    for (size_t i = 0; i < fabric->count; i++) {
        drop_leaving(&fabric->stations[i]);
        node_free(fabric->stations[i].node);
    }
    memory_free(fabric->wires);
    memory_free(fabric->origins);
    memory_free(fabric);
}

struct instant fabric_now(const struct fabric *fabric, const struct node *node)
{
    for (size_t i = 0; i < fabric->engine_nodes; i++) {
        if (fabric->stations[i].node == node)
            return engine_node_now(fabric->engine, i);
    }
    return (struct instant){0};
}

size_t fabric_add(struct fabric *fabric, const struct node_config *config, bool stub)
{
    assert(fabric->count < NODES_MAX);
    struct station *station = &fabric->stations[fabric->count];
    struct random_seed seed = random_seed_from_number(random_u64(&fabric->random));
    station->fabric = fabric;
    station->number = fabric->count;
    station->node = node_new(config, seed, (struct instant){0});
    list_init(&station->leaving);
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

static uint16_t plug(struct fabric *fabric, size_t wire, size_t node, uint16_t mtu, bool boundary)
{
    struct station *station = &fabric->stations[node];
    size_t number = node_interface_count(station->node);
    struct interface interface = {.mtu = mtu < FABRIC_MTU_MAX ? mtu : FABRIC_MTU_MAX,
                                  .site_boundary = boundary};
    // Locally administered: 02, then the node and its interface.
    uint64_t link = UINT64_C(0x020000000000) | (uint64_t)node << 8 | number;
    for (unsigned i = 0; i < 6; i++)
        interface.link.octets[i] = (uint8_t)(link >> (40 - 8 * i));
    uint16_t added = node_add_interface(station->node, &interface);
    station->wires[added] = UNPLUGGED;
    fabric_replug(fabric, wire, node, added);
    return added;
}

uint16_t fabric_plug(struct fabric *fabric, size_t wire, size_t node, uint16_t mtu)
{
    return plug(fabric, wire, node, mtu, false);
}

uint16_t fabric_plug_boundary(struct fabric *fabric, size_t wire, size_t node, uint16_t mtu)
{
    return plug(fabric, wire, node, mtu, true);
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
    for (size_t i = 0; i < fabric->count; i++) {
        if (!search->seen[i] && node_is_router(fabric->stations[i].node))
            (void)forwarding_remove(node_forwarding(fabric->stations[i].node), prefix);
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
    struct station *station = &fabric->stations[from];
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
        list_append(&station->leaving, &frame->place);
    }
}

// The engine knows nodes by endpoints: the station's number as an IPv4 address.
static struct endpoint endpoint_of(size_t station)
{
    return (struct endpoint){address_from_ipv4((uint32_t)station), 1};
}

// A frame as the engine carries it: the number of the interface it arrives at, the link address of
// its sender, then the packet.
static size_t station_next_output(void *state, struct instant now, struct endpoint *to,
                                  uint8_t *buffer)
{
    struct station *station = state;
    struct node_output output;
    (void)now;
    while (node_next_output(station->node, &output))
        put(station->fabric, station->number, output.interface, &output.link, output.bytes,
            output.length);
    struct list_node *place = list_first(&station->leaving);
    if (place == NULL)
        return 0;
    struct frame *frame = container_of(place, struct frame, place);
    struct writer writer = writer_over(buffer, ENGINE_DATAGRAM_MAX);
    *to = endpoint_of(frame->to.node);
    writer_u16(&writer, frame->to.interface);
    writer_bytes(&writer, frame->from.octets, sizeof(frame->from.octets));
    writer_bytes(&writer, frame->bytes, frame->length);
    assert(!writer.failed);
    list_remove(place);
    memory_free(frame);
    return writer_length(&writer);
}

static void station_input(void *state, struct instant now, const struct endpoint *from,
                          const uint8_t *bytes, size_t length)
{
    struct station *station = state;
    uint8_t packet[ENGINE_DATAGRAM_MAX];
    struct link_address link;
    struct reader reader = reader_over(bytes, length);
    uint16_t interface = reader_u16(&reader);
    reader_bytes(&reader, link.octets, sizeof(link.octets));
    size_t left = reader_left(&reader);
    struct node_hop hop;
    (void)from;
    // What was under way when the plug was pulled is lost.
    if (station->wires[interface] == UNPLUGGED)
        return;
    reader_bytes(&reader, packet, left);
    if (node_receive(station->node, now, interface, &link, packet, left, &hop) == NODE_FORWARD)
        put(station->fabric, station->number, hop.interface, &hop.link, packet, hop.length);
}

static struct instant station_next_deadline(const void *state)
{
    const struct station *station = state;
    return node_next_deadline(station->node);
}

static void station_tick(void *state, struct instant now)
{
    struct station *station = state;
    node_tick(station->node, now);
}

static const struct engine_core station_core = {
    .input = station_input,
    .next_output = station_next_output,
    .next_deadline = station_next_deadline,
    .tick = station_tick,
};

// Makes the engine, and tells it of stations that it does not know yet.
static void prepare(struct fabric *fabric)
{
    if (fabric->engine == NULL) {
        uint64_t seed = random_u64(&fabric->random);
        fabric->engine = engine_new(seed, fabric->count + LATE_NODES_MAX);
        const struct path_conditions conditions = {.delay = WIRE_DELAY,
                                                   .jitter = WIRE_JITTER,
                                                   .loss = fabric->lost,
                                                   .duplicated = fabric->duplicated};
        network_set_all(engine_network(fabric->engine), &conditions);
    }
    while (fabric->engine_nodes < fabric->count) {
        struct endpoint endpoint = endpoint_of(fabric->engine_nodes);
        struct station *station = &fabric->stations[fabric->engine_nodes++];
        (void)engine_add_node(fabric->engine, "node", &endpoint, &station_core, station);
    }
}

void fabric_duplicate(struct fabric *fabric, uint32_t probability)
{
    assert(fabric->engine == NULL);
    fabric->duplicated = probability;
}

void fabric_lose(struct fabric *fabric, uint32_t probability)
{
    assert(fabric->engine == NULL);
    fabric->lost = probability;
}

void fabric_stop(struct fabric *fabric, size_t node)
{
    struct station *station = &fabric->stations[node];
    uint16_t interfaces = (uint16_t)node_interface_count(station->node);
    for (uint16_t i = 0; i < interfaces; i++) {
        station->stopped[i] = station->wires[i];
        if (station->wires[i] != UNPLUGGED)
            fabric_unplug(fabric, node, i);
    }
}

struct node *fabric_start(struct fabric *fabric, size_t node, const struct node_config *config)
{
    struct station *station = &fabric->stations[node];
    struct node *old = station->node;
    uint16_t interfaces = (uint16_t)node_interface_count(old);
    drop_leaving(station);
    station->node = node_new(config, random_seed_from_number(random_u64(&fabric->random)),
                             engine_node_now(fabric->engine, node));
    for (uint16_t i = 0; i < interfaces; i++) {
        (void)node_add_interface(station->node, node_interface(old, i));
        if (station->stopped[i] != UNPLUGGED)
            fabric_replug(fabric, station->stopped[i], node, i);
    }
    node_free(old);
    return station->node;
}

void fabric_run(struct fabric *fabric, struct duration time)
{
    prepare(fabric);
    fabric->now = instant_add(fabric->now, time);
    // Nodes were sent and told things since time stood still.
    for (size_t i = 0; i < fabric->count; i++)
        engine_touched(fabric->engine, i);
    engine_run(fabric->engine, fabric->now);
}
