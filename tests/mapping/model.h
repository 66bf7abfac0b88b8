// SPDX-License-Identifier: BSD-2-Clause
// The mapping database of a small MAB as plainly as can be: one cell a unit. What the mapping
// engine is compared with.
#ifndef IVIP_TESTS_MAPPING_MODEL_H
#define IVIP_TESTS_MAPPING_MODEL_H

#include "base/random.h"
#include "mapping/mapping.h"

#define MODEL_CELLS 1024

// A cell stands for `scale` units, so that a model covers MABs of any size.
struct cell {
    bool used;  // in a micronet
    bool first; // a micronet or gap run may begin here; micronets do
    struct address etr;
};

struct model {
    struct prefix mab;
    struct range units;
    uint64_t scale;
    struct cell cells[MODEL_CELLS];
};

void model_init(struct model *model, const char *mab);
// The units of `count` cells from `cell` on.
struct range model_range(const struct model *model, size_t cell, size_t count);
// One update by the rules of mapping.h; NULL, or the reason it is refused for (the model may be
// half changed then).
const char *model_apply(struct model *model, const struct update *update);
// What covers a cell.
enum mapping_state model_lookup(const struct model *model, size_t cell, struct micronet *found);
uint64_t model_count(const struct model *model);
// The running hash by its definition, with libsodium.
struct mapping_hash model_hash(const struct model *model);
// A random update: often good, often just wrong.
struct update model_random_update(const struct model *model, struct random_source *random);
// Compares everything: each cell, both ends of it, the walk, count and hash.
void model_compare(const struct model *model, const struct mapping *mapping);

#endif
