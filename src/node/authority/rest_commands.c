// SPDX-License-Identifier: BSD-2-Clause
// POST /v1/commands: change mappings now, try a change, or schedule it; and the scheduled sets.
#include "base/memory.h"
#include "node/authority/command_json.h"
#include "node/authority/rest_state.h"
#include "node/authority/rest_time.h"
#include "node/http/json_error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a request says besides its commands.
struct options {
    bool dry_run;
    bool scheduled;
    struct wall_time at;
};

static bool read_options(const json_t *body, struct options *options, struct error *error)
{
    static const char *const allowed[] = {"commands", "dry_run", "at", NULL};
    const json_t *dry_run = json_object_get(body, "dry_run");
    const json_t *at = json_object_get(body, "at");
    if (!json_check_members(body, allowed, error))
        return false;
    if (dry_run != NULL && !json_is_boolean(dry_run))
        return error_set(error, ERROR_INPUT, "wrong-type", "\"dry_run\" must be true or false");
    options->dry_run = json_is_true(dry_run);
    options->scheduled = at != NULL && !json_is_null(at);
    if (!options->scheduled)
        return true;
    if (options->dry_run)
        return error_set(error, ERROR_INPUT, "bad-request",
                         "\"dry_run\" tries a set on the present, so it cannot go with \"at\"");
    const char *text = json_get_text(body, "at", error);
    return text != NULL && time_parse(text, &options->at, error);
}

// The micronets in the touched ranges as they are now.
static json_t *touched_json(const struct mapping *mapping, const struct change *change)
{
    json_t *array = json_array();
    for (size_t i = 0; i < change->touched_count; i++) {
        uint64_t last = range_last(&change->touched[i]).index;
        struct unit from = change->touched[i].start;
        struct micronet micronet;
        while (mapping_next(mapping, from, &micronet) && micronet.range.start.index <= last) {
            json_array_append_new(array, rest_micronet_json(&micronet));
            if (range_last(&micronet.range).index == last)
                break;
            from.index = range_last(&micronet.range).index + 1;
        }
    }
    return array;
}

static json_t *result_json(const struct master *master, const struct change *change, bool dry_run)
{
    char mab[PREFIX_TEXT_MAX];
    const struct mapping *mapping = ruas_mapping(master->ruas, change->mab);
    return json_pack("{s:s, s:I, s:o, s:b}", "mab", prefix_print(mapping_mab(mapping), mab),
                     "sequence", (json_int_t)change->sequence, "micronets",
                     touched_json(mapping, change), "dry_run", dry_run);
}

static bool try_out(struct rest_call *call, const struct ruas_request *request, size_t *failed,
                    struct error *error)
{
    struct change change;
    struct master *master = call->master;
    master_settle(master);
    if (!ruas_prepare(master->ruas, request, &change, failed, error))
        return false;
    rest_reply_ok(call, 200, result_json(master, &change, true));
    ruas_abort(master->ruas, &change);
    master->dry_runs++;
    return true;
}

// The answer is ready at once, but goes out only when the set is settled with those beside it.
static bool execute(struct rest_call *call, const struct ruas_request *request, size_t *failed,
                    struct error *error)
{
    struct change change;
    struct master *master = call->master;
    if (master->held_count == MASTER_HELD_MAX)
        master_settle(master);
    if (!ruas_prepare(master->ruas, request, &change, failed, error))
        return false;
    json_t *result = result_json(master, &change, false);
    json_t *commands = command_set_to_json(request->set);
    char *what = json_dumps(commands, JSON_COMPACT);
    struct audit audit = rest_audit(call, "commands", what);
    bool held = master_hold(master, &change, request->set->count, &audit, error);
    memory_free(what);
    json_decref(commands);
    if (!held) {
        json_decref(result);
        return false;
    }
    rest_reply_ok(call, 200, result);
    call->reply->held = true;
    return true;
}

static bool schedule(struct rest_call *call, struct ruas_request *request, struct wall_time at,
                     size_t *failed, struct error *error)
{
    struct change change;
    char text[TIME_TEXT_MAX];
    master_settle(call->master);
    if (!ruas_prepare_schedule(call->master->ruas, request, at, &change, failed, error))
        return false;
    json_t *what = json_pack("{s:I, s:s, s:o}", "set", (json_int_t)change.scheduled.id, "at",
                             time_print(at, text), "commands", command_set_to_json(request->set));
    if (!rest_commit(call, &change, "schedule", what, error))
        return false;
    request->set = NULL; // the schedule has it now
    rest_reply_ok(call, 202,
                  json_pack("{s:I, s:s}", "scheduled", (json_int_t)change.scheduled.id, "at",
                            time_print(at, text)));
    return true;
}

// Answers an error, with the number of the command that it is about.
static void reply_failed(struct rest_call *call, size_t failed, size_t count,
                         const struct error *error)
{
    rest_reply_error(call->reply, error);
    if (failed < count)
        json_object_set_new(json_object_get(call->reply->json, "error"), "command",
                            json_integer((json_int_t)failed));
}

bool rest_post_commands(struct rest_call *call, struct error *error)
{
    struct options options = {0};
    size_t failed = 0;
    if (!read_options(call->body, &options, error))
        return false;
    const json_t *commands = json_object_get(call->body, "commands");
    size_t count = json_array_size(commands);
    struct ruas_request request = {.grant = *call->grant,
                                   .from = call->request->from,
                                   .now = call->request->now,
                                   .time = call->request->time,
                                   .set = command_set_from_json(commands, &failed, error)};
    bool parsed = request.set != NULL;
    bool done = false;
    call->counted = parsed;
    if (parsed && options.scheduled)
        done = schedule(call, &request, options.at, &failed, error);
    else if (parsed && options.dry_run)
        done = try_out(call, &request, &failed, error);
    else if (parsed)
        done = execute(call, &request, &failed, error);
    if (parsed && !done && failed < count && count > 1)
        error_prefix(error, "command %zu", failed + 1);
    if (!done)
        reply_failed(call, failed, count, error);
    command_set_free(request.set);
    return done;
}

// --- scheduled sets ------------------------------------------------------------------------------

static json_t *scheduled_json(const struct scheduled *scheduled)
{
    json_t *json = json_pack(
        "{s:I, s:s, s:s, s:o, s:o, s:o, s:o}", "scheduled", (json_int_t)scheduled->id, "user",
        scheduled->user, "state", scheduled_state_name(scheduled->state), "made",
        rest_time_json(scheduled->made), "at", rest_time_json(scheduled->at), "ended",
        rest_time_json(scheduled->ended), "commands", command_set_to_json(scheduled->set));
    if (scheduled->state == SCHEDULED_EXECUTED)
        json_object_set_new(json, "sequence", json_integer((json_int_t)scheduled->sequence));
    if (scheduled->state == SCHEDULED_REFUSED) {
        json_object_set_new(json, "reason", json_text(scheduled->reason));
        json_object_set_new(json, "text", json_text(scheduled->text));
    }
    return json;
}

static bool lies_inside(const struct command_set *set, const struct range *only)
{
    for (size_t i = 0; i < set->count; i++)
        if (!range_contains(only, &set->commands[i].micronet))
            return false;
    return true;
}

json_t *rest_scheduled_json(const struct ruas *ruas, const char *user, const struct range *only)
{
    json_t *array = json_array();
    const struct schedule *schedule = ruas_schedule(ruas);
    const struct scheduled *each = NULL;
    while ((each = user == NULL ? schedule_next(schedule, each)
                                : schedule_next_of(schedule, user, each)) != NULL)
        if (only == NULL || lies_inside(each->set, only))
            json_array_append_new(array, scheduled_json(each));
    return array;
}

bool rest_get_scheduled(struct rest_call *call, struct error *error)
{
    (void)error;
    const struct grant *grant = call->grant;
    rest_reply_ok(call, 200,
                  json_pack("{s:o}", "scheduled",
                            rest_scheduled_json(call->master->ruas, grant->user,
                                                grant->limited ? &grant->only : NULL)));
    return true;
}

bool rest_delete_scheduled(struct rest_call *call, struct error *error)
{
    struct change change;
    char *end = NULL;
    errno = 0;
    uint64_t id = strtoull(call->tail, &end, 10);
    if (call->tail[0] < '0' || call->tail[0] > '9' || *end != '\0' || errno != 0)
        return error_set(error, ERROR_NOT_FOUND, "no-such-set",
                         "a scheduled set is named by its number");
    if (call->grant->scope != SCOPE_ALL || call->grant->limited)
        return error_set(error, ERROR_DENIED, "scope",
                         "cancelling a set needs a token with scope \"all\" for all your space");
    if (!ruas_prepare_cancel(call->master->ruas, call->grant->user, id, call->request->time,
                             &change, error))
        return false;
    json_t *what = json_pack("{s:I}", "set", (json_int_t)id);
    if (!rest_commit(call, &change, "cancel", what, error))
        return false;
    rest_reply_ok(call, 200,
                  json_pack("{s:I, s:s}", "scheduled", (json_int_t)id, "state",
                            scheduled_state_name(SCHEDULED_CANCELLED)));
    return true;
}
