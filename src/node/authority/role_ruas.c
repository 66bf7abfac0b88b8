// SPDX-License-Identifier: BSD-2-Clause
// The ruas role's shell. Everything happens in the loop's thread but the verification of
// passwords, which takes tens of milliseconds and goes to a worker:
//
//     request -> rest_begin -> token ------------------------------> reply
//                     \-> password -> worker -> rest_finish -------> reply
// Sets that arrive in one turn of the loop are settled together at its end, and only then answered:
//
//     loop: timers, requests -> rest: held, held, ... -> check: master_settle -> replies
//
//     timer   -> scheduled sets that are due; notes that wait to be stored
#include "node/authority/role_ruas.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/authority/master.h"
#include "node/authority/rest.h"
#include "node/authority/rest_servers.h"
#include "node/authority/ruas_control.h"
#include "node/authority/ruas_usage.h"
#include "node/http/json_error.h"
#include "node/push/feed_out.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define VERIFICATIONS_MAX 64   // passwords waiting for a worker; more are told to come back
#define TICK_MS           1000 // notes wait this long at most; scheduled sets are looked for as often
#define RETRY_AFTER       "5" // seconds, told to those who are to try later

struct role_ruas {
    struct node *node;
    struct master master;
    struct ruas_control control;
    struct ruas_usage usage;
    struct rest_servers servers;
    struct feed_out *feed;
    uv_timer_t timer;
    uv_check_t turn_end;     // while replies wait: settles what is held
    uv_idle_t no_waiting;    // and keeps the loop from waiting for input before that
    struct waiting *waiting; // replies to sets that are held, in no order
    size_t verifications;    // under way
    bool stopping;
    size_t users; // of this struct: handles and verifications; freed with the last
};

// A reply that waits for its set to be settled.
struct waiting {
    struct waiting *next;
    struct http_exchange *exchange;
    struct rest_reply reply;
};

// A password being verified for an exchange.
struct verification {
    uv_work_t work;
    struct role_ruas *role;
    struct http_exchange *exchange;
    struct login login;
    char password[PASSWORD_MAX + 1];
    bool matches;
};

// Frees the role when nothing of it is under way any more.
static void release(struct role_ruas *role)
{
    assert(role->users > 0);
    if (--role->users > 0)
        return;
    assert(role->waiting == NULL);
    master_end(&role->master);
    store_close(role->master.store);
    usage_ledger_close(role->master.usage);
    ruas_free(role->master.ruas);
    memory_free(role);
}

// --- the timer -----------------------------------------------------------------------------------

static void on_timer(uv_timer_t *timer);

// Sets the timer for the next scheduled set, or the next tick; one that is due earlier stays, or
// requests that never pause would put it off for ever.
static void arm(struct role_ruas *role, uint64_t at_least)
{
    uint64_t now = node_wall_time(role->node).ms;
    uint64_t due = ruas_next_due(role->master.ruas).ms;
    uint64_t wait = due <= now ? 0 : due - now;
    wait = wait < at_least ? at_least : wait;
    wait = wait > TICK_MS ? TICK_MS : wait;
    if (uv_is_active((uv_handle_t *)&role->timer) && uv_timer_get_due_in(&role->timer) <= wait)
        return;
    (void)uv_timer_start(&role->timer, on_timer, wait, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct role_ruas *role = timer->data;
    bool stored = master_execute_due(&role->master, node_wall_time(role->node));
    // What cannot be stored now is tried again with the next tick; store_healthy says why.
    stored = store_flush(role->master.store, role->master.ruas, NULL) && stored;
    arm(role, stored ? 0 : TICK_MS);
}

// --- requests ------------------------------------------------------------------------------------

static void send_reply(struct role_ruas *role, struct http_exchange *exchange,
                       struct rest_reply *reply)
{
    if (reply->ask_credentials)
        http_reply_header(exchange, "WWW-Authenticate", "Basic realm=\"ivip\", charset=\"UTF-8\"");
    if (reply->try_later)
        http_reply_header(exchange, "Retry-After", RETRY_AFTER);
    http_reply_header(exchange, "Cache-Control", "no-store");
    http_reply_json(exchange, reply->status, reply->json);
    if (!role->stopping)
        arm(role, 0);
}

// --- sets that are held --------------------------------------------------------------------------

static void on_settled(void *state, const struct error *error)
{
    struct role_ruas *role = state;
    while (role->waiting != NULL) {
        struct waiting *waiting = role->waiting;
        role->waiting = waiting->next;
        if (error != NULL) {
            json_decref(waiting->reply.json);
            master_count_refusal(&role->master, error);
            memset(&waiting->reply, 0, sizeof(waiting->reply));
            rest_reply_error(&waiting->reply, error);
        }
        send_reply(role, waiting->exchange, &waiting->reply);
        memory_free(waiting);
    }
    (void)uv_check_stop(&role->turn_end);
    (void)uv_idle_stop(&role->no_waiting);
}

static void on_turn_end(uv_check_t *handle)
{
    struct role_ruas *role = handle->data;
    master_settle(&role->master);
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

// Sends a reply now, or when its set is settled.
static void answer(struct role_ruas *role, struct http_exchange *exchange, struct rest_reply *reply)
{
    if (!reply->held) {
        send_reply(role, exchange, reply);
        return;
    }
    struct waiting *waiting = memory_new(sizeof(*waiting));
    *waiting = (struct waiting){role->waiting, exchange, *reply};
    role->waiting = waiting;
    (void)uv_check_start(&role->turn_end, on_turn_end);
    (void)uv_idle_start(&role->no_waiting, on_idle);
}

// --- requests ------------------------------------------------------------------------------------

static struct rest_request make_request(const struct role_ruas *role,
                                        const struct http_exchange *exchange)
{
    struct rest_request request = {.method = http_method(exchange),
                                   .path = http_path(exchange),
                                   .authorization = http_header(exchange, "Authorization"),
                                   .range = http_query(exchange, "range"),
                                   .after = http_query(exchange, "after"),
                                   .limit = http_query(exchange, "limit"),
                                   .from = http_peer(exchange).address,
                                   .now = node_now(role->node),
                                   .time = node_wall_time(role->node)};
    request.body = http_body(exchange, &request.body_length);
    return request;
}

static void reply_unavailable(struct role_ruas *role, struct http_exchange *exchange,
                              const char *reason, const char *text)
{
    struct rest_reply reply = {0};
    struct error error;
    (void)error_set(&error, ERROR_UNAVAILABLE, reason, "%s", text);
    master_count_refusal(&role->master, &error);
    rest_reply_error(&reply, &error);
    send_reply(role, exchange, &reply);
}

static void verify(uv_work_t *work)
{
    struct verification *verification = work->data;
    const char *password = verification->password;
    verification->matches = crypto_pwhash_str_verify(verification->login.password_hash, password,
                                                     strlen(password)) == 0;
    sodium_memzero(verification->password, sizeof(verification->password));
}

static void on_verified(uv_work_t *work, int status)
{
    struct verification *verification = work->data;
    struct role_ruas *role = verification->role;
    role->verifications--;
    if (role->stopping || status != 0) {
        reply_unavailable(role, verification->exchange, "stopping", "the RUAS is stopping");
    } else {
        struct rest_reply reply;
        struct rest_request request = make_request(role, verification->exchange);
        rest_finish(&role->master, &request, &verification->login, verification->matches, &reply);
        answer(role, verification->exchange, &reply);
    }
    sodium_memzero(verification, sizeof(*verification));
    memory_free(verification);
    release(role);
}

static void begin_verification(struct role_ruas *role, struct verification *verification)
{
    verification->work.data = verification;
    int result = uv_queue_work(node_loop(role->node), &verification->work, verify, on_verified);
    assert(result == 0);
    (void)result;
    role->verifications++;
    role->users++;
}

static void on_request(void *state, struct http_exchange *exchange)
{
    struct role_ruas *role = state;
    struct rest_reply reply;
    struct rest_request request = make_request(role, exchange);
    bool basic =
        request.authorization != NULL && strncasecmp(request.authorization, "Basic ", 6) == 0;
    if (basic && role->verifications >= VERIFICATIONS_MAX) {
        reply_unavailable(role, exchange, "busy", "too many passwords are being verified");
        return;
    }
    struct verification *verification = memory_new(sizeof(*verification));
    verification->role = role;
    verification->exchange = exchange;
    if (rest_begin(&role->master, &request, &verification->login, verification->password, &reply) ==
        REST_VERIFY) {
        begin_verification(role, verification);
        return;
    }
    memory_free(verification);
    answer(role, exchange, &reply);
}

// --- what the node asks --------------------------------------------------------------------------

static void write_metrics(void *state, struct metrics_page *page)
{
    struct role_ruas *role = state;
    master_write_metrics(&role->master, page);
    feed_out_write_metrics(role->feed, page);
    rest_servers_write_metrics(&role->servers, page);
}

static json_t *status(void *state)
{
    struct role_ruas *role = state;
    json_t *json = ruas_control_status(&role->master);
    json_object_set_new(json, "feed", feed_out_status(role->feed));
    return json;
}

static bool healthy(void *state, char *why, size_t size)
{
    struct role_ruas *role = state;
    return store_healthy(role->master.store, why, size);
}

// What can change while the RUAS runs: the refused ETR prefixes, the feeds, the time between
// snapshots, the certificate for browsers.
static bool reload(void *state, const struct config *config, struct error *error)
{
    struct role_ruas *role = state;
    const struct config_ruas *old = node_config(role->node)->ruas;
    const struct config_ruas *new = config->ruas;
    bool same = endpoint_equal(&old->listen, &new->listen) &&
                endpoint_equal(&old->web, &new->web) &&
                endpoint_equal(&old->public_listen, &new->public_listen) &&
                old->mabs.count == new->mabs.count;
    for (size_t i = 0; same && i < old->mabs.count; i++)
        same = prefix_equal(&old->mabs.items[i], &new->mabs.items[i]);
    if (!same)
        return error_set(error, ERROR_CONFLICT, "needs-restart",
                         "ruas.listen, ruas.public, ruas.web and ruas.mabs cannot change without a "
                         "restart");
    if (!rest_servers_reload(&role->servers, config, error))
        return false;
    ruas_set_refused(role->master.ruas, new->refuse.items, new->refuse.count);
    feed_out_reload(role->feed, new);
    return true;
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void stop(void *state)
{
    struct role_ruas *role = state;
    role->stopping = true;
    master_settle(&role->master);
    (void)store_flush(role->master.store, role->master.ruas, NULL);
    rest_servers_close(&role->servers);
    feed_out_stop(role->feed);
    uv_close((uv_handle_t *)&role->timer, on_closed);
    uv_close((uv_handle_t *)&role->turn_end, on_closed);
    uv_close((uv_handle_t *)&role->no_waiting, on_closed);
}

// --- the push side -------------------------------------------------------------------------------

// What the push side sees of the master database. Nothing is held when it looks: a set is held only
// between its request and the end of the same turn of the loop, or the next look.
static size_t source_count(void *state)
{
    struct role_ruas *role = state;
    master_settle(&role->master);
    return ruas_mab_count(role->master.ruas);
}

static const struct mapping *source_mapping(void *state, size_t i)
{
    struct role_ruas *role = state;
    master_settle(&role->master);
    return ruas_mapping(role->master.ruas, i);
}

static uint64_t source_sequence(void *state, size_t i)
{
    struct role_ruas *role = state;
    master_settle(&role->master);
    return ruas_sequence(role->master.ruas, i);
}

static void publish(void *state, const struct change *change)
{
    struct role_ruas *role = state;
    const struct mapping *mapping = ruas_mapping(role->master.ruas, change->mab);
    feed_out_set(role->feed, mapping_mab(mapping), change->sequence, change->updates,
                 change->update_count);
}

static bool start_feed(struct role_ruas *role, struct error *error)
{
    const struct config_ruas *config = node_config(role->node)->ruas;
    struct feed_source source = {.state = role,
                                 .mab_count = source_count,
                                 .mapping = source_mapping,
                                 .sequence = source_sequence,
                                 .refused = &config->refuse};
    role->feed = feed_out_new(role->node, config, &source, store_epoch(role->master.store), error);
    role->master.publish = publish;
    role->master.publish_state = role;
    return role->feed != NULL;
}

// --- start ---------------------------------------------------------------------------------------

// A hash whose password nobody knows, of the same cost as the users'.
static bool make_decoy(char hash[PASSWORD_HASH_MAX], struct error *error)
{
    uint8_t random[16];
    char password[2 * sizeof(random) + 1];
    randombytes_buf(random, sizeof(random));
    (void)sodium_bin2hex(password, sizeof(password), random, sizeof(random));
    bool made = ruas_hash_password(password, hash, error);
    sodium_memzero(password, sizeof(password));
    return made;
}

static bool load(struct role_ruas *role, struct error *error)
{
    const struct config *config = node_config(role->node);
    struct master *master = &role->master;
    struct ruas_config core = {.mabs = config->ruas->mabs.items,
                               .mab_count = config->ruas->mabs.count,
                               .refused = config->ruas->refuse.items,
                               .refused_count = config->ruas->refuse.count};
    if (!make_decoy(core.decoy_password, error))
        return false;
    master->ruas = ruas_new(&core, node_seed(role->node), error);
    if (master->ruas == NULL)
        return false;
    master->store = store_open(config->state, node_wall_time(role->node), error);
    if (master->store == NULL || !store_load(master->store, master->ruas, error))
        return false;
    master->usage = usage_ledger_open(config->state, error);
    if (master->usage == NULL)
        return false;
    for (size_t i = 0; i < ruas_mab_count(master->ruas); i++) {
        char text[PREFIX_TEXT_MAX];
        const struct mapping *mapping = ruas_mapping(master->ruas, i);
        log_info("ruas", "%s: %" PRIu64 " micronets, set %" PRIu64,
                 prefix_print(mapping_mab(mapping), text), mapping_count(mapping),
                 ruas_sequence(master->ruas, i));
    }
    return true;
}

static void init_handles(struct role_ruas *role)
{
    uv_loop_t *loop = node_loop(role->node);
    (void)uv_timer_init(loop, &role->timer);
    (void)uv_check_init(loop, &role->turn_end);
    (void)uv_idle_init(loop, &role->no_waiting);
    role->timer.data = role->turn_end.data = role->no_waiting.data = role;
    role->users = 3;
}

bool role_ruas_start(struct node *node, struct error *error)
{
    struct role_ruas *role = memory_new(sizeof(*role));
    role->node = node;
    role->users = 1;
    if (!load(role, error) || !start_feed(role, error) ||
        !rest_servers_open(&role->servers, node, on_request, role, error)) {
        rest_servers_close(&role->servers);
        if (role->feed != NULL)
            feed_out_stop(role->feed);
        release(role);
        return false;
    }
    init_handles(role);
    arm(role, 0);
    role->master.settled = on_settled;
    role->master.settled_state = role;
    role->control = (struct ruas_control){.node = node, .master = &role->master};
    ruas_control_add(&role->control);
    role->usage.node = node;
    role->usage.master = &role->master;
    ruas_usage_add(&role->usage);
    feed_out_set_usage(role->feed, ruas_usage_take, &role->usage);
    node_add_role(node, &(struct role){"ruas", role, write_metrics, status, healthy, reload, stop,
                                       .reads_files = true});
    return true;
}
