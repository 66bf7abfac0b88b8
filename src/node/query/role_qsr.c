// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/role_qsr.h"

#include "base/memory.h"
#include "node/query/finder.h"
#include "node/query/list_client.h"
#include "node/query/qsr_threads.h"
#include "node/query/query_memory.h"
#include "node/query/query_report.h"
#include "node/query/upstream_finder.h"

#include <stdio.h>
#include <string.h>

#define QSR_OPEN_MAX    65536
#define QSR_CACHED_MAX  1000000 // unless configured
#define QSR_WAITING_MAX 65536

struct role_qsr {
    struct node *node;
    struct finder *finder;             // with `domain`; else NULL
    struct upstream_finder *upstreams; // with `upstream_domain`; else NULL
    struct list_client *list;          // without `domain`: the set of MABs, from upstream
    struct qsr_threads *threads;
};

// What the node asks

static void write_requests(const struct qsr_counters *counters, struct metrics_page *page)
{
    static const char name[] = "ivip_qsr_requests_total";
    metrics_describe(page, name, "counter", "Map Requests, by how they were answered");
    metrics_value(page, name, "how=\"cache\"", (double)counters->hits);
    metrics_value(page, name, "how=\"asked\"", (double)counters->misses);
    metrics_value(page, name, "how=\"merged\"", (double)counters->merged);
    metrics_value(page, name, "how=\"busy\"", (double)counters->refused_full);
    metrics_value(page, name, "how=\"outside\"", (double)counters->outside);
    metrics_value(page, name, "how=\"serverless\"", (double)counters->serverless);
}

static void write_metrics(void *state, struct metrics_page *page)
{
    struct role_qsr *role = state;
    struct qsr_report report = qsr_threads_report(role->threads);
    write_requests(&report.counters, page);
    metrics_gauge(page, "ivip_qsr_waiting", "Map Requests that wait for upstream answers",
                  (double)report.waiting);
    latency_write(&report.latency, "ivip_qsr_upstream_seconds",
                  "Time until a question was answered by an upstream server", "qsr", page);
    query_report_teller(&report.teller, "qsr", page);
    query_report_querier(&report.querier, "qsr", page);
    query_report_malformed(report.counters.dropped, "qsr", page);
    query_report_threads(report.loads, qsr_threads_count(role->threads), "qsr", page);
    query_report_udp(&report.udp, "qsr", page);
    if (role->finder != NULL)
        finder_write_metrics(role->finder, page);
    if (role->upstreams != NULL)
        upstream_finder_write_metrics(role->upstreams, page);
    if (role->list != NULL)
        list_client_write_metrics(role->list, page);
}

static json_t *cache_status(struct role_qsr *role, const struct qsr_report *report)
{
    struct querier_upstream upstreams[CHOICE_MEMBERS_MAX];
    size_t count = qsr_threads_group(role->threads, 0, upstreams);
    json_t *json = query_status_querier(&report->querier);
    (void)json_object_set_new(json, "upstreams",
                              query_status_upstreams(upstreams, count, node_now(role->node)));
    return json;
}

static json_t *status(void *state)
{
    struct role_qsr *role = state;
    struct qsr_report report = qsr_threads_report(role->threads);
    struct endpoint local = qsr_threads_local(role->threads);
    char text[ENDPOINT_TEXT_MAX];
    json_t *json = json_pack(
        "{s:s, s:o, s:I, s:I, s:I, s:I, s:o, s:o}", "listen", endpoint_print(&local, text), "load",
        query_status_loads(report.loads, qsr_threads_count(role->threads)), "hits",
        (json_int_t)report.counters.hits, "misses", (json_int_t)report.counters.misses, "merged",
        (json_int_t)report.counters.merged, "waiting", (json_int_t)report.waiting, "cache",
        cache_status(role, &report), "queriers", query_status_teller(&report.teller));
    if (role->finder != NULL)
        (void)json_object_set_new(json, "discovery", finder_status(role->finder));
    if (role->upstreams != NULL)
        (void)json_object_set_new(json, "upstreams", upstream_finder_status(role->upstreams));
    if (role->list != NULL)
        (void)json_object_set_new(json, "list", list_client_status(role->list));
    return json;
}

// Well as long as one upstream answers.
static bool healthy(void *state, char *why, size_t size)
{
    struct role_qsr *role = state;
    struct querier_upstream upstreams[CHOICE_MEMBERS_MAX];
    if (role->finder != NULL)
        return finder_healthy(role->finder, why, size);
    size_t count = qsr_threads_group(role->threads, 0, upstreams);
    if (role->upstreams != NULL && count == 0)
        return upstream_finder_healthy(role->upstreams, why, size);
    for (size_t i = 0; i < count; i++)
        if (!upstreams[i].avoided)
            return true;
    (void)snprintf(why, size, "none of the %zu upstream servers answers", count);
    return false;
}

static void stop(void *state)
{
    struct role_qsr *role = state;
    finder_close(role->finder);
    upstream_finder_close(role->upstreams);
    list_client_close(role->list);
    qsr_threads_close(role->threads);
    memory_free(role);
}

static bool core_config(const struct config_qsr *config, struct qsr_config *core,
                        struct error *error)
{
    size_t told_max = query_memory_ranges(config->told_ranges, TELLER_TOLD_MAX);
    *core = (struct qsr_config){
        .querier = {.open_max = QSR_OPEN_MAX,
                    .cached_max = query_memory_ranges(config->cached_ranges, QSR_CACHED_MAX)},
        .teller = {.queriers_max = TELLER_QUERIERS_MAX,
                   .unproven_max = TELLER_UNPROVEN_MAX,
                   .told_max = told_max,
                   .told_per_querier_max = query_memory_of_querier(told_max)},
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
    if (old->threads != config->qsr->threads)
        return error_set(
            error, ERROR_CONFLICT, "needs-restart",
            "qsr.threads cannot change without a restart: each has queriers of its own");
    if (old->told_ranges != config->qsr->told_ranges ||
        old->cached_ranges != config->qsr->cached_ranges)
        return error_set(error, ERROR_CONFLICT, "needs-restart",
                         "qsr.told_ranges and cached_ranges cannot change without a restart: their "
                         "tables have them for their sizes");
    if (strcmp(old->domain, config->qsr->domain) != 0 ||
        strcmp(old->upstream_domain, config->qsr->upstream_domain) != 0 ||
        strcmp(old->trust_anchor, config->qsr->trust_anchor) != 0 ||
        old->dnssec != config->qsr->dnssec || !same_endpoints(&old->dns, &config->qsr->dns))
        return error_set(error, ERROR_CONFLICT, "needs-restart",
                         "qsr.domain, upstream_domain, trust_anchor, dns and dnssec cannot change "
                         "without a restart");
    if (!core_config(config->qsr, &core, error))
        return false;
    qsr_threads_set_alternatives(role->threads, config->qsr->peers.items, config->qsr->peers.count);
    if (config->qsr->upstreams.count > 0) {
        qsr_threads_set_upstreams(role->threads, core.querier.upstreams,
                                  core.querier.upstream_count);
        list_client_set_endpoints(role->list, core.querier.upstreams, core.querier.upstream_count);
    }
    return true;
}

static size_t count_threads(const struct config_qsr *config)
{
    size_t count = config->threads > 0 ? config->threads : uv_available_parallelism();
    return count < QSR_THREADS_MAX ? count : QSR_THREADS_MAX;
}

static void on_upstreams(void *state, const struct querier_server *servers, size_t count)
{
    struct role_qsr *role = state;
    qsr_threads_set_group(role->threads, 0, servers, count);
    list_client_set_servers(role->list, servers, count);
}

// Forgets the MABs that are in `a` alone.
static void forget_difference(struct role_qsr *role, const struct mab_set *a,
                              const struct mab_set *b)
{
    const struct prefix *mab;
    struct range *changed = memory_new_array(a->mab_count, sizeof(*changed));
    size_t count = 0;
    for (size_t at = 0; (mab = mab_set_next_only(a, b, &at)) != NULL;)
        count += mab_check(mab, &changed[count], NULL);
    qsr_threads_forget(role->threads, changed, count);
    memory_free(changed);
}

// Another version of the set of MABs: it is passed on, and what is in no MAB is not asked upstream
// any more. What was said of MABs that came or went is forgotten.
static void take_version(struct role_qsr *role)
{
    struct mab_list *list = list_client_list(role->list);
    const struct mab_set *set = mab_list_set(list);
    const struct mab_set *before = mab_list_set_before(list);
    struct mab_table *table = mab_table_new();
    for (size_t i = 0; i < set->mab_count; i++)
        (void)mab_table_add(table, &set->mabs[i], 0, NULL); // all are asked of group 0
    qsr_threads_set_mabs(role->threads, table);
    mab_table_free(table);
    if (before->mab_count > 0) { // otherwise nothing was said yet that could be wrong now
        forget_difference(role, before, set);
        forget_difference(role, set, before);
    }
    struct page_shelf *shelf = mab_list_shelf(list);
    qsr_threads_set_pages(role->threads, shelf);
    page_shelf_release(shelf);
}

static void on_list(void *state, enum mab_list_event event)
{
    if (event == MAB_LIST_VERSION)
        take_version(state);
}

// Servers that are not configured are looked for.
static bool open_finder(struct role_qsr *role, const struct config_qsr *config, struct error *error)
{
    if (config->domain[0] != '\0') {
        role->finder = finder_open(role->node, config, role->threads, error);
        return role->finder != NULL;
    }
    role->list = list_client_open(role->node, "qsr", on_list, role, error);
    if (role->list == NULL)
        return false;
    if (config->upstreams.count > 0) {
        list_client_set_endpoints(role->list, config->upstreams.items, config->upstreams.count);
        return true;
    }
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
    role->threads = qsr_threads_open(&config->listen, &core, count_threads(config), error);
    if (role->threads == NULL || !open_finder(role, config, error)) {
        stop(role);
        return false;
    }
    qsr_threads_set_alternatives(role->threads, config->peers.items, config->peers.count);
    node_add_role(node,
                  &(struct role){"qsr", role, write_metrics, status, healthy, reload, stop, false});
    return true;
}
