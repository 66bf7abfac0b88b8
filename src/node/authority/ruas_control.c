// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/ruas_control.h"

#include "base/memory.h"
#include "node/authority/command_json.h"
#include "node/authority/rest_state.h"
#include "node/authority/rest_time.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ruas_hash_password(const char *password, char hash[PASSWORD_HASH_MAX], struct error *error)
{
    if (crypto_pwhash_str(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0)
        return true;
    return error_set(error, ERROR_SYSTEM, "no-memory",
                     "hashing a password needs %u MiB of memory, and there is not that much",
                     crypto_pwhash_MEMLIMIT_INTERACTIVE >> 20);
}

// Stores and commits a change of the operator's; `what` (a reference taken over) becomes the
// answer, and the line of the audit trail.
static json_t *commit(struct ruas_control *control, const struct change *change, const char *action,
                      json_t *what, struct error *error)
{
    char *text = json_dumps(what, JSON_COMPACT);
    struct audit audit = {.time = change->time,
                          .who = OPERATOR_NAME,
                          .with = "control",
                          .action = action,
                          .what = text};
    bool stored = master_commit(control->master, change, &audit, error);
    free(text);
    if (!stored) {
        json_decref(what);
        return NULL;
    }
    json_object_set_new(what, "v", json_integer(1));
    return what;
}

// An optional text; false where it is there and no text.
static bool optional_text(const json_t *request, const char *name, const char **text,
                          struct error *error)
{
    *text = NULL;
    if (json_object_get(request, name) == NULL)
        return true;
    *text = json_get_text(request, name, error);
    return *text != NULL;
}

// Of a request that lists what belongs to all users, or to one: its name, otherwise NULL.
static bool get_user_asked(const json_t *request, const char **user, struct error *error)
{
    static const char *const allowed[] = {"command", "user", NULL};
    return json_check_members(request, allowed, error) &&
           optional_text(request, "user", user, error);
}

static bool get_range(const json_t *request, struct range *range, struct error *error)
{
    const char *text = json_get_text(request, "range", error);
    return text != NULL && range_parse(text, range, error);
}

// --- users ---------------------------------------------------------------------------------------

// A user to be added, or to get another password, which a worker hashes.
struct new_user {
    char name[USER_NAME_MAX];
    char password[PASSWORD_MAX + 1];
    char hash[PASSWORD_HASH_MAX];
    bool hashed;
    struct error error; // where it could not be hashed
};

static void *begin_hashing(void *state, const json_t *request, struct error *error)
{
    static const char *const allowed[] = {"command", "user", "password", NULL};
    (void)state;
    if (!json_check_members(request, allowed, error))
        return NULL;
    const char *user = json_get_text(request, "user", error);
    const char *password = user == NULL ? NULL : json_get_text(request, "password", error);
    if (password == NULL || !user_name_check(user, error) || !password_check(password, error))
        return NULL;
    struct new_user *made = memory_new(sizeof(*made));
    (void)snprintf(made->name, sizeof(made->name), "%s", user);
    (void)snprintf(made->password, sizeof(made->password), "%s", password);
    return made;
}

static void hash_password(void *job)
{
    struct new_user *made = job;
    made->hashed = ruas_hash_password(made->password, made->hash, &made->error);
}

typedef bool prepare_user(struct ruas *ruas, const char *name, const char *password_hash,
                          struct wall_time time, struct change *change, struct error *error);

static json_t *end_hashing(struct ruas_control *control, const struct new_user *made,
                           prepare_user *prepare, const char *action, struct error *error)
{
    struct change change;
    master_settle(control->master); // what end users just sent comes first
    if (!made->hashed) {
        *error = made->error;
        return NULL;
    }
    if (!prepare(control->master->ruas, made->name, made->hash, node_wall_time(control->node),
                 &change, error))
        return NULL;
    return commit(control, &change, action, json_pack("{s:s}", "user", made->name), error);
}

static json_t *end_user_add(void *state, void *job, struct error *error)
{
    return end_hashing(state, job, ruas_prepare_user_add, "user-add", error);
}

static json_t *end_user_password(void *state, void *job, struct error *error)
{
    return end_hashing(state, job, ruas_prepare_user_password, "user-password", error);
}

static void drop_new_user(void *job)
{
    sodium_memzero(job, sizeof(struct new_user));
    memory_free(job);
}

static const struct control_work user_add = {begin_hashing, hash_password, end_user_add,
                                             drop_new_user};
static const struct control_work user_password = {begin_hashing, hash_password, end_user_password,
                                                  drop_new_user};

static json_t *user_list(void *state, const json_t *request, struct error *error)
{
    static const char *const allowed[] = {"command", NULL};
    struct ruas_control *control = state;
    if (!json_check_members(request, allowed, error))
        return NULL;
    const struct accounts *accounts = ruas_accounts(control->master->ruas);
    json_t *users = json_array();
    for (const struct user *user = accounts_next_user(accounts, NULL); user != NULL;
         user = accounts_next_user(accounts, user))
        json_array_append_new(users,
                              json_pack("{s:s, s:o, s:I, s:I, s:I}", "user", user->name, "created",
                                        rest_time_json(user->created), "uabs",
                                        (json_int_t)user->uabs, "tokens", (json_int_t)user->tokens,
                                        "scheduled", (json_int_t)user->scheduled));
    return json_pack("{s:i, s:o}", "v", 1, "users", users);
}

static json_t *user_remove(void *state, const json_t *request, struct error *error)
{
    static const char *const allowed[] = {"command", "user", NULL};
    struct ruas_control *control = state;
    struct change change;
    if (!json_check_members(request, allowed, error))
        return NULL;
    const char *user = json_get_text(request, "user", error);
    if (user == NULL || !ruas_prepare_user_remove(control->master->ruas, user,
                                                  node_wall_time(control->node), &change, error))
        return NULL;
    return commit(control, &change, "user-remove", json_pack("{s:s}", "user", user), error);
}

// --- UABs ----------------------------------------------------------------------------------------

static json_t *uab_json(const struct uab *uab)
{
    return json_pack("{s:o, s:s, s:I, s:I}", "range", rest_range_json(&uab->range), "user",
                     uab->user, "micronets", (json_int_t)uab->micronets, "micronets_max",
                     (json_int_t)uab->micronets_max);
}

static json_t *uab_add(void *state, const json_t *request, struct error *error)
{
    static const char *const allowed[] = {"command", "range", "user", "micronets", NULL};
    struct ruas_control *control = state;
    struct change change;
    struct range range;
    const json_t *micronets = json_object_get(request, "micronets");
    json_int_t most = json_integer_value(micronets);
    if (!json_check_members(request, allowed, error) || !get_range(request, &range, error))
        return NULL;
    if (micronets != NULL && (!json_is_integer(micronets) || most <= 0)) {
        (void)error_set(error, ERROR_INPUT, "wrong-type",
                        "\"micronets\" is the most micronets that the UAB may have, at least 1");
        return NULL;
    }
    const char *user = json_get_text(request, "user", error);
    if (user == NULL || !ruas_prepare_uab_add(control->master->ruas, &range, user, (uint64_t)most,
                                              node_wall_time(control->node), &change, error))
        return NULL;
    return commit(control, &change, "uab-add", uab_json(&change.uab), error);
}

static json_t *uab_list(void *state, const json_t *request, struct error *error)
{
    static const enum family families[] = {FAMILY_IPV4, FAMILY_IPV6};
    struct ruas_control *control = state;
    const char *user = NULL;
    if (!get_user_asked(request, &user, error))
        return NULL;
    const struct delegation *delegation = ruas_delegation(control->master->ruas);
    json_t *uabs = json_array();
    for (size_t i = 0; user == NULL && i < 2; i++) {
        struct unit from = {0};
        const struct uab *uab;
        while ((uab = delegation_next(delegation, families[i], from)) != NULL) {
            json_array_append_new(uabs, uab_json(uab));
            from.index = range_last(&uab->range).index + 1;
            if (from.index == 0)
                break;
        }
    }
    const struct uab *own = user == NULL ? NULL : delegation_next_of(delegation, user, NULL);
    for (; own != NULL; own = delegation_next_of(delegation, user, own))
        json_array_append_new(uabs, uab_json(own));
    return json_pack("{s:i, s:o}", "v", 1, "uabs", uabs);
}

static json_t *uab_remove(void *state, const json_t *request, struct error *error)
{
    static const char *const allowed[] = {"command", "range", "force", NULL};
    struct ruas_control *control = state;
    struct change change;
    struct range range;
    const json_t *force = json_object_get(request, "force");
    if (!json_check_members(request, allowed, error) || !get_range(request, &range, error))
        return NULL;
    if (force != NULL && !json_is_boolean(force)) {
        (void)error_set(error, ERROR_INPUT, "wrong-type", "\"force\" must be true or false");
        return NULL;
    }
    if (!ruas_prepare_uab_remove(control->master->ruas, &range, json_is_true(force),
                                 node_wall_time(control->node), &change, error))
        return NULL;
    return commit(control, &change, "uab-remove", uab_json(&change.uab), error);
}

// --- tokens --------------------------------------------------------------------------------------

static json_t *token_add(void *state, const json_t *request, struct error *error)
{
    static const char *const allowed[] = {"command", "user", "scope", "micronet", "expires", NULL};
    struct ruas_control *control = state;
    struct change change;
    char secret[TOKEN_TEXT_MAX];
    struct token_request token = {.time = node_wall_time(control->node)};
    if (!json_check_members(request, allowed, error))
        return NULL;
    token.user = json_get_text(request, "user", error);
    if (token.user == NULL || !rest_read_token_request(request, &token, error) ||
        !ruas_prepare_token_add(control->master->ruas, &token, secret, &change, error))
        return NULL;
    json_t *answer = commit(control, &change, "token-add", rest_token_json(&change.token), error);
    if (answer != NULL) // only now: the audit trail must not have it
        json_object_set_new(answer, "token", json_string(secret));
    sodium_memzero(secret, sizeof(secret));
    return answer;
}

static json_t *token_list(void *state, const json_t *request, struct error *error)
{
    struct ruas_control *control = state;
    const char *user = NULL;
    if (!get_user_asked(request, &user, error))
        return NULL;
    const struct accounts *accounts = ruas_accounts(control->master->ruas);
    json_t *tokens = json_array();
    for (const struct token *token = accounts_next_token(accounts, NULL); token != NULL;
         token = accounts_next_token(accounts, token))
        if (user == NULL || strcmp(user, token->user) == 0)
            json_array_append_new(tokens, rest_token_json(token));
    return json_pack("{s:i, s:o}", "v", 1, "tokens", tokens);
}

static json_t *token_revoke(void *state, const json_t *request, struct error *error)
{
    static const char *const allowed[] = {"command", "id", NULL};
    struct ruas_control *control = state;
    struct change change;
    if (!json_check_members(request, allowed, error))
        return NULL;
    const char *id = json_get_text(request, "id", error);
    if (id == NULL || !ruas_prepare_token_revoke(control->master->ruas, NULL, id,
                                                 node_wall_time(control->node), &change, error))
        return NULL;
    return commit(control, &change, "token-revoke", rest_token_json(&change.token), error);
}

// --- looking -------------------------------------------------------------------------------------

static json_t *scheduled(void *state, const json_t *request, struct error *error)
{
    struct ruas_control *control = state;
    const char *user = NULL;
    if (!get_user_asked(request, &user, error))
        return NULL;
    return json_pack("{s:i, s:o}", "v", 1, "scheduled",
                     rest_scheduled_json(control->master->ruas, user, NULL));
}

static json_t *audit(void *state, const json_t *request, struct error *error)
{
    static const char *const allowed[] = {"command", "user", "limit", NULL};
    struct ruas_control *control = state;
    const char *user = NULL;
    const json_t *limit = json_object_get(request, "limit");
    json_int_t lines = limit == NULL ? REST_PAGE_DEFAULT : json_integer_value(limit);
    if (!json_check_members(request, allowed, error) ||
        !optional_text(request, "user", &user, error))
        return NULL;
    if (lines < 1 || lines > REST_PAGE_MAX) {
        (void)error_set(error, ERROR_INPUT, "bad-limit", "\"limit\" is a number from 1 to %d",
                        REST_PAGE_MAX);
        return NULL;
    }
    // What was refused a moment ago belongs to it too; where that cannot be written, show the rest.
    (void)store_flush(control->master->store, control->master->ruas, NULL);
    json_t *trail = store_read_audit(control->master->store, user, (size_t)lines, error);
    return trail == NULL ? NULL : json_pack("{s:i, s:o}", "v", 1, "audit", trail);
}

static json_t *mabs_json(const struct ruas *ruas)
{
    json_t *mabs = json_array();
    for (size_t i = 0; i < ruas_mab_count(ruas); i++) {
        char text[PREFIX_TEXT_MAX];
        const struct mapping *mapping = ruas_mapping(ruas, i);
        json_array_append_new(mabs, json_pack("{s:s, s:I, s:I, s:o}", "mab",
                                              prefix_print(mapping_mab(mapping), text), "sequence",
                                              (json_int_t)ruas_sequence(ruas, i), "micronets",
                                              (json_int_t)mapping_count(mapping), "changed",
                                              rest_time_json(ruas_changed(ruas, i))));
    }
    return mabs;
}

json_t *ruas_control_status(const struct master *master)
{
    char why[ERROR_TEXT_MAX];
    const struct store_counters *counters = store_counters(master->store);
    const struct accounts *accounts = ruas_accounts(master->ruas);
    bool stores = store_healthy(master->store, why, sizeof(why));
    return json_pack("{s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:{s:b, s:I, s:I}}", "epoch",
                     (json_int_t)store_epoch(master->store), "mabs", mabs_json(master->ruas),
                     "users", (json_int_t)accounts->users.count, "tokens",
                     (json_int_t)accounts->tokens.count, "uabs",
                     (json_int_t)delegation_count(ruas_delegation(master->ruas)), "scheduled",
                     (json_int_t)ruas_schedule(master->ruas)->waiting.count, "sets",
                     (json_int_t)master->sets, "store", "healthy", stores, "written",
                     (json_int_t)counters->written, "failed", (json_int_t)counters->failed);
}

static json_t *status(void *state, const json_t *request, struct error *error)
{
    (void)request;
    (void)error;
    struct ruas_control *control = state;
    json_t *json = ruas_control_status(control->master);
    json_object_set_new(json, "v", json_integer(1));
    return json;
}

// What end users just sent comes first.
static json_t *settle_and_run(void *state, const json_t *request, struct error *error)
{
    struct ruas_command *command = state;
    master_settle(command->control->master);
    return command->run(command->control, request, error);
}

void ruas_control_add(struct ruas_control *control)
{
    static const struct {
        const char *name;
        control_command *command;
    } commands[] = {
        {"ruas.user-list", user_list},   {"ruas.user-remove", user_remove},
        {"ruas.uab-add", uab_add},       {"ruas.uab-list", uab_list},
        {"ruas.uab-remove", uab_remove}, {"ruas.token-add", token_add},
        {"ruas.token-list", token_list}, {"ruas.token-revoke", token_revoke},
        {"ruas.scheduled", scheduled},   {"ruas.audit", audit},
        {"ruas.status", status},
    };
    node_add_work(control->node, "ruas.user-add", &user_add, control);
    node_add_work(control->node, "ruas.user-password", &user_password, control);
    _Static_assert(sizeof(commands) / sizeof(commands[0]) <= RUAS_COMMANDS_MAX, "room for all");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        control->commands[i] = (struct ruas_command){control, commands[i].command};
        node_add_command(control->node, commands[i].name, settle_and_run, &control->commands[i]);
    }
}
