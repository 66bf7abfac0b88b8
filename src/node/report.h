// SPDX-License-Identifier: BSD-2-Clause
// What a node says of itself: `ivip status`, the metrics page, and whether it is healthy.
#ifndef IVIP_NODE_REPORT_H
#define IVIP_NODE_REPORT_H

#include "node/node.h"

// A new reference: {"v":1,"name":..,"version":..,"uptime_s":..,"key":..,"healthy":..,
// "roles":{"qsa":{"healthy":..,"why":..,...}}}.
json_t *report_status(const struct node *node);
// A new reference: {"v":1,"healthy":B,"roles":{"qsa":{"healthy":B,"why":S}}}; `healthy` is also
// put in *healthy.
json_t *report_health(const struct node *node, bool *healthy);
// The metrics of the process and of all roles; as metrics_page_finish.
char *report_metrics(const struct node *node, size_t *length);

#endif
