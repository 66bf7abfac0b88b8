// SPDX-License-Identifier: BSD-2-Clause
// The node's life: interfaces, own sequences, levels, timers, counters.
#include "sipp/lib/node_internal.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

struct node *node_new(const struct node_config *config, struct random_seed seed, struct instant now)
{
    struct node *node = memory_new(sizeof(*node));
    node->config = *config;
    if (node->config.errors_per_second == 0)
        node->config.errors_per_second = NODE_ERRORS_DEFAULT;
    node->started = now;
    node->errors = limiter_new(node->config.errors_per_second, now);
    node->answers = limiter_new(NODE_ANSWERS_DEFAULT, now);
    node->conflicts_told = limiter_new(1, now);
    random_init(&node->random, seed);
    node->forwarding = forwarding_new();
    random_bytes(&node->random, node->neighbour_key.bytes, sizeof(node->neighbour_key.bytes));
    node->associations = associations_new(&node->random);
    table_init(&node->neighbours);
    table_init(&node->deferrals);
    list_init(&node->deferral_ages);
    heap_init(&node->timers);
    queue_init(&node->outputs, NODE_OUTPUTS_MAX);
    queue_init(&node->events, NODE_EVENTS_MAX);
    heap_set(&node->timers, &node->announce, now);
    if (config->auto_configure) {
        node->configure.state = CONFIGURE_ROUTER;
        heap_set(&node->timers, &node->configure.timer, now);
    }
    return node;
}

void node_free(struct node *node)
{
    if (node == NULL)
        return;
    neighbours_release(node);
    designated_release(node);
    queue_release(&node->outputs);
    queue_release(&node->events);
    heap_release(&node->timers);
    associations_free(node->associations);
    forwarding_free(node->forwarding);
    memory_free(node->bindings);
    memory_free(node->server.leases);
    memory_free(node);
}

uint16_t node_add_interface(struct node *node, const struct interface *interface)
{
    assert(node->link_count < NODE_INTERFACES_MAX);
    assert(interface->mtu >= SIPP_MTU_MIN);
    struct link *link = &node->links[node->link_count];
    link->interface = *interface;
    link->carrier = true;
    list_init(&link->known);
    list_init(&link->sought);
    link->local_use = interface->point_to_point ? SIPP_ADDRESS_NONE
                                                : sipp_local_use(0, interface->link.octets, 6);
    return node->link_count++;
}

bool node_is_router(const struct node *node)
{
    return node->config.router;
}

size_t node_interface_count(const struct node *node)
{
    return node->link_count;
}

const struct interface *node_interface(const struct node *node, uint16_t interface)
{
    return interface < node->link_count ? &node->links[interface].interface : NULL;
}

void node_set_carrier(struct node *node, uint16_t interface, bool up)
{
    assert(interface < node->link_count);
    bool was_up = node->links[interface].carrier;
    node->links[interface].carrier = up;
    node->links[interface].asked = node->links[interface].asked && up;
    if (was_up && !up)
        mobile_carrier_lost(node, interface);
    // Whoever is on the link that came up should hear of us without waiting.
    if (up && !was_up)
        heap_set(&node->timers, &node->announce, node->started);
}

bool node_add_own(struct node *node, const struct sequence *sequence, struct error *error)
{
    assert(sequence->count >= 1 && sequence->count <= SEQUENCE_MAX);
    for (size_t i = 0; i < node->own_count; i++) {
        if (sequence_equal(&node->own[i].sequence, sequence))
            return true;
    }
    if (node->own_count == NODE_OWN_MAX)
        return error_set(error, ERROR_LIMIT, "own-full",
                         "a node has at most %d address sequences and groups", NODE_OWN_MAX);
    bool multicast = sipp_address_multicast(sequence_identity(sequence));
    node->own[node->own_count++] = (struct own_sequence){*sequence, !multicast};
    heap_set(&node->timers, &node->announce, node->started);
    return true;
}

bool node_remove_own(struct node *node, const struct sequence *sequence)
{
    for (size_t i = 0; i < node->own_count; i++) {
        if (!sequence_equal(&node->own[i].sequence, sequence))
            continue;
        node->own_count--;
        memmove(&node->own[i], &node->own[i + 1], (node->own_count - i) * sizeof(node->own[0]));
        return true;
    }
    return false;
}

const struct own_sequence *node_own(const struct node *node, size_t *count)
{
    *count = node->own_count;
    return node->own;
}

bool node_is_own(const struct node *node, struct sipp_address address)
{
    for (size_t i = 0; i < node->own_count; i++) {
        if (node->own[i].source_capable &&
            sipp_address_equal(sequence_identity(&node->own[i].sequence), address))
            return true;
    }
    for (uint16_t i = 0; sipp_address_local_use(address) && i < node->link_count; i++) {
        if (sipp_address_equal(node->links[i].local_use, address))
            return true;
    }
    return sipp_address_equal(address, SIPP_ADDRESS_LOOPBACK);
}

bool node_serve_prefix(struct node *node, const struct sipp_prefix *prefix, struct error *error)
{
    if (node->served_count == NODE_SERVED_MAX)
        return error_set(error, ERROR_LIMIT, "served-full", "a gateway serves at most %d prefixes",
                         NODE_SERVED_MAX);
    node->served[node->served_count++] = *prefix;
    return true;
}

bool node_is_served(const struct node *node, struct sipp_address address)
{
    for (size_t i = 0; i < node->served_count; i++) {
        if (sipp_prefix_contains(&node->served[i], address))
            return true;
    }
    return false;
}

bool node_is_member(const struct node *node, struct sipp_address group)
{
    enum sipp_scope scope = sipp_multicast_scope(group);
    uint64_t number = group.bits & UINT64_C(0xffffffffffff);
    bool permanent = (group.bits >> 52 & 0xf) == 0;
    if (permanent && scope <= SIPP_SCOPE_LINK) {
        if (number == SIPP_GROUP_NODES ||
            number == (node->config.router ? SIPP_GROUP_ROUTERS : SIPP_GROUP_HOSTS))
            return true;
    }
    if (permanent && number == SIPP_GROUP_CONFIGURATION_SERVERS && node->server.enabled)
        return true;
    for (size_t i = 0; i < node->own_count; i++) {
        if (sipp_address_equal(sequence_identity(&node->own[i].sequence), group))
            return true;
    }
    return false;
}

bool node_add_level(struct node *node, const struct level *level, struct error *error)
{
    if (node->level_count == NODE_LEVELS_MAX)
        return error_set(error, ERROR_LIMIT, "levels-full",
                         "a router stands in at most %d prefixes", NODE_LEVELS_MAX);
    node->levels[node->level_count++] = *level;
    return true;
}

struct forwarding *node_forwarding(struct node *node)
{
    return node->forwarding;
}

struct associations *node_associations(struct node *node)
{
    return node->associations;
}

bool node_announce(struct node *node, uint16_t interface, const struct sipp_prefix *prefix,
                   struct error *error)
{
    assert(interface < node->link_count);
    struct link *link = &node->links[interface];
    if (link->announced_count == ICMP_PREFIXES_MAX)
        return error_set(error, ERROR_LIMIT, "announcements-full",
                         "a link has at most %d prefixes announced", ICMP_PREFIXES_MAX);
    link->announced[link->announced_count++] = *prefix;
    return true;
}

struct instant node_next_deadline(const struct node *node)
{
    return heap_deadline(&node->timers);
}

void node_tick(struct node *node, struct instant now)
{
    struct heap_node *due;
    while ((due = heap_first(&node->timers)) != NULL && instant_reached(now, due->deadline)) {
        heap_remove(&node->timers, due);
        if (due == &node->announce)
            node_announce_all(node, now);
        else if (due == &node->router_expiry)
            node_router_expired(node, now);
        else if (due == &node->configure.timer)
            configure_tick(node, now);
        else if (due == &node->mobile.timer)
            mobile_tick(node, now);
        else
            neighbour_ask_again(node, now, container_of(due, struct neighbour, ask));
    }
}

void node_count(struct node *node, enum node_counter counter)
{
    node->counters[counter]++;
}

uint64_t node_counter(const struct node *node, enum node_counter counter)
{
    assert(counter < NODE_COUNTERS);
    return node->counters[counter];
}

const char *node_counter_name(enum node_counter counter)
{
    static const char *const names[NODE_COUNTERS] = {
        [COUNT_RECEIVED] = "received",
        [COUNT_FORWARDED] = "forwarded",
        [COUNT_DELIVERED] = "delivered",
        [COUNT_ADVANCED] = "advanced",
        [COUNT_SENT] = "sent",
        [COUNT_ERRORS_SENT] = "errors-sent",
        [DROP_MALFORMED] = "drop-malformed",
        [DROP_BAD_SOURCE] = "drop-bad-source",
        [DROP_NOT_FOR_US] = "drop-not-for-us",
        [DROP_HOP_LIMIT] = "drop-hop-limit",
        [DROP_NO_ROUTE] = "drop-no-route",
        [DROP_NO_NEIGHBOUR] = "drop-no-neighbour",
        [DROP_TOO_BIG] = "drop-too-big",
        [DROP_SCOPE] = "drop-scope",
        [DROP_REVERSE_PATH] = "drop-reverse-path",
        [DROP_BAD_ICMP] = "drop-bad-icmp",
        [DROP_ERROR_LIMIT] = "drop-error-limit",
        [DROP_QUEUE_FULL] = "drop-queue-full",
        [DROP_NOT_OURS] = "drop-not-ours",
        [DROP_NO_CARRIER] = "drop-no-carrier",
        [DROP_DEFERRED] = "drop-deferred",
        [DROP_NEIGHBOURS] = "drop-neighbours",
        [DROP_ANSWER_LIMIT] = "drop-answer-limit",
        [DROP_POOL_EMPTY] = "drop-pool-empty",
        [COUNT_CONFLICTS] = "conflicts",
    };
    assert(counter < NODE_COUNTERS);
    return names[counter];
}
