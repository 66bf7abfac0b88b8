// SPDX-License-Identifier: BSD-2-Clause
// The HTTP server of every node for those who watch over it: /metrics for Prometheus, /health for
// load balancers and monitors (200 when every role does its work, else 503, with the reasons).
#ifndef IVIP_NODE_HTTP_METRICS_SERVER_H
#define IVIP_NODE_HTTP_METRICS_SERVER_H

#include "node/http/http_server.h"

struct http_server *metrics_server_open(struct node *node, const struct endpoint *listen,
                                        struct error *error);

#endif
