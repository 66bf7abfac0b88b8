// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/role_qsr.h"

#include "base/memory.h"
#include "node/core_pump.h"
#include "node/query/finder.h"
#include "node/query/query_report.h"
#include "node/query/upstream_finder.h"
#include "query/qsr.h"

#include <stdio.h>
#include <string.h>

// Limits of a caching server; a range takes some 300 octets, and as much for each who was told.
#define QSR_OPEN_MAX    65536
#define QSR_CACHED_MAX  1000000
#define QSR_WAITING_MAX 65536

struct role_qsr {
    struct node *node;
    struct finder *finder;             // with `domain`; else NULL
    struct upstream_finder *upstreams; // with `upstream_domain`; else NULL
    struct qsr *qsr;
    struct core_pump *pump;
};

// The core

static void input(void *core, struct instant now, const struct endpoint *from, const uint8_t *bytes,
                  size_t length)
{
    qsr_input(core, now, from, bytes, length);
}

static size_t next_output(void *core, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    return qsr_next_output(core, now, to, buffer);
}

static struct instant next_deadline(const void *core)
{
    return qsr_next_deadline(core);
}

static void tick(void *core, struct instant now)
{
    qsr_tick(core, now);
}

static const struct core_functions functions = {input, next_output, next_deadline, tick};

// What the node asks

static void write_metrics(void *state, struct metrics_page *page)
{
    struct role_qsr *role = state;
    const struct qsr_counters *counters = qsr_counters(role->qsr);
    static const char name[] = "ivip_qsr_requests_total";
    metrics_describe(page, name, "counter", "Map Requests, by how they were answered");
    metrics_value(page, name, "how=\"cache\"", (double)counters->hits);
    metrics_value(page, name, "how=\"asked\"", (double)counters->misses);
    metrics_value(page, name, "how=\"merged\"", (double)counters->merged);
    metrics_value(page, name, "how=\"busy\"", (double)counters->refused_full);
    metrics_value(page, name, "how=\"outside\"", (double)counters->outside);
    metrics_value(page, name, "how=\"serverless\"", (double)counters->serverless);
    metrics_gauge(page, "ivip_qsr_waiting", "Map Requests that wait for upstream answers",
                  (double)qsr_waiting(role->qsr));
    latency_write(qsr_latency(role->qsr), "ivip_qsr_upstream_seconds",
                  "Time until a question was answered by an upstream server", "qsr", page);
    struct teller_report teller = teller_report(qsr_teller(role->qsr));
    query_report_teller(&teller, "qsr", page);
    query_report_querier(qsr_querier(role->qsr), "qsr", page);
    query_report_malformed(counters->dropped, "qsr", page);
    query_report_udp(udp_counters(core_pump_udp(role->pump)), "qsr", page);
    if (role->finder != NULL)
        finder_write_metrics(role->finder, page);
    if (role->upstreams != NULL)
        upstream_finder_write_metrics(role->upstreams, page);
}

static json_t *status(void *state)
{
    struct role_qsr *role = state;
    const struct qsr_counters *counters = qsr_counters(role->qsr);
    struct endpoint local = udp_local(core_pump_udp(role->pump));
    struct teller_report teller = teller_report(qsr_teller(role->qsr));
    char text[ENDPOINT_TEXT_MAX];
    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "listen", endpoint_print(&local, text), "hits",
        (json_int_t)counters->hits, "misses", (json_int_t)counters->misses, "merged",
        (json_int_t)counters->merged, "waiting", (json_int_t)qsr_waiting(role->qsr), "cache",
        query_status_querier(qsr_querier(role->qsr), node_now(role->node)), "queriers",
        query_status_teller(&teller));
    if (role->finder != NULL)
        (void)json_object_set_new(json, "discovery", finder_status(role->finder));
    if (role->upstreams != NULL)
        (void)json_object_set_new(json, "upstreams", upstream_finder_status(role->upstreams));
    return json;
}

// Well as long as one upstream answers.
static bool healthy(void *state, char *why, size_t size)
{
    struct role_qsr *role = state;
    if (role->finder != NULL)
        return finder_healthy(role->finder, why, size);
    const struct querier *querier = qsr_querier(role->qsr);
    size_t count = querier_group_size(querier, 0);
    if (role->upstreams != NULL && count == 0)
        return upstream_finder_healthy(role->upstreams, why, size);
    for (size_t i = 0; i < count; i++) {
        struct querier_upstream upstream;
        querier_upstream(querier, 0, i, &upstream);
        if (!upstream.avoided)
            return true;
    }
    (void)snprintf(why, size, "none of the %zu upstream servers answers", count);
    return false;
}

static void stop(void *state)
{
    struct role_qsr *role = state;
    core_pump_close(role->pump);
    finder_close(role->finder);
    upstream_finder_close(role->upstreams);
    qsr_free(role->qsr);
    memory_free(role);
}

static bool core_config(const struct config_qsr *config, struct qsr_config *core,
                        struct error *error)
{
    *core = (struct qsr_config){
        .querier = {.open_max = QSR_OPEN_MAX, .cached_max = QSR_CACHED_MAX},
        .teller = {.queriers_max = TELLER_QUERIERS_MAX,
                   .unproven_max = TELLER_UNPROVEN_MAX,
                   .told_max = TELLER_TOLD_MAX,
                   .told_per_querier_max = TELLER_TOLD_PER_QUERIER_MAX},
        .waiting_max = QSR_WAITING_MAX,
    };
    if (config->upstreams.count > QUERIER_UPSTREAMS_MAX)
        return error_set(error, ERROR_INPUT, "too-many-upstreams",
                         "qsr.upstreams names %zu servers; at most %d are used",
                         config->upstreams.count, QUERIER_UPSTREAMS_MAX);
    for (size_t i = 0; i < config->upstreams.count; i++)
        core->querier.upstreams[core->querier.upstream_count++] = config->upstreams.items[i];
    return true;
}

static bool same_endpoints(const struct config_endpoints *a, const struct config_endpoints *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = endpoint_equal(&a->items[i], &b->items[i]);
    return same;
}

static bool reload(void *state, const struct config *config, struct error *error)
{
    struct role_qsr *role = state;
    const struct config_qsr *old = node_config(role->node)->qsr;
    struct qsr_config core;
    if (!endpoint_equal(&old->listen, &config->qsr->listen))
        return error_set(error, ERROR_CONFLICT, "needs-restart",
                         "qsr.listen cannot change without a restart");
    if (strcmp(old->domain, config->qsr->domain) != 0 ||
        strcmp(old->upstream_domain, config->qsr->upstream_domain) != 0 ||
        strcmp(old->trust_anchor, config->qsr->trust_anchor) != 0 ||
        old->dnssec != config->qsr->dnssec || !same_endpoints(&old->dns, &config->qsr->dns))
        return error_set(error, ERROR_CONFLICT, "needs-restart",
                         "qsr.domain, upstream_domain, trust_anchor, dns and dnssec cannot change "
                         "without a restart");
    if (!core_config(config->qsr, &core, error))
        return false;
    if (role->finder != NULL || role->upstreams != NULL)
        return true;
    qsr_set_upstreams(role->qsr, node_now(role->node), core.querier.upstreams,
                      core.querier.upstream_count);
    core_pump_drain(role->pump);
    return true;
}

static void on_found(void *state)
{
    struct role_qsr *role = state;
    core_pump_drain(role->pump);
}

static void on_upstreams(void *state, const struct querier_server *servers, size_t count)
{
    struct role_qsr *role = state;
    qsr_set_group(role->qsr, node_now(role->node), 0, servers, count);
    core_pump_drain(role->pump);
}

// Servers that are not configured are looked for.
static bool open_finder(struct role_qsr *role, const struct config_qsr *config, struct error *error)
{
    if (config->domain[0] != '\0') {
        role->finder = finder_open(role->node, config, role->qsr, on_found, role, error);
        return role->finder != NULL;
    }
    if (config->upstream_domain[0] == '\0')
        return true;
    const struct upstream_finder_config finder = {
        .role = "qsr",
        .domain = config->upstream_domain,
        .trust_anchor = config->trust_anchor,
        .dns = &config->dns,
        .dnssec = config->dnssec,
    };
    role->upstreams = upstream_finder_open(role->node, &finder, on_upstreams, role, error);
    return role->upstreams != NULL;
}

bool role_qsr_start(struct node *node, struct error *error)
{
    const struct config_qsr *config = node_config(node)->qsr;
    struct qsr_config core;
    if (!core_config(config, &core, error))
        return false;
    struct role_qsr *role = memory_new(sizeof(*role));
    role->node = node;
    role->qsr = qsr_new(&core, node_seed(node), node_now(node));
    role->pump = core_pump_open(node, &config->listen, &functions, role->qsr, error);
    if (role->pump == NULL || !open_finder(role, config, error)) {
        stop(role);
        return false;
    }
    node_add_role(node, &(struct role){"qsr", role, write_metrics, status, healthy, reload, stop});
    return true;
}
