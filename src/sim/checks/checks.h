// SPDX-License-Identifier: BSD-2-Clause
// The invariants of the world (docs/simulator.md, "What must hold"), by the file that has them.
// Those called world_check_... end the run by world_fail where one is broken; world_note_... say
// what happened, for a check that comes later.
#ifndef IVIP_SIM_CHECKS_CHECKS_H
#define IVIP_SIM_CHECKS_CHECKS_H

#include "sim/world_state.h"

// told.c
// Sees every datagram: an engine_watch, whose state is the world.
void world_watch(void *state, struct instant now, const struct engine_datagram *datagram);
void world_free_tellings(struct world *world);

// copies.c
void world_check_feeds(struct world *world);
// A QSA's copy of a MAB is, by its own word, that after the set of that sequence.
void world_check_copy(struct world_qsa *qsa, size_t mab, uint64_t sequence);
// A payload of the RUAS arrives at a QSA, whose receiver does not know it yet.
void world_note_payload(struct world *world, const struct engine_datagram *datagram);
// Its copy of a MAB is after the set of that sequence now; UINT64_MAX: it stops.
void world_note_copy(struct world_qsa *qsa, size_t mab, uint64_t sequence);
// It tells something from its copy of a MAB.
void world_check_fit(const struct world_qsa *qsa, size_t mab);

// beliefs.c
void world_check_beliefs(struct world *world);
// A packet to the destination leaves an ITR in a tunnel to that ETR.
void world_check_forwarding(struct world_itr *itr, const struct address *destination,
                            const struct address *etr);
// A packet goes on as it came.
void world_check_passed(struct world_itr *itr, const struct address *destination);
// A question of an ITR got no answer.
void world_check_failed_question(struct world *world, const char *itr,
                                 const struct address *question);

// recovery.c
// All faults ended long ago: asks, waits, and looks at what ITRs learn and believe.
void world_check_recovered(struct world *world);

// lessons.c
// A datagram arrives.
void world_note_told(struct world *world, struct instant now,
                     const struct engine_datagram *datagram, const struct query_message *message);
// A node sends one.
void world_check_told_on(struct world *world, struct instant now,
                         const struct engine_datagram *datagram,
                         const struct query_message *message);
// An ITR takes a mapping over, to be believed until then.
void world_check_learned(const struct world_itr *itr, const struct range *range,
                         const struct address *etr, struct instant until);
// Whether a message tells a mapping.
bool world_tells_mapping(const struct query_message *message);
void world_free_lessons(struct world *world);

// authority.c
struct world_digest world_digest(const struct world *world);
void world_check_unchanged(struct world *world, const struct world_digest *before,
                           const char *what);
void world_check_verdict(struct world *world, enum world_expected expected, bool accepted,
                         const struct error *error);
// Logs in with a token, which must work exactly when it is valid.
bool world_log_in(struct world *world, const struct world_token *token, struct grant *grant);
// A set was acknowledged and noted as the last of the truth.
void world_check_set(struct world *world, const struct disk_record *record,
                     const bool changed[MASTER_UNITS]);
void world_check_scheduled_end(struct world *world, const struct world_scheduled *scheduled,
                               const struct scheduled *ended);
void world_check_restarted(struct world *world);
void world_check_authority(struct world *world);

// usage.c
void world_check_usage(struct world *world);
bool world_all_reported(const struct world *world);
void world_check_reported(struct world *world);

// lists.c
// A Page Reply arrives.
void world_note_page(struct world *world, const struct engine_datagram *datagram,
                     const struct page_message *reply);
// A list took over a version.
void world_check_list(const struct world_list *list);
void world_check_lists(struct world *world);
bool world_all_listed(struct world *world);
void world_check_listed(struct world *world);
// Packets to every MAB that the zone ever had: those to MABs of its set are an ITR's, others not.
void world_check_outside(struct world *world);

// discovery.c
void world_note_discovery_start(struct world_qsr *qsr);
void world_note_discovery_stop(struct world_qsr *qsr);
// DNS, as of a version of the zone, answers a QSR, which does not know it yet.
void world_note_dns(struct world_qsr *qsr, const struct dns_question *question,
                    const struct dns_answer *answer, size_t version);
// The same for an ITR or QSC that looks for its servers.
void world_note_found(struct world_finder *finder, const struct dns_question *question,
                      const struct dns_answer *answer, size_t version);
void world_check_version(struct world_qsr *qsr);
// The set of a QSR or QSC, by whatever means it came, changed.
void world_note_lacking(struct world_qsr *qsr);
void world_check_asked(struct world_qsr *qsr, const struct endpoint *to,
                       const struct query_message *message);
// An ITR or a QSC that discovers asks someone.
void world_check_found(const struct world_finder *finder, const struct endpoint *to);
void world_check_discovery(struct world *world);
// A question of an ITR failed, and a server said "not in a MAB".
void world_check_not_in_mab(struct world_itr *itr, const struct querier_event *failed);
bool world_all_discovered(struct world *world);
void world_check_discovered(struct world *world);

#endif
