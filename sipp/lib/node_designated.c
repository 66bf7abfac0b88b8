// SPDX-License-Identifier: BSD-2-Clause
// The designated forwarder: of several routers that bring a sender's packets to the same link, one
// does (overview §6 leaves open which).
//
//            sender                 X and Y both have another way to the sender than the link, so
//            /    \.                both would forward onto it. Z has not: it takes the packet from
//           X      Y                the link, and never puts it there.
//     ------+------+------+---      The one of X and Y with the lower link address is designated.
//                         Z         Y hears X's copy from the link, and holds its own back.
//
// Who is a candidate depends on the sender, and only each router itself knows its own way there, so
// the copies themselves are the election: one from a router that announced itself on the link
// (I-Am-Here) and has a lower link address is a claim to this sender, group and link. There is no
// message and nobody to ask; the first packet of a sender arrives twice.
//
// The other router takes over when the designated one's announcement runs out, or earlier, when a
// second and several packets have passed without a copy of it. For a sender of many packets that is
// one second after the designated forwarder died.
#include "sipp/lib/node_internal.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

struct flow {
    uint64_t interface;
    struct sipp_address sender; // as looked up: the address behind the group (§6.0.2)
    struct sipp_address group;
};

struct deferral {
    struct table_node by_flow;
    struct list_node by_age; // heard of longest ago first
    struct flow flow;
    struct link_address forwarder;
    struct instant heard;
    unsigned missed; // packets of ours held back since
};

static bool same_flow(const struct table_node *node, const void *key)
{
    const struct deferral *deferral = container_of(node, const struct deferral, by_flow);
    return memcmp(&deferral->flow, key, sizeof(deferral->flow)) == 0;
}

static struct deferral *deferral_find(const struct node *node, const struct flow *flow)
{
    struct table_node *found = table_find(
        &node->deferrals, hash_bytes(&node->neighbour_key, flow, sizeof(*flow)), same_flow, flow);
    return found == NULL ? NULL : container_of(found, struct deferral, by_flow);
}

static void deferral_end(struct node *node, struct deferral *deferral)
{
    list_remove(&deferral->by_age);
    table_remove(&node->deferrals, &deferral->by_flow);
    memory_free(deferral);
}

static struct deferral *deferral_new(struct node *node, const struct flow *flow)
{
    if (node->deferrals.count == NODE_DEFERRALS_MAX)
        deferral_end(node, container_of(list_first(&node->deferral_ages), struct deferral, by_age));
    struct deferral *deferral = memory_new(sizeof(*deferral));
    deferral->flow = *flow;
    list_init(&deferral->by_age);
    table_insert(&node->deferrals, &deferral->by_flow,
                 hash_bytes(&node->neighbour_key, flow, sizeof(*flow)));
    assert(node->deferrals.count <= NODE_DEFERRALS_MAX);
    return deferral;
}

void designated_release(struct node *node)
{
    struct list_node *first;
    while ((first = list_first(&node->deferral_ages)) != NULL)
        deferral_end(node, container_of(first, struct deferral, by_age));
    table_release(&node->deferrals);
}

void designated_hear(struct node *node, struct instant now, const struct transit *transit,
                     struct sipp_address sender)
{
    const struct link *link = &node->links[transit->in];
    const struct link_address *from = transit->from;
    struct flow flow = {transit->in, sender, route_active(&transit->packet.route)};
    if (from == NULL || memcmp(from, &link->interface.link, sizeof(*from)) >= 0 ||
        !link_has_router(link, now, from))
        return;
    struct deferral *deferral = deferral_find(node, &flow);
    if (deferral == NULL)
        deferral = deferral_new(node, &flow);
    deferral->forwarder = *from;
    deferral->heard = now;
    deferral->missed = 0;
    list_remove(&deferral->by_age);
    list_append(&node->deferral_ages, &deferral->by_age);
}

bool designated_defers(struct node *node, struct instant now, uint16_t interface,
                       struct sipp_address sender, struct sipp_address group)
{
    struct flow flow = {interface, sender, group};
    struct deferral *deferral = deferral_find(node, &flow);
    if (deferral == NULL)
        return false;
    bool silent =
        deferral->missed >= DEFERRAL_MISSED_MAX &&
        instant_reached(now, instant_add(deferral->heard, duration_ms(DEFERRAL_SILENCE_MS)));
    if (silent || !link_has_router(&node->links[interface], now, &deferral->forwarder)) {
        deferral_end(node, deferral);
        return false;
    }
    deferral->missed++;
    return true;
}
