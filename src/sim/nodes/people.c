// SPDX-License-Identifier: BSD-2-Clause
// The people of the world: end users, who change the mappings of their UABs with commands, right
// and wrong, and the RUAS's operator. What they may do is noted here once it was acknowledged, so
// that the RUAS's own idea of it can be checked.
//
//     MAB 20.1.0.0/24         | anna 0-63 | ben 64-127 | carla 128-191 | nobody |
//     MAB 2001:db8:20::/48    | the same, in /64s                               |
//
// dora has tokens, and no UAB.
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define UAB_UNITS   64
#define UABS_OF_MAB 3

static const char *const names[WORLD_USERS] = {"anna", "ben", "carla", "dora"};

// What was acknowledged

static size_t user_number(const char *name)
{
    size_t user = 0;
    while (user < WORLD_USERS && strcmp(names[user], name) != 0)
        user++;
    return user;
}

static struct world_uab *uab_with_range(struct world *world, const struct range *range)
{
    for (size_t i = 0; i < WORLD_UABS; i++)
        if (range_equal(&world->people.uabs[i].range, range))
            return &world->people.uabs[i];
    assert(false);
    return &world->people.uabs[0];
}

static void note_token(struct world_people *people, const struct disk_record *record)
{
    const struct token *token = &record->change.token;
    size_t size = (people->token_count + 1) * sizeof(*people->tokens);
    people->tokens = memory_resize(people->tokens, size);
    struct world_token *noted = &people->tokens[people->token_count++];
    *noted = (struct world_token){.digest = token->digest,
                                  .user = user_number(token->user),
                                  .scope = token->scope,
                                  .limited = token->limited,
                                  .only = token->only,
                                  .expires = token->expires};
    memcpy(noted->text, record->token_text, sizeof(noted->text));
}

static void revoke_tokens(struct world_people *people, const struct token_digest *digest,
                          size_t user)
{
    for (size_t i = 0; i < people->token_count; i++)
        if (people->tokens[i].user == user ||
            (digest != NULL && memcmp(&people->tokens[i].digest, digest, sizeof(*digest)) == 0))
            people->tokens[i].revoked = true;
}

// A token makes room for another one, of the same user, when it has expired and not before.
static void note_replaced(struct world *world, const struct change *change)
{
    struct world_people *people = &world->people;
    for (size_t i = 0; i < people->token_count; i++) {
        struct world_token *token = &people->tokens[i];
        if (memcmp(&token->digest, &change->expired, sizeof(token->digest)) != 0)
            continue;
        if (token->expires.ms == 0 || token->expires.ms > change->time.ms ||
            token->user != user_number(change->token.user))
            world_fail(world, WORLD_CHECK_AUTHORITY, "token %zu, which is good, makes room", i);
        token->revoked = true;
    }
}

static void note_scheduled(struct world_people *people, const struct scheduled *scheduled)
{
    size_t size = (people->scheduled_count + 1) * sizeof(*people->scheduled);
    people->scheduled = memory_resize(people->scheduled, size);
    people->scheduled[people->scheduled_count++] =
        (struct world_scheduled){.id = scheduled->id,
                                 .user = user_number(scheduled->user),
                                 .at = scheduled->at,
                                 .state = SCHEDULED_WAITING};
}

static void note_end(struct world *world, const struct scheduled *ended)
{
    struct world_people *people = &world->people;
    for (size_t i = 0; i < people->scheduled_count; i++)
        if (people->scheduled[i].id == ended->id) {
            world_check_scheduled_end(world, &people->scheduled[i], ended);
            people->scheduled[i].state = ended->state;
            world->report.scheduled++;
            return;
        }
    world_fail(world, WORLD_CHECK_AUTHORITY, "scheduled set %llu ends, which nobody scheduled",
               (unsigned long long)ended->id);
}

const char *world_user_name(size_t user)
{
    return user < WORLD_USERS ? names[user] : "nobody";
}

void world_people_note(struct world *world, const struct disk_record *record)
{
    struct world_people *people = &world->people;
    const struct change *change = &record->change;
    switch (change->kind) {
    case CHANGE_USER_ADD:
    case CHANGE_USER_PASSWORD:
        break;
    case CHANGE_USER_REMOVE:
        revoke_tokens(people, NULL, user_number(change->user.name));
        break;
    case CHANGE_UAB_ADD:
        uab_with_range(world, &change->uab.range)->user = user_number(change->uab.user);
        break;
    case CHANGE_UAB_REMOVE:
        uab_with_range(world, &change->uab.range)->user = WORLD_USERS;
        break;
    case CHANGE_TOKEN_ADD:
        if (change->replaces)
            note_replaced(world, change);
        note_token(people, record);
        break;
    case CHANGE_TOKEN_REVOKE:
        revoke_tokens(people, &change->token.digest, WORLD_USERS);
        break;
    case CHANGE_SCHEDULE_ADD:
        note_scheduled(people, &change->scheduled);
        break;
    case CHANGE_SCHEDULE_END:
        note_end(world, &change->scheduled);
        break;
    case CHANGE_SET:
        if (change->scheduled.id != 0)
            note_end(world, &change->scheduled);
        break;
    }
}

// The operator

static bool do_change(struct world *world, bool prepared, const struct change *change,
                      const char *token_text)
{
    if (!prepared)
        return false;
    struct disk_record *record = world_record(world, change);
    if (token_text != NULL)
        memcpy(record->token_text, token_text, sizeof(record->token_text));
    return world_commit(world, change);
}

static void add_user(struct world *world, const char *name)
{
    static struct change change;
    (void)do_change(world,
                    ruas_prepare_user_add(world->ruas.ruas, name, "hash", world_wall_time(world),
                                          &change, NULL),
                    &change, NULL);
}

static void delegate(struct world *world, const struct range *range, size_t user)
{
    static struct change change;
    (void)do_change(world,
                    ruas_prepare_uab_add(world->ruas.ruas, range, names[user], 0,
                                         world_wall_time(world), &change, NULL),
                    &change, NULL);
}

static void add_token(struct world *world, struct token_request *request)
{
    static struct change change;
    char text[TOKEN_TEXT_MAX] = "";
    request->time = world_wall_time(world);
    (void)do_change(world, ruas_prepare_token_add(world->ruas.ruas, request, text, &change, NULL),
                    &change, text);
}

void world_people_begin(struct world *world)
{
    for (size_t user = 0; user < WORLD_USERS; user++)
        add_user(world, names[user]);
    for (size_t i = 0; i < WORLD_UABS; i++) {
        struct world_uab *uab = &world->people.uabs[i];
        const struct range *units = mapping_units(world->master.mappings[i / UABS_OF_MAB]);
        uint64_t first = units->start.index + i % UABS_OF_MAB * UAB_UNITS;
        uab->range = (struct range){units->family, {first}, {UAB_UNITS}};
        uab->user = WORLD_USERS;
        delegate(world, &uab->range, i % UABS_OF_MAB);
    }
    for (size_t user = 0; user < WORLD_USERS; user++)
        for (enum token_scope scope = SCOPE_READ; scope <= SCOPE_ALL; scope++) {
            struct token_request request = {.user = names[user], .scope = scope};
            add_token(world, &request);
        }
}

void world_people_release(struct world *world)
{
    memory_free(world->people.scheduled);
    memory_free(world->people.tokens);
}

static void random_token(struct world *world, struct random_source *random)
{
    const struct world_uab *uab = &world->people.uabs[random_below(random, WORLD_UABS)];
    struct token_request request = {.user = names[random_below(random, WORLD_USERS)],
                                    .scope =
                                        (enum token_scope)(SCOPE_READ + random_below(random, 3)),
                                    .limited = random_below(random, 2) == 0,
                                    .only = uab->range};
    request.only.length.units = 1 + random_below(random, UAB_UNITS);
    if (uab->user < WORLD_USERS && request.limited)
        request.user = names[uab->user];
    if (random_below(random, 3) == 0)
        request.expires.ms = world_wall_time(world).ms + 1 + random_below(random, 60000);
    add_token(world, &request);
}

static void revoke_token(struct world *world, struct random_source *random)
{
    static struct change change;
    const struct world_people *people = &world->people;
    size_t number = random_below(random, people->token_count);
    if (random_below(random, 2) == 0) // what was scheduled with it must not be executed
        number = people->scheduled_with;
    const struct world_token *token = &people->tokens[number];
    char id[TOKEN_ID_MAX];
    (void)do_change(world,
                    ruas_prepare_token_revoke(world->ruas.ruas, NULL,
                                              token_print_id(&token->digest, id),
                                              world_wall_time(world), &change, NULL),
                    &change, NULL);
}

// A UAB goes to another user, with the micronets in it.
static void hand_over(struct world *world, struct random_source *random)
{
    static struct change change;
    const struct world_uab *uab = &world->people.uabs[random_below(random, WORLD_UABS)];
    size_t user = random_below(random, 3);
    if (uab->user < WORLD_USERS)
        (void)do_change(world,
                        ruas_prepare_uab_remove(world->ruas.ruas, &uab->range, true,
                                                world_wall_time(world), &change, NULL),
                        &change, NULL);
    if (world->ruas.ruas != NULL && uab->user == WORLD_USERS)
        delegate(world, &uab->range, user);
}

static void cancel(struct world *world, struct random_source *random)
{
    static struct change change;
    const struct world_people *people = &world->people;
    if (people->scheduled_count == 0)
        return;
    const struct world_scheduled *one =
        &people->scheduled[random_below(random, people->scheduled_count)];
    size_t user = random_below(random, 2) == 0 ? one->user : random_below(random, WORLD_USERS);
    bool waiting = one->state == SCHEDULED_WAITING && user == one->user;
    bool prepared = ruas_prepare_cancel(world->ruas.ruas, names[user], one->id,
                                        world_wall_time(world), &change, NULL);
    if (prepared != waiting)
        world_fail(world, WORLD_CHECK_AUTHORITY, "scheduled set %llu %s be cancelled by %s",
                   (unsigned long long)one->id, prepared ? "can" : "cannot", names[user]);
    (void)do_change(world, prepared, &change, NULL);
}

// A user without UABs goes, with all tokens, and may come back.
static void replace_user(struct world *world)
{
    static struct change change;
    const char *name = names[WORLD_USERS - 1];
    if (accounts_user(ruas_accounts(world->ruas.ruas), name) == NULL)
        add_user(world, name);
    else
        (void)do_change(
            world,
            ruas_prepare_user_remove(world->ruas.ruas, name, world_wall_time(world), &change, NULL),
            &change, NULL);
}

void world_people_administer(struct world *world, uint64_t number)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(number));
    if (!world_settle(world))
        return;
    switch (random_below(&random, 6)) {
    case 0:
    case 1:
        random_token(world, &random);
        break;
    case 2:
        revoke_token(world, &random);
        break;
    case 3:
        hand_over(world, &random);
        break;
    case 4:
        cancel(world, &random);
        break;
    default:
        replace_user(world);
        break;
    }
}
