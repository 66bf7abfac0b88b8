// SPDX-License-Identifier: BSD-2-Clause
// All mapping databases that a node keeps, found by address: what a QSA answers from and a
// full-database ITR tunnels by.
#ifndef IVIP_MAPPING_DATABASE_H
#define IVIP_MAPPING_DATABASE_H

#include "mapping/mapping.h"

struct database;

struct database *database_new(void);
// Frees the mappings in it too.
void database_free(struct database *database);

// Puts a mapping in, which then belongs to the database; one of the same MAB is freed. An overlap
// with another MAB is an error, and the mapping stays the caller's.
bool database_put(struct database *database, struct mapping *mapping, struct error *error);
bool database_remove(struct database *database, const struct prefix *mab);

// For an owner with readers of mappings in other threads: from now on a mapping that is replaced or
// removed is not freed but set aside, until the owner takes it, or the database ends.
void database_keep_replaced(struct database *database);
// Takes one that was set aside for that MAB, which then belongs to the caller: to be freed once no
// reader can have it any more. NULL where there is none.
struct mapping *database_take_replaced(struct database *database, const struct prefix *mab);

// The mapping of the MAB that `address` lies in, or NULL.
struct mapping *database_find(const struct database *database, const struct address *address);
// The mapping of exactly that MAB, or NULL.
struct mapping *database_get(const struct database *database, const struct prefix *mab);

// The ETR of an address: zero for gaps and zero micronets. False where it is in no MAB; `etr` is
// zero then.
bool database_etr(const struct database *database, const struct address *address,
                  struct address *etr);
// The ETRs of many addresses, of either family and any MABs, hiding memory latency; `etrs` has
// room for `count`. Both may run beside writers of the mappings, but not beside a change of which
// MABs there are.
void database_etr_many(const struct database *database, const struct address *addresses,
                       size_t count, struct address *etrs);

// An ETR by number (mapping.h): in which mapping (database_at), and its number there.
struct etr_number {
    uint32_t mab; // DATABASE_NO_MAB: the address is in no MAB
    uint32_t number;
};

#define DATABASE_NO_MAB UINT32_MAX

// The number of an address's ETR; false where it is in no MAB.
bool database_etr_number(const struct database *database, const struct address *address,
                         struct etr_number *etr);
// The same for many addresses, as database_etr_many.
void database_etr_number_many(const struct database *database, const struct address *addresses,
                              size_t count, struct etr_number *etrs);

// All of them, in no particular order: 0 to database_count - 1.
size_t database_count(const struct database *database);
struct mapping *database_at(const struct database *database, size_t i);

#endif
