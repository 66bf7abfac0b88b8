// SPDX-License-Identifier: BSD-2-Clause
// What the files of the ITR's shell share.
//
//     role_itr.c         start, stop, reload; the packet path and the loop that drives the cores
//     role_itr_upstreams.c  the side towards query servers, configured or found
//     role_itr_qsa.c     the side towards the QSA of the same node
//     role_itr_fallback.c  takes over packets that other ITRs have no mapping for
//     role_itr_report.c  metrics, status, health, control commands
#ifndef IVIP_NODE_TUNNEL_ROLE_ITR_STATE_H
#define IVIP_NODE_TUNNEL_ROLE_ITR_STATE_H

#include "node/node.h"
#include "node/query/list_client.h"
#include "node/query/upstream_finder.h"
#include "node/tunnel/mab_routes.h"
#include "node/tunnel/raw_socket.h"
#include "node/tunnel/tun.h"
#include "node/tunnel/usage_reporter.h"
#include "node/udp.h"
#include "query/querier.h"
#include "tunnel/etr.h"
#include "tunnel/itr.h"

struct role_itr {
    struct node *node;
    struct itr *itr;
    struct tun *tun;
    struct raw_sender *sender;
    struct raw_sender *other_way;  // unmapped: pass; else NULL
    struct raw_receiver *receiver; // a fallback's, for what others hand over; else NULL
    struct etr *taking_over;       // with the receiver: what is taken
    struct mab_routes *mabs;
    bool announce;
    struct usage_reporter *reporter; // with usage_to; else NULL
    struct querier *querier;         // a caching ITR's; NULL: full-database
    struct udp *udp;                 // with the querier
    struct upstream_finder *finder;  // with the querier, where its servers are not configured
    struct list_client *list;        // with the querier: the set of MABs
    bool follows;                    // its MABs are those that servers tell, all vouched for:
    uint64_t followed;               // of this version (mab_list_counters)
    void *qsa;                       // full-database: state of the qsa role of this node
    bool mabs_due;                   // its MABs have changed and are to be looked at
    bool refused_due;                // its refused prefixes have
    uv_timer_t timer;                // the cores' next deadline
    uv_timer_t watch;                // looks after MABs
    unsigned open_handles;
    // Packets lie here from reading until the batch that points at them is sent.
    uint8_t *arena;
    size_t arena_used;
    struct itr_result result;
    uint64_t icmp_unsent; // no route back to the source
};

// Decides about a packet that lies where role_itr_room said, and carries the decision out. Together
// they put at most one packet after another into the arena.
uint8_t *role_itr_room(struct role_itr *role);
void role_itr_take(struct role_itr *role, uint8_t *bytes, uint32_t length, struct offload *offload);
// Passes things between the cores until nothing moves, and sends what came of it.
void role_itr_drive(struct role_itr *role);

// Starts to take over what other ITRs hand to this one, where that is configured.
bool role_itr_open_fallback(struct role_itr *role, struct error *error);
void role_itr_reload_fallback(struct role_itr *role, const struct config_itr *config);

void role_itr_add_mab(struct role_itr *role, const struct prefix *mab);
void role_itr_remove_mab(struct role_itr *role, const struct prefix *mab);

// Caching: makes the querier, and finds whom it asks.
bool role_itr_use_upstreams(struct role_itr *role, struct error *error);
void role_itr_leave_upstreams(struct role_itr *role);
bool role_itr_same_upstreams(const struct config_itr *a, const struct config_itr *b);
// Asks for a mapping; false where there is nobody to ask, or too much is asked already.
bool role_itr_ask(struct role_itr *role, const struct address *address);
// Takes over which MABs and refused prefixes there are, by the config and by what query servers
// tell.
void role_itr_follow_list(struct role_itr *role, const struct config_itr *config);

// Full-database: finds the qsa role of this node; an error where there is none.
bool role_itr_use_qsa(struct role_itr *role, struct error *error);
// Takes over which MABs it knows, which are in step, and which prefixes it refuses, where that has
// changed.
void role_itr_follow_qsa(struct role_itr *role);
// Is not told of changes any more.
void role_itr_leave_qsa(struct role_itr *role);

void role_itr_write_metrics(void *state, struct metrics_page *page);
json_t *role_itr_status(void *state);
bool role_itr_healthy(void *state, char *why, size_t size);
void role_itr_add_commands(struct role_itr *role);

#endif
