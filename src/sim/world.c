// SPDX-License-Identifier: BSD-2-Clause
#include "sim/world.h"

#include "base/memory.h"
#include "sim/world_state.h"

#include <inttypes.h>
#include <string.h>

#define CHECK_EVERY_MS 200
#define CUT_MS_MAX     40000
#define RECOVERY_S     60 // after the faults end, before all must be well again

// A config from a seed

struct dice {
    struct random_source random;
};

static bool one_in(struct dice *dice, uint64_t n)
{
    return random_below(&dice->random, n) == 0;
}

static uint64_t between(struct dice *dice, uint64_t least, uint64_t most)
{
    return least + random_below(&dice->random, most - least + 1);
}

static struct path_conditions random_paths(struct dice *dice, bool calm)
{
    // One statement for each: C does not say in which order initialisers are evaluated.
    struct path_conditions paths = {0};
    paths.delay = duration_us(between(dice, 50, 40000));
    paths.jitter = duration_us(between(dice, 0, 30000));
    paths.duplicated = one_in(dice, 2) ? (uint32_t)between(dice, 0, 200000) : 0;
    paths.replayed = one_in(dice, 2) ? (uint32_t)between(dice, 0, 50000) : 0;
    paths.replayed_by = duration_ms(between(dice, 1, 30000));
    if (calm)
        return paths;
    paths.loss = one_in(dice, 3) ? 0 : (uint32_t)between(dice, 0, 300000);
    paths.delayed = one_in(dice, 2) ? (uint32_t)between(dice, 0, 100000) : 0;
    paths.delayed_by = duration_ms(between(dice, 1, 3000));
    paths.rate = one_in(dice, 5) ? between(dice, 20000, 200000) : 0;
    return paths;
}

static struct duration sometimes(struct dice *dice, bool calm, uint64_t least_ms, uint64_t most_ms)
{
    return duration_ms(calm || one_in(dice, 2) ? 0 : between(dice, least_ms, most_ms));
}

struct world_config world_config_random(uint64_t seed)
{
    struct dice dice;
    random_init(&dice.random, random_seed_from_number(seed ^ 0x6976697073696d31));
    bool calm = one_in(&dice, 4);
    bool small = one_in(&dice, 4); // memory so small that limits are reached
    struct world_config config = {.seed = seed};
    config.qsas = between(&dice, 1, 3);
    config.qsrs = between(&dice, 1, 3);
    config.qscs = between(&dice, 0, 2);
    config.itrs = between(&dice, 1, 5);
    config.paths = random_paths(&dice, calm);
    config.feed_lag = duration_ms(between(&dice, 1, 300));
    config.caching_time = duration_s(between(&dice, 5, 600));
    config.change_every = duration_ms(between(&dice, 50, 2000));
    config.ask_every = duration_ms(between(&dice, 20, 500));
    config.crash_every = sometimes(&dice, calm, 2000, 30000);
    config.cut_every = sometimes(&dice, calm, 2000, 30000);
    config.misstep_every = sometimes(&dice, calm, 3000, 30000);
    config.attack_every = sometimes(&dice, false, 5, 200);
    config.told_max = small ? between(&dice, 48, 100) : 100000;
    config.cached_max = small ? between(&dice, 8, 40) : 10000;
    config.length = duration_s(between(&dice, 30, 120));
    return config;
}

void world_config_print(const struct world_config *config, FILE *file)
{
    const struct path_conditions *paths = &config->paths;
    (void)fprintf(file,
                  "seed %" PRIu64 ": %zu QSA, %zu QSR, %zu QSC, %zu ITR for %" PRIu64 " s\n"
                  "  paths: delay %" PRIu64 " us, jitter %" PRIu64 " us, lost %.1f %%, "
                  "duplicated %.1f %%, delayed %.1f %%, replayed %.1f %%, rate %" PRIu64 "\n"
                  "  every (ms): change %" PRIu64 ", question %" PRIu64 ", crash %" PRIu64
                  ", cut %" PRIu64 ", misstep %" PRIu64 ", attack %" PRIu64 "\n"
                  "  feed lag %" PRIu64 " ms, caching time %" PRIu64
                  " s, told at most %zu, cached at most %zu\n",
                  config->seed, config->qsas, config->qsrs, config->qscs, config->itrs,
                  config->length.ns / duration_s(1).ns, paths->delay.ns / 1000,
                  paths->jitter.ns / 1000, paths->loss / 10000.0, paths->duplicated / 10000.0,
                  paths->delayed / 10000.0, paths->replayed / 10000.0, paths->rate,
                  config->change_every.ns / 1000000, config->ask_every.ns / 1000000,
                  config->crash_every.ns / 1000000, config->cut_every.ns / 1000000,
                  config->misstep_every.ns / 1000000, config->attack_every.ns / 1000000,
                  config->feed_lag.ns / 1000000, config->caching_time.ns / duration_s(1).ns,
                  config->told_max, config->cached_max);
}

// What happens again and again

// Schedules an action after a random time with that mean; never where the mean is 0.
static void again(struct world *world, struct duration mean, engine_action *action)
{
    if (mean.ns == 0 || world->quiet)
        return;
    struct duration pause = {random_below(engine_random(world->engine), 2 * mean.ns)};
    engine_schedule(world->engine, instant_add(engine_now(world->engine), pause), action, world);
}

static void change(void *state, struct instant now)
{
    struct world *world = state;
    if (world->quiet)
        return;
    size_t before = world->master.set_count;
    master_change(&world->master, engine_random(world->engine), now);
    if (world->master.set_count > before) {
        const struct master_set *set = &world->master.sets[before];
        char range[RANGE_TEXT_MAX];
        world->report.changes++;
        engine_note(world->engine, "set %zu of MAB %zu: %zu updates, first of %s", before, set->mab,
                    set->count, range_print(&set->updates[0].range, range));
        world_feed(world);
    }
    again(world, world->config.change_every, change);
}

static void crash(void *state, struct instant now)
{
    struct world *world = state;
    (void)now;
    if (world->quiet)
        return;
    world_crash_some_node(world);
    again(world, world->config.crash_every, crash);
}

static void misstep(void *state, struct instant now)
{
    struct world *world = state;
    (void)now;
    if (world->quiet)
        return;
    world_misstep(world);
    again(world, world->config.misstep_every, misstep);
}

static void attack(void *state, struct instant now)
{
    struct world *world = state;
    (void)now;
    if (world->quiet)
        return;
    world_attack(world);
    again(world, world->config.attack_every, attack);
}

static void mend(void *state, struct instant now)
{
    struct world *world = state;
    (void)now;
    engine_note(world->engine, "all paths are mended");
    network_mend(engine_network(world->engine));
}

static void cut(void *state, struct instant now)
{
    struct world *world = state;
    struct random_source *random = engine_random(world->engine);
    if (world->quiet)
        return;
    size_t from = random_below(random, world->attacker);
    size_t to = random_below(random, world->attacker);
    bool both = random_below(random, 2) == 0;
    network_cut(engine_network(world->engine), from, to, true);
    if (both)
        network_cut(engine_network(world->engine), to, from, true);
    world->report.cuts++;
    engine_note(world->engine, "path from node %zu to node %zu is cut%s", from, to,
                both ? ", and back" : "");
    struct duration length = {random_below(random, duration_ms(CUT_MS_MAX).ns)};
    engine_schedule(world->engine, instant_add(now, length), mend, world);
    again(world, world->config.cut_every, cut);
}

static void check(void *state, struct instant now)
{
    struct world *world = state;
    world_check_beliefs(world);
    engine_schedule(world->engine, instant_add(now, duration_ms(CHECK_EVERY_MS)), check, world);
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

static struct world *build(const struct world_config *config)
{
    struct world *world = memory_new(sizeof(*world));
    size_t nodes = config->qsas + config->qsrs + config->qscs + config->itrs + 1;
    world->config = *config;
    world->engine = engine_new(config->seed, nodes);
    network_set_all(engine_network(world->engine), &config->paths);
    random_bytes(engine_random(world->engine), world->key.bytes, sizeof(world->key.bytes));
    table_init(&world->tellings);
    master_init(&world->master, engine_now(world->engine));
    engine_set_watch(world->engine, world_watch, world);
    world_add_nodes(world);
    again(world, config->change_every, change);
    again(world, config->crash_every, crash);
    again(world, config->misstep_every, misstep);
    again(world, config->attack_every, attack);
    again(world, config->cut_every, cut);
    check(world, engine_now(world->engine));
    return world;
}

static void demolish(struct world *world)
{
    world_free_nodes(world);
    world_free_tellings(world);
    master_release(&world->master);
    engine_free(world->engine);
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
    mend(world, engine_now(world->engine));
    network_set_all(engine_network(world->engine), &paths);
    world_restart_all(world);
    engine_run(world->engine, instant_add(engine_now(world->engine), duration_s(RECOVERY_S)));
    world_check_recovered(world);
}

struct world_report world_run(const struct world_config *config, FILE *trace)
{
    struct world *world = build(config);
    engine_run(world->engine, (struct instant){config->length.ns});
    if (!world->report.failed)
        recover(world);
    world->report.ended = engine_now(world->engine);
    if (world->report.failed && trace != NULL)
        engine_print_trace(world->engine, trace, describe);
    struct world_report report = world->report;
    demolish(world);
    return report;
}
