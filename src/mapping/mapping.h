// SPDX-License-Identifier: BSD-2-Clause
// The mapping database of one MAB: which micronets it is divided into, and the ETR of each.
//
// One engine serves the RUAS's master copy, the QSA's replica and the full-database ITR.
// A unit of the MAB is in one of three states:
//
//     gap       in no micronet: not in use. ITRs drop packets to it.
//     zero      in a micronet that is mapped to zero: ITRs drop packets to it.
//     mapped    in a micronet that is mapped to an ETR.
//
// Updates (fast-push §3.4, §3.7, arch §2.8); each is refused where its rule does not hold:
//
//     map     R E    R is exactly a micronet; its ETR becomes E, which may be zero
//     define  R E    no unit of R is mapped; R becomes a micronet with ETR E (may be zero).
//                    Zero micronets inside R vanish; of those that stick out, the rest remains
//     split   R at   R is exactly a zero micronet; it becomes two, the second starting at `at`
//     join    R      R is exactly made of two or more zero micronets; they become one
//     delete  R      R is exactly a zero micronet; it becomes a gap
//
// So the order for changing boundaries is: map to zero, split or join or delete, map again;
// all of it may be one atomic set.
//
// There is one writer. Lookups take no lock and may run in other threads beside it; each sees a
// state from before or after an atomic set, never from within.
#ifndef IVIP_MAPPING_MAPPING_H
#define IVIP_MAPPING_MAPPING_H

#include "base/address.h"
#include "base/error.h"
#include "base/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum update_kind {
    UPDATE_MAP = 1, // numbers are those of the wire (docs/protocol.md)
    UPDATE_DEFINE = 2,
    UPDATE_SPLIT = 3,
    UPDATE_JOIN = 4,
    UPDATE_DELETE = 5,
};

// One update. `etr` counts for map and define, `at` for split.
struct update {
    enum update_kind kind;
    struct range range;
    struct address etr; // family FAMILY_NONE is zero; the family need not be that of the range
    struct unit at;
};

// Most updates in one atomic set.
#define UPDATE_SET_MAX 1024

struct micronet {
    struct range range;
    struct address etr;
};

enum mapping_state { MAPPING_GAP, MAPPING_ZERO, MAPPING_MAPPED };

// A multiset hash over all micronet records (start, length, ETR): the sum of their keyed hashes,
// so an update adjusts it in constant time. Equal databases have equal hashes; unequal ones differ
// but for a chance of 2^-128. It finds divergence, not forgery: that is for signatures.
struct mapping_hash {
    uint64_t lanes[2];
};

struct mapping;

// The empty database of a MAB: one gap. The caller owns it.
struct mapping *mapping_new(const struct prefix *mab, struct error *error);
void mapping_free(struct mapping *mapping);

const struct prefix *mapping_mab(const struct mapping *mapping);
const struct range *mapping_units(const struct mapping *mapping);
// How many micronets (gaps do not count).
uint64_t mapping_count(const struct mapping *mapping);
// Bytes of memory in use.
size_t mapping_memory(const struct mapping *mapping);
// The running hash; for the writer.
struct mapping_hash mapping_hash(const struct mapping *mapping);
bool mapping_hash_equal(const struct mapping_hash *a, const struct mapping_hash *b);

// What covers a unit of this MAB: the micronet, or for a gap its whole extent with ETR zero.
enum mapping_state mapping_lookup(const struct mapping *mapping, struct unit unit,
                                  struct micronet *found);
// Just the ETR, the fast path of a full-database ITR: zero for gaps and zero micronets.
struct address mapping_etr(const struct mapping *mapping, struct unit unit);
// The same for many units, hiding memory latency; `etrs` has room for `count`.
void mapping_etr_many(const struct mapping *mapping, const struct unit *units, size_t count,
                      struct address *etrs);

// ETRs by number: each mapping numbers the ETRs that it uses, densely from MAPPING_NUMBER_FIRST on,
// so that a data plane finds what it keeps for an ETR in an array. A number stands for the same ETR
// until the set after the one that took the ETR's last micronet away; then it may go to another
// ETR. So what is kept under a number must name its ETR, and is made anew when that is another.
#define MAPPING_NUMBER_GAP   0 // no micronet
#define MAPPING_NUMBER_ZERO  1 // a micronet mapped to zero
#define MAPPING_NUMBER_FIRST 2

// The number of the ETR of a unit of this MAB.
uint32_t mapping_etr_number(const struct mapping *mapping, struct unit unit);
// The same for many units, hiding memory latency; `numbers` has room for `count`.
void mapping_etr_number_many(const struct mapping *mapping, const struct unit *units, size_t count,
                             uint32_t *numbers);
// The ETR that a number stands for, which a lookup in this mapping gave: zero for gaps and zero
// micronets. For the writer, or where no set can have begun since that lookup.
struct address mapping_numbered_etr(const struct mapping *mapping, uint32_t number);
// As mapping_lookup, with the number of the ETR, both of one state.
enum mapping_state mapping_lookup_numbered(const struct mapping *mapping, struct unit unit,
                                           struct micronet *found, uint32_t *number);

// The first micronet that contains `from` or starts after it, for walking in order.
bool mapping_next(const struct mapping *mapping, struct unit from, struct micronet *found);

// Applies a set in order, as if at once. Where one update breaks a rule, nothing changes and
// `error` says which (its number in the set is put in *failed when that is not NULL) and why.
bool mapping_apply(struct mapping *mapping, const struct update *updates, size_t count,
                   size_t *failed, struct error *error);
// As mapping_apply, but changes nothing even when the set is good.
bool mapping_check(struct mapping *mapping, const struct update *updates, size_t count,
                   size_t *failed, struct error *error);
// Takes back the last set applied, for a writer whose journal could not be written. Only directly
// after a mapping_apply that returned true.
void mapping_revert(struct mapping *mapping);

#endif
