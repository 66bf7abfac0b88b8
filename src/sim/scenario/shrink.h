// SPDX-License-Identifier: BSD-2-Clause
// Makes a config that breaks an invariant smaller while it still breaks the same one, so that a
// person can see what matters: events, nodes, links and conditions are left out, the run is cut
// short. What is left runs again by itself, from a scenario file (sim/scenario.h).
#ifndef IVIP_SIM_SHRINK_H
#define IVIP_SIM_SHRINK_H

#include "sim/world.h"

// How far it has come, after each run.
typedef void shrink_progress(void *state, size_t runs, const struct world_config *smallest);

struct shrink_limits {
    size_t runs;               // most runs; 0: SHRINK_RUNS_DEFAULT
    shrink_progress *progress; // or NULL
    void *state;
};

#define SHRINK_RUNS_DEFAULT 400

// `config` broke an invariant with `report`. Returns the smallest config found, which the caller
// releases; *report becomes that of its run.
struct world_config shrink(const struct world_config *config, struct world_report *report,
                           const struct shrink_limits *limits);

// Takes one node out, with the events, links and upstreams that name it; who asked only that node
// asks whom it asked. False where what is left would be no world.
bool shrink_remove_node(struct world_config *config, size_t node);

#endif
