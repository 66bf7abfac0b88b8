// SPDX-License-Identifier: BSD-2-Clause
#include "node/push/feed_out.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/deadline.h"
#include "node/push/public_server.h"
#include "node/push/snapshot_keeper.h"
#include "node/udp.h"
#include "push/sender.h"

#include <inttypes.h>
#include <stdio.h>

struct feed_out {
    struct node *node;
    const struct config_ruas *config;
    struct feed_source source;
    struct sender *sender;
    struct snapshot_keeper *keeper;
    struct public_server *server;
    struct udp *udp;
    bool udp_ipv6;
    bool full; // the queue was; said once
    uv_timer_t timer;
};

static void on_timer(uv_timer_t *timer);

// Sends all that is due and sets the timer for what comes next.
static void pump(struct feed_out *feed)
{
    uint8_t bytes[PAYLOAD_BYTES_MAX];
    struct instant now = node_now(feed->node);
    struct wall_time wall = node_wall_time(feed->node);
    const struct config_endpoints *feeds = &feed->config->feeds;
    size_t length = 0;
    while ((length = sender_next_output(feed->sender, now, wall, bytes)) > 0)
        for (size_t i = 0; i < feeds->count; i++)
            udp_send(feed->udp, &feeds->items[i], bytes, length);
    udp_flush(feed->udp);
    deadline_arm(&feed->timer, now, sender_next_deadline(feed->sender), on_timer);
}

static void on_timer(uv_timer_t *timer)
{
    pump(timer->data);
}

static void on_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                        size_t length)
{
    (void)state; // feeds do not answer
    (void)from;
    (void)bytes;
    (void)length;
}

static bool wants_ipv6(const struct config_ruas *config)
{
    bool ipv6 = false;
    for (size_t i = 0; i < config->feeds.count; i++)
        ipv6 |= config->feeds.items[i].address.family == FAMILY_IPV6;
    return ipv6;
}

// Opens a socket that reaches all feeds, in the place of the one before; which stays where that
// fails, and reaches those that it did.
static bool open_udp(struct feed_out *feed, const struct config_ruas *config, struct error *error)
{
    bool ipv6 = wants_ipv6(config);
    struct endpoint any = {.address = {.family = ipv6 ? FAMILY_IPV6 : FAMILY_IPV4}};
    struct udp *udp = udp_open(feed->node, &any, on_datagram, NULL, feed, error);
    if (udp == NULL)
        return false;
    udp_close(feed->udp);
    feed->udp = udp;
    feed->udp_ipv6 = ipv6;
    return true;
}

static void on_snapshot(void *state, const struct snapshot_info *info)
{
    struct feed_out *feed = state;
    struct payload_section section = {.type = SECTION_SNAPSHOT,
                                      .mab = info->mab,
                                      .mab_sequence = info->sequence,
                                      .hash = info->hash,
                                      .time = info->time,
                                      .micronets = info->micronets};
    sender_announce(feed->sender, &section);
}

static bool add_mabs(struct feed_out *feed, struct error *error)
{
    const struct feed_source *source = &feed->source;
    for (size_t i = 0; i < source->mab_count(source->state); i++) {
        const struct mapping *mapping = source->mapping(source->state, i);
        uint64_t sequence = source->sequence(source->state, i);
        struct mapping_hash hash = mapping_hash(mapping);
        if (!snapshot_keeper_add(feed->keeper, mapping, sequence, error))
            return false;
        sender_add_mab(feed->sender, mapping_mab(mapping), sequence, &hash);
    }
    return true;
}

struct feed_out *feed_out_new(struct node *node, const struct config_ruas *config,
                              const struct feed_source *source, uint64_t epoch, struct error *error)
{
    struct feed_out *feed = memory_new(sizeof(*feed));
    feed->node = node;
    feed->config = config;
    feed->source = *source;
    (void)uv_timer_init(node_loop(node), &feed->timer);
    feed->timer.data = feed;
    struct sender_config sender = {.epoch = epoch, .secret = *node_key(node)};
    feed->sender = sender_new(&sender, node_now(node));
    key_wipe(&sender.secret);
    struct snapshot_keeper_config keeper = {.epoch = epoch, .every = config->snapshot_every};
    feed->keeper = snapshot_keeper_new(node, &keeper, on_snapshot, feed);
    bool good = add_mabs(feed, error) && open_udp(feed, config, error);
    if (good)
        feed->server = public_server_open(node, &config->public_listen, feed->sender, feed->keeper,
                                          source->refused, error);
    if (feed->server == NULL) {
        feed_out_stop(feed);
        return NULL;
    }
    pump(feed);
    return feed;
}

void feed_out_set(struct feed_out *feed, const struct prefix *mab, uint64_t mab_sequence,
                  const struct update *updates, size_t count)
{
    const struct feed_source *source = &feed->source;
    size_t i = snapshot_keeper_number(feed->keeper, mab);
    // Several sets may have been made durable together: then the database is further on already.
    bool exact = source->sequence(source->state, i) == mab_sequence;
    struct mapping_hash hash = mapping_hash(source->mapping(source->state, i));
    snapshot_keeper_set(feed->keeper, mab, mab_sequence, updates, count, exact ? &hash : NULL);
    bool queued = sender_set(feed->sender, node_now(feed->node), mab, mab_sequence, updates, count,
                             exact ? &hash : NULL);
    if (!queued && !feed->full)
        log_error("feed", "more changes than can be sent: receivers will learn some of them from "
                          "snapshots");
    feed->full = !queued;
    pump(feed);
}

void feed_out_reload(struct feed_out *feed, const struct config_ruas *config)
{
    struct error error;
    if (wants_ipv6(config) != feed->udp_ipv6 && !open_udp(feed, config, &error))
        log_error("feed", "%s; not all feeds are reached", error.text);
    feed->config = config;
    feed->source.refused = &config->refuse;
    snapshot_keeper_set_every(feed->keeper, config->snapshot_every);
    public_server_set_refused(feed->server, &config->refuse);
}

void feed_out_set_usage(struct feed_out *feed, public_take *take, void *state)
{
    public_server_set_usage(feed->server, take, state);
}

static void on_timer_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void feed_out_stop(struct feed_out *feed)
{
    if (feed == NULL)
        return;
    snapshot_keeper_stop(feed->keeper); // answers who waits, so the server must still be there
    public_server_close(feed->server);
    udp_close(feed->udp);
    sender_free(feed->sender);
    uv_close((uv_handle_t *)&feed->timer, on_timer_closed);
}

struct endpoint feed_out_public(const struct feed_out *feed)
{
    return public_server_local(feed->server);
}

static void write_server_metrics(const struct feed_out *feed, struct metrics_page *page)
{
    const struct public_server_counters *served = public_server_counters(feed->server);
    const struct snapshot_keeper_counters *kept = snapshot_keeper_counters(feed->keeper);
    public_server_write_metrics(feed->server, page);
    metrics_describe(page, "ivip_feed_http_requests_total", "counter", "Public requests answered");
    metrics_value(page, "ivip_feed_http_requests_total", "what=\"directory\"",
                  (double)served->directories);
    metrics_value(page, "ivip_feed_http_requests_total", "what=\"payloads\"",
                  (double)served->payload_requests);
    metrics_value(page, "ivip_feed_http_requests_total", "what=\"snapshot\"",
                  (double)served->snapshots);
    metrics_value(page, "ivip_feed_http_requests_total", "what=\"refused\"",
                  (double)served->refused);
    metrics_counter(page, "ivip_feed_snapshots_made_total", "Snapshots made", kept->made);
    metrics_counter(page, "ivip_feed_snapshots_failed_total",
                    "Snapshots that a worker could not make", kept->failed);
    metrics_gauge(page, "ivip_feed_snapshot_seconds_max", "Longest time a snapshot took",
                  (double)kept->made_ns_max / 1e9);
    metrics_gauge(page, "ivip_feed_snapshot_bytes", "Memory of the snapshots kept",
                  (double)kept->bytes);
    metrics_gauge(page, "ivip_feed_snapshot_sending_bytes",
                  "Memory of snapshots that are not kept any more, but still being sent",
                  (double)kept->sending_bytes);
    metrics_gauge(page, "ivip_feed_snapshot_waiting", "Requests waiting for a snapshot",
                  (double)kept->waiting);
}

void feed_out_write_metrics(const struct feed_out *feed, struct metrics_page *page)
{
    const struct sender_counters *sent = sender_counters(feed->sender);
    metrics_counter(page, "ivip_feed_payloads_total", "Payloads made; each goes to every feed",
                    sent->payloads);
    metrics_counter(page, "ivip_feed_bytes_total", "Bytes of payloads made", sent->bytes);
    metrics_counter(page, "ivip_feed_sets_total", "Sets sent", sent->sets);
    metrics_counter(page, "ivip_feed_updates_total", "Updates in sets sent", sent->updates);
    metrics_counter(page, "ivip_feed_heartbeats_total", "Payloads with nothing to say",
                    sent->heartbeats);
    metrics_counter(page, "ivip_feed_states_total", "States of MABs sent", sent->states);
    metrics_counter(page, "ivip_feed_refused_full_total",
                    "Sets that were not sent because too many wait", sent->refused_full);
    metrics_gauge(page, "ivip_feed_queue_bytes", "Memory of sets that wait to be sent",
                  (double)sender_queued(feed->sender));
    metrics_gauge(page, "ivip_feed_history_bytes", "Memory of payloads kept for who missed them",
                  (double)history_memory(sender_history(feed->sender)));
    metrics_gauge(page, "ivip_feed_epoch", "Epoch of the payloads' numbering",
                  (double)sender_epoch(feed->sender));
    metrics_gauge(page, "ivip_feed_sequence", "Number of the last payload",
                  (double)history_last(sender_history(feed->sender)));
    metrics_gauge(page, "ivip_feed_feeds", "Receivers that payloads are sent to",
                  (double)feed->config->feeds.count);
    write_server_metrics(feed, page);
}

json_t *feed_out_status(const struct feed_out *feed)
{
    const struct sender_counters *sent = sender_counters(feed->sender);
    json_t *feeds = json_array();
    for (size_t i = 0; i < feed->config->feeds.count; i++) {
        char text[ENDPOINT_TEXT_MAX];
        (void)json_array_append_new(
            feeds, json_string(endpoint_print(&feed->config->feeds.items[i], text)));
    }
    json_t *mabs = json_array();
    for (size_t i = 0; i < sender_mab_count(feed->sender); i++) {
        struct sender_mab_state state = sender_mab_state(feed->sender, i);
        char mab[PREFIX_TEXT_MAX];
        char hash[40];
        (void)snprintf(hash, sizeof(hash), "%016" PRIx64 "%016" PRIx64, state.hash.lanes[0],
                       state.hash.lanes[1]);
        (void)json_array_append_new(mabs, json_pack("{s:s, s:I, s:s}", "mab",
                                                    prefix_print(&state.mab, mab), "sequence",
                                                    (json_int_t)state.sequence, "hash", hash));
    }
    return json_pack("{s:I, s:I, s:o, s:o, s:I, s:I, s:I}", "epoch",
                     (json_int_t)sender_epoch(feed->sender), "sequence",
                     (json_int_t)history_last(sender_history(feed->sender)), "feeds", feeds, "mabs",
                     mabs, "payloads", (json_int_t)sent->payloads, "sets", (json_int_t)sent->sets,
                     "queued_bytes", (json_int_t)sender_queued(feed->sender));
}
