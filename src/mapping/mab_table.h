// SPDX-License-Identifier: BSD-2-Clause
// Which MAB covers an address: the set of MABs that a node knows, each with a number the caller
// chooses (say, an index into its own array). Plans for 200,000 MABs.
#ifndef IVIP_MAPPING_MAB_TABLE_H
#define IVIP_MAPPING_MAB_TABLE_H

#include "base/address.h"
#include "base/error.h"
#include "base/range.h"

#include <stdbool.h>
#include <stdint.h>

struct mab_table;

struct mab_table *mab_table_new(void);
void mab_table_free(struct mab_table *table);
uint32_t mab_table_count(const struct mab_table *table);

// A table with the same MABs and numbers, which belongs to the caller.
struct mab_table *mab_table_copy(const struct mab_table *table);

// Adds a MAB, with a number below 2^30. An overlap with one that is there is an error.
bool mab_table_add(struct mab_table *table, const struct prefix *mab, uint32_t number,
                   struct error *error);
bool mab_table_remove(struct mab_table *table, const struct prefix *mab);
// The number of the MAB that `address` lies in; false where it is in none.
bool mab_table_find(const struct mab_table *table, const struct address *address, uint32_t *number);
// The units of that MAB, which takes longer to find.
bool mab_table_units(const struct mab_table *table, const struct address *address,
                     struct range *units);
// True when any unit of the prefix lies in a MAB.
bool mab_table_overlaps(const struct mab_table *table, const struct prefix *prefix);

// The table behind mab_table_find, for the database's fast path; it stays where it is.
struct direct_table;
const struct direct_table *mab_table_direct(const struct mab_table *table, enum family family);

#endif
