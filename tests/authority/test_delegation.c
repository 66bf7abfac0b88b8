// SPDX-License-Identifier: BSD-2-Clause
// Property: whatever random users send, what changes lies inside what is delegated to them and is
// what the plain model of the mapping database says; what is refused or taken back changes nothing.
#include "world.h"

#include "../mapping/model.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define USERS 4
#define STEPS 6000

struct campaign {
    struct world *world;
    struct model *model;
    struct random_source random;
    size_t owner[MODEL_CELLS]; // the user of each cell's UAB; USERS: nobody
    uint64_t accepted, refused, aborted, taken_back;
    struct model *group; // the model before the first of the sets that are held
};

static const char *user_name(size_t user)
{
    static const char *const names[USERS] = {"anna", "ben", "carl", "dora"};
    return names[user];
}

// Cuts the MAB into random UABs of random users, and leaves some of it to nobody.
static void delegate(struct campaign *campaign)
{
    char text[RANGE_TEXT_MAX];
    for (size_t i = 0; i < USERS; i++)
        world_add_user(campaign->world, user_name(i));
    for (size_t cell = 0; cell < MODEL_CELLS;) {
        size_t count = 1 + random_below(&campaign->random, 60);
        size_t user = random_below(&campaign->random, USERS + 1);
        if (cell + count > MODEL_CELLS)
            count = MODEL_CELLS - cell;
        for (size_t i = 0; i < count; i++)
            campaign->owner[cell + i] = user;
        if (user < USERS) {
            struct range range = model_range(campaign->model, cell, count);
            world_add_uab(campaign->world, range_print(&range, text), user_name(user), 0);
        }
        cell += count;
    }
}

static void add_update(struct command_set *set, const struct update *update)
{
    static const enum command_kind kinds[] = {[UPDATE_MAP] = COMMAND_MAP,
                                              [UPDATE_DEFINE] = COMMAND_DEFINE,
                                              [UPDATE_SPLIT] = COMMAND_SPLIT,
                                              [UPDATE_JOIN] = COMMAND_JOIN,
                                              [UPDATE_DELETE] = COMMAND_DELETE};
    struct command *command = command_set_add(set, kinds[update->kind]);
    struct unit last = range_last(&update->range);
    struct unit middle = update->at;
    command->micronet = update->range;
    command->etr = update->etr;
    if (update->kind != UPDATE_SPLIT && update->kind != UPDATE_JOIN)
        return;
    // A join names parts; any cut of its range will do.
    if (update->kind == UPDATE_JOIN)
        middle.index = update->range.start.index + update->range.length.units / 2;
    if (middle.index <= update->range.start.index || middle.index > last.index)
        return; // too few parts: to be refused
    struct range first =
        range_between(update->range.family, update->range.start, (struct unit){middle.index - 1});
    struct range second = range_between(update->range.family, middle, last);
    assert_true(command_add_part(command, &second));
    assert_true(command_add_part(command, &first));
}

// Every cell that differs belongs to the user.
static void check_changes(const struct campaign *campaign, const struct model *before, size_t user)
{
    for (size_t i = 0; i < MODEL_CELLS; i++) {
        const struct cell *old = &before->cells[i];
        const struct cell *new = &campaign->model->cells[i];
        bool same = old->used == new->used &&
                    old->first == new->first &&address_equal(&old->etr, &new->etr);
        if (!same && campaign->owner[i] != user)
            fail_msg("user %zu changed cell %zu of user %zu", user, i, campaign->owner[i]);
    }
}

static bool all_owned(const struct campaign *campaign, const struct update *update, size_t user)
{
    for (size_t i = 0; i < MODEL_CELLS; i++) {
        struct range cell = model_range(campaign->model, i, 1);
        if (range_overlaps(&cell, &update->range) && campaign->owner[i] != user)
            return false;
    }
    return true;
}

// Why a set may be refused that lies in the user's space and that the model takes: it crosses from
// one UAB of theirs to the next, or is not well put.
static void check_reason(const char *reason)
{
    static const char *const reasons[] = {"outside-your-uab", "too-few-parts", "etr-not-global",
                                          "etr-inside-mab", "etr-refused"};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strcmp(reason, reasons[i]) == 0)
            return;
    fail_msg("refused as %s what is good", reason);
}

// Commits the set, or holds it with others.
static void keep(struct campaign *campaign, const struct model *before)
{
    struct ruas *ruas = campaign->world->ruas;
    if (ruas_held(ruas) == 0 && random_below(&campaign->random, 2) == 0) {
        ruas_commit(ruas, &campaign->world->change);
        return;
    }
    if (ruas_held(ruas) == 0)
        memcpy(campaign->group, before, sizeof(*before));
    ruas_hold(ruas, &campaign->world->change);
}

// Now and then settles what is held, or takes it back.
static void end_group(struct campaign *campaign)
{
    struct ruas *ruas = campaign->world->ruas;
    uint64_t held = ruas_held(ruas);
    if (held == 0 || random_below(&campaign->random, 5) > 0)
        return;
    if (random_below(&campaign->random, 2) == 0) {
        ruas_settle(ruas);
        return;
    }
    ruas_take_back(ruas);
    memcpy(campaign->model, campaign->group, sizeof(*campaign->model));
    struct mapping_hash now = mapping_hash(ruas_mapping(ruas, 0));
    struct mapping_hash then = model_hash(campaign->model);
    assert_true(mapping_hash_equal(&now, &then));
    campaign->accepted -= held;
    campaign->taken_back += held;
    assert_int_equal(ruas_sequence(ruas, 0), campaign->accepted);
}

static void step(struct campaign *campaign)
{
    struct world *world = campaign->world;
    struct update updates[6];
    size_t user = random_below(&campaign->random, USERS);
    size_t count = 1 + random_below(&campaign->random, 6);
    struct model *before = memory_copy(campaign->model, sizeof(*campaign->model));
    struct mapping_hash hash = mapping_hash(ruas_mapping(world->ruas, 0));
    struct command_set *set = command_set_new();
    bool owned = true;
    bool valid = true;
    for (size_t i = 0; i < count; i++) {
        updates[i] = model_random_update(campaign->model, &campaign->random);
        // Mostly something of the user's own, or nothing would ever be accepted.
        for (int tries = 0; tries < 30 && !all_owned(campaign, &updates[i], user); tries++)
            updates[i] = model_random_update(campaign->model, &campaign->random);
        add_update(set, &updates[i]);
        owned = owned && all_owned(campaign, &updates[i], user);
        valid = valid && model_apply(campaign->model, &updates[i]) == NULL;
    }
    struct ruas_request request = {
        .grant = world_grant(user_name(user)), .now = world->now, .time = world->time, .set = set};
    bool good = ruas_prepare(world->ruas, &request, &world->change, &world->failed, &world->error);
    if (good && (!owned || !valid))
        fail_msg("accepted what %s", owned ? "the model refuses" : "is not the user's");
    if (!good && owned && valid)
        check_reason(world->error.reason);
    bool abort = good && random_below(&campaign->random, 4) == 0;
    if (good && abort)
        ruas_abort(world->ruas, &world->change);
    else if (good)
        keep(campaign, before);
    if (good && !abort)
        check_changes(campaign, before, user);
    else
        memcpy(campaign->model, before, sizeof(*before));
    struct mapping_hash after = mapping_hash(ruas_mapping(world->ruas, 0));
    if (!good || abort)
        assert_true(mapping_hash_equal(&hash, &after));
    campaign->accepted += good && !abort;
    campaign->refused += !good;
    campaign->aborted += abort;
    end_group(campaign);
    memory_free(before);
    command_set_free(set);
    world_sleep(world, 1);
}

// The UABs' counts, which are kept in step set by set, are those of the model; and each user's list
// has them in order.
static void check_counts(const struct campaign *campaign)
{
    const struct delegation *delegation = ruas_delegation(campaign->world->ruas);
    uint64_t counted = 0;
    size_t uabs = 0;
    for (size_t i = 0; i < USERS; i++) {
        uint64_t last = 0;
        const struct uab *uab = NULL;
        while ((uab = delegation_next_of(delegation, user_name(i), uab)) != NULL) {
            assert_string_equal(uab->user, user_name(i));
            assert_true(uab->range.start.index > last);
            last = range_last(&uab->range).index;
            counted += uab->micronets;
            uabs++;
        }
    }
    assert_int_equal(uabs, delegation_count(delegation));
    assert_int_equal(counted, model_count(campaign->model));
}

// UABs come and go in any order, and each look finds the same as a plain list.
static void test_come_and_go(void **state)
{
    (void)state;
    struct random_source random;
    uint64_t owner[64] = {0}; // of each block of 16 addresses: 0 nobody, or user + 1
    random_init(&random, random_seed_from_number(21));
    struct delegation *delegation = delegation_new(&random);
    for (int step = 0; step < 20000; step++) {
        uint64_t block = random_below(&random, 64);
        struct uab uab = {.range = {FAMILY_IPV4, {0x14000000 + block * 16}, {16}}};
        struct uab *found = delegation_find(delegation, FAMILY_IPV4, uab.range.start);
        assert_int_equal(found != NULL, owner[block] != 0);
        assert_int_equal(delegation_check_free(delegation, &uab.range, NULL), owner[block] == 0);
        if (found != NULL) {
            assert_string_equal(found->user, user_name(owner[block] - 1));
            delegation_remove(delegation, found);
            owner[block] = 0;
        } else {
            owner[block] = 1 + random_below(&random, USERS);
            (void)snprintf(uab.user, sizeof(uab.user), "%s", user_name(owner[block] - 1));
            delegation_add(delegation, &uab);
        }
        size_t listed = 0;
        for (size_t i = 0; i < USERS; i++)
            for (const struct uab *each = delegation_next_of(delegation, user_name(i), NULL);
                 each != NULL; each = delegation_next_of(delegation, user_name(i), each))
                listed++;
        assert_int_equal(listed, delegation_count(delegation));
    }
    delegation_free(delegation);
}

static void run(const char *mab, uint64_t seed)
{
    const char *const mabs[] = {mab, NULL};
    struct campaign *campaign = memory_new(sizeof(*campaign));
    campaign->world = world_with(mabs);
    campaign->model = memory_new(sizeof(*campaign->model));
    campaign->group = memory_new(sizeof(*campaign->group));
    random_init(&campaign->random, random_seed_from_number(seed));
    model_init(campaign->model, mab);
    delegate(campaign);
    for (int i = 0; i < STEPS; i++) {
        step(campaign);
        if (i % 1000 == 999) {
            model_compare(campaign->model, ruas_mapping(campaign->world->ruas, 0));
            check_counts(campaign);
        }
    }
    assert_int_equal(ruas_sequence(campaign->world->ruas, 0), campaign->accepted);
    // The test would prove nothing if hardly anything were accepted, or refused.
    assert_true(campaign->accepted > STEPS / 50);
    assert_true(campaign->refused > STEPS / 50);
    assert_true(campaign->aborted > STEPS / 200);
    assert_true(campaign->taken_back > STEPS / 200);
    memory_free(campaign->group);
    memory_free(campaign->model);
    world_free(campaign->world);
    memory_free(campaign);
}

static void test_ipv4(void **state)
{
    (void)state;
    run("20.0.0.0/14", 1);
}

static void test_ipv6(void **state)
{
    (void)state;
    run("2001:db8::/32", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_come_and_go),
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
