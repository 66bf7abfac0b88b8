// SPDX-License-Identifier: BSD-2-Clause
// Turns the usage table of an ITR into reports, one or more for each period of wall time.
//
//     packets -> usage table -> collector -> report -> spool (durable) -> RUAS
//                    ^                          |
//                    +------- put back ---------+   where the spool has no room
//
// A report counts from the moment it is durable: until then its records can be put back, and are
// then part of a later one. So a full disk costs the knowledge in which minute traffic came, not
// the traffic.
#ifndef IVIP_TUNNEL_USAGE_COLLECTOR_H
#define IVIP_TUNNEL_USAGE_COLLECTOR_H

#include "base/instant.h"
#include "tunnel/usage.h"
#include "wire/usage_report.h"

#include <stdbool.h>

struct usage_collector {
    uint64_t boot;
    struct duration period;
    struct wall_time from; // begin of what is being counted
};

// Begins to count; `boot` is a random number, different at each start.
void usage_collector_start(struct usage_collector *collector, uint64_t boot, struct duration period,
                           struct wall_time now);
// True when a period has ended: periods begin at multiples of their length. A clock that was set
// back ends one, too.
bool usage_collector_due(const struct usage_collector *collector, struct wall_time now);
// Takes up to USAGE_RECORDS_MAX records out of the table into report `number`. False where there
// are none left.
bool usage_collector_take(const struct usage_collector *collector, struct usage_table *table,
                          uint64_t number, struct wall_time now, struct usage_report *report);
// Puts the records of a report back that could not be made durable. Nothing may have been counted
// since.
void usage_collector_put_back(struct usage_table *table, const struct usage_report *report);
// All of the period was taken: the next begins.
void usage_collector_next(struct usage_collector *collector, struct wall_time now);

#endif
