// SPDX-License-Identifier: BSD-2-Clause
// Who has which link address: Where-Are-You is sent to a link's All Nodes group, and the node that
// has the address answers I-Am-Here. A local-use address holds its link address, nobody is asked.
//
// Each link has two lists of its own, so that nobody can push out the neighbours of another link:
//
//     sought    asked for; packets wait. Of more than NODE_SOUGHT_MAX the oldest is given up, so
//               packets to many addresses that nobody has cost little
//     known     answered or announced itself. Who is new to a full list takes the place of the one
//               heard of longest ago if it was asked for, and otherwise only when that one's time
//               is over: a flood of announcements pushes nobody out
//
// Who has an address keeps it for as long as it is heard. Somebody else who claims it is told so,
// and counted; only a router of the link may take it over.
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

// Of a list that is not empty.
static struct neighbour *oldest_of(const struct list_node *ages)
{
    assert(!list_empty(ages));
    return container_of(ages->next, struct neighbour, by_age);
}

// Takes the neighbour out of the list that it is in.
static void leave_list(struct node *node, struct neighbour *neighbour)
{
    struct link *link = &node->links[neighbour->interface];
    size_t *count = neighbour->resolved ? &link->known_count : &link->sought_count;
    assert(*count > 0);
    (*count)--;
    list_remove(&neighbour->by_age);
}

static void neighbour_forget(struct node *node, struct neighbour *neighbour)
{
    drop_held(neighbour);
    heap_remove(&node->timers, &neighbour->ask);
    leave_list(node, neighbour);
    table_remove(&node->neighbours, &neighbour->by_address);
    memory_free(neighbour);
}

void neighbours_release(struct node *node)
{
    for (uint16_t i = 0; i < node->link_count; i++) {
        while (!list_empty(&node->links[i].known))
            neighbour_forget(node, oldest_of(&node->links[i].known));
        while (!list_empty(&node->links[i].sought))
            neighbour_forget(node, oldest_of(&node->links[i].sought));
    }
    table_release(&node->neighbours);
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

static void enter_sought(struct node *node, struct instant now, struct neighbour *neighbour)
{
    struct link *link = &node->links[neighbour->interface];
    if (link->sought_count == NODE_SOUGHT_MAX)
        give_up(node, now, oldest_of(&link->sought));
    neighbour->resolved = false;
    neighbour->present = false;
    list_append(&link->sought, &neighbour->by_age);
    link->sought_count++;
    assert(link->sought_count <= NODE_SOUGHT_MAX);
}

// A neighbour that nobody knew, in the list of those that are sought.
static struct neighbour *neighbour_new(struct node *node, struct instant now, uint16_t interface,
                                       struct sipp_address address)
{
    struct neighbour *neighbour = memory_new(sizeof(*neighbour));
    struct wanted wanted = {interface, address};
    neighbour->interface = interface;
    neighbour->address = address;
    list_init(&neighbour->by_age);
    enter_sought(node, now, neighbour);
    table_insert(&node->neighbours, &neighbour->by_address,
                 hash_bytes(&node->neighbour_key, &wanted, sizeof(wanted)));
    return neighbour;
}

// Makes room in the list of those that are known; false where there is none for one that nobody
// asked for.
static bool make_room(struct node *node, struct instant now, uint16_t interface, bool asked)
{
    struct link *link = &node->links[interface];
    if (link->known_count < NODE_NEIGHBOURS_MAX)
        return true;
    struct neighbour *oldest = oldest_of(&link->known);
    if (!asked && instant_before(now, oldest->expires)) {
        node_count(node, DROP_NEIGHBOURS);
        return false;
    }
    neighbour_forget(node, oldest);
    return true;
}

// True where the neighbour is known, and somewhere else than at `link`.
static bool is_elsewhere(const struct neighbour *neighbour, struct instant now,
                         const struct link_address *link)
{
    return neighbour->resolved && instant_before(now, neighbour->expires) &&
           memcmp(&neighbour->link, link, sizeof(*link)) != 0;
}

static void send_held(struct node *node, struct neighbour *neighbour)
{
    for (const struct held_packet *held = neighbour->held; held != NULL; held = held->next)
        node_output(node, neighbour->interface, &neighbour->link, held->bytes, held->length);
    drop_held(neighbour);
}

struct neighbour *neighbour_learn(struct node *node, struct instant now, uint16_t interface,
                                  struct sipp_address address, const struct link_address *link,
                                  uint16_t lifetime)
{
    struct neighbour *neighbour = neighbour_find(node, interface, address);
    struct instant expires = instant_add(now, duration_s(lifetime));
    // A router may take an address over: it stands in for a mobile host that left its home.
    bool taken = neighbour != NULL && is_elsewhere(neighbour, now, link);
    if (taken && !link_has_router(&node->links[interface], now, link)) {
        node_count(node, COUNT_CONFLICTS);
        return NULL;
    }
    bool known = neighbour != NULL && neighbour->resolved;
    if (!known && !make_room(node, now, interface, neighbour != NULL))
        return NULL;
    if (neighbour == NULL)
        neighbour = neighbour_new(node, now, interface, address);
    leave_list(node, neighbour);
    if (!known || taken || instant_before(neighbour->expires, expires))
        neighbour->expires = expires;
    neighbour->link = *link;
    neighbour->resolved = true;
    neighbour->tries = 0;
    heap_remove(&node->timers, &neighbour->ask);
    list_append(&node->links[interface].known, &neighbour->by_age);
    node->links[interface].known_count++;
    send_held(node, neighbour);
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
    struct neighbour *neighbour = neighbour_find(node, interface, address);
    if (neighbour != NULL && neighbour->resolved && instant_before(now, neighbour->expires)) {
        *link = neighbour->link;
        return true;
    }
    if (neighbour == NULL) {
        neighbour = neighbour_new(node, now, interface, address);
    } else if (neighbour->resolved) {
        leave_list(node, neighbour);
        enter_sought(node, now, neighbour);
    }
    hold(node, neighbour, bytes, length);
    if (neighbour->ask.place == 0)
        ask(node, now, neighbour);
    return false;
}

void neighbour_ask_again(struct node *node, struct instant now, struct neighbour *neighbour)
{
    assert(!neighbour->resolved);
    if (neighbour->tries >= NEIGHBOUR_TRIES)
        give_up(node, now, neighbour);
    else
        ask(node, now, neighbour);
}
