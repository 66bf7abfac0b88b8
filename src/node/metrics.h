// SPDX-License-Identifier: BSD-2-Clause
// Prometheus text pages. A role writes its metrics when it is asked for them; counters live in the
// role, as plain numbers.
#ifndef IVIP_NODE_METRICS_H
#define IVIP_NODE_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct metrics_page;

struct metrics_page *metrics_page_new(void);
// The text of the page, ended by NUL, which the caller gives back to memory_free; frees the page.
char *metrics_page_finish(struct metrics_page *page, size_t *length);

// All values of one name come out together below one "# HELP" and "# TYPE", as Prometheus wants
// them, also where several roles write to the same name in turn.

// Says what a name means; describing it again changes nothing. `type` is "counter", "gauge" or
// "histogram".
void metrics_describe(struct metrics_page *page, const char *name, const char *type,
                      const char *help);
// Writes one value; its name was described (for a histogram, names end in _bucket, _sum, _count).
// `labels` is "" or like `reason="short"`; name and labels come from the program, never from a
// peer.
void metrics_value(struct metrics_page *page, const char *name, const char *labels, double value);
// Describes and writes a value without labels.
void metrics_counter(struct metrics_page *page, const char *name, const char *help, uint64_t value);
void metrics_gauge(struct metrics_page *page, const char *name, const char *help, double value);

#endif
