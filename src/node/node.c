// SPDX-License-Identifier: BSD-2-Clause
#include "node/node.h"

#include "base/log.h"
#include "base/memory.h"
#include "node/control.h"
#include "node/http/metrics_server.h"
#include "node/key_file.h"
#include "node/notify.h"
#include "node/privileges.h"
#include "node/reload.h"
#include "node/report.h"
#include "node/roles.h"

#include <assert.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// Files that may be open: the connections of three HTTP servers (http_connections.h), with room for
// everything else. At the limit connections could not even be refused.
#define OPEN_FILES 4096
// How long a stopping node waits for its handles to close before it gives up on them.
#define STOP_SECONDS 5

enum { SIGNAL_TERMINATE, SIGNAL_INTERRUPT, SIGNAL_RELOAD, SIGNALS };

struct node {
    uv_loop_t loop;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_signal_t signals[SIGNALS];
    bool has_signals;
    bool stopping;
    struct config *config;
    struct config **replaced; // configs that reloads took out of force
    size_t replaced_count;
    const char *config_path;
    struct secret_key key;
    struct role roles[NODE_ROLES_MAX];
    size_t role_count;
    struct control *control;
    struct http_server *metrics;
    struct instant started;
    struct instant now; // as read in this turn of the loop
    bool now_known;
};

uv_loop_t *node_loop(struct node *node)
{
    return &node->loop;
}

const struct config *node_config(const struct node *node)
{
    return node->config;
}

const struct secret_key *node_key(const struct node *node)
{
    return &node->key;
}

struct instant node_now(const struct node *node)
{
    if (!node->now_known) {
        // Remembering what the clock said changes nothing that a caller could see.
        struct node *cache = (struct node *)(uintptr_t)node;
        cache->now = (struct instant){uv_hrtime()};
        cache->now_known = true;
    }
    return node->now;
}

struct wall_time node_wall_time(const struct node *node)
{
    (void)node;
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (struct wall_time){(uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000};
}

void node_write_metrics(const struct node *node, struct metrics_page *page)
{
    if (node->metrics != NULL)
        http_server_write_metrics(node->metrics, "metrics", page);
}

double node_uptime_seconds(const struct node *node)
{
    return (double)instant_since((struct instant){uv_hrtime()}, node->started).ns / 1e9;
}

struct random_seed node_seed(const struct node *node)
{
    (void)node;
    return random_seed_from_system();
}

void node_add_role(struct node *node, const struct role *role)
{
    assert(node->role_count < NODE_ROLES_MAX);
    assert(role->name != NULL && role->stop != NULL);
    node->roles[node->role_count++] = *role;
}

void *node_role(const struct node *node, const char *name)
{
    for (size_t i = 0; i < node->role_count; i++)
        if (strcmp(node->roles[i].name, name) == 0)
            return node->roles[i].state;
    return NULL;
}

size_t node_role_count(const struct node *node)
{
    return node->role_count;
}

const struct role *node_role_at(const struct node *node, size_t i)
{
    assert(i < node->role_count);
    return &node->roles[i];
}

void node_add_command(struct node *node, const char *name, control_command *command, void *state)
{
    control_add(node->control, name, command, state);
}

void node_add_work(struct node *node, const char *name, const struct control_work *work,
                   void *state)
{
    control_add_work(node->control, name, work, state);
}

// The events of one poll share one reading of the clock, the timers of one turn another.
static void on_before_poll(uv_prepare_t *handle)
{
    ((struct node *)handle->data)->now_known = false;
}

static void on_after_poll(uv_check_t *handle)
{
    ((struct node *)handle->data)->now_known = false;
}

struct node *node_new(struct config *config, const struct secret_key *key)
{
    struct node *node = memory_new(sizeof(*node));
    int result = uv_loop_init(&node->loop);
    assert(result == 0);
    (void)result;
    node->config = config;
    node->key = *key;
    node->started = (struct instant){uv_hrtime()};
    (void)uv_prepare_init(&node->loop, &node->before_poll);
    (void)uv_check_init(&node->loop, &node->after_poll);
    node->before_poll.data = node;
    node->after_poll.data = node;
    (void)uv_prepare_start(&node->before_poll, on_before_poll);
    (void)uv_check_start(&node->after_poll, on_after_poll);
    uv_unref((uv_handle_t *)&node->before_poll);
    uv_unref((uv_handle_t *)&node->after_poll);
    node->control = control_new(node);
    return node;
}

static void report_open(uv_handle_t *handle, void *state)
{
    (void)state;
    if (!uv_is_closing(handle))
        log_warning("node", "a handle (%s) was not closed", uv_handle_type_name(handle->type));
}

static void on_stop_timeout(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

// Lets the loop run until every handle is closed, though not for ever; false where some are not.
static bool drain(struct node *node)
{
    bool expired = false;
    uv_timer_t timer;
    (void)uv_timer_init(&node->loop, &timer);
    timer.data = &expired;
    (void)uv_timer_start(&timer, on_stop_timeout, STOP_SECONDS * 1000, 0);
    uv_unref((uv_handle_t *)&timer);
    while (!expired && uv_run(&node->loop, UV_RUN_ONCE) != 0)
        continue;
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)&node->before_poll, NULL);
    uv_close((uv_handle_t *)&node->after_poll, NULL);
    for (size_t i = 0; node->has_signals && i < SIGNALS; i++)
        uv_close((uv_handle_t *)&node->signals[i], NULL);
    (void)uv_run(&node->loop, UV_RUN_NOWAIT);
    if (uv_loop_close(&node->loop) == 0)
        return true;
    uv_walk(&node->loop, report_open, NULL);
    return false;
}

void node_free(struct node *node)
{
    http_server_close(node->metrics);
    control_close(node->control);
    while (node->role_count > 0) {
        const struct role role = node->roles[--node->role_count];
        role.stop(role.state);
    }
    bool drained = drain(node);
    key_wipe(&node->key);
    if (!drained)
        return; // what still runs may still use the node; the process ends soon
    for (size_t i = 0; i < node->replaced_count; i++)
        config_free(node->replaced[i]);
    memory_free(node->replaced);
    config_free(node->config);
    memory_free(node);
}

// Reads the config again and lets all roles take it over, or none.
static bool reload(struct node *node, struct error *error)
{
    struct config *config = config_load(node->config_path, error);
    if (config == NULL)
        return false;
    // Replaced configs are kept, since roles may point into them. Whoever has nodes reload each
    // minute in case something changed shall not make them grow.
    if (reload_changes_nothing(node->config, config)) {
        config_free(config);
        return reload_roles(node, node->config, node->config, error); // for files that it names
    }
    if (!reload_roles(node, node->config, config, error)) {
        config_free(config);
        return false;
    }
    log_set_level(config->log);
    node->replaced =
        memory_resize(node->replaced, (node->replaced_count + 1) * sizeof(node->replaced[0]));
    node->replaced[node->replaced_count++] = node->config;
    node->config = config;
    return true;
}

static bool reload_and_tell(struct node *node, struct error *error)
{
    notify_manager("RELOADING=1");
    bool good = reload(node, error);
    if (good)
        log_info("node", "config reloaded");
    else
        log_error("node", "the config stays as it was: %s", error->text);
    notify_manager("READY=1");
    return good;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct node *node = handle->data;
    struct error error = {0};
    if (node->stopping)
        return; // an orderly stop takes little time, and a second signal does not break it off
    if (number == SIGHUP) {
        (void)reload_and_tell(node, &error);
        return;
    }
    node->stopping = true;
}

static json_t *on_status(void *state, const json_t *request, struct error *error)
{
    (void)request;
    (void)error;
    return report_status(state);
}

static json_t *on_health(void *state, const json_t *request, struct error *error)
{
    (void)request;
    (void)error;
    bool healthy = false;
    return report_health(state, &healthy);
}

static json_t *on_reload(void *state, const json_t *request, struct error *error)
{
    (void)request;
    return reload_and_tell(state, error) ? json_pack("{s:i}", "v", 1) : NULL;
}

static json_t *on_config(void *state, const json_t *request, struct error *error)
{
    (void)request;
    (void)error;
    const struct node *node = state;
    return config_describe(node->config);
}

static void watch_signals(struct node *node)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    (void)signal(SIGPIPE, SIG_IGN); // NOLINT(cert-err33-c): a closed peer is seen at the write
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)uv_signal_init(&node->loop, &node->signals[i]);
        node->signals[i].data = node;
        (void)uv_signal_start(&node->signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&node->signals[i]);
    }
    node->has_signals = true;
}

static bool start(struct node *node, struct error *error)
{
    node_add_command(node, "status", on_status, node);
    node_add_command(node, "health", on_health, node);
    node_add_command(node, "reload", on_reload, node);
    node_add_command(node, "config", on_config, node);
    // The control socket first: it is the lock that keeps a second node off the same state.
    if (!control_open(node->control, node->config->control, error) || !roles_start(node, error))
        return false;
    if (node->config->metrics.address.family == FAMILY_NONE)
        return true;
    node->metrics = metrics_server_open(node, &node->config->metrics, error);
    if (node->metrics == NULL)
        error_prefix(error, "metrics");
    return node->metrics != NULL;
}

static void raise_file_limit(void)
{
    struct rlimit limit = {0};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= OPEN_FILES)
        return;
    limit.rlim_cur = limit.rlim_max < OPEN_FILES ? limit.rlim_max : OPEN_FILES;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < OPEN_FILES)
        log_warning("node",
                    "only %llu files may be open, and a flood of connections takes up to %d: raise "
                    "the limit (`ulimit -Hn`, LimitNOFILE)",
                    (unsigned long long)limit.rlim_cur, OPEN_FILES);
}

// A node without a key file works, but has another name after each start; only the RUAS, whose
// signatures others check, is held to one (config_load).
static bool load_key(const struct config *config, struct secret_key *key, struct error *error)
{
    if (config->key_file[0] != '\0')
        return key_file_read(config->key_file, key, error);
    key_generate(key);
    return true;
}

static void run(struct node *node)
{
    // Who started the node may wait for this line, so it comes at every log level.
    (void)fprintf(stderr, "info node: ready: %s, ivip %s, process %ld\n", node->config->name,
                  IVIP_VERSION, (long)getpid());
    notify_manager("READY=1");
    while (!node->stopping)
        (void)uv_run(&node->loop, UV_RUN_ONCE);
    log_info("node", "stopping");
    notify_manager("STOPPING=1");
}

bool node_run(const char *config_path, struct error *error)
{
    if (sodium_init() < 0)
        return error_set(error, ERROR_SYSTEM, "no-randomness", "libsodium did not start");
    struct config *config = config_load(config_path, error);
    if (config == NULL)
        return false;
    log_set_level(config->log);
    raise_file_limit();
    struct secret_key key = {0};
    if (!load_key(config, &key, error) || !privileges_prepare(config, error) ||
        !privileges_drop(config, error)) {
        key_wipe(&key);
        config_free(config);
        return false;
    }
    struct node *node = node_new(config, &key);
    key_wipe(&key);
    node->config_path = config_path;
    watch_signals(node);
    bool started = start(node, error);
    if (started)
        run(node);
    node_free(node);
    return started;
}
