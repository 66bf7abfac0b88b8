// SPDX-License-Identifier: BSD-2-Clause
// A server as its querier sees it: how fast it answers, whether it lives, which boot instance it
// is, how loaded it says it is (docs/protocol.md, rules 1 and 8).
//
//                     UPSTREAM_TIMEOUTS_MAX unanswered, or no answer to alive checks
//             +-----------------------------------------------------------------+
//             |                                                                 v
//         preferred                                                          avoided
//             ^                                                                 |
//             +---- an alive check after the penalty was answered --------------+
//
// Apart from that, a server that is loaded gets a smaller *share* of the questions. An eighth a
// second is less than the distance between "loaded" and "has room" can absorb: a server whose
// queriers all make the step at once, and see its effect two seconds later, comes to rest between
// the two.
//
// The penalty doubles each time the server fails again soon after it came back, so that one that
// comes and goes does not drag its queriers to and fro.
#ifndef IVIP_QUERY_UPSTREAM_H
#define IVIP_QUERY_UPSTREAM_H

#include "base/address.h"
#include "base/instant.h"
#include "base/list.h"
#include "base/table.h"
#include "wire/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETRY_MS_DEFAULT 75   // without history
#define RETRY_MS_MIN     20   // however fast the server is
#define RETRY_MS_MAX     1000 // however slow

#define ALIVE_SILENCE_MS 10000 // silence after which the server is asked whether it lives
#define ALIVE_RETRY_MS   1000  // between such questions
#define ALIVE_TRIES_MAX  3     // without an answer, it is taken for dead

#define UPSTREAM_TIMEOUTS_MAX   3     // requests in a row without an answer: avoided
#define UPSTREAM_PENALTY_MS     1000  // first time avoided; doubles
#define UPSTREAM_PENALTY_MS_MAX 64000 // at most
#define UPSTREAM_GOOD_MS        60000 // after that long without failing, the penalty starts again
#define UPSTREAM_BUSY_MS        1000  // how long a server that could not answer is spared

#define UPSTREAM_SHARE_STEP_MS 1000 // between changes of its share
#define UPSTREAM_SHARE_FULL    256
#define UPSTREAM_SHARE_LEAST   16 // so that it is heard how it is
#define UPSTREAM_SHARE_PART    8  // of the share is one step

#define UPSTREAM_PROBE_MS       60000 // between measurements of a probed server not otherwise heard
#define UPSTREAM_PROBE_FIRST_MS 1000  // between its first ones
#define UPSTREAM_PROBES_FIRST   3     // of which there are so many

struct upstream {
    struct endpoint endpoint;
    struct table_node by_endpoint; // in the querier's table
    uint16_t index;                // its place among the querier's upstreams
    bool named;                    // scratch, while groups are changed: still in one of them
    bool probed;                   // measured also while nothing is asked of it
    uint64_t token;                // the last it gave; returned in requests, proves our address

    uint64_t instance;          // its boot instance; 0 while unknown
    uint64_t instance_sequence; // of our latest request that it answered as that instance

    struct duration smoothed;  // response time, RFC 6298 §2
    struct duration variation; // of it
    bool measured;
    unsigned samples;        // measurements so far, up to UPSTREAM_PROBES_FIRST
    struct instant probe_at; // next measurement, where probed

    unsigned timeouts; // requests in a row without an answer
    bool avoided;
    struct duration penalty;
    struct instant avoided_until; // an answer after that brings it back
    struct instant check_at;      // when to ask whether it lives, other than for silence
    struct instant recovered;     // when it last came back

    uint8_t load;           // as it said last
    bool load_told;         // since the last step
    uint16_t share;         // of the questions that would come to it, of UPSTREAM_SHARE_FULL
    struct instant step_at; // when the share changes next
    struct instant spared_until;

    struct instant heard; // when it last answered a request of ours
    unsigned alive_tries; // alive requests sent since; 0: none is open
    struct alive_request {
        uint64_t nonce;
        uint64_t sequence;
        struct instant sent;
    } alive[ALIVE_TRIES_MAX]; // the first `alive_tries` are open

    struct list_node learned; // cache entries that it gave: struct learned.of_upstream
    size_t learned_count;
};

void upstream_init(struct upstream *upstream, const struct endpoint *endpoint, struct instant now);

// How long to wait for its answer before asking another.
struct duration upstream_retry_time(const struct upstream *upstream);
// It answered a request after that time.
void upstream_answered(struct upstream *upstream, struct instant now, struct duration after);
// A request went unanswered for its retry time.
void upstream_timed_out(struct upstream *upstream, struct instant now);
// It is taken for dead: avoid it for the penalty.
void upstream_failed(struct upstream *upstream, struct instant now);
// It says that it cannot answer now: that it is over its limits, or knows nothing about the MAB.
void upstream_busy(struct upstream *upstream, struct instant now);
// It says how loaded it is.
void upstream_told_load(struct upstream *upstream, uint8_t load);
// How much of what would come to it, it is to be asked, of UPSTREAM_SHARE_FULL. A step a second: an
// eighth less while it says that it is loaded, half while it is full, an eighth more while it has
// room or says nothing.
uint16_t upstream_share(struct upstream *upstream, struct instant now);

// Smaller is better: 0 preferred, 1 spared, 2 avoided.
unsigned upstream_rank(const struct upstream *upstream, struct instant now);

enum instance_change {
    INSTANCE_SAME,
    INSTANCE_NEW,   // it restarted, or forgot what it told us: forget what it told
    INSTANCE_STALE, // the message is from before its restart: drop it
};

// A message that answers our request with that number, of all requests to all servers, bears that
// instance. (The message has its low 32 bits only, which wrap around.)
enum instance_change upstream_instance(struct upstream *upstream, uint64_t instance,
                                       uint64_t sequence);

// When upstream_due has work: the next alive request, its end, or a probe.
struct instant upstream_deadline(const struct upstream *upstream);

enum upstream_action {
    UPSTREAM_NOTHING,
    UPSTREAM_ASK_ALIVE, // send an Alive Request
    UPSTREAM_LOST,      // it is dead: forget what it told
};

// Call at the deadline.
enum upstream_action upstream_due(struct upstream *upstream, struct instant now);
// The open Alive Request with that nonce, or NULL.
const struct alive_request *upstream_alive_find(const struct upstream *upstream, uint64_t nonce);
// An Alive Request was sent.
void upstream_alive_asked(struct upstream *upstream, struct instant now, uint64_t nonce,
                          uint64_t sequence);

#endif
