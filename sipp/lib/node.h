// SPDX-License-Identifier: BSD-2-Clause
// A SIPP node, router or host, without I/O: packets, commands and time go in; packets and events
// are pulled out.
//
//                    commands: node_send, node_route_set, ...
//                                     |
//     packet ->  node_receive  -> [ node ] -> NODE_FORWARD: the same bytes, to be sent on
//     time   ->  node_tick                 -> node_next_output: packets that it made or held back
//                                          -> node_next_event:  packets for this node, news
//
// A host answers and originates; a router (config.router) also forwards, accepts cluster addresses
// and announces itself. Base station, home station and configuration server are things a router
// or host may do besides. Nothing is allocated for a packet that is only forwarded.
#ifndef SIPP_LIB_NODE_H
#define SIPP_LIB_NODE_H

#include "base/instant.h"
#include "base/random.h"
#include "sipp/lib/association.h"
#include "sipp/lib/forwarding.h"
#include "sipp/lib/icmp.h"

#define NODE_INTERFACES_MAX 32
#define NODE_OWN_MAX        32   // own address sequences and groups
#define NODE_LEVELS_MAX     64   // prefixes of the hierarchy that a router stands in
#define NODE_SERVED_MAX     64   // prefixes of IPv4 hosts behind a gateway
#define NODE_NEIGHBOURS_MAX 4096 // known on one link; the one heard of longest ago gives way
#define NODE_SOUGHT_MAX     256  // asked for on one link; the one asked for longest gives way
#define NODE_DEFERRALS_MAX  1024 // senders and groups that other routers bring to our links
#define NODE_OUTPUTS_MAX    1024 // packets waiting to be pulled; more are dropped and counted
#define NODE_EVENTS_MAX     1024
#define NODE_BINDINGS_MAX   1024 // mobile hosts of a home station
#define NODE_LEASES_MAX     4096 // hosts of a configuration server
#define NODE_NO_INTERFACE   UINT16_MAX

struct node; // opaque

struct interface {
    struct link_address link;
    uint16_t mtu;
    bool point_to_point; // a tunnel: no link addresses, nobody to look for
    bool site_boundary;  // lies outside of the site: what has site scope does not pass
};

// A prefix of the hierarchy that this router's own addresses lie in (overview §2.1.2).
struct level {
    struct sipp_prefix prefix;
    bool acts;          // the router stands at this level: it has the prefix's cluster address
    uint16_t interface; // of a subnet: the link that is the subnet; else NODE_NO_INTERFACE
};

struct node_config {
    bool router;
    bool base_station;   // announce links as places for mobile hosts, and serve those who come
    bool auto_configure; // a host: find router, prefix and configuration server by itself (§8)
    uint32_t errors_per_second; // ICMP errors sent at most; 0 takes NODE_ERRORS_DEFAULT
    uint64_t clock; // milliseconds since 1970 at `now` of node_new; numbers registrations
};

#define NODE_ERRORS_DEFAULT  1000
#define NODE_ANSWERS_DEFAULT 1000 // a second, to Where-Are-You and other questions from links

struct node *node_new(const struct node_config *config, struct random_seed seed,
                      struct instant now);
void node_free(struct node *node);

// Adds an interface and returns its number, counted from 0; at most NODE_INTERFACES_MAX. The
// node takes the local-use address of its link as its own.
uint16_t node_add_interface(struct node *node, const struct interface *interface);
bool node_is_router(const struct node *node);
size_t node_interface_count(const struct node *node);
const struct interface *node_interface(const struct node *node, uint16_t interface);
// False makes the node ignore and not use the interface.
void node_set_carrier(struct node *node, uint16_t interface, bool up);

// Own address sequences; multicast groups too, which are announced on every link. The first ones
// added are preferred among equals. False where NODE_OWN_MAX are there ("own-full").
bool node_add_own(struct node *node, const struct sequence *sequence, struct error *error);
bool node_remove_own(struct node *node, const struct sequence *sequence);
const struct own_sequence *node_own(const struct node *node, size_t *count);
bool node_add_level(struct node *node, const struct level *level, struct error *error);

// A gateway: IPv4 payloads for any address of the prefix are delivered here (EVENT_PACKET).
bool node_serve_prefix(struct node *node, const struct sipp_prefix *prefix, struct error *error);

struct forwarding *node_forwarding(struct node *node);
struct associations *node_associations(struct node *node);

// What a router announces on a link: the prefixes of the subnet (at most ICMP_PREFIXES_MAX).
bool node_announce(struct node *node, uint16_t interface, const struct sipp_prefix *prefix,
                   struct error *error);

// Home station: serve a mobile host; its packets are taken and tunnelled once it registered.
bool node_serve_mobile(struct node *node, struct sipp_address mobile, const struct mobile_key *key,
                       struct error *error);
// Mobile host: its own sequence at home (added by node_add_own too), how its home station is
// reached, and the key they share.
void node_be_mobile(struct node *node, const struct sequence *home, const struct path *station,
                    const struct mobile_key *key);
// Configuration server: hand out node numbers from the right below `pool` (of 1 to 63 bits), behind
// the addresses of `high` (count 0 for none). What is given out comes as EVENT_LEASE, once, before
// the answer can be pulled; whoever keeps it tells the next run of the node by node_add_lease, so
// that no number is given out twice.
void node_serve_configuration(struct node *node, const struct sipp_prefix *pool,
                              const struct sequence *high);
bool node_serves_configuration(const struct node *node);
// False where the number is none of the pool's ("bad-lease"), somebody has it already
// ("lease-twice") or NODE_LEASES_MAX are given out ("leases-full").
bool node_add_lease(struct node *node, const struct link_address *link, uint64_t number,
                    struct error *error);

enum node_verdict {
    NODE_DONE,    // dropped, answered, kept or handed to events
    NODE_FORWARD, // send hop->length of the given bytes as `hop` says
};

struct node_hop {
    uint16_t interface;
    struct link_address link;
    size_t length;
};

// A packet came in on `interface` from the link address `from` (ignored on point-to-point links).
// The bytes are changed in place. They start with the SIPP header, and may have link padding.
enum node_verdict node_receive(struct node *node, struct instant now, uint16_t interface,
                               const struct link_address *from, uint8_t *bytes, size_t length,
                               struct node_hop *hop);

// Sends a payload along a complete route sequence, whose first address must be one of ours. False
// where it does not fit a packet ("too-long") or this node has no way there ("no-route").
bool node_send(struct node *node, struct instant now, const struct route *route, uint8_t hop_limit,
               uint8_t payload_type, const uint8_t *payload, size_t length, struct error *error);
// Sends an echo request; the checksum is made here.
bool node_send_echo(struct node *node, struct instant now, const struct route *route,
                    uint8_t hop_limit, uint16_t identifier, uint16_t number, const uint8_t *data,
                    size_t length, struct error *error);
// The route sequence to a correspondent: along the association's current path where the
// correspondent was heard (and `via` is NULL), else along `via` (NULL for none) and `destination`,
// from the own sequence that matches best. False where no own sequence may be a source
// ("no-source").
bool node_route_to(struct node *node, struct instant now, const struct path *via,
                   const struct path *destination, struct route *route, struct error *error);
// What was sent along a route that node_route_to gave did not arrive: its correspondent's path is
// no longer relied on, the next route is made from the destination's own sequence. The node does
// this itself where an ICMP error says so; only whoever waits for an answer knows of silence.
void node_doubt(struct node *node, const struct route *route);
// The route sequence that answers a delivered packet (route_reply).
bool node_route_back(const struct node *node, const struct route *received, struct route *reply);

// A packet that the node made or held back. `bytes` stay valid until the next call on the node.
struct node_output {
    uint16_t interface;
    struct link_address link;
    const uint8_t *bytes;
    size_t length;
};
bool node_next_output(struct node *node, struct node_output *output);

enum node_event_kind {
    EVENT_PACKET,     // a payload for this node
    EVENT_ECHO_REPLY, // an answer to node_send_echo
    EVENT_ERROR,      // an ICMP error about a packet of ours
    EVENT_CONFIGURED, // the node gave itself, or was given, `sequence`
    EVENT_ATTACHED,   // a mobile host uses the base station in `sequence`, or is home again
    EVENT_REGISTERED, // home station and mobile host agree on `sequence`
    EVENT_LEASE,      // the host at `link` got `number` of the pool
    EVENT_CONFLICT,   // the node at `link` uses the address in `sequence`, which is ours
};

struct node_event {
    enum node_event_kind kind;
    struct route route; // as received
    uint8_t hop_limit;
    uint8_t payload_type;
    struct icmp_message icmp; // of echo replies and errors; points into `payload`
    const uint8_t *payload;   // valid until the next call on the node
    size_t length;
    struct sequence sequence;
    struct link_address link;
    uint64_t number;
};
bool node_next_event(struct node *node, struct node_event *event);

// Tells the sender of a delivered packet (EVENT_PACKET, before the next call on the node) that
// nobody here takes it; `code` is ICMP_NO_PAYLOAD_TYPE or ICMP_NO_PORT.
void node_refuse(struct node *node, struct instant now, const struct node_event *event,
                 enum icmp_unreachable_code code);

// When node_tick wants to be called next.
struct instant node_next_deadline(const struct node *node);
void node_tick(struct node *node, struct instant now);

// Why packets were dropped, and what else was counted.
enum node_counter {
    COUNT_RECEIVED,
    COUNT_FORWARDED,
    COUNT_DELIVERED,
    COUNT_ADVANCED,
    COUNT_SENT,
    COUNT_ERRORS_SENT,
    DROP_MALFORMED,
    DROP_BAD_SOURCE,
    DROP_NOT_FOR_US, // a host does not forward
    DROP_HOP_LIMIT,
    DROP_NO_ROUTE,
    DROP_NO_NEIGHBOUR,
    DROP_TOO_BIG,
    DROP_SCOPE,
    DROP_REVERSE_PATH, // a multicast packet that came another way than its source lies
    DROP_BAD_ICMP,
    DROP_ERROR_LIMIT, // an error that was not sent: too many
    DROP_QUEUE_FULL,
    DROP_NOT_OURS, // a tunnelled packet for nobody here
    DROP_NO_CARRIER,
    DROP_DEFERRED,     // another router is designated to bring it to the link
    DROP_NEIGHBOURS,   // a neighbour that was not learned: the link is full of them
    DROP_ANSWER_LIMIT, // a question that was not answered: too many
    DROP_POOL_EMPTY,   // no number left for a host that asked for one
    COUNT_CONFLICTS,   // somebody claims an address that another node has
    NODE_COUNTERS,
};
const char *node_counter_name(enum node_counter counter);
uint64_t node_counter(const struct node *node, enum node_counter counter);

#endif
