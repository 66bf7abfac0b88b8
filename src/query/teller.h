// SPDX-License-Identifier: BSD-2-Clause
// The answering side of the query protocol, shared by the QSA, which answers from its database,
// and the QSR and QSC, which answer from a cache: replies, Cache Updates to those who were told,
// their retransmission, proof of addresses, alive checks (docs/protocol.md, rules 3 to 8; arch
// §2.21, §2.22; DRTM §2).
//
// A core without I/O, inside another: its owner decides what is true, the teller whom to tell.
#ifndef IVIP_QUERY_TELLER_H
#define IVIP_QUERY_TELLER_H

#include "base/address.h"
#include "base/instant.h"
#include "base/random.h"
#include "base/range.h"
#include "query/foresight.h"
#include "query/page_teller.h"
#include "wire/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// How often a Cache Update is sent; when, pace.h says.
#define UPDATE_TRIES_MAX 12 // then the querier is gone, and is forgotten
// ... and so it is when updates of one range were due for that long and it acknowledged none,
// however often a newer one took the place of an older.
#define UPDATE_UNCONFIRMED_MS_MAX 12000
// While memory is full, sooner: one that acknowledges nothing after that; one that acknowledges
// others the sooner, the less room is left for what is not confirmed, down to the same time.
#define UPDATE_TRIES_FULL          4
#define UPDATE_UNCONFIRMED_MS_FULL 1000
// A querier that was not heard for so long holds nothing any more (docs/protocol.md, rule 8).
#define TELLER_SILENCE_MS 30000
#define PROOF_SECONDS     600 // how long a returned token proves an address

#define TELLER_ALTERNATIVES_MAX 8 // other servers that it names, in turn

// Limits; role shells may set others.
#define TELLER_QUERIERS_MAX      100000  // accounts
#define TELLER_UNPROVEN_MAX      4096    // accounts whose address is not proven
#define TELLER_UNPROVEN_TOLD_MAX 16      // ranges told to one of those
#define TELLER_TOLD_MAX          4000000 // ranges told, to all

struct teller_config {
    size_t queriers_max;
    size_t unproven_max;         // beyond it, new queriers must prove their address first
    size_t told_max;             // beyond it, the least recently told are flushed
    size_t told_per_querier_max; // the same of one querier, and its own
    uint32_t update_burst;       // see pace.h; 0: PACE_BURST
    uint32_t update_interval_ns; // 0: PACE_INTERVAL_NS
};

// Who asks, kept by the owner until it can answer.
struct asker {
    struct endpoint endpoint;
    uint64_t nonce;
    uint32_t querier_sequence;
    struct unit unit; // asked for
    uint32_t credit;  // octets received that are not yet on its account
    bool proven;      // it returned a token
};

// What is true of an address.
struct answer {
    enum query_status status;
    struct range range; // one unit for a status other than mapped or zero
    struct address etr;
    uint64_t mab_sequence;
    struct instant expires; // answers are not given for longer
};

enum teller_verdict {
    TELLER_ANSWER,  // it may be answered
    TELLER_DROPPED, // nothing more to do: it was told to prove its address, or repeated itself
};

// Only ever grow.
struct teller_counters {
    uint64_t requests, answers[QUERY_FLUSH + 1];
    uint64_t told_to_prove, proven, alive;
    uint64_t updates_sent, updates_repeated, flushes_sent, acknowledged;
    uint64_t evicted, expired, released, queriers_lost;
    uint64_t dropped_nonce, dropped_repeated, dropped_credit, dropped_full;
    uint64_t alternatives; // named in replies
};

struct teller;

struct teller *teller_new(const struct teller_config *config, struct random_seed seed,
                          struct instant now);
void teller_free(struct teller *teller);

// These questions come next; see foresight.h.
void teller_foresee(struct teller *teller, const struct foresight *foresight);
// A Map Request of `length` octets came. Fills `asker` where it may be answered.
enum teller_verdict teller_admit(struct teller *teller, struct instant now,
                                 const struct endpoint *from, const struct query_message *request,
                                 size_t length, struct asker *asker);
// Answers, and remembers what was told when it can change (mapped, zero). Where no more can be
// remembered it says busy instead. Whatever was told of other ranges that overlap is flushed.
void teller_answer(struct teller *teller, struct instant now, const struct asker *asker,
                   const struct answer *answer);
// A Map Reply Ack, Cache Update Ack or Alive Request of `length` octets came.
void teller_input(struct teller *teller, struct instant now, const struct endpoint *from,
                  const struct query_message *message, size_t length);

// Whatever claims to be a Page Request or Page Reply came: the first is answered.
enum decode_reason teller_page_input(struct teller *teller, const struct endpoint *from,
                                     const uint8_t *bytes, size_t length);
// The pages that Page Requests are answered from; held. NULL: none are known.
void teller_set_pages(struct teller *teller, struct page_shelf *shelf);

// Finds the first range that someone was told and that overlaps `range`. False where there is
// none.
bool teller_next_told(const struct teller *teller, const struct range *range, struct range *told);
// What is true of exactly the range of `answer` is now this, mapped or zero. Those who were told
// otherwise get a Cache Update; nobody else is woken.
void teller_change(struct teller *teller, struct instant now, const struct answer *answer);
// The boundaries of a range changed: those who were told exactly this range must forget it.
void teller_flush(struct teller *teller, struct instant now, const struct range *range);

// The next datagram, as for all cores.
size_t teller_next_output(struct teller *teller, struct instant now, struct endpoint *to,
                          uint8_t *buffer);
struct instant teller_next_deadline(const struct teller *teller);
void teller_tick(struct teller *teller, struct instant now);

// While set, everyone must prove its address before it is answered: for an owner under pressure.
void teller_set_strict(struct teller *teller, bool strict);
// How loaded whoever runs it is: 0 idle to 255. Answers report that, or how full the teller's own
// memory is where that is more, until this is called again.
void teller_set_load(struct teller *teller, uint8_t load);
// Other servers for the same MABs, at most TELLER_ALTERNATIVES_MAX: named in replies that do not
// answer, and in all while the load is QUERY_LOAD_SHED or more.
void teller_set_alternatives(struct teller *teller, const struct endpoint *alternatives,
                             size_t count);
uint8_t teller_load(const struct teller *teller);
// Queriers and ranges remembered, and the memory they take.
size_t teller_queriers(const struct teller *teller);
size_t teller_told(const struct teller *teller);
size_t teller_memory(const struct teller *teller);
const struct teller_counters *teller_counters(const struct teller *teller);

// All that a teller says of itself; those of several tellers may be added up.
struct teller_report {
    struct teller_counters counters;
    struct page_teller_counters pages;
    size_t queriers, paced; // of them, such for which updates wait
    size_t told, told_max, memory;
};
struct teller_report teller_report(const struct teller *teller);
void teller_report_add(struct teller_report *sum, const struct teller_report *part);

#endif
