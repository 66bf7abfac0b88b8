// SPDX-License-Identifier: BSD-2-Clause
// The RUAS core's life: making it, putting back what was stored, committing and aborting changes.
#include "authority/ruas.h"

#include "authority/ruas_state.h"
#include "base/memory.h"

#include <assert.h>
#include <string.h>

static struct throttle *make_throttle(struct ruas *ruas, uint32_t burst, struct duration refill)
{
    struct throttle_config config = {
        .burst = burst, .refill = refill, .keys_max = LOGIN_THROTTLE_KEYS_MAX};
    return throttle_new(&config, &ruas->random);
}

static bool add_mab(struct ruas *ruas, const struct prefix *mab, struct error *error)
{
    struct mapping *mapping = mapping_new(mab, error);
    if (mapping == NULL)
        return false;
    if (!mab_table_add(ruas->mab_table, mab, (uint32_t)ruas->mab_count, error)) {
        mapping_free(mapping);
        return false;
    }
    ruas->mabs[ruas->mab_count++].mapping = mapping;
    return true;
}

struct ruas *ruas_new(const struct ruas_config *config, struct random_seed seed,
                      struct error *error)
{
    struct ruas *ruas = memory_new(sizeof(*ruas));
    random_init(&ruas->random, seed);
    accounts_init(&ruas->accounts, &ruas->random);
    schedule_init(&ruas->schedule, &ruas->random);
    ruas->delegation = delegation_new(&ruas->random);
    ruas->mab_table = mab_table_new();
    ruas->login_sources =
        make_throttle(ruas, LOGIN_SOURCE_FAILURES, duration_s(LOGIN_SOURCE_REFILL_S));
    ruas->login_users = make_throttle(ruas, LOGIN_USER_FAILURES, duration_s(LOGIN_USER_REFILL_S));
    ruas->commands = make_throttle(ruas, COMMANDS_MINUTE_MAX,
                                   duration_us((uint64_t)60 * 1000000 / COMMANDS_MINUTE_MAX));
    memcpy(ruas->decoy_password, config->decoy_password, sizeof(ruas->decoy_password));
    ruas->mabs = memory_new_array(config->mab_count, sizeof(*ruas->mabs));
    for (size_t i = 0; i < config->mab_count; i++)
        if (!add_mab(ruas, &config->mabs[i], error)) {
            ruas_free(ruas);
            return NULL;
        }
    ruas->etr_policy.mabs = ruas->mab_table;
    ruas_set_refused(ruas, config->refused, config->refused_count);
    return ruas;
}

void ruas_free(struct ruas *ruas)
{
    if (ruas == NULL)
        return;
    assert(ruas->pending == NULL);
    ruas_settle(ruas);
    memory_free(ruas->old);
    for (size_t i = 0; i < ruas->mab_count; i++)
        mapping_free(ruas->mabs[i].mapping);
    memory_free(ruas->mabs);
    mab_table_free(ruas->mab_table);
    memory_free(ruas->refused);
    throttle_free(ruas->login_sources);
    throttle_free(ruas->login_users);
    throttle_free(ruas->commands);
    schedule_release(&ruas->schedule);
    delegation_free(ruas->delegation);
    accounts_release(&ruas->accounts);
    memory_free(ruas);
}

void ruas_set_refused(struct ruas *ruas, const struct prefix *refused, size_t count)
{
    memory_free(ruas->refused);
    ruas->refused = memory_new_array(count, sizeof(*refused));
    if (count > 0)
        memcpy(ruas->refused, refused, count * sizeof(*refused));
    ruas->etr_policy.refused = ruas->refused;
    ruas->etr_policy.refused_count = count;
}

size_t ruas_mab_count(const struct ruas *ruas)
{
    return ruas->mab_count;
}

const struct mapping *ruas_mapping(const struct ruas *ruas, size_t mab)
{
    assert(mab < ruas->mab_count);
    return ruas->mabs[mab].mapping;
}

const struct mapping *ruas_mapping_of(const struct ruas *ruas, const struct range *range)
{
    uint32_t mab = 0;
    struct address first = unit_address(range->family, range->start);
    if (!mab_table_find(ruas->mab_table, &first, &mab))
        return NULL;
    const struct mapping *mapping = ruas->mabs[mab].mapping;
    return range_contains(mapping_units(mapping), range) ? mapping : NULL;
}

uint64_t ruas_sequence(const struct ruas *ruas, size_t mab)
{
    assert(mab < ruas->mab_count);
    return ruas->mabs[mab].sequence;
}

struct wall_time ruas_changed(const struct ruas *ruas, size_t mab)
{
    assert(mab < ruas->mab_count);
    return ruas->mabs[mab].changed;
}

const struct accounts *ruas_accounts(const struct ruas *ruas)
{
    return &ruas->accounts;
}

const struct delegation *ruas_delegation(const struct ruas *ruas)
{
    return ruas->delegation;
}

const struct schedule *ruas_schedule(const struct ruas *ruas)
{
    return &ruas->schedule;
}

// --- changes -------------------------------------------------------------------------------------

void ruas_begin_change(struct ruas *ruas, struct change *change, enum change_kind kind,
                       struct wall_time time)
{
    assert(ruas->pending == NULL);
    memset(change, 0, sizeof(*change));
    change->kind = kind;
    change->time = time;
    ruas->pending = change;
}

// Logins under way find that the password has changed: ruas_login_end.
static void apply_user_password(struct ruas *ruas, const struct user *changed)
{
    struct user *user = accounts_user(&ruas->accounts, changed->name);
    assert(user != NULL);
    memcpy(user->password, changed->password, sizeof(user->password));
}

static void apply_user_remove(struct ruas *ruas, const char *name)
{
    struct user *user = accounts_user(&ruas->accounts, name);
    assert(user != NULL && user->uabs == 0);
    struct scheduled *each;
    while ((each = schedule_next_of(&ruas->schedule, name, NULL)) != NULL)
        schedule_remove(&ruas->schedule, each);
    accounts_remove_user(&ruas->accounts, user);
}

static void apply_uab_add(struct ruas *ruas, const struct uab *uab)
{
    struct user *user = accounts_user(&ruas->accounts, uab->user);
    assert(user != NULL);
    delegation_add(ruas->delegation, uab);
    user->uabs++;
}

static void apply_uab_remove(struct ruas *ruas, const struct range *range)
{
    struct uab *uab = delegation_find(ruas->delegation, range->family, range->start);
    assert(uab != NULL && range_equal(&uab->range, range));
    struct user *user = accounts_user(&ruas->accounts, uab->user);
    assert(user != NULL && user->uabs > 0);
    user->uabs--;
    delegation_remove(ruas->delegation, uab);
}

static void apply_token_remove(struct ruas *ruas, const struct token_digest *digest)
{
    accounts_remove_token(&ruas->accounts, accounts_token(&ruas->accounts, digest));
}

static void apply_schedule_add(struct ruas *ruas, const struct scheduled *scheduled)
{
    struct user *user = accounts_user(&ruas->accounts, scheduled->user);
    assert(user != NULL);
    (void)schedule_add(&ruas->schedule, scheduled);
    if (scheduled->state == SCHEDULED_WAITING)
        user->scheduled++;
}

static void apply_schedule_end(struct ruas *ruas, const struct change *change)
{
    struct scheduled *ended = schedule_find(&ruas->schedule, change->scheduled.id);
    assert(ended != NULL);
    struct user *user = accounts_user(&ruas->accounts, ended->user);
    assert(user != NULL && user->scheduled > 0);
    user->scheduled--;
    schedule_end(&ruas->schedule, ended, &change->scheduled);
    if (change->forget != 0)
        schedule_remove(&ruas->schedule, schedule_find(&ruas->schedule, change->forget));
}

// Makes true in memory what is stored.
static void apply_change(struct ruas *ruas, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_USER_ADD:
        (void)accounts_add_user(&ruas->accounts, &change->user);
        break;
    case CHANGE_USER_PASSWORD:
        apply_user_password(ruas, &change->user);
        break;
    case CHANGE_USER_REMOVE:
        apply_user_remove(ruas, change->user.name);
        break;
    case CHANGE_UAB_ADD:
        apply_uab_add(ruas, &change->uab);
        break;
    case CHANGE_UAB_REMOVE:
        apply_uab_remove(ruas, &change->uab.range);
        break;
    case CHANGE_TOKEN_ADD:
        if (change->replaces)
            apply_token_remove(ruas, &change->expired);
        (void)accounts_add_token(&ruas->accounts, &change->token);
        break;
    case CHANGE_TOKEN_REVOKE:
        apply_token_remove(ruas, &change->token.digest);
        break;
    case CHANGE_SCHEDULE_ADD:
        apply_schedule_add(ruas, &change->scheduled);
        break;
    case CHANGE_SCHEDULE_END:
        apply_schedule_end(ruas, change);
        break;
    case CHANGE_SET:
        ruas_commit_set(ruas, change);
        if (change->scheduled.id != 0)
            apply_schedule_end(ruas, change);
        break;
    }
}

void ruas_commit(struct ruas *ruas, const struct change *change)
{
    assert(ruas->pending == change && ruas->held == NULL);
    ruas->pending = NULL;
    apply_change(ruas, change);
}

void ruas_abort(struct ruas *ruas, const struct change *change)
{
    assert(ruas->pending == change);
    ruas->pending = NULL;
    if (change->kind == CHANGE_SET)
        ruas_abort_set(ruas, change);
}

// --- start ---------------------------------------------------------------------------------------

static bool check_restored(const struct ruas *ruas, const struct change *change,
                           struct error *error)
{
    switch (change->kind) {
    case CHANGE_USER_ADD:
        if (accounts_user(&ruas->accounts, change->user.name) == NULL)
            return true;
        break;
    case CHANGE_UAB_ADD:
        if (accounts_user(&ruas->accounts, change->uab.user) != NULL &&
            range_valid(&change->uab.range))
            return true;
        break;
    case CHANGE_TOKEN_ADD:
        if (accounts_user(&ruas->accounts, change->token.user) != NULL &&
            accounts_token(&ruas->accounts, &change->token.digest) == NULL)
            return true;
        break;
    case CHANGE_SCHEDULE_ADD:
        if (accounts_user(&ruas->accounts, change->scheduled.user) != NULL &&
            schedule_find(&ruas->schedule, change->scheduled.id) == NULL)
            return true;
        break;
    case CHANGE_USER_PASSWORD:
    case CHANGE_USER_REMOVE:
    case CHANGE_UAB_REMOVE:
    case CHANGE_TOKEN_REVOKE:
    case CHANGE_SCHEDULE_END:
    case CHANGE_SET:
        assert(false);
    }
    return error_set(error, ERROR_FORMAT, "bad-store",
                     "the store contradicts itself: something belongs to no user, or is there "
                     "twice; restore it from a backup");
}

bool ruas_restore(struct ruas *ruas, const struct change *change, struct error *error)
{
    if (!check_restored(ruas, change, error))
        return false;
    if (change->kind == CHANGE_UAB_ADD &&
        !delegation_check_free(ruas->delegation, &change->uab.range, error))
        return false;
    apply_change(ruas, change);
    return true;
}

bool ruas_restore_micronets(struct ruas *ruas, size_t mab, const struct micronet *micronets,
                            size_t count, struct error *error)
{
    assert(mab < ruas->mab_count);
    struct mapping *mapping = ruas->mabs[mab].mapping;
    struct update *updates = ruas->updates.updates;
    while (count > 0) {
        size_t some = count < UPDATE_SET_MAX ? count : UPDATE_SET_MAX;
        for (size_t i = 0; i < some; i++)
            updates[i] = (struct update){
                .kind = UPDATE_DEFINE, .range = micronets[i].range, .etr = micronets[i].etr};
        if (!mapping_apply(mapping, updates, some, NULL, error))
            return false;
        micronets += some;
        count -= some;
    }
    return true;
}

void ruas_restore_sequence(struct ruas *ruas, size_t mab, uint64_t sequence)
{
    assert(mab < ruas->mab_count);
    ruas->mabs[mab].sequence = sequence;
}

static uint64_t count_micronets(const struct mapping *mapping, const struct range *range)
{
    uint64_t count = 0;
    uint64_t from = range->start.index;
    struct micronet found;
    while (ruas_next_micronet(mapping, range, &from, &found))
        count++;
    return count;
}

uint64_t ruas_count_micronets(const struct ruas *ruas, const struct range *range)
{
    const struct mapping *mapping = ruas_mapping_of(ruas, range);
    return mapping == NULL ? 0 : count_micronets(mapping, range);
}

void ruas_restore_done(struct ruas *ruas, uint64_t next_scheduled)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    for (size_t i = 0; i < 2; i++) {
        struct unit from = {0};
        struct uab *uab;
        while ((uab = delegation_next(ruas->delegation, families[i], from)) != NULL) {
            uab->micronets = ruas_count_micronets(ruas, &uab->range);
            from.index = range_last(&uab->range).index + 1;
            if (from.index == 0)
                break;
        }
    }
    if (next_scheduled > ruas->schedule.next_id)
        ruas->schedule.next_id = next_scheduled;
}
