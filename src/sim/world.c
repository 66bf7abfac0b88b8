// SPDX-License-Identifier: BSD-2-Clause
#include "sim/world.h"

#include "base/memory.h"
#include "sim/checks/checks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define RECOVERY_S     60   // after the faults end, before all must be well again
#define WAIT_S         10   // and then so long again, while a QSR waits to ask DNS once more, or an
#define WAITS_MAX      45   // ITR to report: pauses grow to DNS_RETRY_MS_MAX
#define DNS_SETTLED_MS 8000 // QSRs have found their servers, where DNS answers

struct random_seed world_fresh_seed(struct world *world)
{
    return random_seed_from_number(random_u64(engine_random(world->engine)));
}

void world_fail(struct world *world, enum world_check check, const char *format, ...)
{
    if (world->report.failed || (world->config.unchecked & check) != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(world->report.failure, sizeof(world->report.failure), format, arguments);
    va_end(arguments);
    world->report.failed = true;
    world->report.broken = check;
    engine_note(world->engine, "FAILED: %s", world->report.failure);
    engine_stop(world->engine);
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
    world_check_lists(world);
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
    struct page_message page;
    if (page_message_decode(bytes, length, &page) == DECODE_OK) {
        (void)fprintf(file, "%s nonce %08" PRIx64 " page %s",
                      page.type == MESSAGE_PAGE_REQUEST ? "Page Request" : "Page Reply",
                      page.nonce >> 32, page.page);
        if (page.type == MESSAGE_PAGE_REPLY)
            (void)fprintf(file, " %s, root %s", page_status_name(page.status), page.root.page);
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
    for (size_t i = 0; i < message.flushed_count; i++)
        (void)fprintf(file, ", flush %08" PRIx64, message.flushed[i] >> 32);
    for (size_t i = 0; i < message.released_count; i++)
        (void)fprintf(file, ", released %08" PRIx64, message.released[i] >> 32);
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
        network_set(network, world_path_end(world, link->from, link->to),
                    world_path_end(world, link->to, link->from), &link->conditions);
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
    table_init(&world->asked);
    table_init(&world->lessons);
    list_init(&world->fetches);
    list_init(&world->posts);
    master_init(&world->master, engine_now(world->engine));
    engine_set_watch(world->engine, world_watch, world);
    engine_set_filter(world->engine, world_is_muted, world);
    network_set_all(engine_network(world->engine), &config->paths);
    world_add_nodes(world);
    set_paths(world, &config->paths);
    world->plans = memory_new_array(config->event_count, sizeof(*world->plans));
    for (size_t i = 0; i < config->event_count; i++) {
        world->plans[i] = (struct world_plan){world, &config->events[i]};
        engine_schedule(world->engine, (struct instant){config->events[i].at.ns}, world_happen,
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
    world_free_lessons(world);
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
    world->disturbed = engine_now(world->engine);
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
    world_check_outside(world);
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
