// SPDX-License-Identifier: BSD-2-Clause
#include "node/tunnel/role_itr_state.h"

#include "base/counters.h"
#include "node/query/query_report.h"
#include "node/tunnel/forwarding.h"

#include <stdio.h>

// Most entries of one list in an answer on the control socket.
#define LIST_MAX 10000

static void write_reasons(const struct itr_counters *counters, struct metrics_page *page)
{
    metrics_describe(page, "ivip_itr_not_tunnelled_total", "counter",
                     "Packets that were not tunnelled, by reason");
    for (int reason = ITR_REASON_NONE + 1; reason < ITR_REASON_COUNT; reason++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"",
                       itr_reason_name((enum itr_reason)reason));
        metrics_value(page, "ivip_itr_not_tunnelled_total", labels,
                      (double)counters->reasons[reason]);
    }
}

// Packets that leave by either way, ICMP errors among them.
static void write_sent(const struct role_itr *role, struct metrics_page *page)
{
    struct raw_sender_counters sent = *raw_sender_counters(role->sender);
    if (role->other_way != NULL)
        counters_add(&sent, raw_sender_counters(role->other_way), sizeof(sent));
    metrics_counter(page, "ivip_itr_sent_total", "Packets sent: tunnelled, let go, ICMP errors",
                    sent.sent);
    metrics_counter(page, "ivip_itr_sent_octets_total", "Octets of packets sent", sent.sent_octets);
    metrics_describe(page, "ivip_itr_send_failed_total", "counter",
                     "Packets that the kernel did not take, by reason");
    metrics_value(page, "ivip_itr_send_failed_total", "reason=\"too-big\"", (double)sent.too_big);
    metrics_value(page, "ivip_itr_send_failed_total", "reason=\"no-buffers\"",
                  (double)sent.no_buffers);
    metrics_value(page, "ivip_itr_send_failed_total", "reason=\"unreachable\"",
                  (double)sent.unreachable);
    metrics_value(page, "ivip_itr_send_failed_total", "reason=\"other\"", (double)sent.failed);
}

// Packets that never came to a decision.
static void write_unread(const struct role_itr *role, struct metrics_page *page)
{
    uint64_t overflowed = tun_overflowed(role->tun);
    if (role->receiver != NULL)
        overflowed += raw_receiver_counters(role->receiver)->overflowed;
    metrics_counter(page, "ivip_itr_overflowed_total",
                    "Packets that the kernel dropped because the ITR was too slow", overflowed);
    metrics_counter(page, "ivip_itr_read_failed_total",
                    "Packets that could not be read from the TUN",
                    tun_counters(role->tun)->read_failed);
}

static void write_cache(const struct role_itr *role, struct metrics_page *page)
{
    const struct mapping_cache_counters *cache = mapping_cache_counters(itr_cache(role->itr));
    const struct {
        const char *labels;
        uint64_t count;
    } events[] = {
        {"event=\"learned\"", cache->learned},     {"event=\"replaced\"", cache->replaced},
        {"event=\"forgotten\"", cache->forgotten}, {"event=\"expired\"", cache->expired},
        {"event=\"displaced\"", cache->displaced}, {"event=\"renewed\"", cache->renewals},
    };
    metrics_gauge(page, "ivip_itr_cached", "Ranges in the cache",
                  (double)mapping_cache_count(itr_cache(role->itr)));
    metrics_describe(page, "ivip_itr_cache_events_total", "counter",
                     "What happened to ranges in the cache");
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        metrics_value(page, "ivip_itr_cache_events_total", events[i].labels,
                      (double)events[i].count);
}

static void write_hold(const struct role_itr *role, struct metrics_page *page)
{
    const struct hold_counters *hold = hold_counters(itr_hold(role->itr));
    metrics_gauge(page, "ivip_itr_held", "Packets that wait for a mapping now",
                  (double)hold_packets(itr_hold(role->itr)));
    metrics_counter(page, "ivip_itr_held_total", "Packets that had to wait for a mapping",
                    hold->kept);
    metrics_counter(page, "ivip_itr_released_total", "Held packets whose mapping came",
                    hold->released);
    metrics_counter(page, "ivip_itr_hold_displaced_total",
                    "Held packets dropped to make room for newer ones", hold->displaced);
    metrics_counter(page, "ivip_itr_hold_timed_out_total",
                    "Questions without an answer within hold_time", hold->timed_out);
    metrics_counter(page, "ivip_itr_hold_unasked_total",
                    "Held packets dropped because no second one came", hold->unasked);
}

// What a fallback took over from other ITRs.
static void write_fallback(const struct role_itr *role, struct metrics_page *page)
{
    if (role->taking_over == NULL)
        return;
    const struct etr_counters *counters = etr_counters(role->taking_over);
    metrics_counter(page, "ivip_itr_taken_over_total", "Packets taken over from other ITRs",
                    counters->delivered);
    metrics_describe(page, "ivip_itr_not_taken_over_total", "counter",
                     "Tunnelled packets that were not taken over, by reason");
    for (int reason = ETR_REASON_NONE + 1; reason < ETR_REASON_COUNT; reason++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "reason=\"%s\"",
                       etr_reason_name((enum etr_reason)reason));
        metrics_value(page, "ivip_itr_not_taken_over_total", labels,
                      (double)counters->reasons[reason]);
    }
}

static void write_counters(const struct role_itr *role, struct metrics_page *page)
{
    const struct itr_counters *counters = itr_counters(role->itr);
    metrics_counter(page, "ivip_itr_packets_total",
                    "Decisions about packets; one that waited for its mapping or path takes two",
                    counters->packets);
    metrics_counter(page, "ivip_itr_tunnelled_total", "Packets tunnelled, super-packets as one",
                    counters->tunnelled);
    metrics_counter(page, "ivip_itr_super_packets_total", "Of these, super-packets",
                    counters->super_packets);
    metrics_counter(page, "ivip_itr_segments_total", "Packets tunnelled, segments singly",
                    counters->segments);
    metrics_counter(page, "ivip_itr_octets_total", "Octets of inner packets tunnelled",
                    counters->octets);
    metrics_counter(page, "ivip_itr_fragmented_total", "Packets fragmented to fit the path",
                    counters->fragmented);
    metrics_counter(page, "ivip_itr_icmp_sent_total", "ICMP errors sent", counters->icmp_sent);
    metrics_counter(page, "ivip_itr_icmp_limited_total",
                    "ICMP errors not sent because of the rate limit", counters->icmp_limited);
    metrics_counter(page, "ivip_itr_icmp_unsent_total",
                    "ICMP errors not sent because there is no route to the packet's source",
                    role->icmp_unsent);
    metrics_counter(page, "ivip_itr_handed_over_total",
                    "Packets without mapping handed to the fallback", counters->handed_over);
    metrics_counter(page, "ivip_itr_let_go_total", "Packets without mapping let go by pass_device",
                    counters->let_go);
    metrics_counter(page, "ivip_itr_not_asked_total",
                    "Packets without mapping that were the first for their destination",
                    counters->not_asked);
    write_reasons(counters, page);
}

void role_itr_write_metrics(void *state, struct metrics_page *page)
{
    const struct role_itr *role = state;
    write_counters(role, page);
    write_fallback(role, page);
    if (role->querier != NULL) {
        struct querier_report querier = querier_report(role->querier);
        struct udp_counters udp = udp_counters(role->udp);
        query_report_querier(&querier, "itr", page);
        query_report_udp(&udp, "itr", page);
    }
    if (role->reporter != NULL)
        usage_reporter_write_metrics(role->reporter, page);
    write_sent(role, page);
    write_unread(role, page);
    write_hold(role, page);
    if (role->finder != NULL)
        upstream_finder_write_metrics(role->finder, page);
    if (role->list != NULL)
        list_client_write_metrics(role->list, page);
    write_cache(role, page);
    metrics_gauge(page, "ivip_itr_etrs", "ETRs that packets were tunnelled to",
                  (double)etr_paths_count(itr_paths(role->itr)));
    metrics_gauge(page, "ivip_itr_mabs", "MABs known", (double)mab_routes_count(role->mabs));
    metrics_gauge(page, "ivip_itr_mabs_served", "MABs that can be served now",
                  (double)mab_routes_served(role->mabs));
}

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *mabs_json(const struct role_itr *role)
{
    json_t *list = json_array();
    for (size_t i = 0; i < mab_routes_count(role->mabs) && i < LIST_MAX; i++) {
        char text[PREFIX_TEXT_MAX];
        bool served;
        const struct prefix *mab = mab_routes_at(role->mabs, i, &served);
        json_array_append_new(
            list, json_pack("{s:s, s:b}", "mab", prefix_print(mab, text), "served", served));
    }
    return list;
}

json_t *role_itr_status(void *state)
{
    const struct role_itr *role = state;
    const struct itr_counters *counters = itr_counters(role->itr);
    json_t *reasons = json_object();
    for (int reason = ITR_REASON_NONE + 1; reason < ITR_REASON_COUNT; reason++)
        if (counters->reasons[reason] > 0)
            json_object_set_new(reasons, itr_reason_name((enum itr_reason)reason),
                                integer(counters->reasons[reason]));
    json_t *status = json_object();
    json_object_set_new(status, "device", json_string(tun_name(role->tun)));
    json_object_set_new(status, "mappings", json_string(role->querier != NULL ? "cache" : "full"));
    json_object_set_new(status, "announce", json_boolean(role->announce));
    json_object_set_new(status, "packets", integer(counters->packets));
    json_object_set_new(status, "tunnelled", integer(counters->tunnelled));
    json_object_set_new(status, "segments", integer(counters->segments));
    json_object_set_new(status, "octets", integer(counters->octets));
    json_object_set_new(status, "handed_over", integer(counters->handed_over));
    json_object_set_new(status, "let_go", integer(counters->let_go));
    if (role->taking_over != NULL)
        json_object_set_new(status, "taken_over",
                            integer(etr_counters(role->taking_over)->delivered));
    if (role->reporter != NULL)
        json_object_set_new(status, "usage", usage_reporter_status(role->reporter));
    json_object_set_new(status, "icmp_sent", integer(counters->icmp_sent));
    json_object_set_new(status, "held", integer(hold_packets(itr_hold(role->itr))));
    json_object_set_new(status, "cached", integer(mapping_cache_count(itr_cache(role->itr))));
    json_object_set_new(status, "etrs", integer(etr_paths_count(itr_paths(role->itr))));
    if (role->querier != NULL)
        json_object_set_new(status, "servers",
                            query_status_group(role->querier, 0, node_now(role->node)));
    if (role->finder != NULL)
        json_object_set_new(status, "upstreams", upstream_finder_status(role->finder));
    if (role->list != NULL)
        json_object_set_new(status, "list", list_client_status(role->list));
    json_object_set_new(status, "not_tunnelled", reasons);
    json_object_set_new(status, "mabs", mabs_json(role));
    return status;
}

bool role_itr_healthy(void *state, char *why, size_t size)
{
    const struct role_itr *role = state;
    bool ipv4 = false;
    bool ipv6 = false;
    size_t count = mab_routes_count(role->mabs);
    size_t served = mab_routes_served(role->mabs);
    for (size_t i = 0; i < count && !(ipv4 && ipv6); i++) {
        bool now;
        bool is_ipv4 = mab_routes_at(role->mabs, i, &now)->address.family == FAMILY_IPV4;
        ipv4 |= is_ipv4;
        ipv6 |= !is_ipv4;
    }
    if (!tun_works(role->tun, why, size) || !forwarding_works(ipv4, ipv6, false, why, size))
        return false;
    if (role->finder != NULL && !upstream_finder_healthy(role->finder, why, size))
        return false;
    if (count == 0) {
        (void)snprintf(why, size, "no MAB is known yet%s",
                       role->list != NULL && !mab_list_answered(list_client_list(role->list))
                           ? ": no query server tells the set of MABs"
                           : "");
        return false;
    }
    if (served < count) {
        (void)snprintf(why, size, "%zu of %zu MABs cannot be served: %s", count - served, count,
                       role->querier != NULL ? "no query server answers for them"
                                             : "their databases are not in step");
        return false;
    }
    // What it shows is older than what its QSA knows, until the next watch.
    if (role->qsa != NULL && role->mabs_due) {
        (void)snprintf(why, size, "the MABs of this node's QSA are being looked at");
        return false;
    }
    return role->reporter == NULL || usage_reporter_healthy(role->reporter, why, size);
}

static const char *rule_name(enum etr_rule rule)
{
    switch (rule) {
    case ETR_RULE_ALLOWED:
        return "allowed";
    case ETR_RULE_NOT_ROUTABLE:
        return "not-routable";
    case ETR_RULE_IN_MAB:
        return "in-mab";
    case ETR_RULE_REFUSED:
        return "refused";
    case ETR_RULE_UNKNOWN:
        break;
    }
    return "unknown";
}

// "itr.paths": every ETR with the MTU of the way to it, for `ivip mtu`.
static json_t *command_paths(void *state, const json_t *request, struct error *error)
{
    (void)request;
    (void)error;
    const struct role_itr *role = state;
    json_t *list = json_array();
    size_t place = 0;
    const struct etr_path *path;
    while ((path = etr_paths_next(itr_paths(role->itr), &place)) != NULL && place <= LIST_MAX) {
        char text[ADDRESS_TEXT_MAX];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I, s:I, s:I}", "etr", address_print(&path->etr, text),
                            "rule", rule_name(path->rule), "mtu", (json_int_t)path->mtu, "packets",
                            (json_int_t)path->packets, "octets", (json_int_t)path->octets));
    }
    return json_pack("{s:o, s:b}", "paths", list, "more", (int)(path != NULL));
}

// "itr.cache": what a caching ITR holds.
static json_t *command_cache(void *state, const json_t *request, struct error *error)
{
    (void)request;
    (void)error;
    const struct role_itr *role = state;
    struct instant now = node_now(role->node);
    json_t *list = json_array();
    size_t place = 0;
    struct cached cached;
    while (json_array_size(list) < LIST_MAX &&
           mapping_cache_next(itr_cache(role->itr), &place, &cached)) {
        char range[RANGE_TEXT_MAX];
        char etr[ADDRESS_TEXT_MAX];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:I}", "range", range_print(&cached.range, range), "etr",
                            address_print(&cached.etr, etr), "expires_ms",
                            (json_int_t)(instant_since(cached.expires, now).ns / 1000000)));
    }
    bool more = mapping_cache_count(itr_cache(role->itr)) > json_array_size(list);
    return json_pack("{s:o, s:b}", "cache", list, "more", (int)more);
}

static json_t *usage_json(const struct usage *usage)
{
    char text[RANGE_TEXT_MAX];
    return json_pack("{s:s, s:I, s:I}", "micronet", range_print(&usage->range, text), "packets",
                     (json_int_t)usage->packets, "octets", (json_int_t)usage->octets);
}

// "itr.usage": packets and octets of each micronet; with "take": true the records are taken out,
// for one who keeps accounts and calls again and again until "more" is false.
static json_t *command_usage(void *state, const json_t *request, struct error *error)
{
    const struct role_itr *role = state;
    struct usage_table *table = itr_usage(role->itr);
    bool take = json_is_true(json_object_get(request, "take"));
    if (take && role->reporter != NULL) {
        (void)error_set(error, ERROR_CONFLICT, "reported",
                        "this ITR reports its usage to a RUAS (itr.usage_to), which nobody may "
                        "take out besides; ask the RUAS with `ivip usage --by micronet`");
        return NULL;
    }
    json_t *list = json_array();
    size_t place = 0;
    struct usage usage;
    while (json_array_size(list) < LIST_MAX &&
           (take ? usage_take(table, &usage) : usage_next(table, &place, &usage)))
        json_array_append_new(list, usage_json(&usage));
    bool more = take ? usage_count(table) > 0 : usage_count(table) > json_array_size(list);
    // The common record goes with the last ones.
    struct usage uncounted = take && !more ? usage_take_uncounted(table) : usage_uncounted(table);
    return json_pack("{s:o, s:b, s:{s:I, s:I}}", "usage", list, "more", more, "uncounted",
                     "packets", (json_int_t)uncounted.packets, "octets",
                     (json_int_t)uncounted.octets);
}

void role_itr_add_commands(struct role_itr *role)
{
    node_add_command(role->node, "itr.paths", command_paths, role);
    node_add_command(role->node, "itr.cache", command_cache, role);
    node_add_command(role->node, "itr.usage", command_usage, role);
}
