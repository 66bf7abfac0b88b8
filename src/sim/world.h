// SPDX-License-Identifier: BSD-2-Clause
// A simulated query system: QSAs over copies of the master's MABs, QSRs, a QSC level and ITRs, all
// the shipping cores, in a network that goes wrong, with an attacker in it (docs/simulator.md).
//
//     master ..feed..> QSA <--- QSR <--- QSC <--- ITR
//                          <-------------------- ITR
#ifndef IVIP_SIM_WORLD_H
#define IVIP_SIM_WORLD_H

#include "sim/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WORLD_SERVERS_MAX 8 // of each kind
#define WORLD_ITRS_MAX    16

struct world_config {
    uint64_t seed;
    size_t qsas, qsrs, qscs, itrs;
    struct path_conditions paths;   // of all paths
    struct duration feed_lag;       // the longest from a change to a QSA that is in step
    struct duration caching_time;   // of QSAs
    struct duration change_every;   // on average
    struct duration ask_every;      // each ITR, on average
    struct duration crash_every;    // some node, on average; 0: never
    struct duration cut_every;      // some path; 0: never
    struct duration misstep_every;  // some QSA loses step with the master; 0: never
    struct duration attack_every;   // 0: no attacker
    size_t told_max;                // limits of each server
    size_t cached_max;              // of each QSR, QSC and ITR
    struct duration length;         // then faults end, and all must be well again
    struct duration bound_for_test; // not 0: allowed staleness, to see that the check can fail
};

// What a run saw.
struct world_report {
    bool failed;
    char failure[256]; // which invariant broke, where and how
    struct instant ended;
    uint64_t changes, questions, answered, failed_questions;
    uint64_t datagrams, updates, crashes, cuts, attacks;
    struct duration stalest; // longest that an ITR believed what had been replaced
    struct duration bound;   // longest that was allowed
};

// A config made at random from a seed: from calm to hostile, small to large.
struct world_config world_config_random(uint64_t seed);

// Runs it. Where `trace` is not NULL and an invariant breaks, what led to it is written there.
struct world_report world_run(const struct world_config *config, FILE *trace);
void world_config_print(const struct world_config *config, FILE *file);

#endif
