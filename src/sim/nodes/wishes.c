// SPDX-License-Identifier: BSD-2-Clause
// What end users ask the RUAS for: sets of commands made at random, such as an owner may give, and
// such as must be refused. Whoever makes one knows which it is, as it is made from what the RUAS
// has at that moment.
#include "sim/checks/checks.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define MICRONET_UNITS_MAX 24
#define ATTEMPTS           20
#define ETR_COUNT          6  // 198.18.3.1 and following
#define MISTAKES           40 // two of so many ETRs are such as ITRs must not use
#define WAIT_MS_MAX        20000

struct wish {
    struct world *world;
    struct random_source random;
    struct command_set *set;
    const struct world_uab *uab;
    const struct mapping *mapping; // as the RUAS has it
    struct micronet found;         // at `unit`
    enum mapping_state state;
    struct unit unit;
    enum world_expected expected;
    bool empty;   // a set without commands is wanted
    size_t token; // with which it is asked for
};

static struct address pick_etr(struct random_source *random)
{
    uint32_t number = (uint32_t)random_below(random, ETR_COUNT + 1);
    uint64_t mistake = random_below(random, MISTAKES);
    if (mistake == 0)
        return address_from_ipv4(0x1409004d); // 20.9.0.77, in a MAB of another RUAS
    if (mistake == 1)
        return address_from_ipv4(0xc6120909); // 198.18.9.9, which all ITRs refuse
    return number == 0 ? ADDRESS_ZERO : address_from_ipv4(0xc6120300 + number); // 198.18.3.x
}

static struct command *add(struct wish *wish, enum command_kind kind, const struct range *range,
                           struct address etr)
{
    struct command *command = command_set_add(wish->set, kind);
    assert(command != NULL);
    command->micronet = *range;
    command->etr = etr;
    return command;
}

static void look(struct wish *wish, struct unit unit)
{
    wish->unit = unit;
    wish->state = mapping_lookup(wish->mapping, unit, &wish->found);
}

static void define(struct wish *wish)
{
    uint64_t last = range_last(&wish->found.range).index;
    uint64_t edge = range_last(&wish->uab->range).index;
    uint64_t room = (last < edge ? last : edge) - wish->unit.index + 1;
    uint64_t most = room < MICRONET_UNITS_MAX ? room : MICRONET_UNITS_MAX;
    struct range range = {
        wish->found.range.family, wish->unit, {1 + random_below(&wish->random, most)}};
    (void)add(wish, COMMAND_DEFINE, &range, pick_etr(&wish->random));
}

// The micronet in two, each with an ETR of its own.
static void divide(struct wish *wish)
{
    const struct range *range = &wish->found.range;
    struct unit at = {range->start.index + 1 +
                      random_below(&wish->random, range->length.units - 1)};
    struct range first = range_between(range->family, range->start, (struct unit){at.index - 1});
    struct range second = range_between(range->family, at, range_last(range));
    (void)add(wish, COMMAND_MAP, range, ADDRESS_ZERO);
    struct command *split = add(wish, COMMAND_SPLIT, range, ADDRESS_ZERO);
    (void)command_add_part(split, &second); // in any order
    (void)command_add_part(split, &first);
    (void)add(wish, COMMAND_MAP, &first, pick_etr(&wish->random));
    (void)add(wish, COMMAND_MAP, &second, pick_etr(&wish->random));
}

// The micronet and the next one become one.
static void unite(struct wish *wish)
{
    struct micronet next;
    const struct range *range = &wish->found.range;
    struct unit behind = {range_last(range).index + 1};
    if (!range_contains_unit(&wish->uab->range, range->family, behind) ||
        mapping_lookup(wish->mapping, behind, &next) == MAPPING_GAP)
        return;
    struct range both = range_between(range->family, range->start, range_last(&next.range));
    (void)add(wish, COMMAND_MAP, range, ADDRESS_ZERO);
    (void)add(wish, COMMAND_MAP, &next.range, ADDRESS_ZERO);
    struct command *join = add(wish, COMMAND_JOIN, &both, ADDRESS_ZERO);
    (void)command_add_part(join, range);
    (void)command_add_part(join, &next.range);
    (void)add(wish, COMMAND_MAP, &both, pick_etr(&wish->random));
}

static void delete (struct wish *wish)
{
    (void)add(wish, COMMAND_MAP, &wish->found.range, ADDRESS_ZERO);
    (void)add(wish, COMMAND_DELETE, &wish->found.range, ADDRESS_ZERO);
}

// One thing that an owner may do with what covers a unit.
static void ask_rightly(struct wish *wish)
{
    uint64_t choice = random_below(&wish->random, 10);
    wish->expected = WORLD_ACCEPT;
    if (wish->state == MAPPING_GAP || (choice == 9 && wish->state == MAPPING_ZERO))
        define(wish);
    else if (choice == 6 && wish->found.range.length.units > 1)
        divide(wish);
    else if (choice == 7)
        unite(wish);
    else if (choice == 8)
        delete (wish);
    else
        (void)add(wish, COMMAND_MAP, &wish->found.range, pick_etr(&wish->random));
}

// A command that breaks the rules for what is mapped; none where the unit does not lend itself.
static void break_the_engines_rules(struct wish *wish)
{
    struct range range = wish->found.range;
    if (wish->state != MAPPING_MAPPED)
        return;
    switch (random_below(&wish->random, 4)) {
    case 0: // not exactly a micronet
        range.length.units++;
        (void)add(wish, COMMAND_MAP, &range, pick_etr(&wish->random));
        break;
    case 1: // mapped
        (void)add(wish, COMMAND_DELETE, &range, ADDRESS_ZERO);
        break;
    case 2: // over mapped space
        (void)add(wish, COMMAND_DEFINE, &range, pick_etr(&wish->random));
        break;
    default: // mapped, too
        if (range.length.units > 1) {
            struct command *split = add(wish, COMMAND_SPLIT, &range, ADDRESS_ZERO);
            struct range first = {range.family, range.start, {1}};
            struct range rest = range_between(range.family, (struct unit){range.start.index + 1},
                                              range_last(&range));
            (void)command_add_part(split, &first);
            (void)command_add_part(split, &rest);
        }
        break;
    }
}

static const struct world_uab *uab_not_of(const struct wish *wish)
{
    const struct world_people *people = &wish->world->people;
    for (size_t i = 0; i < WORLD_UABS; i++)
        if (people->uabs[i].user != wish->uab->user)
            return &people->uabs[i];
    return NULL;
}

static void ask_wrongly(struct wish *wish)
{
    const struct range *uab = &wish->uab->range;
    struct range one = {uab->family, wish->unit, {1}};
    const struct world_uab *other = uab_not_of(wish);
    struct address etr = address_from_ipv4(0xc6120301);
    wish->expected = WORLD_REFUSE;
    switch (random_below(&wish->random, 8)) {
    case 0: // another's
        if (other != NULL) {
            one = (struct range){other->range.family, other->range.start, {1}};
            (void)add(wish, COMMAND_DEFINE, &one, etr);
        }
        break;
    case 1: // in nobody's UAB
        one.start.index = mapping_units(wish->mapping)->start.index + MASTER_UNITS + 8;
        (void)add(wish, COMMAND_DEFINE, &one, etr);
        break;
    case 2: // across the edge of the UAB
        one = (struct range){uab->family, range_last(uab), {2}};
        (void)add(wish, COMMAND_DEFINE, &one, etr);
        break;
    case 3: // to an address of a MAB
        ask_rightly(wish);
        wish->expected = WORLD_REFUSE;
        (void)add(wish, COMMAND_MAP, &wish->found.range, address_from_ipv4(0x1401004d));
        break;
    case 4: // to a private address
        ask_rightly(wish);
        wish->expected = WORLD_REFUSE;
        (void)add(wish, COMMAND_DEFINE, &one, address_from_ipv4(0x0a000001));
        break;
    case 5: // nothing
        wish->empty = true;
        break;
    default:
        break_the_engines_rules(wish);
        break;
    }
}

// Tokens

// What a token lets its user do with a set; found out without asking the RUAS.
static bool token_allows(const struct world_token *token, const struct command_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (token->scope == SCOPE_READ ||
            (token->scope == SCOPE_MAP && set->commands[i].kind != COMMAND_MAP) ||
            (token->limited && !range_contains(&token->only, &set->commands[i].micronet)))
            return false;
    return true;
}

// A token of the user, or none.
static size_t pick_token(struct wish *wish)
{
    const struct world_people *people = &wish->world->people;
    if (random_below(&wish->random, 2) == 0 || people->token_count == 0)
        return WORLD_NO_TOKEN;
    size_t token = random_below(&wish->random, people->token_count);
    return people->tokens[token].user == wish->uab->user ? token : WORLD_NO_TOKEN;
}

// False where the user is not let in.
static bool log_in(struct wish *wish, struct grant *grant)
{
    struct world *world = wish->world;
    size_t number = wish->token = pick_token(wish);
    *grant = (struct grant){.scope = SCOPE_ALL};
    (void)snprintf(grant->user, sizeof(grant->user), "%s", world_user_name(wish->uab->user));
    if (number == WORLD_NO_TOKEN)
        return true;
    const struct world_token *token = &world->people.tokens[number];
    if (!world_log_in(world, token, grant))
        return false;
    if (!token_allows(token, wish->set))
        wish->expected = WORLD_REFUSE;
    return true;
}

static bool begin_wish(struct wish *wish)
{
    const struct world_people *people = &wish->world->people;
    size_t uab = random_below(&wish->random, WORLD_UABS);
    wish->uab = &people->uabs[uab];
    if (wish->uab->user == WORLD_USERS)
        return false;
    wish->mapping = ruas_mapping(wish->world->ruas.ruas, uab / (WORLD_UABS / MASTER_MABS));
    look(wish, (struct unit){wish->uab->range.start.index +
                             random_below(&wish->random, wish->uab->range.length.units)});
    return true;
}

static void hand_in(struct wish *wish)
{
    struct world *world = wish->world;
    struct grant grant;
    uint64_t how = random_below(&wish->random, 16);
    if (!log_in(wish, &grant))
        return;
    if (how > 0) {
        world_submit(world, &grant, wish->set, wish->expected, how == 1);
        return;
    }
    uint64_t wait = 1 + random_below(&wish->random, WAIT_MS_MAX);
    if (world_schedule(world, &grant, wish->set,
                       (struct wall_time){world_wall_time(world).ms + wait})) {
        wish->set = NULL; // the core's now
        if (grant.by_token)
            world->people.scheduled_with = wish->token;
    }
}

void world_people_change(struct world *world, uint64_t number)
{
    struct wish wish = {.world = world};
    random_init(&wish.random, random_seed_from_number(number));
    bool wrong = random_below(&wish.random, 8) == 0;
    wish.set = command_set_new();
    for (int attempt = 0; attempt < ATTEMPTS && wish.set->count == 0 && !wish.empty; attempt++) {
        if (!begin_wish(&wish))
            continue;
        if (wrong)
            ask_wrongly(&wish);
        else
            ask_rightly(&wish);
        if (!wrong && random_below(&wish.random, 4) == 0 && wish.set->count > 0) {
            look(&wish, (struct unit){wish.uab->range.start.index +
                                      random_below(&wish.random, wish.uab->range.length.units)});
            ask_rightly(&wish);
            wish.expected = WORLD_EITHER; // they may meddle with each other
        }
    }
    if (wish.uab != NULL && wish.uab->user < WORLD_USERS)
        hand_in(&wish);
    command_set_free(wish.set);
}

void world_people_map(struct world *world, const struct range *range, const struct address *etr)
{
    struct wish wish = {.world = world, .set = command_set_new()};
    struct grant grant = {.scope = SCOPE_ALL};
    struct micronet found;
    for (size_t i = 0; i < WORLD_UABS; i++)
        if (range_contains(&world->people.uabs[i].range, range))
            wish.uab = &world->people.uabs[i];
    const struct mapping *mapping = ruas_mapping_of(world->ruas.ruas, range);
    if (wish.uab == NULL || wish.uab->user == WORLD_USERS)
        engine_note(world->engine, "a mapping is refused: it is nobody's");
    else {
        bool gap = mapping_lookup(mapping, range->start, &found) == MAPPING_GAP;
        (void)snprintf(grant.user, sizeof(grant.user), "%s", world_user_name(wish.uab->user));
        (void)add(&wish, gap ? COMMAND_DEFINE : COMMAND_MAP, range, *etr);
        world_submit(world, &grant, wish.set, WORLD_EITHER, false);
    }
    command_set_free(wish.set);
}
