// SPDX-License-Identifier: BSD-2-Clause
#include "world.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

struct range world_range(const char *text)
{
    struct range range;
    struct error error;
    if (!range_parse(text, &range, &error))
        fail_msg("%s: %s", text, error.text);
    return range;
}

struct address world_address(const char *text)
{
    struct address address = ADDRESS_ZERO;
    if (strcmp(text, "zero") != 0)
        assert_true(address_parse(text, &address, NULL));
    return address;
}

struct grant world_grant(const char *user)
{
    struct grant grant = {.scope = SCOPE_ALL};
    (void)snprintf(grant.user, sizeof(grant.user), "%s", user);
    return grant;
}

struct world *world_with(const char *const *mabs)
{
    struct prefix prefixes[8];
    struct prefix refused;
    struct world *world = memory_new(sizeof(*world));
    world->now = (struct instant){1000000000000};
    world->time = (struct wall_time){1800000000000};
    struct ruas_config config = {
        .mabs = prefixes, .refused = &refused, .refused_count = 1, .decoy_password = "decoy"};
    for (; mabs[config.mab_count] != NULL; config.mab_count++)
        assert_true(prefix_parse(mabs[config.mab_count], &prefixes[config.mab_count], NULL));
    assert_true(prefix_parse("198.51.100.0/24", &refused, NULL));
    world->ruas = ruas_new(&config, random_seed_from_number(1), &world->error);
    assert_non_null(world->ruas);
    return world;
}

struct world *world_new(void)
{
    static const char *const mabs[] = {"20.0.0.0/14", "2001:db8::/32", NULL};
    struct world *world = world_with(mabs);
    world_add_user(world, "anna");
    world_add_user(world, "ben");
    world_add_uab(world, ANNA_UAB, "anna", 0);
    world_add_uab(world, ANNA_UAB6, "anna", 0);
    world_add_uab(world, BEN_UAB, "ben", 0);
    return world;
}

void world_free(struct world *world)
{
    ruas_free(world->ruas);
    memory_free(world);
}

void world_sleep(struct world *world, uint64_t seconds)
{
    world->now = instant_add(world->now, duration_s(seconds));
    world->time.ms += seconds * 1000;
}

void world_add_user(struct world *world, const char *name)
{
    char hash[PASSWORD_HASH_MAX];
    (void)snprintf(hash, sizeof(hash), "hash of %s", name);
    if (!ruas_prepare_user_add(world->ruas, name, hash, world->time, &world->change, &world->error))
        fail_msg("%s", world->error.text);
    ruas_commit(world->ruas, &world->change);
}

void world_add_uab(struct world *world, const char *range, const char *user, uint64_t micronets_max)
{
    struct range parsed = world_range(range);
    if (!ruas_prepare_uab_add(world->ruas, &parsed, user, micronets_max, world->time,
                              &world->change, &world->error))
        fail_msg("%s", world->error.text);
    ruas_commit(world->ruas, &world->change);
}

static void add_command(struct command_set *set, char *text)
{
    char *rest = NULL;
    enum command_kind kind;
    const char *word = strtok_r(text, " ", &rest);
    assert_true(command_kind_parse(word, &kind, NULL));
    struct command *command = command_set_add(set, kind);
    if (kind != COMMAND_JOIN)
        command->micronet = world_range(strtok_r(NULL, " ", &rest));
    if (kind == COMMAND_MAP || kind == COMMAND_DEFINE)
        command->etr = world_address(strtok_r(NULL, " ", &rest));
    while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
        struct range part = world_range(word);
        assert_true(command_add_part(command, &part));
    }
}

struct command_set *world_set(const char *text)
{
    struct command_set *set = command_set_new();
    char *copy = memory_copy_text(text);
    char *rest = NULL;
    for (char *one = strtok_r(copy, ";", &rest); one != NULL; one = strtok_r(NULL, ";", &rest))
        add_command(set, one);
    memory_free(copy);
    return set;
}

bool world_prepare(struct world *world, const struct grant *grant, const char *set)
{
    struct ruas_request request = {
        .grant = *grant, .now = world->now, .time = world->time, .set = world_set(set)};
    memset(&world->error, 0, sizeof(world->error));
    bool good = ruas_prepare(world->ruas, &request, &world->change, &world->failed, &world->error);
    command_set_free(request.set);
    return good;
}

bool world_do(struct world *world, const char *user, const char *set)
{
    struct grant grant = world_grant(user);
    if (!world_prepare(world, &grant, set))
        return false;
    ruas_commit(world->ruas, &world->change);
    return true;
}

void world_must(struct world *world, const char *user, const char *set)
{
    if (!world_do(world, user, set))
        fail_msg("%s: %s: %s", user, set, world->error.text);
}

void world_refused(struct world *world, const char *user, const char *set, const char *reason,
                   const char *says)
{
    struct mapping_hash before = mapping_hash(ruas_mapping(world->ruas, 0));
    uint64_t sequence = ruas_sequence(world->ruas, 0);
    if (world_do(world, user, set))
        fail_msg("%s: %s was accepted, not refused as %s", user, set, reason);
    assert_string_equal(world->error.reason, reason);
    if (strstr(world->error.text, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", world->error.text, says);
    struct mapping_hash after = mapping_hash(ruas_mapping(world->ruas, 0));
    assert_true(mapping_hash_equal(&before, &after));
    assert_int_equal(ruas_sequence(world->ruas, 0), sequence);
}

const char *world_micronets(const struct world *world)
{
    static char text[4096];
    char range[RANGE_TEXT_MAX];
    char etr[ADDRESS_TEXT_MAX];
    size_t length = 0;
    const struct mapping *mapping = ruas_mapping(world->ruas, 0);
    struct unit from = mapping_units(mapping)->start;
    struct micronet micronet;
    text[0] = '\0';
    while (mapping_next(mapping, from, &micronet)) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s>%s",
                                   length == 0 ? "" : " ", range_print(&micronet.range, range),
                                   address_print(&micronet.etr, etr));
        assert_true(length < sizeof(text));
        if (range_last(&micronet.range).index == range_last(mapping_units(mapping)).index)
            break;
        from.index = range_last(&micronet.range).index + 1;
    }
    return text;
}
