// SPDX-License-Identifier: BSD-2-Clause
// What the parts of the simulated query system share; nobody else includes it.
#ifndef IVIP_SIM_WORLD_STATE_H
#define IVIP_SIM_WORLD_STATE_H

#include "base/hash.h"
#include "base/list.h"
#include "base/table.h"
#include "mapping/database.h"
#include "query/qsa.h"
#include "query/qsr.h"
#include "sim/master.h"
#include "sim/world.h"

struct world;

struct world_qsa {
    struct world *world;
    size_t node;
    char name[8];
    struct database *database;
    struct qsa *qsa;
    size_t applied;      // sets of the master's log that are in the database
    bool in_step;        // else it is loading
    struct duration lag; // from the master
    unsigned life;       // counts starts, so that actions for an earlier life do nothing
};

struct world_qsr {
    struct world *world;
    size_t node;
    char name[8];
    struct qsr *qsr;
    struct querier_config upstreams;
    size_t hops; // to the QSAs, at most
};

// What an ITR believes of a unit: made from the querier's events alone, as a real ITR does.
struct belief {
    bool known;
    struct address etr; // zero: drop
};

struct world_itr {
    struct world *world;
    size_t node;
    char name[8];
    struct querier *querier;
    struct querier_config upstreams;
    size_t hops;
    struct belief beliefs[MASTER_MABS][MASTER_UNITS];
    struct querier_event last_answer; // to a question
};

// What a server told a querier under a nonce.
struct world_telling {
    struct table_node place;
    struct endpoint server, querier;
    uint64_t nonce;
    struct range range;
    struct instant until;
};

struct world {
    struct world_config config;
    struct engine *engine;
    struct master master;
    struct world_qsa qsas[WORLD_SERVERS_MAX];
    struct world_qsr qsrs[2 * WORLD_SERVERS_MAX]; // QSRs, then QSCs
    struct world_itr itrs[WORLD_ITRS_MAX];
    size_t qsr_count; // both
    size_t attacker;
    bool quiet; // no more faults, changes and attacks
    struct hash_key key;
    struct table tellings;
    uint64_t victim_sent, victim_got; // octets from and to the address that the attacker takes
    struct world_report report;
};

// world_nodes.c: the nodes and their lives.
void world_add_nodes(struct world *world);
void world_free_nodes(struct world *world);
void world_crash_some_node(struct world *world);
void world_restart_all(struct world *world);
// The master changed: every QSA hears of it after its lag.
void world_feed(struct world *world);
// Some QSA loses step, and reloads.
void world_misstep(struct world *world);
struct endpoint world_endpoint(size_t node);
void world_itr_ask(struct world_itr *itr, const struct address *address);

// world_check.c: the invariants.
void world_watch(void *state, struct instant now, const struct engine_datagram *datagram);
void world_check_beliefs(struct world *world);
void world_check_failed_question(struct world *world, const char *itr,
                                 const struct address *question);
void world_check_recovered(struct world *world);
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_free_tellings(struct world *world);

// world_attack.c
struct endpoint world_victim(void);
void world_attack(struct world *world);

#endif
