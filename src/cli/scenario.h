// SPDX-License-Identifier: BSD-2-Clause
// Reading scenario files (docs/simulator.md). Errors name file, line and column.
#ifndef IVIP_CLI_SCENARIO_H
#define IVIP_CLI_SCENARIO_H

#include "base/error.h"
#include "sim/world.h"

// On true the caller releases the config. What the file leaves to chance is made from its seed, or
// from *seed where that is not NULL.
bool scenario_read(const char *path, const uint64_t *seed, struct world_config *config,
                   struct error *error);

#endif
