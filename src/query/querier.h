// SPDX-License-Identifier: BSD-2-Clause
// The asking side of the query protocol: what an ITR, and a caching server towards its upstreams,
// use (docs/protocol.md, rules 1 to 3, 6 and 8; DRTM §2).
//
// A core without I/O. The shell calls querier_ask and querier_input, then takes outputs and events
// until there are none, and calls querier_tick at querier_next_deadline.
#ifndef IVIP_QUERY_QUERIER_H
#define IVIP_QUERY_QUERIER_H

#include "base/address.h"
#include "base/instant.h"
#include "base/random.h"
#include "base/range.h"
#include "query/foresight.h"
#include "wire/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUERIER_UPSTREAMS_MAX 8 // configured by hand
#define QUERY_TRIES_MAX       4

// Servers that can answer the same questions: in DRTM, the QSAs of one DSOC. Upstreams configured
// by hand are group 0.
#define QUERIER_GROUPS_MAX  1024
#define QUERIER_SERVERS_MAX 4096 // of all groups together; further ones are not used

struct querier_server {
    struct endpoint endpoint;
    uint16_t priority; // lower first
};

struct querier_config {
    struct endpoint upstreams[QUERIER_UPSTREAMS_MAX]; // group 0, in order of preference; or none
    size_t upstream_count;
    size_t open_max;   // most questions open at once; more are refused
    size_t cached_max; // most ranges remembered; the least recently used is forgotten
};

// What was learned is held until this at most, whatever a server says.
#define CACHING_MS_MAX (24 * 3600 * 1000)

enum querier_event_kind {
    QUERIER_LEARNED, // a reply or an update: the range has this mapping until `expires`
    QUERIER_FORGET,  // drop what was learned for the range: flushed, expired or its server is gone
    QUERIER_FAILED,  // no server answered for `question`
};

// Questions for addresses of one unit are one question: `question` is the address that was asked
// first, and stands for all of them. Events come in the order in which they hold: a shell that
// applies each in turn never ends with what was true before.
struct querier_event {
    enum querier_event_kind kind;
    struct address question;  // failed; learned: the address asked for, FAMILY_NONE for an update
    struct duration waited;   // failed; learned with a question: since it was asked
    enum query_status status; // learned: mapped, zero or not-in-MAB; failed: not-in-MAB where a
                              // server said so (querier_set_mabs_known), else mapped
    struct range range;       // learned, forget
    struct address etr;       // learned with status mapped
    uint64_t mab_sequence;    // learned
    struct instant expires;   // learned
    struct endpoint upstream; // learned: who said so
};

// Why messages were dropped and how questions went; only ever grow.
struct querier_counters {
    uint64_t asked, answered, retried, failed, refused_full;
    uint64_t updates, repeated, flushed, expired, evicted;
    uint64_t dropped_malformed, dropped_source, dropped_nonce, dropped_range, dropped_stale;
    uint64_t told_to_prove, told_another, told_busy;
    uint64_t told_outside; // "not in a MAB", which was not believed (querier_set_mabs_known)
    uint64_t alive_sent, upstreams_lost, upstreams_restarted;
    uint64_t advised; // questions that went where a server advised
};

// A server as this querier sees it now, for status pages.
struct querier_upstream {
    struct endpoint endpoint;
    bool avoided;               // it failed, others are asked first
    uint8_t load;               // what it said last
    bool measured;              // `response` is known
    struct duration response;   // smoothed response time
    struct duration retry_time; // how long it is waited for
    size_t learned;             // ranges cached from it
    struct instant heard;       // when it last showed that it lives
};

struct querier;

struct querier *querier_new(const struct querier_config *config, struct random_seed seed,
                            struct instant now);
void querier_free(struct querier *querier);

// Takes other upstreams for group 0, in order of preference: at most QUERIER_UPSTREAMS_MAX, at
// least one. What was learned from those that stay stays; what those that go had told is forgotten,
// and what they were asked is asked again.
void querier_set_upstreams(struct querier *querier, struct instant now,
                           const struct endpoint *upstreams, size_t count);
// The same for any group, below QUERIER_GROUPS_MAX, with any number of servers, also none (then
// questions to it fail): the CHOICE_MEMBERS_MAX first are used. They are measured while they are
// in the group, and the nearest are asked first (choice.h).
void querier_set_group(struct querier *querier, struct instant now, size_t group,
                       const struct querier_server *servers, size_t count);
// Whether the owner knows the set of MABs, and asks only for addresses in them. A server that says
// "not in a MAB" then has not heard of that MAB yet, or not heard that it is gone: another is
// asked, and where all say so or decline, the question fails. At first not: then it is an answer
// like others. What was learned so is forgotten when the MABs become known.
void querier_set_mabs_known(struct querier *querier, bool known);
// How many servers a group has.
size_t querier_group_size(const struct querier *querier, size_t group);

// Asks for the mapping of an address, unless that question is already open. False when the limit
// of open questions is reached.
bool querier_ask(struct querier *querier, struct instant now, const struct address *address);
// The same, of the servers of a group, which has some. What they answer must lie in `mab`, the MAB
// of that address: they do not speak for others. NULL: it may be any range.
bool querier_ask_group(struct querier *querier, struct instant now, size_t group,
                       const struct range *mab, const struct address *address);
// Forgets what is cached for any part of the range, and gives up what is open for it: those
// questions fail. For a range that other servers answer for from now on.
void querier_forget_range(struct querier *querier, struct instant now, const struct range *range);
void querier_input(struct querier *querier, struct instant now, const struct endpoint *from,
                   const uint8_t *bytes, size_t length);
// The next datagram to send: fills `to` and `buffer` (QUERY_MESSAGE_BYTES_MAX) and returns its
// length; 0 when there is none.
size_t querier_next_output(struct querier *querier, struct instant now, struct endpoint *to,
                           uint8_t *buffer);
bool querier_next_event(struct querier *querier, struct querier_event *event);
struct instant querier_next_deadline(const struct querier *querier);
void querier_tick(struct querier *querier, struct instant now);

// These questions come next; see foresight.h.
void querier_foresee(const struct querier *querier, const struct foresight *foresight);
// What is cached for an address, as an event QUERIER_LEARNED without a question, and notes that it
// was used. False where nothing is.
bool querier_find(struct querier *querier, const struct address *address,
                  struct querier_event *learned);
// Ranges cached and questions open, now.
size_t querier_cached(const struct querier *querier);
size_t querier_open(const struct querier *querier);
// The upstream at a place of a group, in the order in which they are preferred now.
void querier_upstream(const struct querier *querier, size_t group, size_t place,
                      struct querier_upstream *upstream);

const struct querier_counters *querier_counters(const struct querier *querier);

// All that a querier says of itself; those of several queriers may be added up.
struct querier_report {
    struct querier_counters counters;
    size_t cached, cached_max, open;
    size_t memory; // bytes in use for the cache
};
struct querier_report querier_report(const struct querier *querier);
void querier_report_add(struct querier_report *sum, const struct querier_report *part);

#endif
