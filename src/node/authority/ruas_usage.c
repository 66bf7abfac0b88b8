// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/ruas_usage.h"

#include "authority/usage_accept.h"
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

enum view { VIEW_MICRONET, VIEW_USER, VIEW_ITR, VIEW_TIME, VIEWS };
static const char *const views[VIEWS] = {"micronet", "user", "itr", "time"};

struct listing {
    const struct ruas *ruas;
    enum view view;
    json_t *lines;
    json_t *users; // by name, with VIEW_USER
};

static const struct uab *uab_of(const struct ruas *ruas, const struct range *micronet)
{
    return micronet->family == FAMILY_NONE
               ? NULL
               : delegation_find(ruas_delegation(ruas), micronet->family, micronet->start);
}

static json_t *counts(const struct usage_line *line)
{
    return json_pack("{s:I, s:I}", "packets", (json_int_t)line->packets, "octets",
                     (json_int_t)line->octets);
}

static void add_to(json_t *sums, const char *name, uint64_t more)
{
    json_int_t before = json_integer_value(json_object_get(sums, name));
    json_object_set_new(sums, name, json_integer(before + (json_int_t)more));
}

// A UAB of a user is a line; what belongs to nobody now is one, too.
static void add_for_user(struct listing *listing, const struct usage_line *line)
{
    const struct uab *uab = uab_of(listing->ruas, &line->micronet);
    char text[RANGE_TEXT_MAX] = "";
    const char *key = uab == NULL ? "" : range_print(&uab->range, text);
    json_t *sums = json_object_get(listing->users, key);
    if (sums == NULL) {
        sums = json_pack("{s:s?, s:s?, s:i, s:i}", "user", uab == NULL ? NULL : uab->user, "uab",
                         uab == NULL ? NULL : key, "packets", 0, "octets", 0);
        json_object_set(listing->users, key, sums);
        json_array_append_new(listing->lines, sums);
    }
    add_to(sums, "packets", line->packets);
    add_to(sums, "octets", line->octets);
}

static void add_line(void *state, const struct usage_line *line)
{
    struct listing *listing = state;
    if (listing->view == VIEW_USER) {
        add_for_user(listing, line);
        return;
    }
    json_t *json = json_object();
    char key[KEY_TEXT_MAX];
    const struct uab *uab = uab_of(listing->ruas, &line->micronet);
    if (listing->view == VIEW_MICRONET) {
        json_object_set_new(
            json, "micronet",
            line->micronet.family == FAMILY_NONE ? json_null() : rest_range_json(&line->micronet));
        json_object_set_new(json, "user", uab == NULL ? json_null() : json_string(uab->user));
    } else if (listing->view == VIEW_ITR) {
        json_object_set_new(json, "itr", json_string(key_print(&line->itr, key)));
    } else {
        json_object_set_new(json, "from", rest_time_json(line->from));
    }
    json_object_update_new(json, counts(line));
    json_array_append_new(listing->lines, json);
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
    *question = (struct usage_question){.to = {INT64_MAX / 2},
                                        .by_micronet = *view <= VIEW_USER,
                                        .by_itr = *view == VIEW_ITR,
                                        .step_ms = *view == VIEW_TIME ? HOUR_MS : 0,
                                        .most = USAGE_LINES_MAX};
    return (from[0] == '\0' || time_parse(from, &question->from, error)) &&
           (to[0] == '\0' || time_parse(to, &question->to, error));
}

static json_t *command_usage(void *state, const json_t *request, struct error *error)
{
    struct ruas_usage *usage = state;
    struct usage_question question;
    struct listing listing = {.ruas = usage->master->ruas};
    if (!read_question(request, &question, &listing.view, error))
        return NULL;
    listing.lines = json_array();
    listing.users = json_object();
    bool good = usage_ledger_sum(usage->master->usage, &question, add_line, &listing, error);
    json_decref(listing.users);
    if (good)
        return json_pack("{s:i, s:o}", "v", 1, "usage", listing.lines);
    json_decref(listing.lines);
    return NULL;
}

void ruas_usage_add(struct ruas_usage *usage)
{
    node_add_command(usage->node, "ruas.usage", command_usage, usage);
}

// --- end users -----------------------------------------------------------------------------------

static void add_own(void *state, const struct usage_line *line)
{
    json_t *json = json_object();
    json_object_set_new(json, "micronet", rest_range_json(&line->micronet));
    json_object_set_new(json, "day", rest_time_json(line->from));
    json_object_update_new(json, counts(line));
    json_array_append_new(state, json);
}

bool rest_get_usage(struct rest_call *call, struct error *error)
{
    const struct grant *grant = call->grant;
    const struct delegation *delegation = ruas_delegation(call->master->ruas);
    uint64_t today = call->request->time.ms - call->request->time.ms % DAY_MS;
    struct usage_question question = {.from = {today - (USAGE_DAYS - 1) * DAY_MS},
                                      .to = {today + DAY_MS},
                                      .by_micronet = true,
                                      .step_ms = DAY_MS};
    json_t *lines = json_array();
    bool good = true;
    for (const struct uab *uab = delegation_next_of(delegation, grant->user, NULL);
         good && uab != NULL && json_array_size(lines) < REST_PAGE_MAX;
         uab = delegation_next_of(delegation, grant->user, uab)) {
        question.only = uab->range;
        question.most = REST_PAGE_MAX - json_array_size(lines);
        if (grant->limited && range_contains(&uab->range, &grant->only))
            question.only = grant->only;
        else if (grant->limited && !range_contains(&grant->only, &uab->range))
            continue;
        good = usage_ledger_sum(call->master->usage, &question, add_own, lines, error);
    }
    if (!good) {
        json_decref(lines);
        return false;
    }
    rest_reply_ok(call, 200, json_pack("{s:o}", "usage", lines));
    return true;
}
