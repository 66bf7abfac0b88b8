// SPDX-License-Identifier: BSD-2-Clause
// The authority of the world: the shipping RUAS core, its disk, and the shell between them, which
// does as the real one does (src/node/authority/master.h):
//
//     set -> prepare -> held, held ... -> end of the turn: synced -> acknowledged, published
//                                              |-> disk full: all taken back, all refused
//                                              \-> power fails: all or none is on the disk, and
//                                                  nobody was told
//
// All other changes are stored one by one, after what is held. What the RUAS acknowledged is noted
// in the truth (sim/truth/master.h) and in the world's record of who may do what, from which
// checks/authority.c judges it.
#include "sim/checks/checks.h"

#include <assert.h>
#include <string.h>

#define TURN_MS_MAX       5    // of the RUAS's loop
#define DISK_FULL_RETRY_S 1    // until a scheduled set is tried again
#define WAIT_S_MAX        3600 // until the next look at scheduled sets

// What came of storing a transaction.
enum stored { STORED, NOT_STORED, POWER_FAILED };

// Acknowledging

static void publish(struct world *world, const struct master_set *set)
{
    struct world_ruas *ruas = &world->ruas;
    if (world->config.ideal_feed) {
        world_feed(world);
        return;
    }
    if (ruas->sender == NULL) // what a crash left: its start says how the MAB stands
        return;
    // As in the real shell: where several sets were stored together, only the hash of the last is
    // known.
    bool exact = ruas_sequence(ruas->ruas, set->mab) == set->sequence;
    struct mapping_hash hash = mapping_hash(ruas_mapping(ruas->ruas, set->mab));
    bool queued = sender_set(ruas->sender, engine_node_now(world->engine, ruas->node),
                             &world->master.prefixes[set->mab], set->sequence, set->updates,
                             set->count, exact ? &hash : NULL);
    assert(queued);
    (void)queued;
    engine_touched(world->engine, ruas->node);
}

static void acknowledge_set(struct world *world, const struct disk_record *record)
{
    const struct change *change = &record->change;
    struct master *master = &world->master;
    bool changed[MASTER_UNITS];
    char range[RANGE_TEXT_MAX];
    if (!master_take(master, change->mab, change->sequence, change->updates, change->update_count,
                     engine_now(world->engine), changed)) {
        world_fail(world, WORLD_CHECK_AUTHORITY,
                   "the RUAS acknowledges set %llu of MAB %zu, which does not follow the last, or "
                   "breaks a rule of mapping",
                   (unsigned long long)change->sequence, change->mab);
        return;
    }
    if (!master_agrees(master, change->mab))
        world_fail(world, WORLD_CHECK_COPIES,
                   "the mapping engine makes of set %llu of MAB %zu what the rules do not",
                   (unsigned long long)change->sequence, change->mab);
    const struct master_set *set = &master->sets[master->set_count - 1];
    world_check_set(world, record, changed);
    world->report.changes++;
    engine_note(world->engine, "set %llu of MAB %zu, of %s: %zu updates, first of %s",
                (unsigned long long)set->sequence, set->mab, record->grant.user, set->count,
                range_print(&set->updates[0].range, range));
    publish(world, set);
}

static void acknowledge_all(struct world *world)
{
    for (struct disk_record *record = disk_next(world->ruas.disk); record != NULL;
         record = disk_next(world->ruas.disk)) {
        if (record->change.kind == CHANGE_SET)
            acknowledge_set(world, record);
        world_people_note(world, record);
        disk_record_free(record);
    }
}

// Storing

static enum stored store(struct world *world)
{
    struct world_ruas *ruas = &world->ruas;
    if (ruas->power_plan != NULL) {
        if (random_below(engine_random(world->engine), 2) == 0)
            disk_sync(ruas->disk);
        return POWER_FAILED;
    }
    if (ruas->disk_full)
        return NOT_STORED;
    disk_sync(ruas->disk);
    return STORED;
}

static void lose_power(struct world *world)
{
    struct world_plan *plan = world->ruas.power_plan;
    world->ruas.power_plan = NULL;
    world->report.power_cuts++;
    engine_note(world->engine, "the power of the RUAS fails while it stores");
    world_crash(world, WORLD_RUAS);
    world_end_later(plan);
}

bool world_settle(struct world *world)
{
    struct world_ruas *ruas = &world->ruas;
    if (ruas->ruas == NULL || ruas_held(ruas->ruas) == 0)
        return ruas->ruas != NULL;
    switch (store(world)) {
    case STORED:
        ruas_settle(ruas->ruas);
        acknowledge_all(world);
        break;
    case NOT_STORED:
        disk_drop(ruas->disk);
        ruas_take_back(ruas->ruas);
        world->report.taken_back++;
        world_check_unchanged(world, &ruas->before_held, "sets that were taken back");
        break;
    case POWER_FAILED:
        lose_power(world);
        break;
    }
    return ruas->ruas != NULL;
}

struct disk_record *world_record(struct world *world, const struct change *change)
{
    return disk_write(world->ruas.disk, world->ruas.ruas, change);
}

bool world_commit(struct world *world, const struct change *change)
{
    struct world_ruas *ruas = &world->ruas;
    assert(ruas_held(ruas->ruas) == 0);
    enum stored stored = store(world);
    if (stored == STORED) {
        ruas_commit(ruas->ruas, change);
        acknowledge_all(world);
        engine_touched(world->engine, ruas->node); // its next deadline may be another
        return true;
    }
    ruas_abort(ruas->ruas, change);
    if (stored == POWER_FAILED)
        lose_power(world);
    else
        disk_drop(ruas->disk);
    return false;
}

// Sets of users

static void end_turn(void *state, struct instant now)
{
    (void)now;
    (void)world_settle(state);
}

static void hold(struct world *world, const struct change *change, const struct grant *grant,
                 const struct world_digest *before)
{
    struct world_ruas *ruas = &world->ruas;
    struct disk_record *record = world_record(world, change);
    record->grant = *grant;
    if (ruas_held(ruas->ruas) == 0) {
        struct random_source *random = engine_random(world->engine);
        struct duration turn = {random_below(random, duration_ms(TURN_MS_MAX).ns)};
        ruas->before_held = *before;
        engine_schedule(world->engine, instant_add(engine_now(world->engine), turn), end_turn,
                        world);
    }
    ruas_hold(ruas->ruas, change);
}

static struct ruas_request request_of(const struct world *world, const struct grant *grant,
                                      struct command_set *set)
{
    return (struct ruas_request){.grant = *grant,
                                 .from = address_from_ipv4(0xc6336402), // 198.51.100.2
                                 .set = set,
                                 .now = engine_node_now(world->engine, world->ruas.node),
                                 .time = world_wall_time(world)};
}

void world_submit(struct world *world, const struct grant *grant, struct command_set *set,
                  enum world_expected expected, bool dry_run)
{
    static struct change change; // large; nothing in it outlives this call
    struct ruas *ruas = world->ruas.ruas;
    struct ruas_request request = request_of(world, grant, set);
    struct world_digest before = world_digest(world);
    struct error error = {0};
    size_t failed = 0;
    bool good = ruas_prepare(ruas, &request, &change, &failed, &error);
    world_check_verdict(world, expected, good, &error);
    if (!good) {
        world->report.refused++;
        engine_note(world->engine, "a set of %s is refused: %s", grant->user, error.reason);
        world_check_unchanged(world, &before, "a set that was refused");
    } else if (dry_run) {
        ruas_abort(ruas, &change);
        world_check_unchanged(world, &before, "a dry run");
    } else
        hold(world, &change, grant, &before);
}

bool world_schedule(struct world *world, const struct grant *grant, struct command_set *set,
                    struct wall_time at)
{
    static struct change change;
    struct error error = {0};
    size_t failed = 0;
    if (!world_settle(world))
        return false;
    struct ruas_request request = request_of(world, grant, set);
    struct world_digest before = world_digest(world);
    if (!ruas_prepare_schedule(world->ruas.ruas, &request, at, &change, &failed, &error)) {
        world->report.refused++;
        world_check_unchanged(world, &before, "a set that was not scheduled");
        return false;
    }
    (void)world_record(world, &change);
    if (world_commit(world, &change))
        return true;
    if (world->ruas.ruas != NULL)
        world_check_unchanged(world, &before, "a scheduled set that was not stored");
    return false;
}

// Scheduled sets

struct instant world_next_due(const struct world *world)
{
    const struct world_ruas *ruas = &world->ruas;
    uint64_t due = ruas_next_due(ruas->ruas).ms;
    uint64_t wall = world_wall_time(world).ms;
    uint64_t wait = due <= wall ? 0 : due - wall;
    if (wait > WAIT_S_MAX * 1000)
        wait = WAIT_S_MAX * 1000;
    struct instant now = engine_node_now(world->engine, ruas->node);
    struct instant at = instant_add(now, duration_ms(wait));
    return instant_before(at, ruas->due_again) ? ruas->due_again : at;
}

void world_execute_due(struct world *world)
{
    static struct change change;
    struct world_ruas *ruas = &world->ruas;
    struct instant now = engine_node_now(world->engine, ruas->node);
    if (!instant_reached(now, ruas->due_again) || !world_settle(world))
        return;
    struct world_digest before = world_digest(world);
    while (ruas_prepare_due(ruas->ruas, world_wall_time(world), &change)) {
        struct disk_record *record = world_record(world, &change);
        record->grant = change.scheduled.grant;
        if (!world_commit(world, &change)) {
            ruas->due_again = instant_add(now, duration_s(DISK_FULL_RETRY_S));
            if (ruas->ruas != NULL)
                world_check_unchanged(world, &before, "a scheduled set that was not stored");
            return;
        }
        before = world_digest(world);
    }
}

// Life

static struct ruas *make_core(struct world *world)
{
    struct prefix refused;
    struct error error = {0};
    bool good = prefix_parse("198.51.100.0/24", &refused, NULL);
    struct ruas_config config = {.mabs = world->master.prefixes,
                                 .mab_count = MASTER_MABS,
                                 .refused = &refused,
                                 .refused_count = 1,
                                 .decoy_password = "decoy"};
    struct ruas *ruas = ruas_new(&config, world_fresh_seed(world), &error);
    assert(good && ruas != NULL);
    (void)good;
    return ruas;
}

void world_authority_start(struct world *world)
{
    struct world_ruas *ruas = &world->ruas;
    struct error error = {0};
    bool first = ruas->disk == NULL;
    if (first)
        ruas->disk = disk_new(MASTER_MABS);
    ruas->ruas = make_core(world);
    ruas->due_again = (struct instant){0};
    if (!disk_load(ruas->disk, ruas->ruas, &error))
        world_fail(world, WORLD_CHECK_AUTHORITY, "the RUAS cannot read its disk: %s", error.text);
    acknowledge_all(world); // what was stored, and the power failed before anybody was told
    if (first)
        world_people_begin(world);
    else
        world_check_restarted(world);
}

void world_authority_stop(struct world *world)
{
    struct world_ruas *ruas = &world->ruas;
    disk_drop(ruas->disk);
    ruas_free(ruas->ruas);
    ruas->ruas = NULL;
}
