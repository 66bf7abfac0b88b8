// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/role_qsa.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/core_pump.h"
#include "node/push/feed_in.h"
#include "node/query/query_report.h"
#include "query/qsa.h"

#include <string.h>

struct role_qsa {
    struct node *node;
    size_t ruas_count;
    struct database *database;
    struct feed_in *feed;
    struct qsa *qsa;
    struct core_pump *pump;
    struct prefix *refused;
    size_t refused_count;
    struct role_qsa_watcher watcher; // another role's; zeros where there is none
};

// What the feed tells

// The MABs of all RUASes are known once each has named them and they were loaded.
static void note_complete(struct role_qsa *role)
{
    const struct receiver *receiver = feed_in_receiver(role->feed);
    bool complete = true;
    for (size_t i = 0; i < role->ruas_count; i++) {
        struct receiver_ruas_status ruas = receiver_ruas(receiver, i);
        complete &= ruas.synced && ruas.mabs_ready == ruas.mabs;
    }
    if (complete)
        qsa_set_complete(role->qsa, true);
}

static void tell_watcher(const struct role_qsa *role)
{
    if (role->watcher.mabs != NULL)
        role->watcher.mabs(role->watcher.state);
}

static void add_mab(struct role_qsa *role, const struct prefix *mab)
{
    struct error error;
    if (!qsa_mab_add(role->qsa, mab, &error))
        log_error("qsa", "a MAB cannot be served: %s", error.text);
}

static void on_feed_event(void *state, const struct receiver_event *event)
{
    struct role_qsa *role = state;
    struct instant now = node_now(role->node);
    switch (event->kind) {
    case RECEIVER_APPLIED:
        qsa_changed(role->qsa, now, &event->mab, event->sequence, event->updates, event->count);
        break;
    case RECEIVER_RELOADED:
        add_mab(role, &event->mab);
        qsa_mab_reloaded(role->qsa, now, &event->mab, event->sequence);
        break;
    case RECEIVER_READY:
        qsa_mab_ready(role->qsa, &event->mab);
        note_complete(role);
        tell_watcher(role);
        break;
    case RECEIVER_LOST:
        qsa_mab_lost(role->qsa, now, &event->mab);
        tell_watcher(role);
        break;
    case RECEIVER_REMOVED:
        qsa_mab_remove(role->qsa, now, &event->mab);
        tell_watcher(role);
        break;
    case RECEIVER_FETCH_DIRECTORY:
    case RECEIVER_FETCH_PAYLOADS:
    case RECEIVER_FETCH_SNAPSHOT:
        return; // the feed's own
    }
    if (role->pump != NULL)
        core_pump_drain(role->pump);
}

static void on_refused(void *state, const struct prefix *prefixes, size_t count)
{
    struct role_qsa *role = state;
    memory_free(role->refused);
    role->refused = memory_copy(prefixes, count * sizeof(*prefixes));
    role->refused_count = count;
    if (role->watcher.refused != NULL)
        role->watcher.refused(role->watcher.state);
}

// The core

static void input(void *core, struct instant now, const struct endpoint *from, const uint8_t *bytes,
                  size_t length)
{
    qsa_input(core, now, from, bytes, length);
}

static size_t next_output(void *core, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    return qsa_next_output(core, now, to, buffer);
}

static struct instant next_deadline(const void *core)
{
    return qsa_next_deadline(core);
}

static void tick(void *core, struct instant now)
{
    qsa_tick(core, now);
}

static const struct core_functions functions = {input, next_output, next_deadline, tick};

// What the node asks

static void write_metrics(void *state, struct metrics_page *page)
{
    struct role_qsa *role = state;
    const struct qsa_counters *counters = qsa_counters(role->qsa);
    query_report_teller(qsa_teller(role->qsa), "qsa", page);
    query_report_malformed(counters->dropped, "qsa", page);
    metrics_counter(page, "ivip_qsa_wrong_direction_total", "Messages that only a querier may get",
                    counters->dropped_type);
    metrics_counter(page, "ivip_qsa_ranges_checked_total",
                    "Ranges told to someone that were looked at for a change",
                    counters->ranges_checked);
    metrics_gauge(page, "ivip_qsa_mabs", "MABs served", (double)qsa_mab_count(role->qsa));
    core_pump_write_metrics(role->pump, "qsa", page);
    feed_in_write_metrics(role->feed, page);
}

static json_t *mabs_status(const struct role_qsa *role)
{
    json_t *mabs = json_array();
    for (size_t i = 0; i < qsa_mab_count(role->qsa); i++) {
        struct prefix prefix;
        char text[PREFIX_TEXT_MAX];
        bool ready = qsa_mab(role->qsa, i, &prefix);
        (void)json_array_append_new(
            mabs, json_pack("{s:s, s:b}", "mab", prefix_print(&prefix, text), "answering", ready));
    }
    return mabs;
}

static json_t *status(void *state)
{
    struct role_qsa *role = state;
    struct endpoint local = udp_local(core_pump_udp(role->pump));
    char text[ENDPOINT_TEXT_MAX];
    return json_pack("{s:s, s:o, s:o, s:o}", "listen", endpoint_print(&local, text), "mabs",
                     mabs_status(role), "queriers", query_status_teller(qsa_teller(role->qsa)),
                     "feed", feed_in_status(role->feed));
}

static bool healthy(void *state, char *why, size_t size)
{
    struct role_qsa *role = state;
    return feed_in_healthy(role->feed, why, size);
}

static void stop(void *state)
{
    struct role_qsa *role = state;
    feed_in_close(role->feed);
    core_pump_close(role->pump);
    qsa_free(role->qsa);
    database_free(role->database);
    memory_free(role->refused);
    memory_free(role);
}

// How many different keys there are: as many RUASes does the feed follow.
static size_t count_ruas(const struct config_qsa *config)
{
    size_t count = 0;
    for (size_t i = 0; i < config->ruas_count; i++) {
        size_t n = 0;
        while (n < i && !key_equal(&config->ruas[n].key, &config->ruas[i].key))
            n++;
        count += n == i;
    }
    return count;
}

bool role_qsa_start(struct node *node, struct error *error)
{
    const struct config_qsa *config = node_config(node)->qsa;
    struct qsa_config core = {
        .teller = {.queriers_max = TELLER_QUERIERS_MAX,
                   .unproven_max = TELLER_UNPROVEN_MAX,
                   .told_max = TELLER_TOLD_MAX,
                   .told_per_querier_max = TELLER_TOLD_PER_QUERIER_MAX},
        .caching_time = config->caching_time,
    };
    struct role_qsa *role = memory_new(sizeof(*role));
    const struct feed_in_handlers handlers = {role, on_feed_event, on_refused};
    role->node = node;
    role->ruas_count = count_ruas(config);
    role->database = database_new();
    role->qsa = qsa_new(&core, node_seed(node), node_now(node), role->database);
    role->pump = core_pump_open(node, &config->listen, &functions, role->qsa, error);
    if (role->pump != NULL)
        role->feed = feed_in_open(node, config, role->database, &handlers, error);
    if (role->feed == NULL) {
        stop(role);
        return false;
    }
    node_add_role(node, &(struct role){"qsa", role, write_metrics, status, healthy, NULL, stop});
    return true;
}

// For other roles

const struct database *role_qsa_database(const void *state)
{
    return ((const struct role_qsa *)state)->database;
}

size_t role_qsa_mab_count(const void *state)
{
    return qsa_mab_count(((const struct role_qsa *)state)->qsa);
}

bool role_qsa_mab(const void *state, size_t i, struct prefix *mab)
{
    return qsa_mab(((const struct role_qsa *)state)->qsa, i, mab);
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
