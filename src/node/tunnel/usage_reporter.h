// SPDX-License-Identifier: BSD-2-Clause
// Reports the usage that an ITR counts to a RUAS: each period becomes reports in the spool, which
// are sent one after another and dropped when they are acknowledged. What waits for the disk is a
// worker's, while packets go on and are counted.
#ifndef IVIP_NODE_TUNNEL_USAGE_REPORTER_H
#define IVIP_NODE_TUNNEL_USAGE_REPORTER_H

#include "node/metrics.h"
#include "node/node.h"
#include "tunnel/usage.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define USAGE_RETRY_SECONDS_MAX 60 // between two tries where the RUAS does not take reports

struct usage_reporter;

// Opens what is kept: the spool, and the counters that a process before may have left.
struct usage_reporter *usage_reporter_open(struct node *node, const struct config_itr *config,
                                           struct error *error);
// Where the ITR shall count.
struct usage_memory *usage_reporter_memory(const struct usage_reporter *reporter);
// Begins: what was left is kept first. The table is one in that memory. Waits for the disk.
void usage_reporter_start(struct usage_reporter *reporter, struct usage_table *table);
// Makes the last reports; they are sent after the next start. Waits for the disk.
void usage_reporter_stop(struct usage_reporter *reporter);
// After the table was freed.
void usage_reporter_free(struct usage_reporter *reporter);
// To be called a few times a second.
void usage_reporter_watch(struct usage_reporter *reporter);

void usage_reporter_write_metrics(const struct usage_reporter *reporter, struct metrics_page *page);
json_t *usage_reporter_status(const struct usage_reporter *reporter);
bool usage_reporter_healthy(const struct usage_reporter *reporter, char *why, size_t size);

#endif
