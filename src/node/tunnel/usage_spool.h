// SPDX-License-Identifier: BSD-2-Clause
// The usage reports of an ITR that nobody has acknowledged yet, on disk (usage.sqlite in the state
// directory). Bounded; what finds no room stays in the ITR's counters and is reported later. Most
// of its functions wait for the disk; any thread may call them, one at a time.
#ifndef IVIP_NODE_TUNNEL_USAGE_SPOOL_H
#define IVIP_NODE_TUNNEL_USAGE_SPOOL_H

#include "base/error.h"
#include "wire/usage_report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USAGE_SPOOL_MAX 10080 // reports: a week of minutes, where one has all micronets

struct usage_spool;

struct usage_spool *usage_spool_open(const char *directory, struct error *error);
void usage_spool_close(struct usage_spool *spool);

// Whose counters are reported through this spool: a random number made with it.
uint64_t usage_spool_owner(const struct usage_spool *spool);
// The last period of the counters (tunnel/usage_memory.h) whose reports have been kept here.
uint64_t usage_spool_reported(const struct usage_spool *spool);
// The number of the next report: never one that was used before, in this boot or another.
uint64_t usage_spool_next_number(const struct usage_spool *spool);

// Keeps all reports of a period, or none:
//
//     usage_spool_put each, with the number above; usage_spool_commit
//
// When commit returns true they are durable, and the period is reported. Where one of the two
// returns false, nothing of it is kept.
bool usage_spool_put(struct usage_spool *spool, const uint8_t *bytes, size_t length,
                     struct error *error);
bool usage_spool_commit(struct usage_spool *spool, uint64_t period, struct error *error);

// The oldest report; 0 where there is none, else its length.
size_t usage_spool_first(struct usage_spool *spool, uint64_t *number,
                         uint8_t bytes[USAGE_REPORT_BYTES_MAX]);
// A report was acknowledged. False where this cannot be written: then it will be sent once more,
// which does no harm.
bool usage_spool_drop(struct usage_spool *spool, uint64_t number);
size_t usage_spool_count(const struct usage_spool *spool);

#endif
