// SPDX-License-Identifier: BSD-2-Clause
// What ITRs reported of the traffic of micronets, as a RUAS keeps it to charge by (DRTM §3.1):
// usage-ledger.sqlite in the state directory.
//
//     reports   ITR key, boot, number     each once, for ever
//     usage     minute, ITR, micronet     sums of packets and octets
//     days      day, micronet             the same of whole days, of all ITRs
//
// A report's name and its records are one transaction, so it counts once however often it comes,
// and whoever dies in between.
//
// Two ways of asking. The operator's questions go over all that was kept in a time, which takes as
// long as that is: usage_ledger_sum reads beside the ledger, in a worker; where whole days are
// asked for and ITRs do not matter, as when users are charged, it reads `days`. What an end user
// asks is found there at the cost of the answer.
#ifndef IVIP_NODE_AUTHORITY_USAGE_LEDGER_H
#define IVIP_NODE_AUTHORITY_USAGE_LEDGER_H

#include "base/error.h"
#include "base/instant.h"
#include "wire/usage_report.h"

#include <stdbool.h>
#include <stddef.h>

#define USAGE_SUM_SECONDS 25 // that a sum may take; `ivip usage` waits no longer than 30

struct usage_ledger;

struct usage_ledger_counters {
    uint64_t taken;    // reports
    uint64_t repeated; // that were there already
    uint64_t failed;   // that could not be stored
};

struct usage_ledger *usage_ledger_open(const char *directory, struct error *error);
void usage_ledger_close(struct usage_ledger *ledger);

// Takes a report; when this returns true it is durable, and counted once.
bool usage_ledger_take(struct usage_ledger *ledger, const struct usage_report *report,
                       struct error *error);

// One line of a sum.
struct usage_line {
    struct range micronet; // family NONE: micronets that an ITR had no room for
    struct public_key itr;
    struct wall_time from; // begin of the step
    uint64_t packets;
    uint64_t octets;
};
typedef void usage_each(void *state, const struct usage_line *line);

// What is summed up: traffic that was counted from minutes in [from, to).
struct usage_question {
    struct wall_time from;
    struct wall_time to;
    bool by_micronet, by_itr; // what lines are told apart by
    uint64_t step_ms;         // and the length of time; 0: all of it in one
    size_t most;              // lines; least recent first
};
// Calls `each` with every line; false where the file cannot be read, or that takes longer than
// USAGE_SUM_SECONDS ("takes-too-long"). May run in any thread: it opens the ledger of that
// directory for itself.
bool usage_ledger_sum(const char *directory, const struct usage_question *question,
                      usage_each *each, void *state, struct error *error);
// Calls `each` with a line for every day (UTC) and micronet that begins in `only`, of the days of
// [from, to), at most `most` lines, least recent first; false where the file cannot be read.
bool usage_ledger_days(struct usage_ledger *ledger, const struct range *only, struct wall_time from,
                       struct wall_time to, size_t most, usage_each *each, void *state,
                       struct error *error);

const struct usage_ledger_counters *usage_ledger_counters(const struct usage_ledger *ledger);

#endif
