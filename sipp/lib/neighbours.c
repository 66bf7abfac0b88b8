// SPDX-License-Identifier: BSD-2-Clause
// Who has which link address: Where-Are-You is sent to a link's All Nodes group, and the node that
// has the address answers I-Am-Here. A local-use address holds its link address, nobody is asked.
#include "sipp/lib/node_internal.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

struct wanted {
    uint64_t interface;
    struct sipp_address address;
};

static bool same_neighbour(const struct table_node *node, const void *key)
{
    const struct wanted *wanted = key;
    const struct neighbour *neighbour = container_of(node, const struct neighbour, by_address);
    return neighbour->interface == wanted->interface &&
           sipp_address_equal(neighbour->address, wanted->address);
}

struct neighbour *neighbour_find(struct node *node, uint16_t interface, struct sipp_address address)
{
    struct wanted wanted = {interface, address};
    struct table_node *found =
        table_find(&node->neighbours, hash_bytes(&node->neighbour_key, &wanted, sizeof(wanted)),
                   same_neighbour, &wanted);
    return found == NULL ? NULL : container_of(found, struct neighbour, by_address);
}

static void drop_held(struct neighbour *neighbour)
{
    while (neighbour->held != NULL) {
        struct held_packet *held = neighbour->held;
        neighbour->held = held->next;
        memory_free(held);
    }
    neighbour->held_count = 0;
}

static void neighbour_forget(struct node *node, struct neighbour *neighbour)
{
    drop_held(neighbour);
    heap_remove(&node->timers, &neighbour->ask);
    list_remove(&neighbour->by_age);
    table_remove(&node->neighbours, &neighbour->by_address);
    memory_free(neighbour);
}

void neighbours_release(struct node *node)
{
    struct list_node *first;
    while ((first = list_first(&node->neighbour_ages)) != NULL)
        neighbour_forget(node, container_of(first, struct neighbour, by_age));
    table_release(&node->neighbours);
}

static struct neighbour *neighbour_get(struct node *node, uint16_t interface,
                                       struct sipp_address address)
{
    struct neighbour *neighbour = neighbour_find(node, interface, address);
    if (neighbour != NULL)
        return neighbour;
    if (node->neighbours.count == NODE_NEIGHBOURS_MAX)
        neighbour_forget(node,
                         container_of(list_first(&node->neighbour_ages), struct neighbour, by_age));
    neighbour = memory_new(sizeof(*neighbour));
    neighbour->interface = interface;
    neighbour->address = address;
    struct wanted wanted = {interface, address};
    table_insert(&node->neighbours, &neighbour->by_address,
                 hash_bytes(&node->neighbour_key, &wanted, sizeof(wanted)));
    list_append(&node->neighbour_ages, &neighbour->by_age);
    return neighbour;
}

struct neighbour *neighbour_learn(struct node *node, struct instant now, uint16_t interface,
                                  struct sipp_address address, const struct link_address *link,
                                  uint16_t lifetime)
{
    struct neighbour *neighbour = neighbour_get(node, interface, address);
    struct instant expires = instant_add(now, duration_s(lifetime));
    bool same = neighbour->resolved && memcmp(&neighbour->link, link, sizeof(*link)) == 0;
    if (!same || instant_before(neighbour->expires, expires))
        neighbour->expires = expires;
    neighbour->link = *link;
    neighbour->resolved = true;
    neighbour->tries = 0;
    heap_remove(&node->timers, &neighbour->ask);
    list_remove(&neighbour->by_age);
    list_append(&node->neighbour_ages, &neighbour->by_age);
    for (const struct held_packet *held = neighbour->held; held != NULL; held = held->next)
        node_output(node, interface, link, held->bytes, held->length);
    drop_held(neighbour);
    return neighbour;
}

// Keeps a packet until its neighbour answers; the newest ones are dropped when there are many.
static void hold(struct node *node, struct neighbour *neighbour, const uint8_t *bytes,
                 size_t length)
{
    if (neighbour->held_count == NEIGHBOUR_HELD_MAX) {
        node_count(node, DROP_NO_NEIGHBOUR);
        return;
    }
    struct held_packet *held = memory_new(sizeof(*held) + length);
    held->length = length;
    memcpy(held->bytes, bytes, length);
    struct held_packet **last = &neighbour->held;
    while (*last != NULL)
        last = &(*last)->next;
    *last = held;
    neighbour->held_count++;
}

static void ask(struct node *node, struct instant now, struct neighbour *neighbour)
{
    neighbour->tries++;
    heap_set(&node->timers, &neighbour->ask, instant_add(now, duration_ms(NEIGHBOUR_INTERVAL_MS)));
    node_ask(node, neighbour->interface, neighbour->address);
}

bool neighbour_resolve(struct node *node, struct instant now, uint16_t interface,
                       struct sipp_address address, const uint8_t *bytes, size_t length,
                       struct link_address *link)
{
    if (node->links[interface].interface.point_to_point) {
        *link = (struct link_address){{0}};
        return true;
    }
    if (sipp_address_local_use(address)) {
        *link = sipp_local_use_link(address);
        return true;
    }
    struct neighbour *neighbour = neighbour_get(node, interface, address);
    if (neighbour->resolved && instant_before(now, neighbour->expires)) {
        *link = neighbour->link;
        return true;
    }
    neighbour->resolved = false;
    neighbour->present = false;
    hold(node, neighbour, bytes, length);
    if (neighbour->ask.place == 0)
        ask(node, now, neighbour);
    return false;
}

// Nobody has the address: every sender of a kept packet is told.
static void give_up(struct node *node, struct instant now, struct neighbour *neighbour)
{
    struct held_packet *held = neighbour->held;
    uint16_t interface = neighbour->interface;
    neighbour->held = NULL;
    neighbour_forget(node, neighbour);
    while (held != NULL) {
        struct held_packet *next = held->next;
        struct transit transit = {.bytes = held->bytes, .in = interface, .link = NODE_NO_INTERFACE};
        node_count(node, DROP_NO_NEIGHBOUR);
        if (packet_decode(held->bytes, held->length, &transit.packet) == PACKET_OK)
            node_error(node, now, &transit, ICMP_UNREACHABLE, ICMP_NO_NODE, 0);
        memory_free(held);
        held = next;
    }
}

void neighbour_ask_again(struct node *node, struct instant now, struct neighbour *neighbour)
{
    assert(!neighbour->resolved);
    if (neighbour->tries >= NEIGHBOUR_TRIES)
        give_up(node, now, neighbour);
    else
        ask(node, now, neighbour);
}
