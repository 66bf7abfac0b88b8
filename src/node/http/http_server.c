// SPDX-License-Identifier: BSD-2-Clause
// libmicrohttpd in a thread and a loop of its own, so that neither TLS handshakes nor slow clients
// take time from the node's loop: its epoll descriptor is watched by libuv, and its next timeout is
// a libuv timer. Handlers run in the node's loop. Between the two go exchanges, in lists under a
// lock:
//
//     server's thread                                  node's thread
//     request whole, connection suspended -- requests --> handler
//     resumed, reply sent <----------------- replies ---- http_reply, at once or later
//     bytes of the reply sent -------------- releases --> given back
//
// libmicrohttpd is only called in the server's thread (but for a look at a suspended request's
// headers, which nobody changes). An exchange lives as long as either side needs it: the connection
// until libmicrohttpd has completed the request, the handler until it has replied. A reply to an
// exchange whose server or client is gone goes nowhere and frees the exchange.
#include "node/http/http_server_state.h"

#include "base/memory.h"
#include "node/http/certificate.h"
#include "node/http/http_listener.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_MEMORY (32 * 1024) // holds the request line and all headers
#define IDLE_SECONDS      30
#define TURN_MS           5 // for so long requests are handled before the loop's other work goes on
#define TURNS_AT_ONCE     16 // of libmicrohttpd
#define PAUSE_MS_MAX      16 // between further ones, while it only waits for clients

// TLS 1.3 alone: every client of this interface is newer than it, and it leaves nothing to choose.
#define TLS_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3"

// --- between the threads -------------------------------------------------------------------------

// The first of a list that both threads use, taken out; NULL where there is none.
static struct list_node *take(struct http_server *server, struct list_node *list)
{
    uv_mutex_lock(&server->lock);
    struct list_node *node = list_first(list);
    if (node != NULL)
        list_remove(node);
    uv_mutex_unlock(&server->lock);
    return node;
}

static void give(struct http_server *server, struct list_node *list, struct list_node *node,
                 uv_async_t *to)
{
    uv_mutex_lock(&server->lock);
    list_append(list, node);
    uv_mutex_unlock(&server->lock);
    (void)uv_async_send(to);
}

void http_server_replied(struct http_server *server, struct http_exchange *exchange)
{
    give(server, &server->replies, &exchange->queued, &server->called);
}

void http_server_release(struct release *release)
{
    give(release->server, &release->server->releases, &release->node, &release->server->arrived);
}

static void give_back_all(struct http_server *server)
{
    struct list_node *node;
    while ((node = take(server, &server->releases)) != NULL) {
        struct release *release = container_of(node, struct release, node);
        release->release(release->owner);
        memory_free(release);
    }
}

static void on_arrived(uv_async_t *async)
{
    struct http_server *server = async->data;
    struct list_node *node;
    uint64_t end = uv_hrtime() + TURN_MS * UINT64_C(1000000);
    give_back_all(server);
    while (!server->stopping && (node = take(server, &server->requests)) != NULL) {
        server->handler(server->state, container_of(node, struct http_exchange, queued));
        if (uv_hrtime() < end || server->stopping)
            continue;
        (void)uv_async_send(async); // who asks as fast as he is answered does not have it all
        return;
    }
}

// --- libmicrohttpd's turn ------------------------------------------------------------------------

static void on_timer(uv_timer_t *timer);

// Runs libmicrohttpd over what is ready, and sets the timer for what comes next.
//
// It says that there is more to do while a connection has its TLS handshake before it, though
// nothing can be done before the client sends something, and that would be seen anyway. So it gets
// some turns at once, enough for a reply of many TLS records, and then one now and then. (And never
// by a timer of 0 ms that sets itself again: libuv 1.44 would call nothing else any more.)
static void serve(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG delay_ms = 0;
    for (unsigned turn = 0; turn < TURNS_AT_ONCE; turn++) {
        (void)MHD_run(server->daemon);
        if (MHD_get_timeout(server->daemon, &delay_ms) != MHD_YES) {
            (void)uv_timer_stop(&server->timer);
            return;
        }
        if (delay_ms > 0)
            break;
    }
    (void)uv_timer_start(&server->timer, on_timer, delay_ms > 0 ? delay_ms : server->pause_ms, 0);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct http_server *server = poll->data;
    (void)status;
    (void)events;
    server->pause_ms = 1;
    serve(server);
}

static void on_timer(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    server->pause_ms = server->pause_ms < PAUSE_MS_MAX ? 2 * server->pause_ms : PAUSE_MS_MAX;
    serve(server);
}

// Gives the whole request to the handler; the connection waits for the reply.
static enum MHD_Result hand_over(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    exchange->handed_over = true;
    http_connection_whole(exchange->connection);
    if (exchange->body_fate != HTTP_BODY_TAKEN) {
        http_exchange_refuse_body(exchange);
        return http_exchange_send(exchange);
    }
    MHD_suspend_connection(exchange->connection);
    exchange->suspended = true;
    give(server, &server->requests, &exchange->queued, &server->arrived);
    return MHD_YES;
}

// libmicrohttpd calls this when the headers are in, for each piece of the body, when all is in, and
// once more after a resume.
static enum MHD_Result on_request(void *state, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *length, void **context)
{
    (void)version;
    struct http_exchange *exchange = *context;
    if (exchange == NULL) {
        *context = http_exchange_new(state, connection, url, method);
        return MHD_YES;
    }
    if (*length > 0) {
        bool good = http_exchange_take_body(exchange, bytes, *length);
        *length = 0;
        return good ? MHD_YES : MHD_NO;
    }
    if (!exchange->handed_over)
        return hand_over(exchange);
    return exchange->response != NULL ? http_exchange_send(exchange) : MHD_YES;
}

static void on_completed(void *state, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)state;
    (void)code;
    struct http_exchange *exchange = *context;
    *context = NULL;
    http_connection_wait(connection);
    if (exchange == NULL)
        return;
    list_remove(&exchange->node);
    http_exchange_leave_room(exchange);
    exchange->server = NULL;
    exchange->connection = NULL;
    if (exchange->replied || !exchange->handed_over)
        http_exchange_free(exchange);
}

static struct MHD_Daemon *start_daemon(struct http_server *server,
                                       const struct certificate *certificate)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, server->listener, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, HTTP_CONNECTIONS_MAX, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_END, 0, NULL}, // the TLS options stand here
        {MHD_OPTION_END, 0, NULL},
        {MHD_OPTION_END, 0, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    static char priority[] = TLS_PRIORITY;
    if (certificate != NULL) {
        flags |= MHD_USE_TLS;
        struct MHD_OptionItem *tls = &options[sizeof(options) / sizeof(options[0]) - 4];
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, certificate->key_pem};
        tls[1] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, certificate->certificate_pem};
        tls[2] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priority};
    }
    return MHD_start_daemon(flags, 0, http_connections_accept, server->connections, on_request,
                            server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                            MHD_OPTION_NOTIFY_CONNECTION, http_connections_notify,
                            server->connections, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

// --- the server's thread -------------------------------------------------------------------------

static void resume(struct http_exchange *exchange)
{
    exchange->suspended = false;
    MHD_resume_connection(exchange->connection);
}

// libmicrohttpd wants no connection to be suspended when it stops. on_completed then leaves the
// exchanges that are not replied to with their handlers. The loop ends when all is closed.
static void stop_serving(struct http_server *server)
{
    for (struct list_node *node = server->exchanges.next; node != &server->exchanges;
         node = node->next) {
        struct http_exchange *exchange = container_of(node, struct http_exchange, node);
        if (exchange->suspended)
            resume(exchange);
    }
    (void)uv_poll_stop(&server->poll);
    MHD_stop_daemon(server->daemon);
    http_connections_close(server->connections);
    assert(list_empty(&server->exchanges));
    uv_close((uv_handle_t *)&server->poll, NULL);
    uv_close((uv_handle_t *)&server->timer, NULL);
    uv_close((uv_handle_t *)&server->called, NULL);
}

static void on_called(uv_async_t *async)
{
    struct http_server *server = async->data;
    struct list_node *node;
    while ((node = take(server, &server->replies)) != NULL)
        resume(container_of(node, struct http_exchange, queued));
    uv_mutex_lock(&server->lock);
    bool stopping = server->stopping;
    http_connections_set_patience(server->connections, server->patience);
    uv_mutex_unlock(&server->lock);
    if (stopping) {
        stop_serving(server);
        return;
    }
    server->pause_ms = 1;
    serve(server);
}

static void run(void *state)
{
    struct http_server *server = state;
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
}

// --- opening and closing -------------------------------------------------------------------------

static struct http_server *server_new(struct node *node, http_handler *handler, void *state,
                                      struct error *error)
{
    struct http_server *server = memory_new(sizeof(*server));
    int failed = uv_loop_init(&server->loop);
    if (failed != 0) {
        (void)error_set(error, ERROR_SYSTEM, "cannot-listen", "cannot make an event loop: %s",
                        uv_strerror(failed));
        memory_free(server);
        return NULL;
    }
    server->node = node;
    server->handler = handler;
    server->state = state;
    server->patience = duration_s(HTTP_REQUEST_SECONDS);
    server->pause_ms = 1;
    list_init(&server->exchanges);
    list_init(&server->requests);
    list_init(&server->replies);
    list_init(&server->releases);
    int result = uv_mutex_init(&server->lock);
    assert(result == 0);
    (void)result;
    server->connections = http_connections_new(&server->loop);
    return server;
}

// When nothing of its loop is open any more.
static void server_free(struct http_server *server)
{
    int result = uv_loop_close(&server->loop);
    assert(result == 0);
    (void)result;
    uv_mutex_destroy(&server->lock);
    memory_free(server);
}

static bool open_daemon(struct http_server *server, const struct endpoint *listen_at, int beside,
                        const struct certificate *certificate, struct error *error)
{
    server->listener = http_listener_open(listen_at, beside, &server->local, error);
    if (server->listener == HTTP_NO_LISTENER)
        return false;
    server->daemon = start_daemon(server, certificate);
    if (server->daemon != NULL)
        return true;
    (void)error_set(error, ERROR_SYSTEM, "cannot-listen", "the HTTP server did not start: %s",
                    strerror(errno));
    (void)close(server->listener);
    return false;
}

// Lets the loop watch the daemon's epoll descriptor.
static void watch(struct http_server *server)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    assert(info != NULL);
    int result = uv_poll_init(&server->loop, &server->poll, info->epoll_fd);
    assert(result == 0);
    (void)uv_timer_init(&server->loop, &server->timer);
    (void)uv_async_init(&server->loop, &server->called, on_called);
    (void)uv_async_init(node_loop(server->node), &server->arrived, on_arrived);
    server->poll.data = server;
    server->timer.data = server;
    server->called.data = server;
    server->arrived.data = server;
    (void)uv_poll_start(&server->poll, UV_READABLE, on_readable);
    (void)result;
}

static void on_arrived_closed(uv_handle_t *handle)
{
    server_free(handle->data);
}

static bool start(struct http_server *server, struct error *error)
{
    watch(server);
    int failed = uv_thread_create(&server->thread, run, server);
    if (failed == 0)
        return true;
    (void)error_set(error, ERROR_SYSTEM, "cannot-listen", "cannot start a thread: %s",
                    uv_strerror(failed));
    stop_serving(server);
    run(server);
    uv_close((uv_handle_t *)&server->arrived, on_arrived_closed);
    return false;
}

// NULL, and the server is freed, where that fails.
static struct http_server *open_server(struct http_server *server, const struct endpoint *listen_at,
                                       int beside, const struct certificate *certificate,
                                       struct error *error)
{
    if (open_daemon(server, listen_at, beside, certificate, error))
        return start(server, error) ? server : NULL;
    http_connections_close(server->connections);
    run(server);
    server_free(server);
    return NULL;
}

struct http_server *http_server_open(struct node *node, const struct endpoint *listen_at,
                                     const struct certificate *certificate, http_handler *handler,
                                     void *state, struct error *error)
{
    struct http_server *server = server_new(node, handler, state, error);
    return server == NULL ? NULL
                          : open_server(server, listen_at, HTTP_NO_LISTENER, certificate, error);
}

struct http_server *http_server_replace(struct http_server *before,
                                        const struct certificate *certificate, struct error *error)
{
    struct http_server *server = server_new(before->node, before->handler, before->state, error);
    if (server != NULL)
        server = open_server(server, &before->local, before->listener, certificate, error);
    if (server != NULL)
        http_server_close(before);
    return server;
}

void http_server_close(struct http_server *server)
{
    if (server == NULL || server->stopping)
        return;
    uv_mutex_lock(&server->lock);
    server->stopping = true;
    uv_mutex_unlock(&server->lock);
    (void)uv_async_send(&server->called);
    (void)uv_thread_join(&server->thread);
    give_back_all(server);
    struct list_node *node;
    while ((node = take(server, &server->requests)) != NULL) // that no handler saw
        http_exchange_free(container_of(node, struct http_exchange, queued));
    uv_close((uv_handle_t *)&server->arrived, on_arrived_closed);
}

static void write_refused_bodies(const struct http_server *server, const char *name,
                                 struct metrics_page *page)
{
    static const char total[] = "ivip_http_bodies_refused_total";
    char labels[64];
    metrics_describe(page, total, "counter",
                     "HTTP requests refused for their bodies: larger than any may be, or no room "
                     "left for large ones");
    (void)snprintf(labels, sizeof(labels), "server=\"%s\",reason=\"too-large\"", name);
    metrics_value(page, total, labels, (double)server->bodies_too_large);
    (void)snprintf(labels, sizeof(labels), "server=\"%s\",reason=\"no-room\"", name);
    metrics_value(page, total, labels, (double)server->bodies_without_room);
}

void http_server_write_metrics(const struct http_server *server, const char *name,
                               struct metrics_page *page)
{
    const struct http_connection_counts counts = http_connections_counts(server->connections);
    const struct {
        const char *what;
        uint64_t count;
    } values[] = {{"accepted", counts.accepted}, {"refused", counts.refused}, {"cut", counts.cut}};
    static const char total[] = "ivip_http_connections_total";
    static const char open[] = "ivip_http_connections";
    char labels[64];
    metrics_describe(page, total, "counter",
                     "HTTP connections: accepted, refused for too many of one source, cut because "
                     "a request or the taking of an answer took too long");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        (void)snprintf(labels, sizeof(labels), "server=\"%s\",what=\"%s\"", name, values[i].what);
        metrics_value(page, total, labels, (double)values[i].count);
    }
    (void)snprintf(labels, sizeof(labels), "server=\"%s\"", name);
    metrics_describe(page, open, "gauge", "HTTP connections open");
    metrics_value(page, open, labels, (double)counts.open);
    write_refused_bodies(server, name, page);
}

void http_server_set_patience(struct http_server *server, struct duration patience)
{
    uv_mutex_lock(&server->lock);
    server->patience = patience;
    uv_mutex_unlock(&server->lock);
    (void)uv_async_send(&server->called);
}

struct endpoint http_server_local(const struct http_server *server)
{
    return server->local;
}
