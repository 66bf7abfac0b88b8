// SPDX-License-Identifier: BSD-2-Clause
// What befalls the world: the events of its config, when they begin and when they end.
#include "sim/world_state.h"

#include <inttypes.h>

// The engine's numbers of the two ends of a path. The RUAS sends to the QSAs' feed ports.
size_t world_path_end(const struct world *world, size_t node, size_t other)
{
    if (node == WORLD_RUAS)
        return world->ruas.node;
    return other == WORLD_RUAS && node < world->qsa_count ? world->qsas[node].feed_node : node;
}

static void set_cut(struct world *world, const struct world_event *event, bool cut)
{
    size_t from = world_path_end(world, event->node, event->other);
    size_t to = world_path_end(world, event->other, event->node);
    world->disturbed = engine_now(world->engine);
    network_cut(engine_network(world->engine), from, to, cut);
    if (event->both)
        network_cut(engine_network(world->engine), to, from, cut);
}

static struct world_itr *itr_number(struct world *world, size_t node)
{
    return &world->itrs[node - world->qsa_count - world->qsr_count];
}

static void set_disk_full(struct world *world, size_t node, bool full)
{
    if (node == WORLD_RUAS)
        world->ruas.disk_full = full;
    else
        itr_number(world, node)->usage.disk_full = full;
}

static void end(void *state, struct instant now)
{
    const struct world_plan *plan = state;
    struct world *world = plan->world;
    (void)now;
    if (world->quiet) // all is well again already
        return;
    if (plan->event->kind == WORLD_CRASH || plan->event->kind == WORLD_POWER)
        world_restart(world, plan->event->node);
    else if (plan->event->kind == WORLD_DISK)
        set_disk_full(world, plan->event->node, false);
    else if (plan->event->kind == WORLD_DNS)
        world->dns.trouble = DNS_SECURE;
    else if (plan->event->kind == WORLD_MUTE) {
        if (world->mute == plan->event) // else another path is mute by now
            world->mute = NULL;
    } else {
        engine_note(world->engine, "a path is mended");
        set_cut(world, plan->event, false);
    }
}

void world_end_later(struct world_plan *plan)
{
    struct engine *engine = plan->world->engine;
    engine_schedule(engine, instant_add(engine_now(engine), plan->event->length), end, plan);
}

static const char *name_of(const struct world *world, size_t node)
{
    return node == WORLD_RUAS ? "RUAS" : world->config.nodes[node].name;
}

// What people do at the RUAS, while it is up.
static void ask_ruas(struct world *world, const struct world_event *event)
{
    if (world->ruas.ruas == NULL)
        engine_note(world->engine, "nobody hears a command: the RUAS is down");
    else if (event->kind == WORLD_CHANGE)
        world_people_change(world, event->number);
    else if (event->kind == WORLD_MAP)
        world_people_map(world, &event->range, &event->address);
    else
        world_people_administer(world, event->number);
}

static void begin_cut(struct world_plan *plan)
{
    struct world *world = plan->world;
    const struct world_event *event = plan->event;
    world->report.cuts++;
    engine_note(world->engine, "path from %s to %s is cut%s", name_of(world, event->node),
                name_of(world, event->other), event->both ? ", and back" : "");
    set_cut(world, event, true);
    world_end_later(plan);
}

static void begin_dns_trouble(struct world_plan *plan)
{
    struct world *world = plan->world;
    world->dns.trouble = plan->event->outcome;
    engine_note(world->engine, "answers of DNS: %s", dns_outcome_name(plan->event->outcome));
    world_end_later(plan);
}

static void change_zone(struct world *world, const struct world_event *event)
{
    struct zone *zone = &world->dns.zone;
    size_t dsoc = event->number == 0 ? ZONE_UNLISTED : (size_t)event->number - 1;
    if (event->kind == WORLD_ZONE)
        zone_change(zone, event->number);
    else if (event->kind == WORLD_MOVE)
        zone_move(zone, event->range.family == FAMILY_IPV6, dsoc);
    else
        zone_name(zone, event->node, dsoc, event->both);
    world_publish_zone(world);
}

// Alive messages of the path that is mute are lost.
static bool is_on_mute_path(const struct world *world, const struct engine_datagram *datagram)
{
    const struct world_event *mute = world->mute;
    return mute != NULL &&
           ((datagram->from_node == mute->node && datagram->to_node == mute->other) ||
            (mute->both && datagram->from_node == mute->other && datagram->to_node == mute->node));
}

bool world_is_muted(void *state, const struct engine_datagram *datagram)
{
    struct world *world = state;
    struct query_message message;
    if (world->quiet || !is_on_mute_path(world, datagram) ||
        query_decode(datagram->bytes, datagram->length, &message) != DECODE_OK ||
        (message.type != MESSAGE_ALIVE_REQUEST && message.type != MESSAGE_ALIVE_REPLY))
        return false;
    world->report.muted++;
    return true;
}

static void step_clock(struct world *world, int64_t step_ms)
{
    world->report.clock_steps++;
    world->ruas.clock_ms += step_ms;
    engine_note(world->engine, "the RUAS's clock steps by %" PRId64 " ms", step_ms);
    engine_touched(world->engine, world->ruas.node); // scheduled sets go by it
}

// It crashes when it stores next.
static void arm(struct world_plan *plan)
{
    if (plan->event->node == WORLD_RUAS)
        plan->world->ruas.power_plan = plan;
    else
        itr_number(plan->world, plan->event->node)->usage.kill_plan = plan;
}

static void fill_disk(struct world_plan *plan)
{
    const char *name = name_of(plan->world, plan->event->node);
    set_disk_full(plan->world, plan->event->node, true);
    engine_note(plan->world->engine, "the disk of %s is full", name);
    world_end_later(plan);
}

void world_happen(void *state, struct instant now)
{
    struct world_plan *plan = state;
    struct world *world = plan->world;
    const struct world_event *event = plan->event;
    (void)now;
    if (world->quiet)
        return;
    switch (event->kind) {
    case WORLD_CHANGE:
    case WORLD_MAP:
    case WORLD_ADMIN:
        ask_ruas(world, event);
        break;
    case WORLD_PACKET:
        world_itr_packet(itr_number(world, event->node), &event->address);
        break;
    case WORLD_CRASH:
        world_crash(world, event->node);
        world_end_later(plan);
        break;
    case WORLD_CUT:
        begin_cut(plan);
        break;
    case WORLD_MISSTEP:
        world_misstep(world, event);
        break;
    case WORLD_CLOCK:
        step_clock(world, event->step_ms);
        break;
    case WORLD_POWER:
        arm(plan);
        break;
    case WORLD_ZONE:
    case WORLD_MOVE:
    case WORLD_NAME:
        change_zone(world, event);
        break;
    case WORLD_DNS:
        begin_dns_trouble(plan);
        break;
    case WORLD_MUTE:
        world->mute = event;
        world_end_later(plan);
        break;
    case WORLD_DISK:
        fill_disk(plan);
        break;
    }
}
