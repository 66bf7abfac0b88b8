// SPDX-License-Identifier: BSD-2-Clause
// Sets: applying one to the master database, its commit and its abort.
#include "authority/ruas_state.h"

#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// --- which micronets a set touches ---------------------------------------------------------------

// The range widened to the edges of the micronets that reach into it.
static struct range widen(const struct mapping *mapping, const struct range *range)
{
    struct micronet found;
    struct unit first = range->start;
    struct unit last = range_last(range);
    if (mapping_lookup(mapping, first, &found) != MAPPING_GAP)
        first = found.range.start;
    if (mapping_lookup(mapping, last, &found) != MAPPING_GAP)
        last = range_last(&found.range);
    return range_between(range->family, first, last);
}

static int compare_starts(const void *a, const void *b)
{
    const struct range *left = a;
    const struct range *right = b;
    return (left->start.index > right->start.index) - (left->start.index < right->start.index);
}

// Sorts the touched ranges and makes one of those that overlap.
//
// A micronet that an update changes was there before the set, and then reaches into the update's
// range and is inside its widened one; or an earlier update made it inside its own. Either way it
// is inside one merged range, so their edges cut no micronet, before or after.
static void find_touched(struct ruas *ruas, const struct mapping *mapping)
{
    const struct update_set *updates = &ruas->updates;
    for (size_t i = 0; i < updates->count; i++)
        ruas->touched[i] = widen(mapping, &updates->updates[i].range);
    qsort(ruas->touched, updates->count, sizeof(struct range), compare_starts);
    size_t count = 0;
    for (size_t i = 0; i < updates->count; i++) {
        struct range *before = count == 0 ? NULL : &ruas->touched[count - 1];
        const struct range *range = &ruas->touched[i];
        if (before == NULL || !range_overlaps(before, range)) {
            ruas->touched[count++] = *range;
        } else {
            struct unit last = range_last(range);
            if (last.index > range_last(before).index)
                *before = range_between(range->family, before->start, last);
        }
    }
    ruas->touched_count = count;
}

// --- micronets of UABs ---------------------------------------------------------------------------

bool ruas_next_micronet(const struct mapping *mapping, const struct range *range, uint64_t *from,
                        struct micronet *found)
{
    uint64_t last = range_last(range).index;
    if (*from > last || *from < range->start.index)
        return false;
    if (!mapping_next(mapping, (struct unit){*from}, found) || found->range.start.index > last)
        return false;
    *from = range_last(&found->range).index + 1; // 0 behind the last unit there is
    return true;
}

static void keep_old(struct ruas *ruas, const struct micronet *micronet)
{
    if (ruas->old_count == ruas->old_capacity) {
        ruas->old_capacity = ruas->old_capacity == 0 ? 64 : ruas->old_capacity * 2;
        ruas->old = memory_resize(ruas->old, ruas->old_capacity * sizeof(*ruas->old));
    }
    ruas->old[ruas->old_count++] = *micronet;
}

// Adds `step` to the pending count of the UAB of each micronet in the touched ranges; before the
// set (step -1) it keeps them, too. False when there are more than `most`.
static bool count_touched(struct ruas *ruas, const struct mapping *mapping, int step, uint64_t most)
{
    struct micronet found;
    uint64_t count = 0;
    for (size_t i = 0; i < ruas->touched_count; i++) {
        const struct range *touched = &ruas->touched[i];
        uint64_t from = touched->start.index;
        while (ruas_next_micronet(mapping, touched, &from, &found)) {
            if (++count > most)
                return false;
            struct uab *uab = delegation_find(ruas->delegation, touched->family, found.range.start);
            if (uab != NULL)
                uab->pending += step;
            if (step < 0)
                keep_old(ruas, &found);
        }
    }
    return true;
}

// Notes the UABs that the set's commands lie in.
static void note_uabs(struct ruas *ruas)
{
    ruas->pending_uab_count = 0;
    for (size_t i = 0; i < ruas->updates.count; i++) {
        const struct range *range = &ruas->updates.updates[i].range;
        struct uab *uab = delegation_find(ruas->delegation, range->family, range->start);
        assert(uab != NULL);
        size_t count = ruas->pending_uab_count;
        if (count == 0 || ruas->pending_uabs[count - 1] != uab)
            ruas->pending_uabs[ruas->pending_uab_count++] = uab;
    }
}

static void clear_pending(struct ruas *ruas)
{
    for (size_t i = 0; i < ruas->pending_uab_count; i++)
        ruas->pending_uabs[i]->pending = 0;
    ruas->pending_uab_count = 0;
}

static bool check_micronets(const struct ruas *ruas, struct error *error)
{
    char text[RANGE_TEXT_MAX];
    for (size_t i = 0; i < ruas->pending_uab_count; i++) {
        const struct uab *uab = ruas->pending_uabs[i];
        if (uab->pending <= 0 || uab->micronets + (uint64_t)uab->pending <= uab->micronets_max)
            continue;
        return error_set(error, ERROR_CONFLICT, "too-many-micronets",
                         "UAB %s would have %" PRIu64 " micronets, and %" PRIu64
                         " is its limit; join some, or ask the operator for more",
                         range_print(&uab->range, text), uab->micronets + (uint64_t)uab->pending,
                         uab->micronets_max);
    }
    return true;
}

// --- prepare, commit, abort ----------------------------------------------------------------------

static void fill_change(const struct ruas *ruas, size_t mab, struct change *change)
{
    change->mab = mab;
    change->sequence = ruas->mabs[mab].sequence + 1;
    change->updates = ruas->updates.updates;
    change->update_count = ruas->updates.count;
    change->touched = ruas->touched;
    change->touched_count = ruas->touched_count;
}

bool ruas_apply_set(struct ruas *ruas, const struct grant *grant, struct command_set *set,
                    uint64_t touched_max, struct change *change, size_t *failed,
                    struct error *error)
{
    size_t mab = 0;
    size_t update = 0;
    ruas->old_count = 0;
    if (!ruas_check_set(ruas, grant, set, &mab, failed, error))
        return false;
    struct mapping *mapping = ruas->mabs[mab].mapping;
    find_touched(ruas, mapping);
    note_uabs(ruas);
    if (!count_touched(ruas, mapping, -1, touched_max)) {
        *failed = set->count;
        clear_pending(ruas);
        return error_set(error, ERROR_LIMIT, "too-many-commands",
                         "the set touches more than %" PRIu64 " micronets; each %d count as a "
                         "command, and %d commands a minute are taken; wait a minute",
                         touched_max, TOUCHED_A_COMMAND, COMMANDS_MINUTE_MAX);
    }
    if (!mapping_apply(mapping, ruas->updates.updates, ruas->updates.count, &update, error)) {
        assert(update < ruas->updates.count);
        *failed = ruas->updates.command[update];
        clear_pending(ruas);
        return false;
    }
    (void)count_touched(ruas, mapping, 1, UINT64_MAX);
    if (!check_micronets(ruas, error)) {
        *failed = set->count;
        mapping_revert(mapping);
        clear_pending(ruas);
        return false;
    }
    fill_change(ruas, mab, change);
    return true;
}

static bool too_many(struct duration wait, struct error *error)
{
    return error_set(error, ERROR_LIMIT, "too-many-commands",
                     "more than %d commands a minute; try again in %" PRIu64 " s",
                     COMMANDS_MINUTE_MAX, wait.ns / 1000000000 + 1);
}

bool ruas_count_commands(struct ruas *ruas, const struct ruas_request *request, struct error *error)
{
    struct duration wait = {0};
    const char *user = request->grant.user;
    uint32_t count = (uint32_t)(request->set->count == 0 ? 1 : request->set->count);
    return throttle_take(ruas->commands, request->now, user, strlen(user), count, &wait) ||
           too_many(wait, error);
}

bool ruas_check_limit(struct ruas *ruas, const char *user, struct instant now, struct error *error)
{
    return throttle_left(ruas->commands, now, user, strlen(user)) > 0 ||
           too_many((struct duration){0}, error);
}

void ruas_count_work(struct ruas *ruas, const char *user, struct instant now, size_t commands)
{
    uint32_t left = throttle_left(ruas->commands, now, user, strlen(user));
    uint32_t amount = commands < left ? (uint32_t)commands : left;
    (void)throttle_take(ruas->commands, now, user, strlen(user), amount, NULL);
}

// Looking at a micronet takes little, but a set may touch as many as a UAB holds, and be refused.
// So they count, up to what the user has left; more are not looked at. Who has sent nothing for a
// minute may touch any number.
static uint64_t touched_max(struct ruas *ruas, const struct ruas_request *request)
{
    const char *user = request->grant.user;
    uint32_t left = throttle_left(ruas->commands, request->now, user, strlen(user));
    return left == COMMANDS_MINUTE_MAX ? UINT64_MAX : (uint64_t)left * TOUCHED_A_COMMAND;
}

bool ruas_prepare(struct ruas *ruas, const struct ruas_request *request, struct change *change,
                  size_t *failed, struct error *error)
{
    assert(ruas->pending == NULL);
    *failed = request->set->count;
    uint64_t most = touched_max(ruas, request);
    if (!ruas_count_commands(ruas, request, error))
        return false;
    struct change made = {0};
    bool good = ruas_apply_set(ruas, &request->grant, request->set, most, &made, failed, error);
    ruas_count_work(ruas, request->grant.user, request->now, ruas->old_count / TOUCHED_A_COMMAND);
    if (!good)
        return false;
    *change = made;
    change->kind = CHANGE_SET;
    change->time = request->time;
    ruas->pending = change;
    return true;
}

void ruas_commit_set(struct ruas *ruas, const struct change *change)
{
    struct master_mab *mab = &ruas->mabs[change->mab];
    assert(change->sequence == mab->sequence + 1);
    mab->sequence = change->sequence;
    mab->changed = change->time;
    for (size_t i = 0; i < ruas->pending_uab_count; i++) {
        struct uab *uab = ruas->pending_uabs[i];
        assert(uab->pending >= 0 || (uint64_t)-uab->pending <= uab->micronets);
        uab->micronets += (uint64_t)uab->pending;
        uab->pending = 0; // a UAB may be noted twice
    }
    ruas->pending_uab_count = 0;
}

void ruas_abort_set(struct ruas *ruas, const struct change *change)
{
    mapping_revert(ruas->mabs[change->mab].mapping);
    clear_pending(ruas);
}
