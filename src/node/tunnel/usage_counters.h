// SPDX-License-Identifier: BSD-2-Clause
// The file in which an ITR's usage is counted, so that a process that is killed takes nothing with
// it. It lies beside the control socket, NAME.usage beside NAME.sock: on most machines in memory
// (/run), because a file on a disk makes whoever writes to its pages wait while the kernel writes
// them back, and these are written with every packet.
#ifndef IVIP_NODE_TUNNEL_USAGE_COUNTERS_H
#define IVIP_NODE_TUNNEL_USAGE_COUNTERS_H

#include "base/error.h"
#include "base/instant.h"
#include "tunnel/usage_memory.h"

#include <stdbool.h>
#include <stddef.h>

struct usage_counters;

// Opens or makes the file that belongs to a control socket, for counters of `limit` micronets.
// `owner` and `reported` are those of the spool. A file that makes no sense is written about in the
// log and begun anew. NULL where it cannot be opened, or another process has it.
struct usage_counters *usage_counters_open(const char *control, size_t limit, uint64_t owner,
                                           uint64_t reported, struct wall_time now,
                                           struct error *error);
// Nobody may use the memory any more. The file stays.
void usage_counters_close(struct usage_counters *counters);

struct usage_memory *usage_counters_memory(const struct usage_counters *counters);
// How many counters were found damaged and were dropped; a file that had to be begun anew is one.
size_t usage_counters_dropped(const struct usage_counters *counters);

#endif
