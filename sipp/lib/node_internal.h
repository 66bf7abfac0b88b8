// SPDX-License-Identifier: BSD-2-Clause
// What the files of the node share. Nothing outside sipp/lib/node_*.c includes this.
#ifndef SIPP_LIB_NODE_INTERNAL_H
#define SIPP_LIB_NODE_INTERNAL_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "sipp/lib/limiter.h"
#include "sipp/lib/node.h"

#define HOP_LIMIT_LINK        255 // discovery: a packet from another link cannot have it any more
#define NEIGHBOUR_HELD_MAX    4   // packets that wait for one link address
#define NEIGHBOUR_TRIES       3
#define NEIGHBOUR_INTERVAL_MS 1000
#define NEIGHBOUR_LIFETIME_S  60  // of a link address learned from an answer
#define PRESENCE_LIFETIME_MAX 600 // seconds that an I-Am-Here counts, whatever it says
#define ANNOUNCE_INTERVAL_MS  10000
#define ANNOUNCE_LIFETIME_S   30
#define ANNOUNCE_SOON_MS      500 // at most, when a router asks who is there
#define CONFIGURE_TRIES       3
#define CONFIGURE_INTERVAL_MS 1000
#define CONFIGURE_AGAIN_MS    10000 // between later questions, while no server has answered
#define REGISTRATION_LIFETIME 60    // seconds
#define REGISTRATION_RETRY_MS 2000
#define MEMBERSHIPS_MAX       64 // groups remembered on one link; with more, it gets all groups
#define ROUTERS_MAX           32 // routers remembered on one link
#define DEFERRAL_MISSED_MAX   2
#define DEFERRAL_SILENCE_MS   1000
#define QUEUE_EMPTY           SIZE_MAX

struct held_packet {
    struct held_packet *next;
    size_t length;
    uint8_t bytes[];
};

// Who was heard, or is looked for, on a link.
struct neighbour {
    struct table_node by_address;
    struct list_node by_age; // in one of its link's lists: heard of, or sought since, longest first
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

struct heard_router {
    struct link_address link;
    struct instant expires;
};

struct link {
    struct interface interface;
    bool carrier;
    bool asked; // a router: who is on the link, since it came up
    struct sipp_address local_use;
    struct sipp_prefix announced[ICMP_PREFIXES_MAX];
    uint8_t announced_count;
    struct membership memberships[MEMBERSHIPS_MAX];
    size_t membership_count;
    struct instant memberships_full_until; // more groups than are remembered: it may want any
    struct heard_router routers[ROUTERS_MAX];
    size_t router_count;
    struct list_node known; // neighbours whose link address is known
    size_t known_count;
    struct list_node sought; // those that are asked for
    size_t sought_count;
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

// ROUTER, SERVER: looks for one; ALONE: goes by what it formed, and asks again now and then.
enum configure_state {
    CONFIGURE_OFF,
    CONFIGURE_ROUTER,
    CONFIGURE_SERVER,
    CONFIGURE_ALONE,
    CONFIGURE_DONE,
};

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
    uint64_t last_number; // given to somebody
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
    struct hash_key neighbour_key;
    struct table deferrals; // node_designated.c
    struct list_node deferral_ages;
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
    struct limiter errors;         // ICMP errors
    struct limiter answers;        // what anybody on a link can make us say
    struct limiter conflicts_told; // events about one of our addresses
    uint64_t counters[NODE_COUNTERS];
};

// A packet on its way through the node.
struct transit {
    uint8_t *bytes;
    struct packet packet;
    const struct link_address *from; // who put it on the link; NULL: made here
    uint16_t in;                     // NODE_NO_INTERFACE: made here
    uint16_t link;    // where the address just used up says the next one is, or NODE_NO_INTERFACE
    bool advanced;    // this node made the active address active
    bool untunnelled; // came out of a home station's tunnel
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

// node_scope.c: may the packet come in where it came in, and go out there?
bool node_may_enter(const struct node *node, const struct transit *transit);
bool node_may_cross(const struct node *node, const struct transit *transit, uint16_t out);

// node_designated.c
// A copy came from a link that does not lie towards its sender: another router put it there.
void designated_hear(struct node *node, struct instant now, const struct transit *transit,
                     struct sipp_address sender);
// True where another router brings the sender's packets to the link. To be asked once a packet.
bool designated_defers(struct node *node, struct instant now, uint16_t interface,
                       struct sipp_address sender, struct sipp_address group);
void designated_release(struct node *node);

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
// What a packet from the link tells: `address` is at `link`, for `lifetime` seconds. Sends what
// waited for it. NULL where somebody else still has the address, or where the link is full of
// neighbours and nobody asked for this one.
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
// True where a router with that link address has announced itself on the link; any one for NULL.
bool link_has_router(const struct link *link, struct instant now,
                     const struct link_address *address);
void node_announce_all(struct node *node, struct instant now);
void node_hear_where_are_you(struct node *node, struct instant now, const struct transit *transit,
                             const struct icmp_message *message);
void node_hear_i_am_here(struct node *node, struct instant now, const struct transit *transit,
                         const struct icmp_message *message);
// Tells the home link of a mobile host that its packets are for us now.
void node_stand_in(struct node *node, struct sipp_address mobile);
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
bool mobile_is_away(const struct node *node);
// Where a mobile host is now: its base station, where it is away, and itself.
struct sequence mobile_sequence(const struct node *node);
struct binding *node_binding(struct node *node, struct instant now, struct sipp_address mobile);
void node_tunnel(struct node *node, struct instant now, struct transit *transit,
                 const struct binding *binding);
void node_untunnel(struct node *node, struct instant now, const struct transit *transit);

#endif
