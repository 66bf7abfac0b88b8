// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/usage_reporter.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/http/http_client.h"
#include "node/tunnel/usage_counters.h"
#include "node/tunnel/usage_spool.h"
#include "tunnel/itr.h"
#include "tunnel/usage_collector.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_BYTES_MAX 4096
#define POST_SECONDS     30

struct usage_reporter {
    struct node *node;
    struct usage_collector collector;
    struct usage_spool *spool;
    struct usage_counters *counters;
    struct usage_table *table; // in the counters; NULL before the start
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

// Puts reports of all that was counted into the spool; `made` becomes how many.
static bool put_reports(struct usage_reporter *reporter, struct wall_time now, size_t *made,
                        struct error *error)
{
    size_t place = 0;
    *made = 0;
    while (usage_collector_report(&reporter->collector, reporter->table, &place,
                                  usage_spool_next_number(reporter->spool), now,
                                  &reporter->report)) {
        size_t length =
            usage_report_write(&reporter->report, node_key(reporter->node), reporter->bytes);
        if (!usage_spool_put(reporter->spool, reporter->bytes, length, error))
            return false;
        (*made)++;
    }
    return true;
}

// What was counted becomes durable, all of it or nothing; then the next period begins.
static void make_reports(struct usage_reporter *reporter)
{
    struct wall_time now = node_wall_time(reporter->node);
    struct error error;
    size_t made;
    if (put_reports(reporter, now, &made, &error) &&
        (made == 0 || usage_spool_commit(reporter->spool, usage_period(reporter->table), &error))) {
        usage_next_period(reporter->table, now);
        return;
    }
    if (reporter->not_kept++ == 0)
        log_error("itr", "usage is counted on, but not kept: %s", error.text);
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

struct usage_reporter *usage_reporter_open(struct node *node, const struct config_itr *config,
                                           struct error *error)
{
    struct usage_spool *spool = usage_spool_open(node_config(node)->state, error);
    if (spool == NULL)
        return NULL;
    struct usage_counters *counters =
        usage_counters_open(node_config(node)->control, ITR_USAGE_MAX, usage_spool_owner(spool),
                            usage_spool_reported(spool), node_wall_time(node), error);
    if (counters == NULL) {
        usage_spool_close(spool);
        return NULL;
    }
    struct usage_reporter *reporter = memory_new(sizeof(*reporter));
    struct random_source random;
    random_init(&random, node_seed(node));
    reporter->node = node;
    reporter->spool = spool;
    reporter->counters = counters;
    reporter->client = http_client_new(node);
    reporter->wait_seconds = 1;
    size_t size = strlen(config->usage_to) + sizeof("/v1/usage");
    reporter->url = memory_new(size);
    (void)snprintf(reporter->url, size, "%s/v1/usage", config->usage_to);
    reporter->collector = (struct usage_collector){random_u64(&random), config->usage_every};
    return reporter;
}

struct usage_memory *usage_reporter_memory(const struct usage_reporter *reporter)
{
    return usage_counters_memory(reporter->counters);
}

void usage_reporter_start(struct usage_reporter *reporter, struct usage_table *table)
{
    reporter->table = table;
    make_reports(reporter);
}

void usage_reporter_stop(struct usage_reporter *reporter)
{
    if (reporter == NULL)
        return;
    if (reporter->table != NULL)
        make_reports(reporter);
    reporter->table = NULL;
    http_client_free(reporter->client);
    reporter->client = NULL;
}

void usage_reporter_free(struct usage_reporter *reporter)
{
    if (reporter == NULL)
        return;
    usage_spool_close(reporter->spool);
    usage_counters_close(reporter->counters);
    memory_free(reporter->url);
    memory_free(reporter);
}

void usage_reporter_watch(struct usage_reporter *reporter)
{
    if (usage_collector_due(&reporter->collector, reporter->table, node_wall_time(reporter->node)))
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
    metrics_counter(page, "ivip_itr_usage_damaged_total",
                    "Counters of usage that were found damaged at the start and dropped",
                    usage_counters_dropped(reporter->counters));
}

json_t *usage_reporter_status(const struct usage_reporter *reporter)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I}", "to", reporter->url, "waiting",
                     (json_int_t)usage_spool_count(reporter->spool), "acknowledged",
                     (json_int_t)reporter->acknowledged, "not_kept", (json_int_t)reporter->not_kept,
                     "damaged", (json_int_t)usage_counters_dropped(reporter->counters));
}

bool usage_reporter_healthy(const struct usage_reporter *reporter, char *why, size_t size)
{
    if (reporter->why[0] != '\0')
        (void)snprintf(why, size, "%s", reporter->why);
    return reporter->why[0] == '\0';
}
