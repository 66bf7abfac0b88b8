// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/query_report.h"

#include "query/choice.h"

#include <assert.h>
#include <stdio.h>

#define LABELS_MAX 96

// One value among several of a name that differ in one label.
struct sample {
    const char *value;
    uint64_t count;
};

static void write_samples(struct metrics_page *page, const char *name, const char *help,
                          const char *role, const char *label, const struct sample *samples,
                          size_t count)
{
    metrics_describe(page, name, "counter", help);
    for (size_t i = 0; i < count; i++) {
        char labels[LABELS_MAX];
        (void)snprintf(labels, sizeof(labels), "role=\"%s\",%s=\"%s\"", role, label,
                       samples[i].value);
        metrics_value(page, name, labels, (double)samples[i].count);
    }
}

#define WRITE_SAMPLES(page, name, help, role, label, samples)                                      \
    write_samples(page, name, help, role, label, samples, sizeof(samples) / sizeof((samples)[0]))

static void write_one(struct metrics_page *page, const char *name, const char *type,
                      const char *help, const char *role, double value)
{
    char labels[LABELS_MAX];
    (void)snprintf(labels, sizeof(labels), "role=\"%s\"", role);
    metrics_describe(page, name, type, help);
    metrics_value(page, name, labels, value);
}

void query_report_malformed(const uint64_t dropped[DECODE_REASONS], const char *role,
                            struct metrics_page *page)
{
    struct sample samples[DECODE_REASONS - 1];
    for (int reason = DECODE_OK + 1; reason < DECODE_REASONS; reason++)
        samples[reason - 1] =
            (struct sample){decode_reason_name((enum decode_reason)reason), dropped[reason]};
    WRITE_SAMPLES(page, "ivip_query_malformed_total", "Datagrams that could not be read, by reason",
                  role, "reason", samples);
}

// The answering side

static void write_answers(const struct teller_counters *counters, const char *role,
                          struct metrics_page *page)
{
    struct sample samples[QUERY_FLUSH];
    for (int status = 0; status < QUERY_FLUSH; status++)
        samples[status] = (struct sample){query_status_name((enum query_status)status),
                                          counters->answers[status]};
    write_one(page, "ivip_query_requests_total", "counter", "Map Requests received", role,
              (double)counters->requests);
    WRITE_SAMPLES(page, "ivip_query_replies_total", "Map Replies sent, by status", role, "status",
                  samples);
}

static void write_updates(const struct teller_counters *counters, const char *role,
                          struct metrics_page *page)
{
    const struct sample samples[] = {
        {"sent", counters->updates_sent},
        {"repeated", counters->updates_repeated},
        {"flush", counters->flushes_sent},
        {"acknowledged", counters->acknowledged},
    };
    const struct sample ends[] = {
        {"expired", counters->expired},
        {"released", counters->released},
        {"evicted", counters->evicted},
        {"querier-lost", counters->queriers_lost},
    };
    const struct sample drops[] = {
        {"unknown-nonce", counters->dropped_nonce},
        {"repeated-request", counters->dropped_repeated},
        {"unproven", counters->dropped_credit},
        {"full", counters->dropped_full},
        {"told-to-prove", counters->told_to_prove},
    };
    WRITE_SAMPLES(
        page, "ivip_query_updates_total",
        "Cache Updates: sent in all, of these repeated and of these flushes; acknowledged", role,
        "what", samples);
    WRITE_SAMPLES(page, "ivip_query_told_ended_total",
                  "Ranges no longer remembered as told, and queriers given up, by cause", role,
                  "cause", ends);
    WRITE_SAMPLES(page, "ivip_query_dropped_total",
                  "Messages of queriers that got no answer, by reason", role, "reason", drops);
}

static void write_pages(const struct page_teller_counters *counters, const char *role,
                        struct metrics_page *page)
{
    const struct sample samples[] = {
        {"root", counters->replies[PAGE_NONE]},       {"found", counters->replies[PAGE_FOUND]},
        {"unknown", counters->replies[PAGE_UNKNOWN]}, {"longer", counters->replies[PAGE_LONGER]},
        {"dropped", counters->dropped_full},
    };
    WRITE_SAMPLES(page, "ivip_query_pages_total",
                  "Page Requests: for the root alone, or by what became of the page; dropped: too "
                  "many waited",
                  role, "what", samples);
}

void query_report_teller(const struct teller_report *teller, const char *role,
                         struct metrics_page *page)
{
    const struct teller_counters *counters = &teller->counters;
    write_answers(counters, role, page);
    write_updates(counters, role, page);
    write_pages(&teller->pages, role, page);
    write_one(page, "ivip_query_proven_total", "counter",
              "Queriers that proved their address for the first time", role,
              (double)counters->proven);
    write_one(page, "ivip_query_alternatives_total", "counter",
              "Other servers named in replies, because of load or for want of an answer", role,
              (double)counters->alternatives);
    write_one(page, "ivip_query_alive_total", "counter", "Alive Requests answered", role,
              (double)counters->alive);
    write_one(page, "ivip_query_queriers", "gauge", "Queriers that were told something", role,
              (double)teller->queriers);
    write_one(page, "ivip_query_queriers_paced", "gauge",
              "Of these, such for which Cache Updates wait, as more at once might be lost", role,
              (double)teller->paced);
    write_one(page, "ivip_query_told", "gauge", "Ranges remembered as told", role,
              (double)teller->told);
    write_one(page, "ivip_query_told_max", "gauge",
              "Beyond so many ranges told, the least recently told are flushed", role,
              (double)teller->told_max);
    write_one(page, "ivip_query_told_bytes", "gauge", "Memory for what was told", role,
              (double)teller->memory);
}

json_t *query_status_teller(const struct teller_report *teller)
{
    const struct teller_counters *counters = &teller->counters;
    json_t *replies = json_object();
    for (int status = 0; status < QUERY_FLUSH; status++)
        (void)json_object_set_new(replies, query_status_name((enum query_status)status),
                                  json_integer((json_int_t)counters->answers[status]));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "queriers",
                     (json_int_t)teller->queriers, "told", (json_int_t)teller->told, "told_max",
                     (json_int_t)teller->told_max, "bytes", (json_int_t)teller->memory, "requests",
                     (json_int_t)counters->requests, "updates", (json_int_t)counters->updates_sent,
                     "queriers_lost", (json_int_t)counters->queriers_lost, "replies", replies);
}

// The asking side

void query_report_querier(const struct querier_report *querier, const char *role,
                          struct metrics_page *page)
{
    const struct querier_counters *counters = &querier->counters;
    const struct sample questions[] = {
        {"asked", counters->asked},
        {"answered", counters->answered},
        {"retried", counters->retried},
        {"told-to-prove", counters->told_to_prove},
        {"failed", counters->failed},
        {"refused-full", counters->refused_full},
        {"try-another", counters->told_another},
        {"busy", counters->told_busy},
        {"outside", counters->told_outside},
    };
    const struct sample ends[] = {
        {"updated", counters->updates},
        {"flushed", counters->flushed},
        {"expired", counters->expired},
        {"evicted", counters->evicted},
    };
    const struct sample drops[] = {
        {"malformed", counters->dropped_malformed}, {"source", counters->dropped_source},
        {"nonce", counters->dropped_nonce},         {"range", counters->dropped_range},
        {"stale", counters->dropped_stale},         {"repeated", counters->repeated},
    };
    const struct sample upstreams[] = {
        {"alive-sent", counters->alive_sent},
        {"lost", counters->upstreams_lost},
        {"restarted", counters->upstreams_restarted},
        {"advised", counters->advised},
    };
    WRITE_SAMPLES(page, "ivip_querier_questions_total", "Questions, by what became of them", role,
                  "what", questions);
    WRITE_SAMPLES(page, "ivip_querier_changed_total", "Cached ranges changed or dropped, by cause",
                  role, "cause", ends);
    WRITE_SAMPLES(page, "ivip_querier_dropped_total", "Messages of servers not used, by reason",
                  role, "reason", drops);
    WRITE_SAMPLES(page, "ivip_querier_upstreams_total", "Liveness of upstream servers", role,
                  "what", upstreams);
    write_one(page, "ivip_querier_cached", "gauge", "Ranges cached", role, (double)querier->cached);
    write_one(page, "ivip_querier_cached_max", "gauge",
              "Beyond so many ranges cached, the least recently used are forgotten", role,
              (double)querier->cached_max);
    write_one(page, "ivip_querier_open", "gauge", "Questions open", role, (double)querier->open);
    write_one(page, "ivip_querier_bytes", "gauge", "Memory for the cache", role,
              (double)querier->memory);
}

static json_t *upstream_status(const struct querier_upstream *upstream, struct instant now)
{
    char text[ENDPOINT_TEXT_MAX];
    json_t *response =
        upstream->measured ? json_real((double)upstream->response.ns / 1e6) : json_null();
    return json_pack("{s:s, s:b, s:o, s:i, s:f, s:I, s:f}", "server",
                     endpoint_print(&upstream->endpoint, text), "avoided", upstream->avoided,
                     "response_ms", response, "load", (int)upstream->load, "retry_ms",
                     (double)upstream->retry_time.ns / 1e6, "cached", (json_int_t)upstream->learned,
                     "silent_s", (double)instant_since(now, upstream->heard).ns / 1e9);
}

json_t *query_status_upstreams(const struct querier_upstream *upstreams, size_t count,
                               struct instant now)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, upstream_status(&upstreams[i], now));
    return list;
}

json_t *query_status_group(const struct querier *querier, size_t group, struct instant now)
{
    struct querier_upstream upstreams[CHOICE_MEMBERS_MAX];
    size_t count = querier_group_size(querier, group);
    assert(count <= CHOICE_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++)
        querier_upstream(querier, group, i, &upstreams[i]);
    return query_status_upstreams(upstreams, count, now);
}

json_t *query_status_querier(const struct querier_report *querier)
{
    const struct querier_counters *counters = &querier->counters;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "cached",
                     (json_int_t)querier->cached, "cached_max", (json_int_t)querier->cached_max,
                     "open", (json_int_t)querier->open, "bytes", (json_int_t)querier->memory,
                     "asked", (json_int_t)counters->asked, "answered",
                     (json_int_t)counters->answered, "failed", (json_int_t)counters->failed,
                     "updates", (json_int_t)counters->updates);
}

// Threads

void query_report_threads(const uint8_t *loads, size_t count, const char *role,
                          struct metrics_page *page)
{
    static const char name[] = "ivip_query_load";
    write_one(page, "ivip_query_threads", "gauge", "Threads that answer", role, (double)count);
    metrics_describe(page, name, "gauge", "Load of each thread: 0 idle, 255 full");
    for (size_t i = 0; i < count; i++) {
        char labels[LABELS_MAX];
        (void)snprintf(labels, sizeof(labels), "role=\"%s\",thread=\"%zu\"", role, i);
        metrics_value(page, name, labels, (double)loads[i]);
    }
}

json_t *query_status_loads(const uint8_t *loads, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_integer(loads[i]));
    return list;
}

// Sockets

void query_report_udp(const struct udp_counters *counters, const char *role,
                      struct metrics_page *page)
{
    static const char name[] = "ivip_udp_datagrams_total";
    const struct {
        const char *what;
        uint64_t count;
    } values[] = {{"received", counters->received},
                  {"sent", counters->sent},
                  {"send-failed", counters->send_failed},
                  {"truncated", counters->truncated},
                  {"lost", counters->lost}};
    metrics_describe(page, name, "counter",
                     "Datagrams on a role's query sockets, by fate; lost: the socket's queue was "
                     "full, or the checksum wrong");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "role=\"%s\",fate=\"%s\"", role, values[i].what);
        metrics_value(page, name, labels, (double)values[i].count);
    }
}

// Times

void latency_write(const struct latency *latency, const char *name, const char *help,
                   const char *role, struct metrics_page *page)
{
    char full[64];
    char labels[LABELS_MAX];
    uint64_t below = 0;
    metrics_describe(page, name, "histogram", help);
    (void)snprintf(full, sizeof(full), "%s_bucket", name);
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        below += latency->buckets[i];
        (void)snprintf(labels, sizeof(labels), "role=\"%s\",le=\"%g\"", role, latency_bounds[i]);
        metrics_value(page, full, labels, (double)below);
    }
    (void)snprintf(labels, sizeof(labels), "role=\"%s\",le=\"+Inf\"", role);
    metrics_value(page, full, labels, (double)latency->count);
    (void)snprintf(labels, sizeof(labels), "role=\"%s\"", role);
    (void)snprintf(full, sizeof(full), "%s_sum", name);
    metrics_value(page, full, labels, latency->seconds);
    (void)snprintf(full, sizeof(full), "%s_count", name);
    metrics_value(page, full, labels, (double)latency->count);
}
