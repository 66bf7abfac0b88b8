// SPDX-License-Identifier: BSD-2-Clause
//
//     period ends --> close --> [turn: keep its reports] --+
//                                                          +--> [turn: read the first] --> POST --+
//                                   [turn: drop it] <-- 200 ------------------------------------- +
//
// The spool is a worker's while a turn is under way, and the loop's otherwise. One turn does all
// that is to be done, so there is never more than one.
#include "node/tunnel/usage_reporter.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/http/http_client.h"
#include "node/tunnel/usage_counters.h"
#include "node/tunnel/usage_spool.h"
#include "tunnel/itr.h"
#include "tunnel/usage_collector.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_BYTES_MAX 4096
#define POST_SECONDS     30
#define KEEP_SECONDS     5 // after a failure, until it is tried again

// What is to be done with the spool, and what came of it.
struct turn {
    uint64_t drop;      // the report that was acknowledged; 0: none
    bool dropped;       // that is on disk
    bool keep;          // the closed period is to be made durable
    bool kept;          // it is
    struct error error; // not kept
    bool read;          // the first report is to be read
};

struct usage_reporter {
    struct node *node;
    struct usage_collector collector;
    struct usage_spool *spool;
    struct usage_counters *counters;
    struct usage_table *table; // in the counters; NULL before the start
    struct http_client *client;
    struct http_fetch *fetch; // the report under way, or NULL
    uint64_t acked;           // number of the report to be dropped; 0: none
    char *url;
    struct instant next_try;
    struct instant next_keep;
    uint64_t wait_seconds; // after the next failure
    uint64_t acknowledged;
    size_t waiting;                    // reports in the spool, after the last turn
    uint64_t not_kept;                 // times that the spool took no report
    char why[ERROR_TEXT_MAX];          // of the last failure to send; "" after a success
    char why_not_kept[ERROR_TEXT_MAX]; // the same for keeping
    // The first report of the spool; a turn that reads fills it in.
    uint64_t number;
    size_t length; // 0: there is none, or it is not read yet
    uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    // A turn under way: the worker's, until it posts `worked`.
    struct turn turn;
    uv_work_t work;
    uv_sem_t worked;
    bool working; // the loop has not heard of its end yet
    bool freed;   // and when it does, that is the end of the reporter
    struct usage_report report;
    uint8_t made[USAGE_REPORT_BYTES_MAX];
};

static struct usage_memory *memory_of(const struct usage_reporter *reporter)
{
    return usage_counters_memory(reporter->counters);
}

// --- in a worker ---------------------------------------------------------------------------------

// Puts reports of the closed period into the spool; `made` becomes how many.
static bool put_reports(struct usage_reporter *reporter, size_t *made, struct error *error)
{
    size_t place = 0;
    *made = 0;
    while (usage_collector_report(&reporter->collector, memory_of(reporter), &place,
                                  usage_spool_next_number(reporter->spool), &reporter->report)) {
        size_t length =
            usage_report_write(&reporter->report, node_key(reporter->node), reporter->made);
        if (!usage_spool_put(reporter->spool, reporter->made, length, error))
            return false;
        (*made)++;
    }
    return true;
}

// What was counted in the closed period becomes durable, all of it or nothing.
static bool keep_closed(struct usage_reporter *reporter, struct error *error)
{
    size_t made;
    uint64_t period = usage_memory_closed(memory_of(reporter));
    return put_reports(reporter, &made, error) &&
           (made == 0 || usage_spool_commit(reporter->spool, period, error));
}

static void take_turn(struct usage_reporter *reporter)
{
    struct turn *turn = &reporter->turn;
    if (turn->drop > 0)
        turn->dropped = usage_spool_drop(reporter->spool, turn->drop);
    if (turn->keep)
        turn->kept = keep_closed(reporter, &turn->error);
    if (turn->read)
        reporter->length = usage_spool_first(reporter->spool, &reporter->number, reporter->bytes);
}

static void work(uv_work_t *request)
{
    struct usage_reporter *reporter = request->data;
    take_turn(reporter);
    uv_sem_post(&reporter->worked);
}

// --- in the loop ---------------------------------------------------------------------------------

static void back_off(struct usage_reporter *reporter)
{
    if (reporter->wait_seconds == 1)
        log_warning("itr", "%s", reporter->why);
    reporter->next_try = instant_add(node_now(reporter->node), duration_s(reporter->wait_seconds));
    reporter->wait_seconds *= 2;
    if (reporter->wait_seconds > USAGE_RETRY_SECONDS_MAX)
        reporter->wait_seconds = USAGE_RETRY_SECONDS_MAX;
}

// Goes on with what a turn did.
static void end_turn(struct usage_reporter *reporter)
{
    const struct turn *turn = &reporter->turn;
    reporter->waiting = usage_spool_count(reporter->spool);
    if (turn->drop > 0 && turn->dropped) {
        reporter->acknowledged++;
        reporter->why[0] = '\0';
        reporter->wait_seconds = 1;
    } else if (turn->drop > 0) { // it comes again, but not at once
        (void)snprintf(reporter->why, sizeof(reporter->why),
                       "acknowledged usage reports cannot be deleted from usage.sqlite");
        back_off(reporter);
    } else if (turn->read && reporter->length == 0 && reporter->waiting > 0) {
        (void)snprintf(reporter->why, sizeof(reporter->why),
                       "usage reports cannot be read from usage.sqlite");
        back_off(reporter);
    }
    if (turn->keep && turn->kept) {
        usage_memory_drop_closed(memory_of(reporter));
        reporter->why_not_kept[0] = '\0';
    } else if (turn->keep) {
        reporter->next_keep = instant_add(node_now(reporter->node), duration_s(KEEP_SECONDS));
        reporter->not_kept++;
        bool first = reporter->why_not_kept[0] == '\0';
        (void)snprintf(reporter->why_not_kept, sizeof(reporter->why_not_kept),
                       "usage is counted on, but not kept: %s", turn->error.text);
        if (first)
            log_error("itr", "%s", reporter->why_not_kept);
    }
}

// What there is to do with the spool now.
static struct turn next_turn(const struct usage_reporter *reporter)
{
    bool keep = usage_memory_closed(memory_of(reporter)) > 0 &&
                instant_reached(node_now(reporter->node), reporter->next_keep);
    bool read = reporter->fetch == NULL && reporter->length == 0 &&
                (keep || reporter->waiting > 0) &&
                instant_reached(node_now(reporter->node), reporter->next_try);
    return (struct turn){.drop = reporter->acked, .keep = keep, .read = read};
}

// The same without a worker, for starts and stops.
static void take_turn_now(struct usage_reporter *reporter)
{
    assert(!reporter->working);
    reporter->turn = next_turn(reporter);
    reporter->acked = 0;
    take_turn(reporter);
    end_turn(reporter);
}

static void go_on(struct usage_reporter *reporter);

static void free_now(struct usage_reporter *reporter)
{
    usage_spool_close(reporter->spool);
    usage_counters_close(reporter->counters);
    uv_sem_destroy(&reporter->worked);
    memory_free(reporter->url);
    memory_free(reporter);
}

static void on_worked(uv_work_t *request, int status)
{
    struct usage_reporter *reporter = request->data;
    reporter->working = false;
    if (reporter->freed) {
        free_now(reporter);
        return;
    }
    if (reporter->table == NULL) // stopped meanwhile, and told so already
        return;
    assert(status == 0);
    (void)status;
    uv_sem_wait(&reporter->worked); // posted already
    end_turn(reporter);
    go_on(reporter);
}

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
    back_off(reporter);
}

static void on_answer(void *state, struct http_answer *answer)
{
    struct usage_reporter *reporter = state;
    reporter->fetch = NULL;
    if (answer->status != 200) {
        fail(reporter, answer);
        return;
    }
    reporter->acked = reporter->number;
    reporter->length = 0;
    go_on(reporter);
}

// Sends the first report, where that is due, and lets a worker do what else there is.
static void go_on(struct usage_reporter *reporter)
{
    if (reporter->working)
        return;
    if (reporter->fetch == NULL && reporter->length > 0 &&
        instant_reached(node_now(reporter->node), reporter->next_try))
        reporter->fetch =
            http_client_post(reporter->client, reporter->url, reporter->bytes, reporter->length,
                             ANSWER_BYTES_MAX, duration_s(POST_SECONDS), on_answer, reporter);
    struct turn turn = next_turn(reporter);
    if (turn.drop == 0 && !turn.keep && !turn.read)
        return;
    reporter->turn = turn;
    reporter->acked = 0;
    reporter->working = true;
    reporter->work.data = reporter;
    int result = uv_queue_work(node_loop(reporter->node), &reporter->work, work, on_worked);
    assert(result == 0);
    (void)result;
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
    reporter->waiting = usage_spool_count(spool);
    (void)uv_sem_init(&reporter->worked, 0);
    size_t size = strlen(config->usage_to) + sizeof("/v1/usage");
    reporter->url = memory_new(size);
    (void)snprintf(reporter->url, size, "%s/v1/usage", config->usage_to);
    reporter->collector = (struct usage_collector){random_u64(&random), config->usage_every};
    return reporter;
}

struct usage_memory *usage_reporter_memory(const struct usage_reporter *reporter)
{
    return memory_of(reporter);
}

// All that was counted becomes durable, if it can: first what is closed already.
static void keep_all(struct usage_reporter *reporter)
{
    reporter->next_keep = node_now(reporter->node);
    take_turn_now(reporter);
    if (usage_memory_closed(memory_of(reporter)) == 0 &&
        usage_close(reporter->table, node_wall_time(reporter->node)))
        take_turn_now(reporter);
}

void usage_reporter_start(struct usage_reporter *reporter, struct usage_table *table)
{
    reporter->table = table;
    keep_all(reporter);
}

void usage_reporter_stop(struct usage_reporter *reporter)
{
    if (reporter == NULL)
        return;
    http_client_free(reporter->client);
    reporter->client = NULL;
    reporter->fetch = NULL;
    // A turn under way is waited for, or called off where no worker has begun it. The loop hears of
    // its end only later.
    bool hears_later = reporter->working;
    if (hears_later && uv_cancel((uv_req_t *)&reporter->work) != 0) {
        uv_sem_wait(&reporter->worked);
        end_turn(reporter);
    }
    reporter->working = false;
    if (reporter->table != NULL)
        keep_all(reporter);
    reporter->table = NULL;
    reporter->working = hears_later;
}

void usage_reporter_free(struct usage_reporter *reporter)
{
    if (reporter == NULL)
        return;
    reporter->freed = true;
    if (!reporter->working)
        free_now(reporter);
}

void usage_reporter_watch(struct usage_reporter *reporter)
{
    struct wall_time now = node_wall_time(reporter->node);
    if (usage_memory_closed(memory_of(reporter)) == 0 &&
        usage_collector_due(&reporter->collector, reporter->table, now))
        (void)usage_close(reporter->table, now);
    go_on(reporter);
}

void usage_reporter_write_metrics(const struct usage_reporter *reporter, struct metrics_page *page)
{
    metrics_gauge(page, "ivip_itr_usage_waiting", "Usage reports that nobody acknowledged yet",
                  (double)reporter->waiting);
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
                     (json_int_t)reporter->waiting, "acknowledged",
                     (json_int_t)reporter->acknowledged, "not_kept", (json_int_t)reporter->not_kept,
                     "damaged", (json_int_t)usage_counters_dropped(reporter->counters));
}

bool usage_reporter_healthy(const struct usage_reporter *reporter, char *why, size_t size)
{
    const char *worst = reporter->why_not_kept[0] != '\0' ? reporter->why_not_kept : reporter->why;
    if (worst[0] != '\0')
        (void)snprintf(why, size, "%s", worst);
    return worst[0] == '\0';
}
