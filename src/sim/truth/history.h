// SPDX-License-Identifier: BSD-2-Clause
// What each unit of a MAB was mapped to, and when: against this the simulator holds what ITRs
// believe.
#ifndef IVIP_SIM_TRUTH_HISTORY_H
#define IVIP_SIM_TRUTH_HISTORY_H

#include "base/instant.h"
#include "sim/truth/cells.h"

#include <stdbool.h>
#include <stddef.h>

struct mapping_history;

struct mapping_history *mapping_history_new(const struct cells *cells, struct instant now);
void mapping_history_free(struct mapping_history *history);

// The mapping changed.
void mapping_history_record(struct mapping_history *history, const struct cells *cells,
                            struct instant now);

// Whether the unit, the `i`-th of the MAB, is or ever was so (a zero `etr`: dropped). `ended` is
// when that was last over, INSTANT_NEVER while it still is so.
bool mapping_history_was(const struct mapping_history *history, size_t i, const struct address *etr,
                         struct instant *ended);

#endif
