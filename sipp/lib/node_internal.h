// SPDX-License-Identifier: BSD-2-Clause
// What the files of the node share. Nothing outside sipp/lib/node_*.c includes this.
#ifndef SIPP_LIB_NODE_INTERNAL_H
#define SIPP_LIB_NODE_INTERNAL_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "sipp/lib/node.h"

#define HOP_LIMIT_LINK        255 // discovery: a packet from another link cannot have it any more
#define NEIGHBOUR_HELD_MAX    4   // packets that wait for one link address
#define NEIGHBOUR_TRIES       3
#define NEIGHBOUR_INTERVAL_MS 1000
#define NEIGHBOUR_LIFETIME_S  60 // of a link address learned from an answer
#define ANNOUNCE_INTERVAL_MS  10000
#define ANNOUNCE_LIFETIME_S   30
#define CONFIGURE_TRIES       3
#define CONFIGURE_INTERVAL_MS 1000
#define REGISTRATION_LIFETIME 60 // seconds
#define REGISTRATION_RETRY_MS 2000
#define MEMBERSHIPS_MAX       64 // groups remembered on one link
#define QUEUE_EMPTY           SIZE_MAX

struct held_packet {
    struct held_packet *next;
    size_t length;
    uint8_t bytes[];
};

// Who was heard, or is looked for, on a link.
struct neighbour {
    struct table_node by_address;
    struct list_node by_age; // heard of longest ago first
    struct heap_node ask;    // in the heap while it is looked for
    uint16_t interface;
    struct sipp_address address;
    bool resolved;
    bool present; // announced itself, not just answered
    struct link_address link;
    struct instant expires;
    unsigned tries;
    struct held_packet *held;
    unsigned held_count;
};

struct membership {
    struct sipp_address group;
    struct instant expires;
};

struct link {
    struct interface interface;
    bool carrier;
    struct sipp_address local_use;
    struct sipp_prefix announced[ICMP_PREFIXES_MAX];
    uint8_t announced_count;
    struct membership memberships[MEMBERSHIPS_MAX];
    size_t membership_count;
    struct instant routers_until; // another router was heard; group packets go there too
};

// A packet or event waiting to be pulled; `bytes` belong to it.
struct queued {
    struct node_output output;
    struct node_event event;
    uint8_t bytes[];
};

struct queue {
    struct queued **slots;
    size_t size;
    size_t first;
    size_t count;
    struct queued *pulled; // handed out last, freed by the next call
};

enum configure_state { CONFIGURE_OFF, CONFIGURE_ROUTER, CONFIGURE_SERVER, CONFIGURE_DONE };

struct configure {
    enum configure_state state;
    unsigned tries;
    bool router_known;
    uint64_t number; // of the request
    bool formed;     // `current` was added to the own sequences
    struct sequence current;
    struct heap_node timer;
};

struct binding {
    struct sipp_address mobile;
    struct mobile_key key;
    uint64_t last_number;
    struct sipp_address base; // SIPP_ADDRESS_NONE: at home
    struct instant expires;
};

struct mobile {
    bool enabled;
    struct sequence home;
    struct path station;
    struct mobile_key key;
    struct sipp_address base; // SIPP_ADDRESS_NONE: at home or nowhere
    uint16_t interface;
    struct instant base_expires;
    uint64_t number;
    bool registered;
    struct heap_node timer;
};

struct lease {
    struct link_address link;
    uint64_t number;
};

struct configuration_server {
    bool enabled;
    struct sipp_prefix pool;
    struct sequence high;
    struct lease *leases;
    size_t count;
};

struct node {
    struct node_config config;
    struct random_source random;
    struct instant started;
    struct link links[NODE_INTERFACES_MAX];
    uint16_t link_count;
    struct own_sequence own[NODE_OWN_MAX];
    size_t own_count;
    struct level levels[NODE_LEVELS_MAX];
    size_t level_count;
    struct sipp_prefix served[NODE_SERVED_MAX];
    size_t served_count;
    struct forwarding *forwarding;
    struct associations *associations;
    struct table neighbours;
    struct list_node neighbour_ages;
    struct hash_key neighbour_key;
    struct heap timers;
    struct heap_node announce;
    struct heap_node router_expiry;
    struct configure configure;
    struct mobile mobile;
    struct binding *bindings;
    size_t binding_count;
    struct configuration_server server;
    struct queue outputs;
    struct queue events;
    uint64_t error_tokens; // in nanoseconds of waiting saved up
    struct instant error_tokens_at;
    uint64_t counters[NODE_COUNTERS];
};

// A packet on its way through the node.
struct transit {
    uint8_t *bytes;
    struct packet packet;
    uint16_t in;   // NODE_NO_INTERFACE: made here
    uint16_t link; // where the address just used up says the next one is, or NODE_NO_INTERFACE
    bool advanced; // this node made the active address active
};

// node.c
void node_count(struct node *node, enum node_counter counter);
bool node_is_own(const struct node *node, struct sipp_address address);
// True for an address of an IPv4 host behind this gateway.
bool node_is_served(const struct node *node, struct sipp_address address);
bool node_is_member(const struct node *node, struct sipp_address group);

// node_queue.c
void queue_init(struct queue *queue, size_t size);
void queue_release(struct queue *queue);
// Copies `length` bytes into a new element; NULL (and counted) when the queue is full.
struct queued *queue_add(struct node *node, struct queue *queue, const uint8_t *bytes,
                         size_t length);
void node_output(struct node *node, uint16_t interface, const struct link_address *link,
                 const uint8_t *bytes, size_t length);
void node_event(struct node *node, enum node_event_kind kind, const struct sequence *sequence);

// node_forward.c: finds the way of a packet; as node_receive.
enum node_verdict node_transit(struct node *node, struct instant now, struct transit *transit,
                               struct node_hop *hop);
// The same for a packet made here or taken out of a tunnel: what is to be sent on is queued.
void node_transmit(struct node *node, struct instant now, struct transit *transit);
// The cluster address that this router answers for, seen from `source`; NULL for none.
const struct level *node_cluster(const struct node *node, struct sipp_address address,
                                 struct sipp_address source);
struct link_address multicast_link(struct sipp_address group);

// node_multicast.c
enum node_verdict node_transit_multicast(struct node *node, struct instant now,
                                         struct transit *transit);
void node_heard_member(struct node *node, struct instant now, uint16_t interface,
                       struct sipp_address group, uint16_t lifetime);

// node_deliver.c
void node_deliver(struct node *node, struct instant now, const struct transit *transit);

// node_error.c: tells the sender, along the way the packet came, unless it must not be told.
void node_error(struct node *node, struct instant now, const struct transit *transit, uint8_t type,
                uint8_t code, uint32_t parameter);
// The same for bytes whose Routing Header makes no sense: straight to the source.
void node_error_malformed(struct node *node, struct instant now, const uint8_t *bytes,
                          size_t length, uint32_t pointer);

// node_send.c
// `link` is where the cause came from, and so where a local-use address to answer is.
void node_send_icmp(struct node *node, struct instant now, uint16_t link, const struct route *route,
                    uint8_t hop_limit, const struct icmp_message *message);
// On one link only: to a group, or to a neighbour whose link address is known.
void node_send_on_link(struct node *node, uint16_t interface, const struct link_address *link,
                       struct sipp_address destination, const struct icmp_message *message);

// neighbours.c
struct neighbour *neighbour_find(struct node *node, uint16_t interface,
                                 struct sipp_address address);
// What a packet from the link tells: `address` is at `link`. Sends what waited for it.
struct neighbour *neighbour_learn(struct node *node, struct instant now, uint16_t interface,
                                  struct sipp_address address, const struct link_address *link,
                                  uint16_t lifetime);
// The link address of a neighbour; false where it must be asked for first: the packet is then kept.
bool neighbour_resolve(struct node *node, struct instant now, uint16_t interface,
                       struct sipp_address address, const uint8_t *bytes, size_t length,
                       struct link_address *link);
void neighbour_ask_again(struct node *node, struct instant now, struct neighbour *neighbour);
void neighbours_release(struct node *node);

// node_discovery.c
void node_announce_all(struct node *node, struct instant now);
void node_hear_where_are_you(struct node *node, struct instant now, const struct transit *transit,
                             const struct icmp_message *message);
void node_hear_i_am_here(struct node *node, struct instant now, const struct transit *transit,
                         const struct icmp_message *message);
void node_ask(struct node *node, uint16_t interface, struct sipp_address sought);
void node_router_expired(struct node *node, struct instant now);

// node_configure.c
void configure_tick(struct node *node, struct instant now);
void configure_router_heard(struct node *node, struct instant now, uint16_t interface,
                            const struct icmp_i_am_here *here);
void node_hear_configuration(struct node *node, struct instant now, const struct transit *transit,
                             const struct icmp_message *message);

// node_mobility.c
void mobile_tick(struct node *node, struct instant now);
void mobile_base_heard(struct node *node, struct instant now, uint16_t interface,
                       const struct icmp_i_am_here *here, bool base_station);
void mobile_carrier_lost(struct node *node, uint16_t interface);
void node_hear_registration(struct node *node, struct instant now, const struct transit *transit,
                            const struct icmp_message *message);
struct binding *node_binding(struct node *node, struct instant now, struct sipp_address mobile);
void node_tunnel(struct node *node, struct instant now, struct transit *transit,
                 const struct binding *binding);
void node_untunnel(struct node *node, struct instant now, const struct transit *transit);

#endif
