// SPDX-License-Identifier: BSD-2-Clause
// Turns what an ITR counted into reports, one or more for each period of wall time.
//
//     packets -> usage table --close--> closed period -> reports -> spool (durable) -> RUAS
//                                             ^                        |
//                                             +--------- drop ---------+
//
// The memory keeps a closed period until all its reports are durable, in one transaction that names
// the period. Until then nothing has happened, and the next try makes the same reports again, under
// other numbers, while the table counts on. So a full disk costs the knowledge in which minute
// traffic came, not the traffic; and a process that is killed in between finds, where the memory
// outlived it, by the number of the period whether it is reported.
#ifndef IVIP_TUNNEL_USAGE_COLLECTOR_H
#define IVIP_TUNNEL_USAGE_COLLECTOR_H

#include "base/instant.h"
#include "tunnel/usage.h"
#include "wire/usage_report.h"

#include <stdbool.h>

struct usage_collector {
    uint64_t boot; // a random number, different at each start
    struct duration period;
};

// True when the period that counts has ended: periods begin at multiples of their length. A clock
// that was set back ends one, too.
bool usage_collector_due(const struct usage_collector *collector, const struct usage_table *table,
                         struct wall_time now);
// Fills report `number` with up to USAGE_RECORDS_MAX records of the closed period from *place on,
// which is 0 at first. False at the end. May run in another thread than the one that counts.
bool usage_collector_report(const struct usage_collector *collector,
                            const struct usage_memory *memory, size_t *place, uint64_t number,
                            struct usage_report *report);

#endif
