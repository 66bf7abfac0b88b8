// SPDX-License-Identifier: BSD-2-Clause
// Scenario files: a config of the world as text (docs/simulator.md describes every key). Writing is
// here; reading takes libyaml and is a matter of `ivip sim` (src/cli/scenario.h).
#ifndef IVIP_SIM_SCENARIO_H
#define IVIP_SIM_SCENARIO_H

#include "sim/world.h"

#include <stdio.h>

// Writes a config so that reading it gives the same run. `remark` becomes a comment at the top.
void scenario_write(const struct world_config *config, const char *remark, FILE *file);

// The word for a bit of `unchecked`; NULL beyond the last (index from 0).
const char *scenario_check_name(size_t index);
#define SCENARIO_CHECKS 10

// The word for an enum world_event_kind; NULL beyond the last.
const char *scenario_event_name(size_t kind);

#endif
