// SPDX-License-Identifier: BSD-2-Clause
// What the parts of the simulated world share; nobody else includes it.
#ifndef IVIP_SIM_WORLD_STATE_H
#define IVIP_SIM_WORLD_STATE_H

#include "base/hash.h"
#include "base/key.h"
#include "base/list.h"
#include "base/table.h"
#include "mapping/database.h"
#include "push/receiver.h"
#include "push/sender.h"
#include "query/qsa.h"
#include "query/qsr.h"
#include "sim/truth/master.h"
#include "sim/world.h"
#include "tunnel/itr.h"

struct world;

#define WORLD_CHECK_EVERY_MS 200

struct world_qsa {
    struct world *world;
    size_t node;
    const char *name;
    struct database *database;
    struct qsa *qsa;
    unsigned life; // counts starts: answers to an earlier life's questions are for nobody

    // With the ideal feed.
    size_t applied;      // sets of the master's log that are in the database
    bool in_step;        // else it is loading
    struct duration lag; // from the master

    // With fast push.
    struct receiver *receiver;
    size_t feed_node; // hears payloads, as a port of its own
    char feed_name[WORLD_NAME_MAX + 8];
    bool loaded[MASTER_MABS]; // has, or had, a copy since it started
    uint64_t sequences[MASTER_MABS];
    struct instant open_since; // since when nothing keeps it from its RUAS
};

// The RUAS: the master outlives its crashes, as a database on a disk does.
struct world_ruas {
    size_t node;
    struct sender *sender; // NULL while it is down, and with the ideal feed
    uint64_t epoch;
    struct secret_key key;
    int64_t clock_ms; // what its wall clock is wrong by
    uint8_t payload[PAYLOAD_BYTES_MAX];
    size_t length;
    size_t sent_to; // QSAs that have been sent this payload
};

struct world_qsr {
    struct world *world;
    size_t node;
    struct qsr *qsr;
    struct querier_config upstreams;
};

// What an ITR believes of a unit: made from the querier's events alone, as a real ITR does.
struct belief {
    bool known;
    struct address etr; // zero: drop
};

struct world_itr {
    struct world *world;
    size_t node;
    const char *name;
    struct querier *querier;
    struct itr *itr;
    struct querier_config upstreams;
    size_t hops; // to the QSAs, at most
    struct belief beliefs[MASTER_MABS][MASTER_UNITS];
    struct address wanted;            // asked for last by world_itr_ask
    struct querier_event last_answer; // to that
};

// What a server told a querier under a nonce.
struct world_telling {
    struct table_node place;
    struct endpoint server, querier;
    uint64_t nonce;
    struct range range;
    struct instant until;
};

// An event of the config on its way.
struct world_plan {
    struct world *world;
    const struct world_event *event;
};

struct world {
    struct world_config config;
    size_t qsa_count, qsr_count, itr_count; // qsr_count: QSRs and QSCs
    bool calm;                              // nothing but delay: tighter bounds hold
    struct engine *engine;
    struct master master;
    struct world_ruas ruas;
    struct world_qsa qsas[WORLD_SERVERS_MAX];
    struct world_qsr qsrs[2 * WORLD_SERVERS_MAX];
    struct world_itr itrs[WORLD_ITRS_MAX];
    size_t attacker;
    struct world_plan *plans;
    struct list_node fetches; // HTTP under way
    bool quiet;               // no more faults, changes and attacks
    struct hash_key key;
    struct table tellings;
    uint64_t victim_sent, victim_got; // octets from and to the address that the attacker takes
    uint8_t heard[PAYLOAD_BYTES_MAX]; // a payload that the attacker has
    size_t heard_length;
    struct world_report report;
};

// world.c
struct random_seed world_fresh_seed(struct world *world);

// world_nodes.c: the nodes and their lives. Numbers are those of the config, or WORLD_RUAS.
void world_add_nodes(struct world *world);
void world_free_nodes(struct world *world);
void world_crash(struct world *world, size_t node);
void world_restart(struct world *world, size_t node);
void world_restart_all(struct world *world);
struct endpoint world_endpoint(size_t node);

// world_feed.c: the ideal feed. The master changed: every QSA hears of it after its lag.
void world_feed(struct world *world);
void world_misstep(struct world *world, const struct world_event *event);
void world_feed_start(struct world_qsa *qsa);

// world_push.c: fast push.
void world_push_add_nodes(struct world *world);
void world_push_set(struct world *world, const struct master_set *set);
void world_ruas_start(struct world *world);
void world_ruas_stop(struct world *world);
void world_receiver_start(struct world_qsa *qsa);
void world_receiver_stop(struct world_qsa *qsa);

// world_http.c: what receivers fetch from the RUAS.
void world_fetch(struct world_qsa *qsa, const struct receiver_event *event);
void world_free_fetches(struct world *world);
struct wall_time world_wall_time(const struct world *world);
void world_take_events(struct world_qsa *qsa);

// world_itr.c
extern const struct engine_core world_itr_core;
void world_itr_start(struct world_itr *itr);
void world_itr_stop(struct world_itr *itr);
// A packet from the ITR's network to that address.
void world_itr_packet(struct world_itr *itr, const struct address *address);
void world_itr_ask(struct world_itr *itr, const struct address *address);
void world_itr_begin_traffic(struct world_itr *itr);

// world_check.c, world_check_told.c: the invariants.
void world_watch(void *state, struct instant now, const struct engine_datagram *datagram);
void world_check_beliefs(struct world *world);
void world_check_feeds(struct world *world);
void world_check_copy(struct world_qsa *qsa, size_t mab, uint64_t sequence);
void world_check_forwarding(struct world_itr *itr, const struct address *destination,
                            const struct address *etr);
void world_check_failed_question(struct world *world, const char *itr,
                                 const struct address *question);
void world_check_recovered(struct world *world);
void world_fail(struct world *world, enum world_check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void world_free_tellings(struct world *world);

// world_attack.c
struct endpoint world_victim(void);
void world_attack(struct world *world);

#endif
