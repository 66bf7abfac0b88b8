// SPDX-License-Identifier: BSD-2-Clause
// The authoritative query server: answers from a full copy of its MABs that is kept in step by
// fast push, and tells those who asked when what they were told changes (DRTM §2; arch §2.21;
// docs/protocol.md, "Query protocol").
//
// A core without I/O. Whoever applies updates to the mappings calls qsa_changed after each atomic
// set, so that the QSA speaks once for the final state of the set.
//
// The mappings may be changed by another thread than the QSA's, which then hears of each change a
// moment later. All stays right: what was answered meanwhile, from before or after the change, is
// compared with the mapping when the QSA hears of it. The sequence that an answer bears is never
// later than what it says.
#ifndef IVIP_QUERY_QSA_H
#define IVIP_QUERY_QSA_H

#include "mapping/mapping.h"
#include "query/teller.h"
#include "wire/message.h"

// Of what was told of a MAB that is reloaded or lost, so many ranges are looked at in one turn, so
// that others are answered between. A querier may have been told a change that much later.
#define QSA_CHECKED_AT_ONCE 500

struct qsa_config {
    struct teller_config teller;
    struct duration caching_time;
};

struct qsa_counters {
    uint64_t dropped[DECODE_REASONS]; // datagrams refused, by reason
    uint64_t dropped_type;            // messages that only a querier may get
    uint64_t ranges_checked;          // told ranges looked at for a change
};

struct qsa;

struct qsa *qsa_new(const struct qsa_config *config, struct random_seed seed, struct instant now);
void qsa_free(struct qsa *qsa);

// Until all MABs there are have been named by qsa_mab_add, an address in none is answered with "try
// another".
void qsa_set_complete(struct qsa *qsa, bool complete);
// The QSA serves this MAB, but cannot answer for it yet: "try another". Nothing changes where it
// does already. An overlap with another MAB is an error.
bool qsa_mab_add(struct qsa *qsa, const struct prefix *mab, struct error *error);
// The following do nothing for a MAB that was not added.

// `mapping` is the copy of the MAB, at `sequence` or later, in place of the one before, if any:
// every range told of it is checked, the first now, the others at qsa_tick. The caller keeps it
// alive, and the one before until this returns, so long as the QSA could be called.
void qsa_mab_reloaded(struct qsa *qsa, struct instant now, const struct prefix *mab,
                      const struct mapping *mapping, uint64_t sequence);
// The copy may be answered from; there must be one.
void qsa_mab_ready(struct qsa *qsa, const struct prefix *mab);
// It may not any more, since changes to it are missing: "try another" from now on, and all that was
// told of it is flushed, the first now, the others at qsa_tick.
void qsa_mab_lost(struct qsa *qsa, struct instant now, const struct prefix *mab);
// The QSA serves it no longer: all that was told of it is flushed.
void qsa_mab_remove(struct qsa *qsa, struct instant now, const struct prefix *mab);
// An atomic set was applied to its mapping, which took the MAB to `sequence`.
void qsa_changed(struct qsa *qsa, struct instant now, const struct prefix *mab, uint64_t sequence,
                 const struct update *updates, size_t count);

// From now on. What was told before stays told for as long.
void qsa_set_caching_time(struct qsa *qsa, struct duration caching_time);

void qsa_input(struct qsa *qsa, struct instant now, const struct endpoint *from,
               const uint8_t *bytes, size_t length);
// As for all cores: 0 when there is nothing to send.
size_t qsa_next_output(struct qsa *qsa, struct instant now, struct endpoint *to, uint8_t *buffer);
struct instant qsa_next_deadline(const struct qsa *qsa);
void qsa_tick(struct qsa *qsa, struct instant now);

// The answering side: its counters, limits and load.
struct teller *qsa_teller(struct qsa *qsa);
const struct qsa_counters *qsa_counters(const struct qsa *qsa);

#endif
