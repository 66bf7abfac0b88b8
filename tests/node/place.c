// SPDX-License-Identifier: BSD-2-Clause
#include "place.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void place_open(struct place *place)
{
    static const char *const mabs[] = {"20.0.0.0/14", "2001:db8::/32", NULL};
    struct error error = {0};
    place->world = world_with(mabs);
    memset(&place->master, 0, sizeof(place->master));
    place->master.ruas = place->world->ruas;
    place->master.store = store_open(place->directory, place->world->time, &error);
    if (place->master.store == NULL || !store_load(place->master.store, place->world->ruas, &error))
        fail_msg("%s", error.text);
}

void place_close(struct place *place)
{
    master_end(&place->master);
    store_close(place->master.store);
    world_free(place->world);
    place->world = NULL;
}

void place_reopen(struct place *place)
{
    place_close(place);
    place_open(place);
}

static void must_commit(struct place *place, bool prepared)
{
    if (!prepared || !place_commit(place))
        fail_msg("%s", place->world->error.text);
}

static void add_user(struct place *place, const char *name)
{
    struct world *world = place->world;
    char hash[PASSWORD_HASH_MAX];
    (void)snprintf(hash, sizeof(hash), "hash of %s", name);
    must_commit(place, ruas_prepare_user_add(world->ruas, name, hash, world->time, &world->change,
                                             &world->error));
}

static void add_uab(struct place *place, const char *range, const char *user)
{
    struct world *world = place->world;
    struct range parsed = world_range(range);
    must_commit(place, ruas_prepare_uab_add(world->ruas, &parsed, user, 0, world->time,
                                            &world->change, &world->error));
}

void place_make(struct place *place)
{
    memset(place, 0, sizeof(*place));
    (void)snprintf(place->directory, sizeof(place->directory), "/tmp/ivip-test-store-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    place_open(place);
    place_populate(place);
}

void place_populate(struct place *place)
{
    add_user(place, "anna");
    add_user(place, "ben");
    add_uab(place, ANNA_UAB, "anna");
    add_uab(place, ANNA_UAB6, "anna");
    add_uab(place, BEN_UAB, "ben");
}

void place_remove(struct place *place)
{
    static const char *const names[] = {STORE_FILE, STORE_FILE "-wal", STORE_FILE "-shm"};
    char path[128];
    if (place->world != NULL)
        place_close(place);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", place->directory, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(place->directory), 0);
}

bool place_commit(struct place *place)
{
    struct world *world = place->world;
    struct audit audit = {
        .time = world->time, .who = "anna", .with = "test", .action = "test", .what = "null"};
    return master_commit(&place->master, &world->change, &audit, &world->error);
}

bool place_do(struct place *place, const char *user, const char *set)
{
    struct grant grant = world_grant(user);
    return world_prepare(place->world, &grant, set) && place_commit(place);
}

void place_must(struct place *place, const char *user, const char *set)
{
    if (!place_do(place, user, set))
        fail_msg("%s: %s", set, place->world->error.text);
}

bool place_hold(struct place *place, const char *user, const char *set)
{
    struct world *world = place->world;
    struct grant grant = world_grant(user);
    struct audit audit = {
        .time = world->time, .who = user, .with = "test", .action = "test", .what = "null"};
    return world_prepare(world, &grant, set) &&
           master_hold(&place->master, &world->change, 1, &audit, &world->error);
}

// Writes a random set of anna's.
static void random_set(struct random_source *random, char *set, size_t size)
{
    static const char *const kinds[] = {"define", "define", "map", "map", "delete"};
    size_t length = 0;
    for (uint64_t i = 1 + random_below(random, 3); i > 0; i--) {
        uint64_t bits = random_below(random, 4);
        uint64_t start = random_below(random, 256 >> bits) << bits;
        const char *kind = kinds[random_below(random, 5)];
        const char *etr = random_below(random, 2) == 0 ? "zero" : ETR1;
        length += (size_t)snprintf(set + length, size - length, "%s 20.1.0.%u/%u %s;", kind,
                                   (unsigned)start, (unsigned)(32 - bits),
                                   strcmp(kind, "delete") == 0 ? "" : etr);
    }
}

bool place_do_random(struct place *place, struct random_source *random)
{
    char set[512];
    world_sleep(place->world, 1);
    random_set(random, set, sizeof(set));
    return place_do(place, "anna", set);
}

size_t place_hold_random(struct place *place, struct random_source *random, size_t most)
{
    char set[512];
    size_t held = 0;
    world_sleep(place->world, 1);
    for (uint64_t i = 1 + random_below(random, most); i > 0; i--) {
        random_set(random, set, sizeof(set));
        held += place_hold(place, "anna", set);
    }
    return held;
}

struct mapping_hash place_hash(const struct place *place)
{
    return mapping_hash(ruas_mapping(place->world->ruas, 0));
}

void place_expect(const struct place *place, struct mapping_hash hash)
{
    struct mapping_hash now = place_hash(place);
    assert_true(mapping_hash_equal(&now, &hash));
}

struct replay {
    struct mapping *mapping;
    uint64_t sequence; // of the last set
    uint64_t stop;     // before the set after this one
};

static bool replay_set(void *state, uint64_t sequence, const struct update *updates, size_t count)
{
    struct replay *replay = state;
    if (replay->sequence == replay->stop)
        return false;
    assert_int_equal(sequence, replay->sequence + 1);
    replay->sequence = sequence;
    assert_true(mapping_apply(replay->mapping, updates, count, NULL, NULL));
    return true;
}

struct mapping_hash place_replay(const struct place *place, uint64_t stop)
{
    struct replay replay = {.stop = stop};
    struct error error;
    const struct mapping *mapping = ruas_mapping(place->world->ruas, 0);
    replay.mapping = mapping_new(mapping_mab(mapping), &error);
    assert_true(store_read_journal(place->master.store, place->world->ruas, 0, replay_set, &replay,
                                   &error));
    assert_int_equal(replay.sequence, stop);
    struct mapping_hash hash = mapping_hash(replay.mapping);
    mapping_free(replay.mapping);
    return hash;
}

int place_set_up(void **state)
{
    struct place *place = memory_new(sizeof(*place));
    place_make(place);
    *state = place;
    return 0;
}

int place_tear_down(void **state)
{
    place_remove(*state);
    memory_free(*state);
    return 0;
}
