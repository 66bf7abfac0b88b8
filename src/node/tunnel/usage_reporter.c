// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/usage_reporter.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/http/http_client.h"
#include "node/tunnel/usage_spool.h"
#include "tunnel/usage_collector.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_BYTES_MAX 4096
#define POST_SECONDS     30

struct usage_reporter {
    struct node *node;
    struct usage_table *table;
    struct usage_collector collector;
    struct usage_spool *spool;
    struct http_client *client;
    struct http_fetch *fetch; // the report under way, or NULL
    uint64_t sending;         // its number
    char *url;
    struct instant next_try;
    uint64_t wait_seconds; // after the next failure
    uint64_t acknowledged;
    uint64_t not_kept;        // times that the spool took no report
    char why[ERROR_TEXT_MAX]; // of the last failure; "" after a success
    struct usage_report report;
    uint8_t bytes[USAGE_REPORT_BYTES_MAX];
};

// What was counted becomes durable; what does not, stays in the table.
static void make_reports(struct usage_reporter *reporter)
{
    struct wall_time now = node_wall_time(reporter->node);
    while (usage_collector_take(&reporter->collector, reporter->table,
                                usage_spool_next_number(reporter->spool), now, &reporter->report)) {
        struct error error;
        size_t length =
            usage_report_write(&reporter->report, node_key(reporter->node), reporter->bytes);
        if (!usage_spool_put(reporter->spool, reporter->bytes, length, &error)) {
            usage_collector_put_back(reporter->table, &reporter->report);
            if (reporter->not_kept++ == 0)
                log_error("itr", "usage is counted on, but not kept: %s", error.text);
            break;
        }
    }
    usage_collector_next(&reporter->collector, now);
}

static void send_next(struct usage_reporter *reporter);

static void fail(struct usage_reporter *reporter, const struct http_answer *answer)
{
    if (answer->status == 0)
        (void)snprintf(reporter->why, sizeof(reporter->why),
                       "usage reports are not taken by %s: %s", reporter->url, answer->problem);
    else
        (void)snprintf(reporter->why, sizeof(reporter->why),
                       "usage reports are not taken by %s: it answers %u: %.*s", reporter->url,
                       answer->status, answer->length > 200 ? 200 : (int)answer->length,
                       answer->bytes == NULL ? "" : (const char *)answer->bytes);
    if (reporter->wait_seconds == 1)
        log_warning("itr", "%s", reporter->why);
    reporter->next_try = instant_add(node_now(reporter->node), duration_s(reporter->wait_seconds));
    reporter->wait_seconds *= 2;
    if (reporter->wait_seconds > USAGE_RETRY_SECONDS_MAX)
        reporter->wait_seconds = USAGE_RETRY_SECONDS_MAX;
}

static void on_answer(void *state, struct http_answer *answer)
{
    struct usage_reporter *reporter = state;
    reporter->fetch = NULL;
    if (answer->status != 200) {
        fail(reporter, answer);
        return;
    }
    usage_spool_drop(reporter->spool, reporter->sending);
    reporter->acknowledged++;
    reporter->why[0] = '\0';
    reporter->wait_seconds = 1;
    send_next(reporter);
}

static void send_next(struct usage_reporter *reporter)
{
    if (reporter->fetch != NULL || !instant_reached(node_now(reporter->node), reporter->next_try))
        return;
    size_t length = usage_spool_first(reporter->spool, &reporter->sending, reporter->bytes);
    if (length > 0)
        reporter->fetch =
            http_client_post(reporter->client, reporter->url, reporter->bytes, length,
                             ANSWER_BYTES_MAX, duration_s(POST_SECONDS), on_answer, reporter);
}

struct usage_reporter *usage_reporter_start(struct node *node, const struct config_itr *config,
                                            struct usage_table *table, struct error *error)
{
    struct usage_spool *spool = usage_spool_open(node_config(node)->state, error);
    if (spool == NULL)
        return NULL;
    struct usage_reporter *reporter = memory_new(sizeof(*reporter));
    struct random_source random;
    random_init(&random, node_seed(node));
    reporter->node = node;
    reporter->table = table;
    reporter->spool = spool;
    reporter->client = http_client_new(node);
    reporter->wait_seconds = 1;
    size_t size = strlen(config->usage_to) + sizeof("/v1/usage");
    reporter->url = memory_new(size);
    (void)snprintf(reporter->url, size, "%s/v1/usage", config->usage_to);
    usage_collector_start(&reporter->collector, random_u64(&random), config->usage_every,
                          node_wall_time(node));
    return reporter;
}

void usage_reporter_stop(struct usage_reporter *reporter)
{
    if (reporter == NULL)
        return;
    make_reports(reporter);
    http_client_free(reporter->client);
    usage_spool_close(reporter->spool);
    memory_free(reporter->url);
    memory_free(reporter);
}

void usage_reporter_watch(struct usage_reporter *reporter)
{
    if (usage_collector_due(&reporter->collector, node_wall_time(reporter->node)))
        make_reports(reporter);
    send_next(reporter);
}

void usage_reporter_write_metrics(const struct usage_reporter *reporter, struct metrics_page *page)
{
    metrics_gauge(page, "ivip_itr_usage_waiting", "Usage reports that nobody acknowledged yet",
                  (double)usage_spool_count(reporter->spool));
    metrics_counter(page, "ivip_itr_usage_acknowledged_total", "Usage reports acknowledged",
                    reporter->acknowledged);
    metrics_counter(page, "ivip_itr_usage_not_kept_total",
                    "Times that usage could not be put on disk and was counted on",
                    reporter->not_kept);
}

json_t *usage_reporter_status(const struct usage_reporter *reporter)
{
    return json_pack("{s:s, s:I, s:I, s:I}", "to", reporter->url, "waiting",
                     (json_int_t)usage_spool_count(reporter->spool), "acknowledged",
                     (json_int_t)reporter->acknowledged, "not_kept",
                     (json_int_t)reporter->not_kept);
}

bool usage_reporter_healthy(const struct usage_reporter *reporter, char *why, size_t size)
{
    if (reporter->why[0] != '\0')
        (void)snprintf(why, size, "%s", reporter->why);
    return reporter->why[0] == '\0';
}
