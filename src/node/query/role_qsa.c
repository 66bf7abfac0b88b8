// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/role_qsa.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/push/feed_in.h"
#include "node/query/qsa_threads.h"
#include "node/query/query_memory.h"
#include "node/query/query_report.h"

#include <string.h>

#define SETTLE_MS 50 // after something was heard, before it is looked at as a whole

struct role_qsa {
    struct node *node;
    struct database *database;
    struct feed_in *feed;
    struct qsa_threads *threads;
    struct prefix *refused;
    size_t refused_count;
    bool complete;                   // the MABs of all RUASes are known
    bool unpublished;                // the set of MABs is another than was told
    uv_timer_t settle;               // looks at both
    struct role_qsa_watcher watcher; // another role's; zeros where there is none
};

// The set of MABs

// For those who ask this server for it. A QSA does not know what the DSOCs are called.
static void publish_pages(struct role_qsa *role)
{
    size_t mabs = database_count(role->database);
    size_t count = mabs + role->refused_count;
    struct mab_entry *entries = memory_new_array(count + 1, sizeof(*entries));
    for (size_t i = 0; i < mabs; i++)
        entries[i] = (struct mab_entry){.prefix = *mapping_mab(database_at(role->database, i)),
                                        .dsoc = "here"};
    for (size_t i = 0; i < role->refused_count; i++)
        entries[mabs + i] = (struct mab_entry){.prefix = role->refused[i], .dsoc = "-"};
    struct page_shelf *shelf = page_shelf_of_entries(entries, count);
    qsa_threads_set_pages(role->threads, shelf);
    page_shelf_release(shelf);
    memory_free(entries);
}

static void on_settle(uv_timer_t *timer)
{
    struct role_qsa *role = timer->data;
    if (!role->complete && feed_in_complete(role->feed)) {
        role->complete = true;
        qsa_threads_tell(role->threads, qsa_news_new(QSA_NEWS_COMPLETE, NULL, 0, NULL, NULL, 0));
    }
    if (role->complete && role->unpublished)
        publish_pages(role);
    role->unpublished &= !role->complete;
}

// More may follow at once, and looking takes time where there are many MABs.
static void settle_soon(struct role_qsa *role)
{
    if (!uv_is_active((uv_handle_t *)&role->settle))
        (void)uv_timer_start(&role->settle, on_settle, SETTLE_MS, 0);
}

static void publish_soon(struct role_qsa *role)
{
    role->unpublished = true;
    settle_soon(role);
}

// What the feed tells

static void tell_watcher(const struct role_qsa *role)
{
    if (role->watcher.mabs != NULL)
        role->watcher.mabs(role->watcher.state);
}

// Tells the threads of an event. The mappings that it took out of the database go with the news.
static void tell_threads(struct role_qsa *role, enum qsa_news_kind kind,
                         const struct receiver_event *event)
{
    const struct mapping *mapping =
        kind == QSA_NEWS_RELOADED ? database_get(role->database, &event->mab) : NULL;
    if (kind == QSA_NEWS_RELOADED && mapping == NULL)
        return; // removed meanwhile, which is the next event
    bool changed = kind == QSA_NEWS_CHANGED;
    struct qsa_news *news =
        qsa_news_new(kind, &event->mab, event->sequence, mapping, changed ? event->updates : NULL,
                     changed ? event->count : 0);
    if (kind == QSA_NEWS_RELOADED || kind == QSA_NEWS_REMOVED) {
        struct mapping *replaced = NULL;
        while ((replaced = database_take_replaced(role->database, &event->mab)) != NULL)
            qsa_news_bury(news, replaced);
    }
    qsa_threads_tell(role->threads, news);
}

static void on_feed_event(void *state, const struct receiver_event *event)
{
    struct role_qsa *role = state;
    switch (event->kind) {
    case RECEIVER_APPLIED:
        tell_threads(role, QSA_NEWS_CHANGED, event);
        break;
    case RECEIVER_RELOADED:
        tell_threads(role, QSA_NEWS_RELOADED, event);
        break;
    case RECEIVER_READY:
        tell_threads(role, QSA_NEWS_READY, event);
        publish_soon(role);
        tell_watcher(role);
        break;
    case RECEIVER_LOST:
        tell_threads(role, QSA_NEWS_LOST, event);
        tell_watcher(role);
        break;
    case RECEIVER_REMOVED:
        tell_threads(role, QSA_NEWS_REMOVED, event);
        publish_soon(role);
        tell_watcher(role);
        break;
    case RECEIVER_FETCH_DIRECTORY:
    case RECEIVER_FETCH_PAYLOADS:
    case RECEIVER_FETCH_SNAPSHOT:
        return; // the feed's own
    }
}

static void on_refused(void *state, const struct prefix *prefixes, size_t count)
{
    struct role_qsa *role = state;
    memory_free(role->refused);
    role->refused = memory_copy(prefixes, count * sizeof(*prefixes));
    role->refused_count = count;
    publish_soon(role);
    if (role->watcher.refused != NULL)
        role->watcher.refused(role->watcher.state);
}

// There is no event that says that all is known: MABs are given up, and copies fall out of step and
// into it again, before the rest is there.
static void on_heard(void *state)
{
    struct role_qsa *role = state;
    if (!role->complete)
        settle_soon(role);
}

// What the node asks

static void write_metrics(void *state, struct metrics_page *page)
{
    struct role_qsa *role = state;
    struct qsa_report report = qsa_threads_report(role->threads);
    query_report_teller(&report.teller, "qsa", page);
    query_report_malformed(report.counters.dropped, "qsa", page);
    metrics_counter(page, "ivip_qsa_wrong_direction_total", "Messages that only a querier may get",
                    report.counters.dropped_type);
    metrics_counter(page, "ivip_qsa_ranges_checked_total",
                    "Ranges told to someone that were looked at for a change",
                    report.counters.ranges_checked);
    metrics_gauge(page, "ivip_qsa_mabs", "MABs served", (double)database_count(role->database));
    query_report_threads(report.loads, qsa_threads_count(role->threads), "qsa", page);
    query_report_udp(&report.udp, "qsa", page);
    feed_in_write_metrics(role->feed, page);
}

static json_t *mabs_status(const struct role_qsa *role)
{
    json_t *mabs = json_array();
    size_t count = role_qsa_mab_count(role);
    for (size_t i = 0; i < count; i++) {
        char text[PREFIX_TEXT_MAX];
        struct prefix mab;
        bool answering = role_qsa_mab(role, i, &mab);
        (void)json_array_append_new(
            mabs, json_pack("{s:s, s:b}", "mab", prefix_print(&mab, text), "answering", answering));
    }
    return mabs;
}

static json_t *status(void *state)
{
    struct role_qsa *role = state;
    struct qsa_report report = qsa_threads_report(role->threads);
    struct endpoint local = qsa_threads_local(role->threads);
    char text[ENDPOINT_TEXT_MAX];
    size_t count = qsa_threads_count(role->threads);
    return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "listen", endpoint_print(&local, text),
                     "threads", (json_int_t)count, "load", query_status_loads(report.loads, count),
                     "mabs", mabs_status(role), "queriers", query_status_teller(&report.teller),
                     "feed", feed_in_status(role->feed));
}

static bool healthy(void *state, char *why, size_t size)
{
    struct role_qsa *role = state;
    return feed_in_healthy(role->feed, why, size);
}

// Those of the config that may change while it runs.
static void apply_config(struct role_qsa *role, const struct config_qsa *config)
{
    qsa_threads_set(role->threads, config->caching_time, config->peers.items, config->peers.count);
}

static bool reload(void *state, const struct config *config, struct error *error)
{
    struct role_qsa *role = state;
    const struct config_qsa *old = node_config(role->node)->qsa;
    const struct config_qsa *next = config->qsa;
    if (!endpoint_equal(&old->listen, &next->listen) || !endpoint_equal(&old->feed, &next->feed))
        return error_set(error, ERROR_CONFLICT, "needs-restart",
                         "qsa.listen and qsa.feed cannot change without a restart");
    if (old->threads != next->threads)
        return error_set(
            error, ERROR_CONFLICT, "needs-restart",
            "qsa.threads cannot change without a restart: each has queriers of its own");
    if (old->told_ranges != next->told_ranges)
        return error_set(error, ERROR_CONFLICT, "needs-restart",
                         "qsa.told_ranges cannot change without a restart: their tables have it "
                         "for their size");
    if (!feed_in_set_urls(role->feed, next, error))
        return false;
    apply_config(role, next);
    return true;
}

static void on_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

static void stop(void *state)
{
    struct role_qsa *role = state;
    feed_in_close(role->feed);
    qsa_threads_close(role->threads);
    database_free(role->database);
    memory_free(role->refused);
    uv_close((uv_handle_t *)&role->settle, on_closed);
}

static size_t count_threads(const struct config_qsa *config)
{
    size_t count = config->threads > 0 ? config->threads : uv_available_parallelism();
    return count < QSA_THREADS_MAX ? count : QSA_THREADS_MAX;
}

bool role_qsa_start(struct node *node, struct error *error)
{
    const struct config_qsa *config = node_config(node)->qsa;
    size_t told_max = query_memory_ranges(config->told_ranges, TELLER_TOLD_MAX);
    struct qsa_config core = {
        .teller = {.queriers_max = TELLER_QUERIERS_MAX,
                   .unproven_max = TELLER_UNPROVEN_MAX,
                   .told_max = told_max,
                   .told_per_querier_max = query_memory_of_querier(told_max)},
        .caching_time = config->caching_time,
    };
    struct role_qsa *role = memory_new(sizeof(*role));
    const struct feed_in_handlers handlers = {role, on_feed_event, on_refused, on_heard};
    role->node = node;
    role->database = database_new();
    database_keep_replaced(role->database);
    (void)uv_timer_init(node_loop(node), &role->settle);
    role->settle.data = role;
    role->threads = qsa_threads_open(&config->listen, &core, count_threads(config), error);
    if (role->threads != NULL)
        role->feed = feed_in_open(node, config, role->database, &handlers, error);
    if (role->feed == NULL) {
        stop(role);
        return false;
    }
    apply_config(role, config);
    node_add_role(node,
                  &(struct role){"qsa", role, write_metrics, status, healthy, reload, stop, false});
    return true;
}

// For other roles

const struct database *role_qsa_database(const void *state)
{
    return ((const struct role_qsa *)state)->database;
}

size_t role_qsa_mab_count(const void *state)
{
    return database_count(role_qsa_database(state));
}

bool role_qsa_mab(const void *state, size_t i, struct prefix *mab)
{
    const struct role_qsa *role = state;
    struct receiver_mab_status status;
    *mab = *mapping_mab(database_at(role->database, i));
    return receiver_mab(feed_in_receiver(role->feed), mab, &status) && status.answering;
}

const struct prefix *role_qsa_refused(const void *state, size_t *count)
{
    const struct role_qsa *role = state;
    *count = role->refused_count;
    return role->refused;
}

void role_qsa_watch(void *state, const struct role_qsa_watcher *watcher)
{
    struct role_qsa *role = state;
    role->watcher = watcher != NULL ? *watcher : (struct role_qsa_watcher){0};
}
