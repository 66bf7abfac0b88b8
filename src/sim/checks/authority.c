// SPDX-License-Identifier: BSD-2-Clause
// Invariants of the authority: nothing acknowledged is lost, whatever crashes; nobody changes a
// micronet outside his UABs, or does more than his token says; what was refused changes nothing;
// what was scheduled is executed once, not before its time, and not after it was cancelled.
#include "sim/checks/checks.h"

#include <inttypes.h>
#include <string.h>

// What must be the same before and after something that changes nothing

static uint64_t count_in(const struct mapping *mapping, const struct range *range)
{
    uint64_t count = 0;
    struct unit from = range->start;
    struct micronet found;
    while (mapping_next(mapping, from, &found) &&
           found.range.start.index <= range_last(range).index) {
        count++;
        from.index = range_last(&found.range).index + 1;
    }
    return count;
}

struct world_digest world_digest(const struct world *world)
{
    const struct ruas *ruas = world->ruas.ruas;
    struct world_digest digest;
    memset(&digest, 0, sizeof(digest)); // compared as octets
    for (size_t mab = 0; mab < MASTER_MABS; mab++) {
        digest.hashes[mab] = mapping_hash(ruas_mapping(ruas, mab));
        digest.sequences[mab] = ruas_sequence(ruas, mab);
    }
    for (size_t i = 0; i < WORLD_UABS; i++) {
        const struct range *range = &world->people.uabs[i].range;
        const struct uab *uab = delegation_find(ruas_delegation(ruas), range->family, range->start);
        digest.micronets[i] = uab == NULL ? UINT64_MAX : uab->micronets;
    }
    digest.users = ruas_accounts(ruas)->users.count;
    digest.tokens = ruas_accounts(ruas)->tokens.count;
    digest.waiting = ruas_schedule(ruas)->waiting.count;
    return digest;
}

void world_check_unchanged(struct world *world, const struct world_digest *before, const char *what)
{
    struct world_digest after = world_digest(world);
    if (memcmp(before, &after, sizeof(after)) != 0)
        world_fail(world, WORLD_CHECK_AUTHORITY, "the RUAS's database was changed by %s", what);
}

void world_check_verdict(struct world *world, enum world_expected expected, bool accepted,
                         const struct error *error)
{
    if (expected == WORLD_REFUSE && accepted)
        world_fail(world, WORLD_CHECK_AUTHORITY, "the RUAS accepts a set that breaks the rules");
    if (expected == WORLD_ACCEPT && !accepted && strcmp(error->reason, "too-many-commands") != 0)
        world_fail(world, WORLD_CHECK_AUTHORITY, "the RUAS refuses a good set: %s", error->text);
}

// Who did it

bool world_log_in(struct world *world, const struct world_token *token, struct grant *grant)
{
    struct wall_time time = world_wall_time(world);
    bool good = !token->revoked && (token->expires.ms == 0 || time.ms < token->expires.ms);
    bool let_in = ruas_login_token(world->ruas.ruas, time, token->text, grant, NULL);
    if (let_in != good)
        world_fail(world, WORLD_CHECK_AUTHORITY, "a token that is %s valid %s its user in",
                   good ? "" : "not", let_in ? "lets" : "does not let");
    return let_in;
}

static const struct world_token *find_token(const struct world *world,
                                            const struct token_digest *digest)
{
    const struct world_people *people = &world->people;
    for (size_t i = 0; i < people->token_count; i++)
        if (memcmp(&people->tokens[i].digest, digest, sizeof(*digest)) == 0)
            return &people->tokens[i];
    return NULL;
}

static bool may_change(const struct world *world, const struct grant *grant,
                       const struct range *range)
{
    const struct world_people *people = &world->people;
    if (grant->by_token) {
        const struct world_token *token = find_token(world, &grant->token);
        if (token == NULL || token->revoked || token->scope == SCOPE_READ ||
            (token->limited && !range_contains(&token->only, range)))
            return false;
    }
    for (size_t i = 0; i < WORLD_UABS; i++)
        if (range_contains(&people->uabs[i].range, range))
            return people->uabs[i].user < WORLD_USERS &&
                   strcmp(grant->user, world_user_name(people->uabs[i].user)) == 0;
    return false;
}

void world_check_set(struct world *world, const struct disk_record *record,
                     const bool changed[MASTER_UNITS])
{
    const struct change *change = &record->change;
    const struct master_set *set = &world->master.sets[world->master.set_count - 1];
    const struct range *units = mapping_units(world->master.mappings[change->mab]);
    char text[RANGE_TEXT_MAX];
    for (size_t i = 0; i < change->update_count; i++)
        if (!may_change(world, &record->grant, &change->updates[i].range))
            world_fail(world, WORLD_CHECK_AUTHORITY, "%s changes %s, and may not",
                       record->grant.user, range_print(&change->updates[i].range, text));
    for (size_t i = 0; i < MASTER_UNITS; i++) {
        struct range unit = {units->family, {units->start.index + i}, {1}};
        if (changed[i] && !record->grant.limited && !may_change(world, &record->grant, &unit))
            world_fail(world, WORLD_CHECK_AUTHORITY, "%s changes %s on the way, and may not",
                       record->grant.user, range_print(&unit, text));
    }
    struct mapping_hash hash = mapping_hash(ruas_mapping(world->ruas.ruas, change->mab));
    bool last = ruas_sequence(world->ruas.ruas, change->mab) == change->sequence;
    if (last && !mapping_hash_equal(&hash, &set->hash))
        world_fail(world, WORLD_CHECK_AUTHORITY,
                   "MAB %zu is not what the sets acknowledged make of it", change->mab);
}

void world_check_scheduled_end(struct world *world, const struct world_scheduled *scheduled,
                               const struct scheduled *ended)
{
    if (scheduled->state != SCHEDULED_WAITING)
        world_fail(world, WORLD_CHECK_AUTHORITY,
                   "scheduled set %" PRIu64 " ends twice: %s, then %s", ended->id,
                   scheduled_state_name(scheduled->state), scheduled_state_name(ended->state));
    if (ended->state != SCHEDULED_CANCELLED && ended->ended.ms < scheduled->at.ms)
        world_fail(world, WORLD_CHECK_AUTHORITY,
                   "scheduled set %" PRIu64 " is executed %" PRIu64 " ms before its time",
                   ended->id, scheduled->at.ms - ended->ended.ms);
}

// Nothing is lost

static void check_mappings(struct world *world, const char *when)
{
    const struct master *master = &world->master;
    for (size_t mab = 0; mab < MASTER_MABS; mab++) {
        struct mapping_hash has = mapping_hash(ruas_mapping(world->ruas.ruas, mab));
        struct mapping_hash should = mapping_hash(master->mappings[mab]);
        uint64_t sequence = ruas_sequence(world->ruas.ruas, mab);
        if (sequence != master->sequences[mab] || !mapping_hash_equal(&has, &should))
            world_fail(world, WORLD_CHECK_AUTHORITY,
                       "%s MAB %zu is at sequence %" PRIu64 ", %s; acknowledged was %" PRIu64, when,
                       mab, sequence,
                       mapping_hash_equal(&has, &should) ? "with what was acknowledged"
                                                         : "with something else in it",
                       master->sequences[mab]);
    }
}

static void check_people(struct world *world)
{
    const struct ruas *ruas = world->ruas.ruas;
    const struct world_people *people = &world->people;
    for (size_t i = 0; i < WORLD_UABS; i++) {
        const struct world_uab *uab = &people->uabs[i];
        const struct uab *has =
            delegation_find(ruas_delegation(ruas), uab->range.family, uab->range.start);
        const struct mapping *mapping = ruas_mapping_of(ruas, &uab->range);
        if ((has != NULL) != (uab->user < WORLD_USERS) ||
            (has != NULL && strcmp(has->user, world_user_name(uab->user)) != 0))
            world_fail(world, WORLD_CHECK_AUTHORITY, "UAB %zu belongs to somebody else now", i);
        else if (has != NULL && has->micronets != count_in(mapping, &uab->range))
            world_fail(world, WORLD_CHECK_AUTHORITY,
                       "UAB %zu counts %" PRIu64 " micronets and has %" PRIu64, i, has->micronets,
                       count_in(mapping, &uab->range));
    }
    for (size_t i = 0; i < people->token_count; i++)
        if ((accounts_token(ruas_accounts(ruas), &people->tokens[i].digest) == NULL) !=
            people->tokens[i].revoked)
            world_fail(world, WORLD_CHECK_AUTHORITY, "token %zu %s", i,
                       people->tokens[i].revoked ? "was revoked, and is there" : "was lost");
    size_t waiting = 0;
    for (size_t i = 0; i < people->scheduled_count; i++)
        waiting += people->scheduled[i].state == SCHEDULED_WAITING;
    if (waiting != ruas_schedule(ruas)->waiting.count)
        world_fail(world, WORLD_CHECK_AUTHORITY, "%zu sets should wait for their time, %zu do",
                   waiting, ruas_schedule(ruas)->waiting.count);
}

void world_check_restarted(struct world *world)
{
    check_mappings(world, "after a restart");
    check_people(world);
}

void world_check_authority(struct world *world)
{
    if (world->ruas.ruas == NULL || ruas_held(world->ruas.ruas) > 0)
        return;
    check_mappings(world, "now");
    check_people(world);
}
