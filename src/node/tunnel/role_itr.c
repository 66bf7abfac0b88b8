// SPDX-License-Identifier: BSD-2-Clause
//
// One turn of the loop:
//
//     TUN readable --> read up to READ_BUDGET --> itr_input --> raw_sender --+
//     UDP datagram --> querier_input ------------------------------------------------+--> drive()
//     timer        --> itr_tick, querier_tick ---------------------------------------+
//
//     drive(): events of the querier to the ITR, held packets that became ready, questions of the
//     ITR to the querier, until there are none; then datagrams and packets leave in batches, and
//     the timer is set to the next deadline of either core.
#include "node/tunnel/role_itr.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/deadline.h"
#include "node/tunnel/role_itr_state.h"
#include "node/tunnel/routes.h"

#include <assert.h>
#include <string.h>

// What is read in one turn, before query servers and timers have theirs: packets, and octets, so
// that super-packets do not make a new mapping wait for more than a few milliseconds.
#define READ_BUDGET     512
#define READ_OCTETS     (2 * ARENA_BYTES)
#define ARENA_BYTES     ((size_t)1024 * 1024)
#define WATCH_MS        250 // how often MABs are looked after
#define ARENA_ALIGNMENT ((size_t)16)

static void flush(struct role_itr *role)
{
    raw_sender_flush(role->sender);
    if (role->other_way != NULL)
        raw_sender_flush(role->other_way);
}

// Room for one packet in the arena; what lies there already is sent first where it is short.
uint8_t *role_itr_room(struct role_itr *role)
{
    if (role->arena_used + PACKET_BYTES_MAX > ARENA_BYTES) {
        flush(role);
        role->arena_used = 0;
    }
    return role->arena + role->arena_used;
}

static void arena_keep(struct role_itr *role, uint32_t length)
{
    role->arena_used += (length + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    assert(role->arena_used <= ARENA_BYTES);
}

static void send_icmp(struct role_itr *role)
{
    uint32_t mtu;
    struct address source;
    const struct itr_result *result = &role->result;
    uint8_t *icmp = role_itr_room(role);
    memcpy(icmp, result->icmp, result->icmp_length);
    struct address to = icmp_destination(icmp);
    if (!routes_find(&to, &mtu, &source)) {
        role->icmp_unsent++;
        return;
    }
    icmp_set_source(icmp, result->icmp_length, &source);
    struct piece *piece = raw_sender_slot(role->sender, &to);
    piece->header_length = 0;
    piece->payload = icmp;
    piece->payload_length = result->icmp_length;
    raw_sender_commit(role->sender);
    arena_keep(role, result->icmp_length);
}

static void send_pieces(struct role_itr *role, struct raw_sender *sender, uint32_t length)
{
    struct segmenter *segments = &role->result.segments;
    // The slot stays free when there is no further piece.
    while (segmenter_next(segments, raw_sender_slot(sender, &segments->etr)))
        raw_sender_commit(sender);
    arena_keep(role, length);
}

static void find_path(struct role_itr *role, const struct address *etr)
{
    uint32_t mtu = 0;
    struct address source = ADDRESS_ZERO;
    if (!routes_find(etr, &mtu, &source))
        mtu = 0;
    itr_set_path(role->itr, node_now(role->node), etr, mtu, &source);
}

// Decides about a packet that lies where role_itr_room said, and carries the decision out.
void role_itr_take(struct role_itr *role, uint8_t *bytes, uint32_t length, struct offload *offload)
{
    struct instant now = node_now(role->node);
    enum itr_verdict verdict = itr_input(role->itr, now, bytes, length, offload, &role->result);
    if (verdict == ITR_PATH) {
        find_path(role, &role->result.etr);
        verdict = itr_input(role->itr, now, bytes, length, offload, &role->result);
        assert(verdict != ITR_PATH);
    }
    if (verdict == ITR_TUNNEL)
        send_pieces(role, role->sender, length);
    else if (verdict == ITR_FORWARD)
        send_pieces(role, role->other_way, length);
    else if (verdict == ITR_ICMP)
        send_icmp(role);
}

// The ITR learns what a query server said.
static void take_learned(struct role_itr *role, const struct querier_event *event)
{
    struct instant now = node_now(role->node);
    assert(event->status == QUERY_MAPPED || event->status == QUERY_ZERO); // the MABs are known
    struct address address = event->question.family == FAMILY_NONE
                                 ? unit_address(event->range.family, event->range.start)
                                 : event->question;
    struct address etr = event->status == QUERY_MAPPED ? event->etr : ADDRESS_ZERO;
    mab_routes_answered(role->mabs, now, &address);
    itr_learn(role->itr, now, &event->range, &etr, event->expires);
}

static bool take_events(struct role_itr *role)
{
    struct querier_event event;
    bool any = false;
    for (; querier_next_event(role->querier, &event); any = true) {
        switch (event.kind) {
        case QUERIER_LEARNED:
            take_learned(role, &event);
            break;
        case QUERIER_FORGET:
            itr_forget(role->itr, &event.range);
            break;
        case QUERIER_FAILED:
            mab_routes_failed(role->mabs, &event.question);
            itr_failed(role->itr, node_now(role->node), &event.question);
            if (event.status == QUERY_NOT_IN_MAB) // servers know another set than we do
                list_client_hurry(role->list);
            break;
        }
    }
    return any;
}

static bool take_ready(struct role_itr *role)
{
    uint32_t length;
    struct offload offload;
    bool any = false;
    for (uint8_t *room = role_itr_room(role); itr_next_ready(role->itr, room, &length, &offload);
         room = role_itr_room(role)) {
        role_itr_take(role, room, length, &offload);
        any = true;
    }
    return any;
}

static bool ask_questions(struct role_itr *role)
{
    struct address address;
    bool any = false;
    for (; itr_next_question(role->itr, &address); any = true)
        if (!role_itr_ask(role, &address))
            itr_failed(role->itr, node_now(role->node), &address);
    return any;
}

static void send_datagrams(struct role_itr *role)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    struct endpoint to;
    size_t length;
    while ((length = querier_next_output(role->querier, node_now(role->node), &to, bytes)) > 0)
        udp_send(role->udp, &to, bytes, length);
    udp_flush(role->udp);
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct role_itr *role)
{
    struct instant deadline = itr_next_deadline(role->itr);
    if (role->querier != NULL)
        deadline = instant_earlier(deadline, querier_next_deadline(role->querier));
    uv_update_time(node_loop(role->node));
    deadline_arm(&role->timer, node_now(role->node), deadline, on_timer);
}

// Passes things between the cores until nothing moves, and sends what came of it.
void role_itr_drive(struct role_itr *role)
{
    if (role->querier != NULL) {
        bool moved;
        do {
            moved = take_events(role);
            moved |= take_ready(role);
            moved |= ask_questions(role);
        } while (moved);
        send_datagrams(role);
    } else {
        (void)take_ready(role);
    }
    flush(role);
    role->arena_used = 0;
    struct address etr;
    while (raw_sender_next_too_big(role->sender, &etr))
        itr_forget_path(role->itr, &etr);
    // What the other way does not carry was judged by its device; nothing is to be found out.
    while (role->other_way != NULL && raw_sender_next_too_big(role->other_way, &etr))
        continue;
    set_timer(role);
}

static void on_timer(uv_timer_t *timer)
{
    struct role_itr *role = timer->data;
    itr_tick(role->itr, node_now(role->node));
    if (role->querier != NULL)
        querier_tick(role->querier, node_now(role->node));
    role_itr_drive(role);
}

static void on_packets(void *state)
{
    struct role_itr *role = state;
    uint32_t length;
    struct offload offload;
    size_t octets = 0;
    for (int i = 0; i < READ_BUDGET && octets < READ_OCTETS; i++, octets += length) {
        uint8_t *room = role_itr_room(role);
        if (!tun_read(role->tun, room, &length, &offload))
            break;
        role_itr_take(role, room, length, &offload);
    }
    role_itr_drive(role);
}

// Probes MABs, or compares them with what the QSA of this node has.
static void on_watch(uv_timer_t *timer)
{
    struct role_itr *role = timer->data;
    if (role->reporter != NULL)
        usage_reporter_watch(role->reporter);
    bool lost = !mab_routes_check(role->mabs);
    if (role->querier == NULL) {
        role->mabs_due |= lost;
        role_itr_follow_qsa(role);
        return;
    }
    struct address address;
    mab_routes_settle(role->mabs);
    mab_routes_begin_probes(role->mabs);
    while (mab_routes_next_probe(role->mabs, node_now(role->node), &address))
        if (!role_itr_ask(role, &address) && querier_group_size(role->querier, 0) == 0)
            mab_routes_failed(role->mabs, &address);
    role_itr_drive(role);
}

void role_itr_add_mab(struct role_itr *role, const struct prefix *mab)
{
    char text[PREFIX_TEXT_MAX];
    struct error error;
    if (!mab_routes_add(role->mabs, mab))
        return;
    if (!itr_add_mab(role->itr, mab, &error))
        log_error("itr", "MAB %s: %s", prefix_print(mab, text), error.text);
}

void role_itr_remove_mab(struct role_itr *role, const struct prefix *mab)
{
    struct range units;
    mab_routes_remove(role->mabs, mab);
    (void)itr_remove_mab(role->itr, mab);
    if (role->querier != NULL && mab_check(mab, &units, NULL)) { // what was said of it
        querier_forget_range(role->querier, node_now(role->node), &units);
        itr_forget(role->itr, &units);
    }
}

// What happens to packets without mapping, and who takes them over.
static bool same_choices(const struct config_itr *a, const struct config_itr *b)
{
    return a->unmapped == b->unmapped && a->ask_after == b->ask_after &&
           address_equal(&a->fallback, &b->fallback) &&
           strcmp(a->pass_device, b->pass_device) == 0 &&
           address_equal(&a->fallback_at, &b->fallback_at) &&
           strcmp(a->usage_to, b->usage_to) == 0 && a->usage_every.ns == b->usage_every.ns;
}

static bool reload(void *state, const struct config *config, struct error *error)
{
    struct role_itr *role = state;
    const struct config_itr *before = node_config(role->node)->itr;
    const struct config_itr *after = config->itr;
    if (after == NULL || strcmp(before->device, after->device) != 0 ||
        before->announce != after->announce || before->hold_packets != after->hold_packets ||
        before->hold_time.ns != after->hold_time.ns || !role_itr_same_upstreams(before, after) ||
        !same_choices(before, after))
        return error_set(error, ERROR_INPUT, "needs-restart",
                         "itr: only mabs, refuse and fallback_for can change without a restart");
    if (role->querier != NULL)
        role_itr_follow_list(role, after);
    role->mabs_due = true; // with all mappings: on the next watch
    role->refused_due = true;
    role_itr_reload_fallback(role, after);
    return true;
}

static void handle_closed(uv_handle_t *handle)
{
    struct role_itr *role = handle->data;
    if (--role->open_handles == 0)
        memory_free(role);
}

// Frees all but the role itself, which the timers' handles still lie in.
static void release(struct role_itr *role)
{
    role_itr_leave_qsa(role);
    usage_reporter_stop(role->reporter);
    if (role->tun != NULL)
        tun_stop_reading(role->tun);
    role_itr_leave_upstreams(role);
    mab_routes_free(role->mabs);
    raw_sender_close(role->sender);
    raw_sender_close(role->other_way);
    raw_receiver_close(role->receiver);
    etr_free(role->taking_over);
    tun_close(role->tun);
    itr_free(role->itr);
    usage_reporter_free(role->reporter);
    memory_free(role->arena);
}

static void stop(void *state)
{
    struct role_itr *role = state;
    release(role);
    uv_close((uv_handle_t *)&role->timer, handle_closed);
    uv_close((uv_handle_t *)&role->watch, handle_closed);
}

static enum itr_unmapped core_unmapped(enum config_unmapped unmapped)
{
    switch (unmapped) {
    case CONFIG_UNMAPPED_HOLD:
        break;
    case CONFIG_UNMAPPED_TUNNEL:
        return ITR_UNMAPPED_TUNNEL;
    case CONFIG_UNMAPPED_PASS:
        return ITR_UNMAPPED_PASS;
    }
    return ITR_UNMAPPED_HOLD;
}

// The way by which packets are let go: a device of its own, so that the routes of MABs to the TUN
// cannot bring them back.
static bool open_other_way(struct role_itr *role, const struct config_itr *config, uint32_t *mtu,
                           struct error *error)
{
    if (!routes_device_mtu(config->pass_device, mtu))
        return error_set(error, ERROR_INPUT, "no-device",
                         "itr.pass_device: there is no device %s, or it is down",
                         config->pass_device);
    role->other_way = raw_sender_open(config->pass_device, error);
    return role->other_way != NULL;
}

static bool open_all(struct role_itr *role, const struct config_itr *config, struct error *error)
{
    struct itr_config core = {.hold_packets = config->hold_packets,
                              .hold_time = config->hold_time,
                              .unmapped = core_unmapped(config->unmapped),
                              .fallback = config->fallback,
                              .ask_second = config->ask_after > 1};
    if (config->unmapped == CONFIG_UNMAPPED_PASS &&
        !open_other_way(role, config, &core.pass_mtu, error))
        return false;
    if (config->usage_to[0] != '\0') {
        role->reporter = usage_reporter_open(role->node, config, error);
        if (role->reporter == NULL)
            return false;
        core.usage = usage_reporter_memory(role->reporter);
    }
    role->itr = itr_new(&core, node_seed(role->node), node_now(role->node));
    if (role->reporter != NULL)
        usage_reporter_start(role->reporter, itr_usage(role->itr));
    role->arena = memory_new(ARENA_BYTES);
    role->announce = config->announce;
    role->sender = raw_sender_open(NULL, error);
    if (role->sender == NULL)
        return false;
    role->tun = tun_open(role->node, config->device, error);
    if (role->tun == NULL)
        return false;
    role->mabs = mab_routes_new(tun_index(role->tun),
                                config->announce ? ROUTE_PROTOCOL_ANNOUNCED : ROUTE_PROTOCOL_LOCAL);
    if (!config_itr_asks(node_config(role->node)))
        return role_itr_use_qsa(role, error) && role_itr_open_fallback(role, error);
    if (!role_itr_use_upstreams(role, error))
        return false;
    role_itr_follow_list(role, config);
    return true;
}

bool role_itr_start(struct node *node, struct error *error)
{
    struct role_itr *role = memory_new(sizeof(*role));
    role->node = node;
    if (!open_all(role, node_config(node)->itr, error)) {
        release(role);
        memory_free(role);
        return false;
    }
    (void)uv_timer_init(node_loop(node), &role->timer);
    (void)uv_timer_init(node_loop(node), &role->watch);
    role->timer.data = role;
    role->watch.data = role;
    role->open_handles = 2;
    (void)uv_timer_start(&role->watch, on_watch, 0, WATCH_MS);
    tun_start_reading(role->tun, on_packets, role);
    role_itr_add_commands(role);
    node_add_role(node, &(struct role){"itr", role, role_itr_write_metrics, role_itr_status,
                                       role_itr_healthy, reload, stop, false});
    return true;
}
