// SPDX-License-Identifier: BSD-2-Clause
// Requests: who asks, which handler answers, and how errors look.
#include "node/authority/rest.h"

#include "node/authority/command_json.h"
#include "node/authority/rest_state.h"
#include "node/authority/rest_time.h"
#include "node/http/http_server.h"
#include "node/http/json_error.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CREDENTIALS_MAX (USER_NAME_MAX + PASSWORD_MAX + 2)

static const struct route {
    const char *method;
    const char *path;
    bool tail;  // an id follows the path
    bool body;  // a JSON object is needed
    bool holds; // may hold a set; all others need what is held to be settled first
    rest_handler *handle;
} routes[] = {
    {"GET", "/v1/me", false, false, false, rest_get_me},
    {"GET", "/v1/micronets", false, false, false, rest_get_micronets},
    {"GET", "/v1/usage", false, false, false, rest_get_usage},
    {"GET", "/v1/audit", false, false, false, rest_get_audit},
    {"POST", "/v1/commands", false, true, true, rest_post_commands},
    {"GET", "/v1/scheduled", false, false, false, rest_get_scheduled},
    {"DELETE", "/v1/scheduled/", true, false, false, rest_delete_scheduled},
    {"GET", "/v1/tokens", false, false, false, rest_get_tokens},
    {"POST", "/v1/tokens", false, true, false, rest_post_token},
    {"DELETE", "/v1/tokens/", true, false, false, rest_delete_token},
};

// --- replies -------------------------------------------------------------------------------------

void rest_reply_error(struct rest_reply *reply, const struct error *error)
{
    bool unknown = strcmp(error->reason, "wrong-credentials") == 0 ||
                   strcmp(error->reason, "no-credentials") == 0;
    reply->status = unknown ? 401 : http_status(error->code);
    reply->ask_credentials = unknown;
    reply->try_later = error->code == ERROR_LIMIT || error->code == ERROR_UNAVAILABLE;
    reply->json = json_of_error(error);
}

void rest_reply_ok(struct rest_call *call, unsigned status, json_t *json)
{
    call->reply->status = status;
    call->reply->json = json_pack("{s:i}", "v", 1); // first, for people who read it
    json_object_update_new(call->reply->json, json);
}

json_t *rest_range_json(const struct range *range)
{
    char text[RANGE_TEXT_MAX];
    return json_string(range_print(range, text));
}

json_t *rest_micronet_json(const struct micronet *micronet)
{
    char etr[ADDRESS_TEXT_MAX];
    return json_pack("{s:o, s:s}", "micronet", rest_range_json(&micronet->range), "etr",
                     address_print(&micronet->etr, etr));
}

json_t *rest_time_json(struct wall_time time)
{
    char text[TIME_TEXT_MAX];
    return time.ms == 0 ? json_null() : json_string(time_print(time, text));
}

bool rest_limit(const struct rest_request *request, size_t *limit, struct error *error)
{
    *limit = REST_PAGE_DEFAULT;
    if (request->limit == NULL)
        return true;
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(request->limit, &end, 10);
    if (request->limit[0] < '0' || request->limit[0] > '9' || *end != '\0' || errno != 0 ||
        value == 0 || value > REST_PAGE_MAX)
        return error_set(error, ERROR_INPUT, "bad-limit", "\"limit\" is a number from 1 to %d",
                         REST_PAGE_MAX);
    *limit = value;
    return true;
}

// --- the audit trail -----------------------------------------------------------------------------

struct audit rest_audit(const struct rest_call *call, const char *action, const char *what)
{
    return (struct audit){.time = call->request->time,
                          .who = call->grant->user,
                          .with = call->with,
                          .from = call->request->from,
                          .action = action,
                          .what = what};
}

bool rest_commit(struct rest_call *call, const struct change *change, const char *action,
                 json_t *what, struct error *error)
{
    char *text = json_dumps(what, JSON_COMPACT | JSON_ENCODE_ANY);
    struct audit audit = rest_audit(call, action, text);
    bool committed = master_commit(call->master, change, &audit, error);
    free(text);
    json_decref(what);
    return committed;
}

// What was asked, for the audit trail: the body as it came, if it was JSON, and not longer than
// what a user may make the RUAS keep with each refusal. To be freed.
static char *describe_refused(const struct rest_call *call)
{
    char *what = json_dumps(call->body, JSON_COMPACT);
    size_t length = what == NULL ? 0 : strlen(what);
    if (length <= AUDIT_WHAT_MAX)
        return what;
    free(what);
    json_t *summary = json_pack("{s:I}", "octets", (json_int_t)length);
    what = json_dumps(summary, JSON_COMPACT);
    json_decref(summary);
    return what;
}

// Everything that changes something leaves a line when it is refused.
static void audit_refusal(struct rest_call *call, const struct error *error)
{
    if (strcmp(call->request->method, "GET") == 0 || error->code == ERROR_UNAVAILABLE) {
        master_count_refusal(call->master, error);
        return;
    }
    char *what = describe_refused(call);
    const char *path = call->request->path;
    char action[AUDIT_ACTION_MAX];
    (void)snprintf(action, sizeof(action), "%s", strncmp(path, "/v1/", 4) == 0 ? path + 4 : path);
    struct audit audit = rest_audit(call, action, what == NULL ? "null" : what);
    master_refuse(call->master, &audit, error);
    free(what);
}

// --- routing -------------------------------------------------------------------------------------

static const struct route *find_route(const struct rest_request *request, const char **tail,
                                      struct error *error)
{
    bool path_known = false;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct route *route = &routes[i];
        size_t length = strlen(route->path);
        bool matches = route->tail ? strncmp(request->path, route->path, length) == 0
                                   : strcmp(request->path, route->path) == 0;
        if (!matches)
            continue;
        path_known = true;
        *tail = request->path + length;
        if (strcmp(request->method, route->method) == 0)
            return route;
    }
    if (path_known)
        (void)error_set(error, ERROR_NOT_FOUND, "bad-method",
                        "this resource cannot be asked with %.10s", request->method);
    else
        (void)error_set(error, ERROR_NOT_FOUND, "no-such-resource",
                        "there is no resource \"%.80s\" here; see docs/authority.md",
                        request->path);
    return NULL;
}

static json_t *parse_body(const struct rest_request *request, struct error *error)
{
    json_error_t problem;
    json_t *json =
        json_loadb(request->body, request->body_length, JSON_REJECT_DUPLICATES, &problem);
    if (json == NULL)
        (void)error_set(error, ERROR_INPUT, "bad-json",
                        "the body is not JSON: line %d, column %d: %s", problem.line,
                        problem.column, problem.text);
    else if (!json_is_object(json)) {
        (void)error_set(error, ERROR_INPUT, "wrong-type", "the body must be a JSON object");
        json_decref(json);
        json = NULL;
    }
    return json;
}

static void handle(struct master *master, const struct rest_request *request,
                   const struct grant *grant, struct rest_reply *reply)
{
    struct error error = {0};
    struct rest_call call = {
        .master = master, .request = request, .grant = grant, .reply = reply, .with = "password"};
    char id[TOKEN_ID_MAX];
    if (grant->by_token)
        (void)snprintf(call.with, sizeof(call.with), "token %s", token_print_id(&grant->token, id));
    master->logins++;
    json_t *body = NULL;
    const struct route *route = NULL;
    bool good = ruas_check_limit(master->ruas, grant->user, request->now, &error) &&
                (route = find_route(request, &call.tail, &error)) != NULL;
    if (good && !route->holds)
        master_settle(master);
    if (good && route->body) {
        body = parse_body(request, &error);
        call.body = body;
        good = body != NULL;
    }
    if (!good || !route->handle(&call, &error)) {
        audit_refusal(&call, &error);
        if (reply->json == NULL)
            rest_reply_error(reply, &error);
    }
    // Looking, and what cannot be read, is work for the loop, too.
    if (!call.counted)
        ruas_count_work(master->ruas, grant->user, request->now,
                        1 + request->body_length / REST_WORK_OCTETS);
    json_decref(body);
    assert(reply->json != NULL);
}

// --- who asks ------------------------------------------------------------------------------------

static void refuse_login(struct master *master, const struct rest_request *request,
                         const char *user, const struct error *error, struct rest_reply *reply)
{
    struct audit audit = {.time = request->time,
                          .who = user,
                          .with = "password",
                          .from = request->from,
                          .action = "login",
                          .what = "null"};
    if (error->code == ERROR_DENIED && user[0] != '\0')
        master_refuse(master, &audit, error);
    else
        master_count_refusal(master, error);
    rest_reply_error(reply, error);
}

static bool no_credentials(struct error *error)
{
    return error_set(error, ERROR_DENIED, "no-credentials",
                     "log in with \"Authorization: Bearer TOKEN\", or with user and password");
}

// Takes "user:password" out of a Basic header. False where there is none.
static bool read_basic(const char *encoded, char user[USER_NAME_MAX],
                       char password[PASSWORD_MAX + 1])
{
    char text[CREDENTIALS_MAX + 1];
    size_t length = 0;
    bool good = sodium_base642bin((unsigned char *)text, CREDENTIALS_MAX, encoded, strlen(encoded),
                                  NULL, &length, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
    text[good ? length : 0] = '\0';
    char *colon = good && strlen(text) == length ? strchr(text, ':') : NULL;
    good = colon != NULL && (size_t)(colon - text) < USER_NAME_MAX &&
           strlen(colon + 1) <= PASSWORD_MAX;
    if (good) {
        *colon = '\0';
        (void)snprintf(user, USER_NAME_MAX, "%s", text);
        (void)snprintf(password, PASSWORD_MAX + 1, "%s", colon + 1);
        good = user_name_check(user, NULL);
    }
    sodium_memzero(text, sizeof(text));
    return good;
}

static enum rest_step begin_basic(struct master *master, const struct rest_request *request,
                                  const char *encoded, struct login *login,
                                  char password[PASSWORD_MAX + 1], struct rest_reply *reply)
{
    struct error error = {0};
    char user[USER_NAME_MAX] = "";
    if (!read_basic(encoded, user, password)) {
        user[0] = '\0';
        (void)no_credentials(&error);
    } else if (ruas_login_begin(master->ruas, request->now, user, &request->from, login, &error)) {
        return REST_VERIFY;
    }
    sodium_memzero(password, PASSWORD_MAX + 1);
    refuse_login(master, request, user, &error, reply);
    return REST_REPLIED;
}

enum rest_step rest_begin(struct master *master, const struct rest_request *request,
                          struct login *login, char password[PASSWORD_MAX + 1],
                          struct rest_reply *reply)
{
    struct error error = {0};
    struct grant grant;
    const char *header = request->authorization;
    memset(reply, 0, sizeof(*reply));
    if (header != NULL && strncasecmp(header, "Basic ", 6) == 0)
        return begin_basic(master, request, header + 6, login, password, reply);
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
        (void)no_credentials(&error);
    else if (ruas_login_token(master->ruas, request->time, header + 7, &grant, &error)) {
        handle(master, request, &grant, reply);
        return REST_REPLIED;
    }
    refuse_login(master, request, "", &error, reply);
    return REST_REPLIED;
}

void rest_finish(struct master *master, const struct rest_request *request,
                 const struct login *login, bool matches, struct rest_reply *reply)
{
    struct error error = {0};
    struct grant grant;
    memset(reply, 0, sizeof(*reply));
    if (ruas_login_end(master->ruas, login, matches, &grant, &error))
        handle(master, request, &grant, reply);
    else
        refuse_login(master, request, login->user, &error, reply);
}
