// SPDX-License-Identifier: BSD-2-Clause
// The master database as the shells of the RUAS use it: the core that decides, the store that
// remembers, and whoever is to be told of what changed.
//
//     prepare (authority) -> store_write -> ruas_commit -> published -> acknowledged
//                                 \-> ruas_abort -> refused with "not-stored"
#ifndef IVIP_NODE_MASTER_H
#define IVIP_NODE_MASTER_H

#include "authority/ruas.h"
#include "base/error.h"
#include "node/metrics.h"
#include "node/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MASTER_REASONS_MAX 64 // different reasons of refusals that are counted apart

// Told of every set that became part of the master database, in order.
typedef void master_publish(void *state, const struct change *change);

struct master {
    struct ruas *ruas;
    struct store *store;
    master_publish *publish;
    void *publish_state;

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

// Ends the change under way: stores and commits it, or takes it back.
bool master_commit(struct master *master, const struct change *change, const struct audit *audit,
                   struct error *error);
// Counts a refusal and notes it in the audit trail; fills in the reason and text of `audit`.
void master_refuse(struct master *master, struct audit *audit, const struct error *error);
// Counts a refusal that is not worth a line in the audit trail.
void master_count_refusal(struct master *master, const struct error *error);
// Executes the scheduled sets whose time has come. False when one could not be stored: it stays
// waiting, try again later.
bool master_execute_due(struct master *master, struct wall_time time);

void master_write_metrics(const struct master *master, struct metrics_page *page);

#endif
