// SPDX-License-Identifier: BSD-2-Clause
#include "sim/world.h"

#include "base/memory.h"
#include "sim/world_state.h"

#include <inttypes.h>
#include <string.h>

#define RECOVERY_S     60   // after the faults end, before all must be well again
#define WAIT_S         10   // and then so long again, while a QSR waits to ask DNS once more, or an
#define WAITS_MAX      45   // ITR to report: pauses grow to DNS_RETRY_MS_MAX
#define DNS_SETTLED_MS 8000 // QSRs have found their servers, where DNS answers

struct random_seed world_fresh_seed(struct world *world)
{
    return random_seed_from_number(random_u64(engine_random(world->engine)));
}

void world_config_print(const struct world_config *config, FILE *file)
{
    const struct path_conditions *paths = &config->paths;
    (void)fprintf(file,
                  "seed %" PRIu64 ": %zu QSA, %zu QSR, %zu QSC, %zu ITR, %s, for %" PRIu64 " s\n"
                  "  paths: delay %" PRIu64 " ms, jitter %" PRIu64 " ms, lost %.1f %%, "
                  "duplicated %.1f %%, delayed %.1f %%, replayed %.1f %%, rate %" PRIu64 "\n"
                  "  %zu events; every (ms): packet %" PRIu64 ", attack %" PRIu64 "\n"
                  "  feed lag %" PRIu64 " ms, caching time %" PRIu64
                  " s, told at most %zu, cached at most %zu\n",
                  config->seed, world_count(config, WORLD_QSA), world_count(config, WORLD_QSR),
                  world_count(config, WORLD_QSC), world_count(config, WORLD_ITR),
                  config->ideal_feed ? "ideal feed" : "fast push",
                  config->length.ns / duration_s(1).ns, paths->delay.ns / 1000000,
                  paths->jitter.ns / 1000000, paths->loss / 10000.0, paths->duplicated / 10000.0,
                  paths->delayed / 10000.0, paths->replayed / 10000.0, paths->rate,
                  config->event_count, config->ask_every.ns / 1000000,
                  config->attack_every.ns / 1000000, config->feed_lag.ns / 1000000,
                  config->caching_time.ns / duration_s(1).ns, config->told_max, config->cached_max);
}

// Events

// The engine's numbers of the two ends of a path. The RUAS sends to the QSAs' feed ports.
static size_t end_of_path(const struct world *world, size_t node, size_t other)
{
    if (node == WORLD_RUAS)
        return world->ruas.node;
    return other == WORLD_RUAS && node < world->qsa_count ? world->qsas[node].feed_node : node;
}

static void set_cut(struct world *world, const struct world_event *event, bool cut)
{
    size_t from = end_of_path(world, event->node, event->other);
    size_t to = end_of_path(world, event->other, event->node);
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
    if (plan->event->kind == WORLD_CRASH)
        world_restart(world, plan->event->node);
    else if (plan->event->kind == WORLD_POWER)
        world_restart(world, plan->event->node);
    else if (plan->event->kind == WORLD_DISK)
        set_disk_full(world, plan->event->node, false);
    else if (plan->event->kind == WORLD_DNS)
        world->dns.trouble = DNS_SECURE;
    else if (plan->event->kind == WORLD_MUTE)
        world->mute = NULL;
    else {
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

static bool is_muted(void *state, const struct engine_datagram *datagram)
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

static void happen(void *state, struct instant now)
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
        if (event->node == WORLD_RUAS)
            world->ruas.power_plan = plan;
        else
            itr_number(world, event->node)->usage.kill_plan = plan;
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
        set_disk_full(world, event->node, true);
        engine_note(world->engine, "the disk of %s is full", name_of(world, event->node));
        world_end_later(plan);
        break;
    }
}

static void attack(void *state, struct instant now)
{
    struct world *world = state;
    if (world->quiet)
        return;
    if (now.ns > 0)
        world_attack(world);
    uint64_t mean = world->config.attack_every.ns;
    struct duration pause = {1 + random_below(engine_random(world->engine), 2 * mean)};
    engine_schedule(world->engine, instant_add(now, pause), attack, world);
}

static void check(void *state, struct instant now)
{
    struct world *world = state;
    world_check_authority(world);
    world_check_discovery(world);
    world_check_usage(world);
    world_check_feeds(world);
    world_check_beliefs(world);
    engine_schedule(world->engine, instant_add(now, duration_ms(WORLD_CHECK_EVERY_MS)), check,
                    world);
}

// A run

static void describe(FILE *file, const uint8_t *bytes, size_t length)
{
    static const char *const names[] = {"?",
                                        "Map Request",
                                        "Map Request Ack",
                                        "Map Reply",
                                        "Map Reply Ack",
                                        "Cache Update",
                                        "Cache Update Ack",
                                        "Alive Request",
                                        "Alive Reply"};
    struct query_message message;
    char text[RANGE_TEXT_MAX];
    char etr[ADDRESS_TEXT_MAX];
    struct payload_header payload;
    struct reader sections;
    if (payload_open(bytes, length, &payload, &sections) == DECODE_OK) {
        (void)fprintf(file, "payload %" PRIu64 " of epoch %" PRIu64 ", %zu octets",
                      payload.sequence, payload.epoch, length);
        return;
    }
    if (query_decode(bytes, length, &message) != DECODE_OK) {
        (void)fprintf(file, "%zu octets of junk", length);
        return;
    }
    (void)fprintf(
        file, "%s nonce %08" PRIx64 " querier %" PRIu32 " server %" PRIu32 " instance %04" PRIx64,
        names[message.type], message.nonce >> 32, message.querier_sequence, message.server_sequence,
        message.instance >> 48);
    if (message.type == MESSAGE_MAP_REQUEST)
        (void)fprintf(file, " %s", address_print(&message.question, text));
    if (message.type == MESSAGE_MAP_REPLY || message.type == MESSAGE_CACHE_UPDATE)
        (void)fprintf(file, " %s %s -> %s, %" PRIu32 " ms, sequence %" PRIu64,
                      query_status_name(message.status), range_print(&message.range, text),
                      address_print(&message.etr, etr), message.caching_ms, message.mab_sequence);
}

// DNS may be silent in a calm network, once the QSRs have found their servers: everything goes on.
static bool is_calm_event(const struct world_event *event)
{
    switch (event->kind) {
    case WORLD_CHANGE:
    case WORLD_MAP:
    case WORLD_PACKET:
    case WORLD_CLOCK:
    case WORLD_ADMIN:
        return true;
    case WORLD_DNS:
        return event->at.ns >= duration_ms(DNS_SETTLED_MS).ns;
    case WORLD_CRASH:
    case WORLD_CUT:
    case WORLD_MISSTEP:
    case WORLD_POWER:
    case WORLD_DISK:
    case WORLD_ZONE:
    case WORLD_MOVE:
    case WORLD_NAME:
    case WORLD_MUTE:
        return false;
    }
    return false;
}

static bool is_calm(const struct world_config *config)
{
    bool calm = config->paths.loss == 0 && config->paths.delayed == 0 && config->paths.rate == 0 &&
                config->dns.lost == 0 && config->link_count == 0;
    for (size_t i = 0; i < config->event_count; i++)
        calm = calm && is_calm_event(&config->events[i]);
    return calm;
}

static void set_paths(struct world *world, const struct path_conditions *paths)
{
    const struct world_config *config = &world->config;
    struct network *network = engine_network(world->engine);
    network_set_all(network, paths);
    for (size_t i = 0; i < config->link_count && !world->quiet; i++) {
        const struct world_link *link = &config->links[i];
        network_set(network, end_of_path(world, link->from, link->to),
                    end_of_path(world, link->to, link->from), &link->conditions);
    }
}

static struct world *build(const struct world_config *config)
{
    struct world *world = memory_new(sizeof(*world));
    size_t nodes = 2 * config->node_count + 2; // feeds of QSAs, the RUAS, the attacker
    world->config = *config;
    world->calm = is_calm(config);
    world->engine = engine_new(config->seed, nodes);
    random_bytes(engine_random(world->engine), world->key.bytes, sizeof(world->key.bytes));
    table_init(&world->tellings);
    list_init(&world->fetches);
    list_init(&world->posts);
    master_init(&world->master, engine_now(world->engine));
    engine_set_watch(world->engine, world_watch, world);
    engine_set_filter(world->engine, is_muted, world);
    network_set_all(engine_network(world->engine), &config->paths);
    world_add_nodes(world);
    set_paths(world, &config->paths);
    world->plans = memory_new_array(config->event_count, sizeof(*world->plans));
    for (size_t i = 0; i < config->event_count; i++) {
        world->plans[i] = (struct world_plan){world, &config->events[i]};
        engine_schedule(world->engine, (struct instant){config->events[i].at.ns}, happen,
                        &world->plans[i]);
    }
    if (config->attack_every.ns > 0)
        attack(world, engine_now(world->engine));
    check(world, engine_now(world->engine));
    return world;
}

static void demolish(struct world *world)
{
    world_free_nodes(world);
    world_free_fetches(world);
    world_free_tellings(world);
    master_release(&world->master);
    engine_free(world->engine);
    memory_free(world->plans);
    memory_free(world);
}

// Ends all faults, waits, and sees whether the system works.
static void recover(struct world *world)
{
    struct path_conditions paths = world->config.paths;
    paths.loss = 0;
    paths.delayed = 0;
    paths.rate = 0;
    world->quiet = true;
    world->ruas.power_plan = NULL;
    world->ruas.disk_full = false;
    for (size_t i = 0; i < world->itr_count; i++) {
        world->itrs[i].usage.kill_plan = NULL;
        world->itrs[i].usage.disk_full = false;
    }
    engine_note(world->engine, "all faults end");
    network_mend(engine_network(world->engine));
    set_paths(world, &paths);
    world_restart_all(world);
    world->dns.trouble = DNS_SECURE;
    zone_heal(&world->dns.zone);
    world_publish_zone(world);
    engine_run(world->engine, instant_add(engine_now(world->engine), duration_s(RECOVERY_S)));
    for (int i = 0; i < WAITS_MAX && !(world_all_discovered(world) && world_all_reported(world));
         i++)
        engine_run(world->engine, instant_add(engine_now(world->engine), duration_s(WAIT_S)));
    world_check_discovered(world);
    world_check_recovered(world);
    world_check_reported(world);
}

static struct world_report run(const struct world_config *config, FILE *trace, bool always)
{
    struct world *world = build(config);
    engine_run(world->engine, (struct instant){config->length.ns});
    if (!world->report.failed)
        recover(world);
    world->report.ended = engine_now(world->engine);
    if (world->ruas.sender != NULL)
        world->report.payloads += sender_counters(world->ruas.sender)->payloads;
    if (trace != NULL && (always || world->report.failed))
        engine_print_trace(world->engine, trace, describe);
    struct world_report report = world->report;
    demolish(world);
    return report;
}

struct world_report world_run(const struct world_config *config, FILE *trace)
{
    return run(config, trace, false);
}

struct world_report world_run_traced(const struct world_config *config, FILE *trace)
{
    return run(config, trace, true);
}
