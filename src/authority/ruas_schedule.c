// SPDX-License-Identifier: BSD-2-Clause
// Scheduled sets: taking them in, executing them when they are due, cancelling them.
#include "authority/ruas_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS ((uint64_t)24 * 3600 * 1000)

static bool check_time(const struct ruas_request *request, struct wall_time at, struct error *error)
{
    if (request->grant.scope != SCOPE_ALL)
        return error_set(error, ERROR_DENIED, "scope",
                         "scheduling a set needs a token with scope \"all\"");
    if (at.ms <= request->time.ms)
        return error_set(error, ERROR_INPUT, "at-in-the-past",
                         "the time to execute this set has passed; leave \"at\" out to execute it "
                         "now");
    if (at.ms - request->time.ms > SCHEDULED_DAYS_MAX * DAY_MS)
        return error_set(error, ERROR_INPUT, "at-too-far", "a set waits for %d days at most",
                         SCHEDULED_DAYS_MAX);
    if (request->grant.expires.ms != 0 && at.ms >= request->grant.expires.ms)
        return error_set(error, ERROR_INPUT, "at-after-token",
                         "this token expires before the set would be executed");
    return true;
}

bool ruas_prepare_schedule(struct ruas *ruas, const struct ruas_request *request,
                           struct wall_time at, struct change *change, size_t *failed,
                           struct error *error)
{
    size_t mab = 0;
    *failed = request->set->count;
    if (!ruas_count_commands(ruas, request, error) || !check_time(request, at, error) ||
        !ruas_check_set(ruas, &request->grant, request->set, &mab, failed, error))
        return false;
    const struct user *user = accounts_user(&ruas->accounts, request->grant.user);
    assert(user != NULL); // the set lies in a UAB of theirs
    *failed = request->set->count;
    if (user->scheduled >= SCHEDULED_WAITING_MAX)
        return error_set(error, ERROR_CONFLICT, "too-many-scheduled",
                         "%zu sets of yours wait already, the most there may be; cancel some",
                         user->scheduled);
    ruas_begin_change(ruas, change, CHANGE_SCHEDULE_ADD, request->time);
    struct scheduled *scheduled = &change->scheduled;
    scheduled->id = ruas->schedule.next_id;
    memcpy(scheduled->user, user->name, sizeof(scheduled->user));
    scheduled->grant = request->grant;
    scheduled->from = request->from;
    scheduled->made = request->time;
    scheduled->at = at;
    scheduled->state = SCHEDULED_WAITING;
    scheduled->set = request->set;
    return true;
}

// Describes the end of a waiting set; also which ended one has to make room for it.
static void describe_end(const struct ruas *ruas, const struct scheduled *waiting,
                         enum scheduled_state state, struct wall_time time, struct change *change)
{
    const struct scheduled *oldest = schedule_oldest_ended(&ruas->schedule, waiting->user);
    change->scheduled = *waiting;
    change->scheduled.state = state;
    change->scheduled.ended = time;
    change->forget = oldest == NULL ? 0 : oldest->id;
}

bool ruas_prepare_cancel(struct ruas *ruas, const char *user, uint64_t id, struct wall_time time,
                         struct change *change, struct error *error)
{
    const struct scheduled *waiting = schedule_find(&ruas->schedule, id);
    if (waiting == NULL || strcmp(waiting->user, user) != 0)
        return error_set(error, ERROR_NOT_FOUND, "no-such-set",
                         "you have no scheduled set %" PRIu64, id);
    if (waiting->state != SCHEDULED_WAITING)
        return error_set(error, ERROR_CONFLICT, "set-has-ended",
                         "scheduled set %" PRIu64 " was %s already", id,
                         scheduled_state_name(waiting->state));
    ruas_begin_change(ruas, change, CHANGE_SCHEDULE_END, time);
    describe_end(ruas, waiting, SCHEDULED_CANCELLED, time, change);
    return true;
}

struct wall_time ruas_next_due(const struct ruas *ruas)
{
    const struct scheduled *first = schedule_first(&ruas->schedule);
    return first == NULL ? (struct wall_time){UINT64_MAX} : first->at;
}

// A token that was revoked since then must not act any more.
static bool check_still_granted(const struct ruas *ruas, const struct scheduled *scheduled,
                                struct error *error)
{
    if (scheduled->grant.by_token &&
        accounts_token(&ruas->accounts, &scheduled->grant.token) == NULL)
        return error_set(error, ERROR_DENIED, "token-revoked",
                         "the token that this set was scheduled with has been revoked");
    return true;
}

bool ruas_prepare_due(struct ruas *ruas, struct wall_time time, struct change *change)
{
    struct scheduled *due = schedule_first(&ruas->schedule);
    if (due == NULL || due->at.ms > time.ms)
        return false;
    size_t failed = 0;
    struct error error = {0};
    struct change made = {0};
    bool executed = check_still_granted(ruas, due, &error) &&
                    ruas_apply_set(ruas, &due->grant, due->set, UINT64_MAX, &made, &failed, &error);
    enum change_kind kind = executed ? CHANGE_SET : CHANGE_SCHEDULE_END;
    ruas_begin_change(ruas, change, kind, time);
    made.kind = kind;
    made.time = time;
    *change = made;
    describe_end(ruas, due, executed ? SCHEDULED_EXECUTED : SCHEDULED_REFUSED, time, change);
    if (executed) {
        change->scheduled.sequence = change->sequence;
    } else {
        memcpy(change->scheduled.reason, error.reason, sizeof(error.reason));
        if (failed < due->set->count && due->set->count > 1)
            error_prefix(&error, "command %zu", failed + 1);
        memcpy(change->scheduled.text, error.text, sizeof(error.text));
    }
    return true;
}
