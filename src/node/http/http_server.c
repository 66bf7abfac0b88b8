// SPDX-License-Identifier: BSD-2-Clause
// libmicrohttpd inside the node's loop: its epoll descriptor is watched by libuv, and its next
// timeout is a libuv timer.
//
// An exchange lives as long as either side needs it: the connection until libmicrohttpd has
// completed the request, the handler until it has replied. A handler that replies later finds the
// connection suspended, and libmicrohttpd goes on with it once it is resumed:
//
//     request whole -> handler -> replied at once --------------------> response queued
//                              `-> suspended ... http_reply -> resumed -^
//
// A reply to an exchange whose server or client is gone goes nowhere and frees the exchange.
#include "node/http/http_server.h"

#include "base/list.h"
#include "base/memory.h"
#include "node/http/certificate.h"
#include "node/http/http_connections.h"
#include "node/http/json_error.h"
#include "node/socket_address.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#define CONNECTION_MEMORY (32 * 1024) // holds the request line and all headers
#define IDLE_SECONDS      30
#define BACKLOG           256
#define REPLY_HEADERS_MAX 8

// TLS 1.3 alone: every client of this interface is newer than it, and it leaves nothing to choose.
#define TLS_PRIORITY "NORMAL:-VERS-ALL:+VERS-TLS1.3"

struct http_server {
    struct node *node;
    http_handler *handler;
    void *state;
    struct MHD_Daemon *daemon;
    struct http_connections *connections;
    struct endpoint local;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned open_handles;
    bool closing;
    struct list_node exchanges; // all that have a connection
};

struct http_exchange {
    struct list_node node;
    struct http_server *server;        // NULL once the connection is gone
    struct MHD_Connection *connection; // NULL likewise
    struct MHD_Response *response;     // the reply, until it is queued
    unsigned status;
    bool handed_over; // the handler has it or had it
    bool replied;
    bool suspended;
    bool too_large;
    char *method;
    char *path;
    char *body;
    size_t body_length;
    size_t body_capacity;
    size_t discarded;
    struct endpoint peer;
    size_t header_count;
    struct {
        char *name;
        char *value;
    } headers[REPLY_HEADERS_MAX];
};

static void exchange_free(struct http_exchange *exchange)
{
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
    for (size_t i = 0; i < exchange->header_count; i++) {
        memory_free(exchange->headers[i].name);
        memory_free(exchange->headers[i].value);
    }
    memory_free(exchange->method);
    memory_free(exchange->path);
    memory_free(exchange->body);
    memory_free(exchange);
}

// Runs libmicrohttpd over what is ready and sets the timer for what comes next.
static void serve(struct http_server *server);

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    serve(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    serve(timer->data);
}

static void serve(struct http_server *server)
{
    (void)MHD_run(server->daemon);
    MHD_UNSIGNED_LONG_LONG delay_ms = 0;
    if (MHD_get_timeout(server->daemon, &delay_ms) == MHD_YES)
        (void)uv_timer_start(&server->timer, on_timer, delay_ms, 0);
    else
        (void)uv_timer_stop(&server->timer);
}

static struct http_exchange *exchange_new(struct http_server *server,
                                          struct MHD_Connection *connection, const char *url,
                                          const char *method)
{
    struct http_exchange *exchange = memory_new(sizeof(*exchange));
    exchange->server = server;
    exchange->connection = connection;
    exchange->method = memory_copy_text(method);
    exchange->path = memory_copy_text(url);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info != NULL && info->client_addr != NULL)
        exchange->peer = endpoint_of_socket_address(info->client_addr);
    list_append(&server->exchanges, &exchange->node);
    return exchange;
}

// Takes a piece of the body. False where the connection should be cut: a peer that goes on sending
// far beyond the limit does not wait for an answer.
static bool take_body(struct http_exchange *exchange, const char *bytes, size_t length)
{
    if (exchange->too_large || length > HTTP_BODY_MAX - exchange->body_length) {
        exchange->too_large = true;
        exchange->discarded += length;
        return exchange->discarded <= HTTP_BODY_MAX;
    }
    size_t need = exchange->body_length + length + 1;
    if (need > exchange->body_capacity) {
        exchange->body_capacity = need < 1024 ? 1024 : need * 2;
        exchange->body = memory_resize(exchange->body, exchange->body_capacity);
    }
    memcpy(exchange->body + exchange->body_length, bytes, length);
    exchange->body_length += length;
    exchange->body[exchange->body_length] = '\0';
    return true;
}

static enum MHD_Result queue_reply(struct http_exchange *exchange)
{
    assert(exchange->replied && exchange->response != NULL);
    enum MHD_Result result =
        MHD_queue_response(exchange->connection, exchange->status, exchange->response);
    MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    return result;
}

// Gives the whole request to the handler; where that did not reply at once, the connection waits.
static enum MHD_Result hand_over(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    exchange->handed_over = true;
    http_connection_whole(exchange->connection);
    if (exchange->too_large) {
        struct error error;
        error_set(&error, ERROR_LIMIT, "body-too-large",
                  "the body of a request may have at most %d bytes", HTTP_BODY_MAX);
        http_reply_error(exchange, &error);
        exchange->status = MHD_HTTP_CONTENT_TOO_LARGE;
    } else {
        server->handler(server->state, exchange);
    }
    if (exchange->replied)
        return queue_reply(exchange);
    MHD_suspend_connection(exchange->connection);
    exchange->suspended = true;
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
        *context = exchange_new(state, connection, url, method);
        return MHD_YES;
    }
    if (*length > 0) {
        bool good = take_body(exchange, bytes, *length);
        *length = 0;
        return good ? MHD_YES : MHD_NO;
    }
    if (!exchange->handed_over)
        return hand_over(exchange);
    return exchange->response != NULL ? queue_reply(exchange) : MHD_YES;
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
    exchange->server = NULL;
    exchange->connection = NULL;
    if (exchange->replied || !exchange->handed_over)
        exchange_free(exchange);
}

// A bound and listening socket; -1 with `error` filled.
static int listen_on(const struct endpoint *listen_at, struct endpoint *local, struct error *error)
{
    char text[ENDPOINT_TEXT_MAX];
    struct sockaddr_storage storage;
    socklen_t length = socket_address_of_endpoint(listen_at, &storage);
    int sock = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    // The address "::" takes IPv4 too, whatever the system's default is; others have one family.
    int only_ipv6 = !address_is_wildcard(&listen_at->address);
    bool good = sock >= 0 && setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    // Connections inherit it. GnuTLS writes a flight of its handshake in parts; the second would
    // otherwise wait for the first to be acknowledged, a round trip in each command.
    good = good && setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
    if (good && storage.ss_family == AF_INET6)
        good = setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &only_ipv6, sizeof(only_ipv6)) == 0;
    good = good && bind(sock, (struct sockaddr *)&storage, length) == 0 &&
           listen(sock, BACKLOG) == 0 &&
           getsockname(sock, (struct sockaddr *)&storage, &length) == 0;
    if (good) {
        *local = endpoint_of_socket_address((struct sockaddr *)&storage);
        return sock;
    }
    error_set(error, ERROR_SYSTEM, "cannot-listen", "cannot listen on %s (TCP): %s%s",
              endpoint_print(listen_at, text), strerror(errno),
              errno == EADDRINUSE ? "; another program has this port" : "");
    if (sock >= 0)
        (void)close(sock);
    return -1;
}

static struct MHD_Daemon *start_daemon(struct http_server *server, int sock,
                                       const struct certificate *certificate)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, sock, NULL},
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

// Lets libuv watch the daemon's epoll descriptor.
static bool watch(struct http_server *server)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_loop_t *loop = node_loop(server->node);
    if (info == NULL || uv_poll_init(loop, &server->poll, info->epoll_fd) != 0)
        return false;
    (void)uv_timer_init(loop, &server->timer);
    server->poll.data = server;
    server->timer.data = server;
    server->open_handles = 2;
    return uv_poll_start(&server->poll, UV_READABLE, on_readable) == 0;
}

struct http_server *http_server_open(struct node *node, const struct endpoint *listen_at, bool tls,
                                     http_handler *handler, void *state, struct error *error)
{
    struct certificate certificate = {0};
    if (tls && !certificate_make(node_key(node), &certificate, error))
        return NULL;
    struct http_server *server = memory_new(sizeof(*server));
    server->node = node;
    server->handler = handler;
    server->state = state;
    list_init(&server->exchanges);
    server->connections = http_connections_new(node_loop(node));
    int sock = listen_on(listen_at, &server->local, error);
    if (sock >= 0) {
        server->daemon = start_daemon(server, sock, tls ? &certificate : NULL);
        if (server->daemon == NULL) {
            (void)close(sock);
            error_set(error, ERROR_SYSTEM, "cannot-listen", "the HTTP server did not start: %s",
                      strerror(errno));
        }
    }
    certificate_release(&certificate);
    if (server->daemon == NULL) {
        http_connections_close(server->connections);
        memory_free(server);
        return NULL;
    }
    if (!watch(server)) {
        http_server_close(server);
        error_set(error, ERROR_SYSTEM, "cannot-listen", "the HTTP server cannot be watched");
        return NULL;
    }
    return server;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    if (--server->open_handles == 0)
        memory_free(server);
}

void http_server_close(struct http_server *server)
{
    if (server == NULL || server->closing)
        return;
    server->closing = true;
    // libmicrohttpd wants no connection to be suspended when it stops. on_completed then leaves
    // the exchanges that are not replied to with their handlers.
    for (struct list_node *node = server->exchanges.next; node != &server->exchanges;
         node = node->next) {
        struct http_exchange *exchange = container_of(node, struct http_exchange, node);
        if (exchange->suspended) {
            exchange->suspended = false;
            MHD_resume_connection(exchange->connection);
        }
    }
    if (server->open_handles > 0)
        (void)uv_poll_stop(&server->poll);
    MHD_stop_daemon(server->daemon);
    http_connections_close(server->connections);
    assert(list_empty(&server->exchanges));
    if (server->open_handles == 0) {
        memory_free(server);
        return;
    }
    uv_close((uv_handle_t *)&server->poll, on_handle_closed);
    uv_close((uv_handle_t *)&server->timer, on_handle_closed);
}

void http_server_set_patience(struct http_server *server, struct duration patience)
{
    http_connections_set_patience(server->connections, patience);
}

struct endpoint http_server_local(const struct http_server *server)
{
    return server->local;
}

const char *http_method(const struct http_exchange *exchange)
{
    return exchange->method;
}

const char *http_path(const struct http_exchange *exchange)
{
    return exchange->path;
}

static const char *lookup(const struct http_exchange *exchange, enum MHD_ValueKind kind,
                          const char *name)
{
    if (exchange->connection == NULL)
        return NULL;
    return MHD_lookup_connection_value(exchange->connection, kind, name);
}

const char *http_query(const struct http_exchange *exchange, const char *name)
{
    return lookup(exchange, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_exchange *exchange, const char *name)
{
    return lookup(exchange, MHD_HEADER_KIND, name);
}

const char *http_body(const struct http_exchange *exchange, size_t *length)
{
    if (length != NULL)
        *length = exchange->body_length;
    return exchange->body != NULL ? exchange->body : "";
}

struct endpoint http_peer(const struct http_exchange *exchange)
{
    return exchange->peer;
}

void http_reply_header(struct http_exchange *exchange, const char *name, const char *value)
{
    assert(!exchange->replied && exchange->header_count < REPLY_HEADERS_MAX);
    exchange->headers[exchange->header_count].name = memory_copy_text(name);
    exchange->headers[exchange->header_count].value = memory_copy_text(value);
    exchange->header_count++;
}

void http_reply_shared(struct http_exchange *exchange, unsigned status, const char *type,
                       const void *bytes, size_t length, void (*release)(void *owner), void *owner)
{
    assert(exchange->handed_over && !exchange->replied);
    exchange->replied = true;
    exchange->status = status;
    if (exchange->connection == NULL) { // the client or the server went away meanwhile
        release(owner);
        exchange_free(exchange);
        return;
    }
    // It only reads the buffer; its parameter is not const for those who let it copy or free.
    void *buffer = (void *)(uintptr_t)bytes;
    exchange->response =
        MHD_create_response_from_buffer_with_free_callback_cls(length, buffer, release, owner);
    assert(exchange->response != NULL);
    (void)MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (size_t i = 0; i < exchange->header_count; i++)
        (void)MHD_add_response_header(exchange->response, exchange->headers[i].name,
                                      exchange->headers[i].value);
    if (!exchange->suspended)
        return; // within the handler: hand_over queues it
    exchange->suspended = false;
    MHD_resume_connection(exchange->connection);
    // Not from here but from the loop: the caller may be deep inside its own work.
    (void)uv_timer_start(&exchange->server->timer, on_timer, 0, 0);
}

void http_reply_owned(struct http_exchange *exchange, unsigned status, const char *type,
                      void *bytes, size_t length)
{
    http_reply_shared(exchange, status, type, bytes, length, memory_free, bytes);
}

void http_reply(struct http_exchange *exchange, unsigned status, const char *type,
                const void *bytes, size_t length)
{
    http_reply_owned(exchange, status, type, memory_copy(bytes, length), length);
}

unsigned http_status(enum error_code code)
{
    switch (code) {
    case ERROR_INPUT:
    case ERROR_FORMAT:
        return MHD_HTTP_BAD_REQUEST;
    case ERROR_DENIED:
    case ERROR_FORGED:
        return MHD_HTTP_FORBIDDEN;
    case ERROR_NOT_FOUND:
        return MHD_HTTP_NOT_FOUND;
    case ERROR_CONFLICT:
        return MHD_HTTP_CONFLICT;
    case ERROR_LIMIT:
        return MHD_HTTP_TOO_MANY_REQUESTS;
    case ERROR_UNAVAILABLE:
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    case ERROR_NONE:
    case ERROR_SYSTEM:
        break;
    }
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

void http_reply_error(struct http_exchange *exchange, const struct error *error)
{
    http_reply_json(exchange, http_status(error->code), json_of_error(error));
}

void http_reply_json(struct http_exchange *exchange, unsigned status, json_t *json)
{
    assert(json != NULL);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    assert(text != NULL);
    size_t length = strlen(text);
    text = memory_resize(text, length + 2);
    memcpy(text + length, "\n", 2);
    http_reply_owned(exchange, status, "application/json", text, length + 1);
}
