// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/ruas_usage.h"

#include "authority/usage_accept.h"
#include "base/memory.h"
#include "node/authority/command_json.h"
#include "node/authority/rest_time.h"
#include "node/authority/usage_ledger.h"

#include <string.h>

#define HOUR_MS 3600000
#define DAY_MS  (24 * (uint64_t)HOUR_MS)

bool ruas_usage_take(void *state, const uint8_t *bytes, size_t length, struct error *error)
{
    struct ruas_usage *usage = state;
    const struct config_ruas *config = node_config(usage->node)->ruas;
    return usage_accept(config->itrs.items, config->itrs.count, bytes, length, &usage->report,
                        error) &&
           usage_ledger_take(usage->master->usage, &usage->report, error);
}

// --- the operator --------------------------------------------------------------------------------
//
//     loop: question, copy of the UABs -> worker: sums, lines -> loop: answer

enum view { VIEW_MICRONET, VIEW_USER, VIEW_ITR, VIEW_TIME, VIEWS };
static const char *const views[VIEWS] = {"micronet", "user", "itr", "time"};

// A UAB as it was when the question came, and with VIEW_USER what was counted in it.
struct holder {
    struct range range;
    char user[USER_NAME_MAX];
    uint64_t packets;
    uint64_t octets;
};

struct usage_job {
    char *directory;
    struct usage_question question;
    enum view view;
    struct holder *holders; // IPv4 first, by start; then one without a range, for what is nobody's
    size_t holder_count;    // without that one
    json_t *lines;
    bool good;
    bool more; // than USAGE_LINES_MAX
    struct error error;
};

static void copy_holders(struct usage_job *job, const struct delegation *delegation)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    job->holders = memory_new_array(delegation_count(delegation) + 1, sizeof(*job->holders));
    for (size_t i = 0; i < 2; i++) {
        struct unit from = {0};
        const struct uab *uab;
        while ((uab = delegation_next(delegation, families[i], from)) != NULL) {
            struct holder *holder = &job->holders[job->holder_count++];
            holder->range = uab->range;
            memcpy(holder->user, uab->user, sizeof(holder->user));
            from.index = range_last(&uab->range).index + 1;
            if (from.index == 0)
                break;
        }
    }
}

// Whose range begins behind the start of the other.
static bool begins_behind(const struct range *range, const struct range *other)
{
    return range->family != other->family ? range->family > other->family
                                          : range->start.index > other->start.index;
}

// The UAB that a micronet begins in, or the holder of what is nobody's.
static struct holder *holder_of(const struct usage_job *job, const struct range *micronet)
{
    size_t low = 0; // all before it begin at the micronet's start or before
    size_t high = job->holder_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (begins_behind(&job->holders[middle].range, micronet))
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0 || job->holders[low - 1].range.family != micronet->family ||
        range_last(&job->holders[low - 1].range).index < micronet->start.index)
        return &job->holders[job->holder_count];
    return &job->holders[low - 1];
}

static json_t *counts(uint64_t packets, uint64_t octets)
{
    return json_pack("{s:I, s:I}", "packets", (json_int_t)packets, "octets", (json_int_t)octets);
}

static json_t *user_json(const struct holder *holder)
{
    return holder->user[0] == '\0' ? json_null() : json_string(holder->user);
}

// Ends at the greatest number that JSON has here, as the sums of the ledger do.
static void add_count(uint64_t *sum, uint64_t count)
{
    *sum = count > INT64_MAX - *sum ? INT64_MAX : *sum + count;
}

static void add_line(void *state, const struct usage_line *line)
{
    struct usage_job *job = state;
    char key[KEY_TEXT_MAX];
    struct holder *holder = job->view <= VIEW_USER ? holder_of(job, &line->micronet) : NULL;
    if (job->view == VIEW_USER) {
        add_count(&holder->packets, line->packets);
        add_count(&holder->octets, line->octets);
        return;
    }
    job->more = json_array_size(job->lines) == USAGE_LINES_MAX;
    if (job->more)
        return;
    json_t *json = json_object();
    if (job->view == VIEW_MICRONET) {
        json_object_set_new(
            json, "micronet",
            line->micronet.family == FAMILY_NONE ? json_null() : rest_range_json(&line->micronet));
        json_object_set_new(json, "user", user_json(holder));
    } else if (job->view == VIEW_ITR) {
        json_object_set_new(json, "itr", json_string(key_print(&line->itr, key)));
    } else {
        json_object_set_new(json, "from", rest_time_json(line->from));
    }
    json_object_update_new(json, counts(line->packets, line->octets));
    json_array_append_new(job->lines, json);
}

// A UAB with traffic is a line; what belongs to nobody now is one, too.
static void add_holders(struct usage_job *job)
{
    for (size_t i = 0; i <= job->holder_count; i++) {
        const struct holder *holder = &job->holders[i];
        if (holder->packets == 0)
            continue;
        json_t *json =
            json_pack("{s:o, s:o}", "user", user_json(holder), "uab",
                      i == job->holder_count ? json_null() : rest_range_json(&holder->range));
        json_object_update_new(json, counts(holder->packets, holder->octets));
        json_array_append_new(job->lines, json);
    }
}

// An optional text; `otherwise` where it is missing, NULL with an error where it is no text.
static const char *text_or(const json_t *request, const char *name, const char *otherwise,
                           struct error *error)
{
    return json_object_get(request, name) == NULL ? otherwise : json_get_text(request, name, error);
}

static bool read_question(const json_t *request, struct usage_question *question, enum view *view,
                          struct error *error)
{
    static const char *const allowed[] = {"command", "by", "from", "to", NULL};
    if (!json_check_members(request, allowed, error))
        return false;
    const char *by = text_or(request, "by", views[0], error);
    const char *from = text_or(request, "from", "", error);
    const char *to = text_or(request, "to", "", error);
    if (by == NULL || from == NULL || to == NULL)
        return false;
    for (*view = 0; *view < VIEWS && strcmp(by, views[*view]) != 0; (*view)++)
        continue;
    if (*view == VIEWS)
        return error_set(error, ERROR_INPUT, "bad-view",
                         "usage can be seen by micronet, user, itr or time, not by \"%.40s\"", by);
    // Users are charged by the whole of their sums: those have no limit of lines.
    *question =
        (struct usage_question){.to = {INT64_MAX / 2},
                                .by_micronet = *view <= VIEW_USER,
                                .by_itr = *view == VIEW_ITR,
                                .step_ms = *view == VIEW_TIME ? HOUR_MS : 0,
                                .most = *view == VIEW_USER ? INT64_MAX : USAGE_LINES_MAX + 1};
    return (from[0] == '\0' || time_parse(from, &question->from, error)) &&
           (to[0] == '\0' || time_parse(to, &question->to, error));
}

static void *begin_usage(void *state, const json_t *request, struct error *error)
{
    const struct ruas_usage *usage = state;
    struct usage_question question;
    enum view view;
    if (!read_question(request, &question, &view, error))
        return NULL;
    struct usage_job *job = memory_new(sizeof(*job));
    job->directory = memory_copy_text(node_config(usage->node)->state);
    job->question = question;
    job->view = view;
    job->lines = json_array();
    copy_holders(job, ruas_delegation(usage->master->ruas));
    return job;
}

static void run_usage(void *state)
{
    struct usage_job *job = state;
    job->good = usage_ledger_sum(job->directory, &job->question, add_line, job, &job->error);
    if (job->view == VIEW_USER)
        add_holders(job);
}

static json_t *end_usage(void *state, void *done, struct error *error)
{
    (void)state;
    struct usage_job *job = done;
    if (job->good)
        return json_pack("{s:i, s:O, s:b}", "v", 1, "usage", job->lines, "more", (int)job->more);
    *error = job->error;
    return NULL;
}

static void drop_usage(void *state)
{
    struct usage_job *job = state;
    json_decref(job->lines);
    memory_free(job->holders);
    memory_free(job->directory);
    memory_free(job);
}

void ruas_usage_add(struct ruas_usage *usage)
{
    static const struct control_work work = {begin_usage, run_usage, end_usage, drop_usage};
    node_add_work(usage->node, "ruas.usage", &work, usage);
}

// --- end users -----------------------------------------------------------------------------------

static void add_own(void *state, const struct usage_line *line)
{
    json_t *json = json_object();
    json_object_set_new(json, "micronet", rest_range_json(&line->micronet));
    json_object_set_new(json, "day", rest_time_json(line->from));
    json_object_update_new(json, counts(line->packets, line->octets));
    json_array_append_new(state, json);
}

bool rest_get_usage(struct rest_call *call, struct error *error)
{
    const struct grant *grant = call->grant;
    const struct delegation *delegation = ruas_delegation(call->master->ruas);
    struct wall_time time = call->request->time;
    struct wall_time from = {time.ms - (USAGE_DAYS - 1) * DAY_MS};
    json_t *lines = json_array();
    bool good = true;
    for (const struct uab *uab = delegation_next_of(delegation, grant->user, NULL);
         good && uab != NULL && json_array_size(lines) < REST_PAGE_MAX;
         uab = delegation_next_of(delegation, grant->user, uab)) {
        const struct range *only = &uab->range;
        if (grant->limited && range_contains(&uab->range, &grant->only))
            only = &grant->only;
        else if (grant->limited && !range_contains(&grant->only, &uab->range))
            continue;
        good = usage_ledger_days(call->master->usage, only, from, (struct wall_time){time.ms + 1},
                                 REST_PAGE_MAX - json_array_size(lines), add_own, lines, error);
    }
    if (!good) {
        json_decref(lines);
        return false;
    }
    rest_reply_ok(call, 200, json_pack("{s:o}", "usage", lines));
    return true;
}
