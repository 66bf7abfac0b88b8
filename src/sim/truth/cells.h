// SPDX-License-Identifier: BSD-2-Clause
// The units of a MAB one by one, and what updates make of them by the rules of the document
// (docs/protocol.md, "Mapping updates") alone: it shares no code with the mapping engine, which is
// held against it after every set.
//
//     unit      0   1   2   3   4   5   6
//     used      x   x   x       x   x
//     begins    x       x       x              three micronets, of 2, 1 and 2 units
#ifndef IVIP_SIM_TRUTH_CELLS_H
#define IVIP_SIM_TRUTH_CELLS_H

#include "mapping/mapping.h"

#include <stdbool.h>
#include <stddef.h>

#define CELLS 192 // the units of each MAB that are in use

struct cell {
    bool used;          // in a micronet
    bool begins;        // a micronet
    struct address etr; // zero: dropped, or in no micronet
};

struct cells {
    struct unit first;
    struct cell at[CELLS];
};

// Does one update. False where it breaks a rule, or reaches beyond the cells: they may be half
// changed then.
bool cells_apply(struct cells *cells, const struct update *update);

// Whether a database says the same of each unit.
bool cells_agree(const struct cells *cells, const struct mapping *mapping);

// Whether two cells, at the same place of two databases, are in the same micronet: with the same
// bounds and ETR. In no micronet, both, counts.
bool cells_same(const struct cells *a, const struct cells *b, size_t i);

#endif
