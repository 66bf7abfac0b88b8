// SPDX-License-Identifier: BSD-2-Clause
// The master database as the shells of the RUAS use it: the core that decides, the store that
// remembers, and whoever is to be told of what changed.
//
//     prepare (authority) -> store_write -> ruas_commit -> published -> acknowledged
//                                 \-> ruas_abort -> refused with "not-stored"
//
// Sets of end users that arrive together share one durable transaction, because syncing the disk
// takes as long for one as for many: each is held, and settled with the others before anybody is
// told of it.
//
//     prepare -> master_hold, prepare -> master_hold, ... -> master_settle -> all published, all
//                                                                \-> none  acknowledged
#ifndef IVIP_NODE_AUTHORITY_MASTER_H
#define IVIP_NODE_AUTHORITY_MASTER_H

#include "authority/ruas.h"
#include "base/error.h"
#include "node/authority/store.h"
#include "node/authority/usage_ledger.h"
#include "node/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MASTER_REASONS_MAX 64  // different reasons of refusals that are counted apart
#define MASTER_HELD_MAX    256 // sets in one transaction
#define MASTER_DUE_MAX     16  // scheduled sets executed at a time, each in a transaction

// Told of every set that became part of the master database, in order.
typedef void master_publish(void *state, const struct change *change);

// Told once when sets that were held are settled (error is NULL) or had to be taken back.
typedef void master_settled(void *state, const struct error *error);

struct master {
    struct ruas *ruas;
    struct store *store;
    struct usage_ledger *usage; // what ITRs reported
    master_publish *publish;
    void *publish_state;
    master_settled *settled;
    void *settled_state;
    struct held_set *held; // in order, with copies of their updates
    size_t held_count;

    uint64_t sets;     // accepted, with those that were scheduled
    uint64_t commands; // in them
    uint64_t dry_runs;
    uint64_t logins;
    size_t reason_count;
    struct {
        char reason[ERROR_REASON_MAX];
        uint64_t count;
    } refused[MASTER_REASONS_MAX];
};

// Frees what `master` itself allocated.
void master_end(struct master *master);

// Ends the change under way: stores and commits it, or takes it back. No set may be held.
bool master_commit(struct master *master, const struct change *change, const struct audit *audit,
                   struct error *error);
// Holds the set under way, of `commands` commands. On false it was taken back, and all that were
// held before with it.
bool master_hold(struct master *master, const struct change *change, size_t commands,
                 const struct audit *audit, struct error *error);
// Stores the sets that are held, if there are any: to be called before anything else is prepared,
// stored or shown, and at the end of each turn of the loop.
void master_settle(struct master *master);
// Counts a refusal and notes it in the audit trail; fills in the reason and text of `audit`.
void master_refuse(struct master *master, struct audit *audit, const struct error *error);
// Counts a refusal that is not worth a line in the audit trail.
void master_count_refusal(struct master *master, const struct error *error);
// Executes scheduled sets whose time has come, MASTER_DUE_MAX at most, so that others get their
// turn; ruas_next_due says whether there are more. False when one could not be stored: it stays
// waiting, try again later.
bool master_execute_due(struct master *master, struct wall_time time);

void master_write_metrics(const struct master *master, struct metrics_page *page);

#endif
