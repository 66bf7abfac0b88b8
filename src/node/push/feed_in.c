// SPDX-License-Identifier: BSD-2-Clause
#include "node/push/feed_in.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/deadline.h"
#include "node/push/feed_fetch.h"
#include "node/udp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SILENT_SECONDS      30  // without a payload of a RUAS: then the feed is not healthy
#define CLOCK_APART_SECONDS 300 // more between two clocks is not healthy

// The prefixes that one RUAS refuses.
struct refused {
    size_t count;
    struct prefix *prefixes;
};

struct feed_in {
    struct node *node;
    struct feed_in_handlers handlers;
    struct database *database;
    size_t ruas_count;
    struct feed_ruas *ruas;
    struct refused *refused; // for each RUAS
    struct receiver *receiver;
    struct feed_fetcher *fetcher;
    struct udp *udp;
    uv_timer_t timer;
};

static void on_timer(uv_timer_t *timer);

static void log_event(const struct receiver_event *event)
{
    char mab[PREFIX_TEXT_MAX];
    (void)prefix_print(&event->mab, mab);
    if (event->kind == RECEIVER_RELOADED)
        log_info("feed", "%s loaded at sequence %" PRIu64, mab, event->sequence);
    else if (event->kind == RECEIVER_LOST)
        log_warning("feed", "%s is out of step: it is not answered for until it is loaded again",
                    mab);
    else if (event->kind == RECEIVER_READY)
        log_info("feed", "%s is in step", mab);
    else if (event->kind == RECEIVER_REMOVED)
        log_info("feed", "%s was given up by its RUAS", mab);
}

// Takes all events out of the receiver and sets the timer for what comes next.
static void drain(struct feed_in *feed)
{
    struct receiver_event event;
    struct instant now = node_now(feed->node);
    while (receiver_next_event(feed->receiver, now, &event)) {
        if (event.kind >= RECEIVER_FETCH_DIRECTORY) {
            feed_fetcher_get(feed->fetcher, &event);
            continue;
        }
        log_event(&event);
        feed->handlers.event(feed->handlers.state, &event);
    }
    if (feed->handlers.heard != NULL)
        feed->handlers.heard(feed->handlers.state);
    deadline_arm(&feed->timer, now, receiver_next_deadline(feed->receiver), on_timer);
}

static void on_timer(uv_timer_t *timer)
{
    struct feed_in *feed = timer->data;
    receiver_tick(feed->receiver, node_now(feed->node));
    drain(feed);
}

static void on_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                        size_t length)
{
    struct feed_in *feed = state;
    receiver_input(feed->receiver, node_now(feed->node), from, bytes, length);
}

static void on_batch_end(void *state)
{
    drain(state);
}

// Tells the prefixes that all RUASes refuse.
static void tell_refused(struct feed_in *feed)
{
    size_t count = 0;
    for (size_t i = 0; i < feed->ruas_count; i++)
        count += feed->refused[i].count;
    struct prefix *all = memory_new_array(count, sizeof(*all));
    size_t used = 0;
    for (size_t i = 0; i < feed->ruas_count; i++)
        for (size_t n = 0; n < feed->refused[i].count; n++)
            all[used++] = feed->refused[i].prefixes[n];
    feed->handlers.refused(feed->handlers.state, all, count);
    memory_free(all);
}

static void take_refused(struct feed_in *feed, size_t ruas, const struct directory *directory)
{
    struct refused *refused = &feed->refused[ruas];
    bool same = refused->count == directory->refused_count;
    for (size_t i = 0; same && i < refused->count; i++)
        same = prefix_equal(&refused->prefixes[i], &directory->refused[i]);
    if (same)
        return;
    memory_free(refused->prefixes);
    refused->count = directory->refused_count;
    refused->prefixes =
        memory_copy(directory->refused, refused->count * sizeof(*refused->prefixes));
    tell_refused(feed);
}

// Gives the receiver what was fetched; true when it was of use.
static bool take_fetched(struct feed_in *feed, const struct feed_fetched *fetched)
{
    struct instant now = node_now(feed->node);
    size_t ruas = fetched->event.ruas;
    const struct receiver_counters *counters = receiver_counters(feed->receiver);
    const struct receiver_counters before = *counters;
    struct error error = {0};
    if (fetched->event.kind == RECEIVER_FETCH_DIRECTORY) {
        receiver_directory(feed->receiver, now, ruas, fetched->directory);
        if (counters->directories == before.directories)
            return false;
        take_refused(feed, ruas, fetched->directory);
        return true;
    }
    if (fetched->event.kind == RECEIVER_FETCH_PAYLOADS) {
        receiver_payloads(feed->receiver, now, ruas, fetched->result, fetched->bytes,
                          fetched->length);
        drain(feed); // which takes payloads in their order
        return counters->applied_payloads > before.applied_payloads;
    }
    receiver_snapshot(feed->receiver, now, &fetched->event.mab, &fetched->info, fetched->mapping,
                      &error);
    if (error.code != ERROR_NONE)
        log_warning("feed", "a snapshot is of no use: %s", error.text);
    return counters->reloaded > before.reloaded;
}

static bool on_fetched(void *state, const struct feed_fetched *fetched)
{
    bool of_use = take_fetched(state, fetched);
    drain(state);
    return of_use;
}

static struct feed_ruas *find_ruas(struct feed_ruas *list, size_t count,
                                   const struct public_key *key)
{
    for (size_t i = 0; i < count; i++)
        if (key_equal(&list[i].key, key))
            return &list[i];
    return NULL;
}

// Puts entries of the config with the same key together. Fills `list`, with room for all entries,
// and returns how many RUASes there are.
static size_t gather_ruas(const struct config_qsa *config, struct feed_ruas *list)
{
    size_t count = 0;
    for (size_t i = 0; i < config->ruas_count; i++) {
        const struct config_ruas_peer *peer = &config->ruas[i];
        struct feed_ruas *ruas = find_ruas(list, count, &peer->key);
        if (ruas == NULL) {
            ruas = &list[count++];
            ruas->key = peer->key;
            ruas->urls = memory_new_array(config->ruas_count, sizeof(char *));
        }
        ruas->urls[ruas->url_count++] = peer->url;
    }
    return count;
}

static void free_ruas(struct feed_ruas *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memory_free(list[i].urls);
    memory_free(list);
}

bool feed_in_set_urls(struct feed_in *feed, const struct config_qsa *config, struct error *error)
{
    struct feed_ruas *list = memory_new_array(config->ruas_count, sizeof(*list));
    size_t count = gather_ruas(config, list);
    bool same = count == feed->ruas_count;
    for (size_t i = 0; same && i < count; i++)
        same = find_ruas(feed->ruas, count, &list[i].key) != NULL;
    for (size_t i = 0; same && i < count; i++) {
        struct feed_ruas *ruas = find_ruas(feed->ruas, count, &list[i].key);
        assert(ruas != NULL);
        struct feed_ruas before = *ruas;
        *ruas = list[i];
        list[i] = before;
    }
    free_ruas(list, count);
    return same || error_set(error, ERROR_CONFLICT, "needs-restart",
                             "qsa.ruas names other keys than before, which only a restart can "
                             "change; their URLs can change at any time");
}

struct feed_in *feed_in_open(struct node *node, const struct config_qsa *config,
                             struct database *database, const struct feed_in_handlers *handlers,
                             struct error *error)
{
    struct feed_in *feed = memory_new(sizeof(*feed));
    feed->node = node;
    feed->handlers = *handlers;
    feed->database = database;
    feed->udp = udp_open(node, &config->feed, on_datagram, on_batch_end, feed, error);
    if (feed->udp == NULL) {
        memory_free(feed);
        return NULL;
    }
    feed->ruas = memory_new_array(config->ruas_count, sizeof(*feed->ruas));
    feed->refused = memory_new_array(config->ruas_count, sizeof(*feed->refused));
    feed->ruas_count = gather_ruas(config, feed->ruas);
    struct public_key *keys = memory_new_array(feed->ruas_count, sizeof(*keys));
    for (size_t i = 0; i < feed->ruas_count; i++)
        keys[i] = feed->ruas[i].key;
    struct receiver_config receiver = {.ruas_count = feed->ruas_count, .ruas = keys};
    feed->receiver = receiver_new(&receiver, database, node_seed(node), node_now(node));
    memory_free(keys);
    feed->fetcher = feed_fetcher_new(node, feed->ruas, feed->ruas_count, on_fetched, feed);
    (void)uv_timer_init(node_loop(node), &feed->timer);
    feed->timer.data = feed;
    (void)uv_timer_start(&feed->timer, on_timer, 0, 0); // not from here: the owner is not ready
    return feed;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct feed_in *feed = handle->data;
    for (size_t i = 0; i < feed->ruas_count; i++)
        memory_free(feed->refused[i].prefixes);
    free_ruas(feed->ruas, feed->ruas_count);
    memory_free(feed->refused);
    memory_free(feed);
}

void feed_in_close(struct feed_in *feed)
{
    if (feed == NULL)
        return;
    udp_close(feed->udp);
    feed_fetcher_stop(feed->fetcher);
    receiver_free(feed->receiver);
    uv_close((uv_handle_t *)&feed->timer, on_timer_closed);
}

bool feed_in_complete(const struct feed_in *feed)
{
    for (size_t i = 0; i < feed->ruas_count; i++) {
        struct receiver_ruas_status status = receiver_ruas(feed->receiver, i);
        if (!status.synced || status.mabs_ready < status.mabs)
            return false;
    }
    return true;
}

const struct receiver *feed_in_receiver(const struct feed_in *feed)
{
    return feed->receiver;
}

struct endpoint feed_in_local(const struct feed_in *feed)
{
    return udp_local(feed->udp);
}

// --- what the node asks --------------------------------------------------------------------------

static double seconds_since(const struct feed_in *feed, struct instant at)
{
    return (double)instant_since(node_now(feed->node), at).ns / 1e9;
}

static void write_drops(const struct receiver_counters *counters, struct metrics_page *page)
{
    static const char name[] = "ivip_feed_in_dropped_total";
    metrics_describe(page, name, "counter", "Payloads that were not used, by reason");
    for (int reason = DECODE_OK + 1; reason < DECODE_REASONS; reason++) {
        char label[64];
        (void)snprintf(label, sizeof(label), "reason=\"malformed-%s\"",
                       decode_reason_name((enum decode_reason)reason));
        metrics_value(page, name, label, (double)counters->malformed[reason]);
    }
    metrics_value(page, name, "reason=\"unknown-ruas\"", (double)counters->unknown_ruas);
    metrics_value(page, name, "reason=\"stale-epoch\"", (double)counters->stale_epoch);
    metrics_value(page, name, "reason=\"repeated\"", (double)counters->repeated);
    metrics_value(page, name, "reason=\"suppressed\"", (double)counters->suppressed);
    metrics_value(page, name, "reason=\"forged\"", (double)counters->forged);
    metrics_value(page, name, "reason=\"beyond\"", (double)counters->beyond);
    metrics_value(page, name, "reason=\"unusable\"", (double)counters->unusable);
}

static void write_counters(const struct receiver_counters *counters, struct metrics_page *page)
{
    metrics_counter(page, "ivip_feed_in_payloads_total", "Payloads received or fetched",
                    counters->received);
    metrics_counter(page, "ivip_feed_in_applied_payloads_total", "Payloads applied",
                    counters->applied_payloads);
    metrics_counter(page, "ivip_feed_in_applied_sets_total", "Sets applied",
                    counters->applied_sets);
    metrics_counter(page, "ivip_feed_in_applied_updates_total", "Updates in sets applied",
                    counters->applied_updates);
    metrics_counter(page, "ivip_feed_in_unknown_mab_total",
                    "Sections for a MAB that the directory did not name", counters->unknown_mab);
    metrics_counter(page, "ivip_feed_in_gaps_total", "Fetches of missing payloads", counters->gaps);
    metrics_counter(page, "ivip_feed_in_fetched_total", "Payloads fetched", counters->fetched);
    metrics_counter(page, "ivip_feed_in_fetch_failures_total", "Fetches of payloads that failed",
                    counters->fetch_failures);
    metrics_counter(page, "ivip_feed_in_resyncs_total", "Gaps that could not be filled",
                    counters->resyncs);
    metrics_counter(page, "ivip_feed_in_epochs_total", "Epochs begun", counters->epochs);
    metrics_counter(page, "ivip_feed_in_diverged_total", "MABs found out of step",
                    counters->diverged);
    metrics_counter(page, "ivip_feed_in_reloaded_total", "MABs loaded from snapshots",
                    counters->reloaded);
    metrics_counter(page, "ivip_feed_in_snapshots_refused_total",
                    "Snapshots that could not be had or used", counters->snapshots_refused);
    metrics_counter(page, "ivip_feed_in_directories_refused_total",
                    "Directories that could not be had or used", counters->directories_refused);
}

static void write_ruas(const struct feed_in *feed, struct metrics_page *page)
{
    static const char age[] = "ivip_feed_in_payload_age_seconds";
    static const char sequence[] = "ivip_feed_in_payload_sequence";
    char label[KEY_TEXT_MAX + 8];
    char key[KEY_TEXT_MAX];
    metrics_describe(page, age, "gauge", "Time since the last payload of a RUAS");
    for (size_t i = 0; i < feed->ruas_count; i++) {
        struct receiver_ruas_status status = receiver_ruas(feed->receiver, i);
        (void)snprintf(label, sizeof(label), "ruas=\"%s\"", key_print(&feed->ruas[i].key, key));
        if (status.heard)
            metrics_value(page, age, label, seconds_since(feed, status.heard_at));
    }
    metrics_describe(page, sequence, "gauge", "Number of the last payload applied");
    for (size_t i = 0; i < feed->ruas_count; i++) {
        (void)snprintf(label, sizeof(label), "ruas=\"%s\"", key_print(&feed->ruas[i].key, key));
        metrics_value(page, sequence, label, (double)receiver_ruas(feed->receiver, i).sequence);
    }
}

static void write_mabs(const struct feed_in *feed, struct metrics_page *page)
{
    static const char sequence[] = "ivip_feed_in_mab_sequence";
    static const char in_step[] = "ivip_feed_in_mab_in_step";
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 0)
            metrics_describe(page, sequence, "gauge", "Number of the last set in a MAB's copy");
        else
            metrics_describe(page, in_step, "gauge", "1 when a MAB's copy is in step");
        for (size_t i = 0; i < database_count(feed->database); i++) {
            const struct mapping *mapping = database_at(feed->database, i);
            struct receiver_mab_status status;
            char mab[PREFIX_TEXT_MAX];
            char label[PREFIX_TEXT_MAX + 8];
            if (!receiver_mab(feed->receiver, mapping_mab(mapping), &status))
                continue;
            (void)snprintf(label, sizeof(label), "mab=\"%s\"",
                           prefix_print(mapping_mab(mapping), mab));
            metrics_value(page, pass == 0 ? sequence : in_step, label,
                          pass == 0 ? (double)status.sequence : (double)status.in_step);
        }
    }
}

void feed_in_write_metrics(const struct feed_in *feed, struct metrics_page *page)
{
    const struct receiver_counters *counters = receiver_counters(feed->receiver);
    write_counters(counters, page);
    write_drops(counters, page);
    write_ruas(feed, page);
    write_mabs(feed, page);
}

static json_t *ruas_status(const struct feed_in *feed, size_t i)
{
    struct receiver_ruas_status status = receiver_ruas(feed->receiver, i);
    char key[KEY_TEXT_MAX];
    json_t *json =
        json_pack("{s:s, s:I, s:I, s:b, s:b, s:I, s:I}", "ruas", key_print(&feed->ruas[i].key, key),
                  "epoch", (json_int_t)status.epoch, "sequence", (json_int_t)status.sequence,
                  "synced", status.synced, "behind", status.behind, "mabs", (json_int_t)status.mabs,
                  "mabs_ready", (json_int_t)status.mabs_ready);
    if (status.heard)
        (void)json_object_set_new(json, "age_s", json_real(seconds_since(feed, status.heard_at)));
    return json;
}

static json_t *mab_status(const struct feed_in *feed, const struct mapping *mapping)
{
    struct receiver_mab_status status;
    if (!receiver_mab(feed->receiver, mapping_mab(mapping), &status))
        return NULL;
    struct mapping_hash hash = mapping_hash(mapping);
    char mab[PREFIX_TEXT_MAX];
    char text[40];
    (void)snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, hash.lanes[0], hash.lanes[1]);
    return json_pack("{s:s, s:I, s:s, s:I, s:b, s:b}", "mab", prefix_print(&status.mab, mab),
                     "sequence", (json_int_t)status.sequence, "hash", text, "micronets",
                     (json_int_t)mapping_count(mapping), "in_step", status.in_step, "answering",
                     status.answering);
}

json_t *feed_in_status(const struct feed_in *feed)
{
    json_t *ruas = json_array();
    for (size_t i = 0; i < feed->ruas_count; i++)
        (void)json_array_append_new(ruas, ruas_status(feed, i));
    json_t *mabs = json_array();
    for (size_t i = 0; i < database_count(feed->database); i++) {
        json_t *mab = mab_status(feed, database_at(feed->database, i));
        if (mab != NULL)
            (void)json_array_append_new(mabs, mab);
    }
    return json_pack("{s:o, s:o}", "ruas", ruas, "mabs", mabs);
}

// Seconds between this machine's clock and the time in the last payload, when it came.
static uint64_t clock_apart(const struct feed_in *feed, const struct receiver_ruas_status *status)
{
    if (!status->heard)
        return 0;
    uint64_t age = instant_since(node_now(feed->node), status->heard_at).ns / 1000000;
    uint64_t here = node_wall_time(feed->node).ms - age;
    uint64_t there = status->time.ms;
    return (here > there ? here - there : there - here) / 1000;
}

bool feed_in_healthy(const struct feed_in *feed, char *why, size_t size)
{
    for (size_t i = 0; i < feed->ruas_count; i++) {
        struct receiver_ruas_status status = receiver_ruas(feed->receiver, i);
        const char *url = feed->ruas[i].urls[0];
        if (!status.synced)
            (void)snprintf(why, size, "no directory yet from the RUAS at %s", url);
        else if (status.mabs_ready < status.mabs)
            (void)snprintf(why, size, "%zu of %zu MABs of the RUAS at %s are being loaded",
                           status.mabs - status.mabs_ready, status.mabs, url);
        else if (clock_apart(feed, &status) > CLOCK_APART_SECONDS)
            (void)snprintf(why, size,
                           "payloads of the RUAS at %s are %" PRIu64 " s off the clock of this "
                           "machine: one of the clocks is wrong, or someone plays old payloads",
                           url, clock_apart(feed, &status));
        else if (status.behind)
            (void)snprintf(why, size, "payloads of the RUAS at %s are missing", url);
        else if (status.heard && seconds_since(feed, status.heard_at) > SILENT_SECONDS)
            (void)snprintf(why, size, "nothing was heard from the RUAS at %s for %.0f s", url,
                           seconds_since(feed, status.heard_at));
        else
            continue;
        return false;
    }
    return true;
}
