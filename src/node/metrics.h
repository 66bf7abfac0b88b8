// SPDX-License-Identifier: BSD-2-Clause
// Prometheus text pages. A role writes its metrics when it is asked for them; counters live in the
// role, as plain numbers.
#ifndef IVIP_NODE_METRICS_H
#define IVIP_NODE_METRICS_H

#include <stdint.h>

struct metrics_page;

// Writes "# HELP" and "# TYPE" once for a name; `type` is "counter", "gauge" or "histogram".
void metrics_describe(struct metrics_page *page, const char *name, const char *type,
                      const char *help);
// Writes one value. `labels` is "" or like `reason="short"`; name and labels come from the program,
// never from a peer.
void metrics_value(struct metrics_page *page, const char *name, const char *labels, double value);
// Describes and writes a value without labels.
void metrics_counter(struct metrics_page *page, const char *name, const char *help, uint64_t value);
void metrics_gauge(struct metrics_page *page, const char *name, const char *help, double value);

#endif
