// SPDX-License-Identifier: BSD-2-Clause
#include "node/http/metrics_server.h"

#include "node/report.h"

#include <string.h>

#define TEXT_TYPE    "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void on_request(void *state, struct http_exchange *exchange)
{
    struct node *node = state;
    const char *path = http_path(exchange);
    const char *method = http_method(exchange);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        static const char text[] = "only GET is answered here\n";
        http_reply_header(exchange, "Allow", "GET, HEAD");
        http_reply(exchange, 405, TEXT_TYPE, text, sizeof(text) - 1);
    } else if (strcmp(path, "/metrics") == 0) {
        size_t length = 0;
        char *page = report_metrics(node, &length);
        http_reply_owned(exchange, 200, METRICS_TYPE, page, length);
    } else if (strcmp(path, "/health") == 0) {
        bool healthy = false;
        json_t *health = report_health(node, &healthy);
        http_reply_json(exchange, healthy ? 200 : 503, health);
    } else {
        static const char text[] = "an Ivip node: /metrics for Prometheus, /health for monitors\n";
        http_reply(exchange, strcmp(path, "/") == 0 ? 200 : 404, TEXT_TYPE, text, sizeof(text) - 1);
    }
}

struct http_server *metrics_server_open(struct node *node, const struct endpoint *listen,
                                        struct error *error)
{
    return http_server_open(node, listen, NULL, on_request, node, error);
}
