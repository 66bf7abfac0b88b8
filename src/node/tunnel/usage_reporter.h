// SPDX-License-Identifier: BSD-2-Clause
// Reports the usage that an ITR counts to a RUAS: each period becomes reports in the spool, which
// are sent one after another and dropped when they are acknowledged.
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

// The table stays the caller's and must outlive the reporter.
struct usage_reporter *usage_reporter_start(struct node *node, const struct config_itr *config,
                                            struct usage_table *table, struct error *error);
// Makes the last reports; they are sent after the next start.
void usage_reporter_stop(struct usage_reporter *reporter);
// To be called a few times a second.
void usage_reporter_watch(struct usage_reporter *reporter);

void usage_reporter_write_metrics(const struct usage_reporter *reporter, struct metrics_page *page);
json_t *usage_reporter_status(const struct usage_reporter *reporter);
bool usage_reporter_healthy(const struct usage_reporter *reporter, char *why, size_t size);

#endif
