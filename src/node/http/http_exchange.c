// SPDX-License-Identifier: BSD-2-Clause
// One request and its answer.
#include "node/http/http_server_state.h"

#include "base/memory.h"
#include "node/http/json_error.h"
#include "node/socket_address.h"

#include <assert.h>
#include <string.h>

void http_exchange_free(struct http_exchange *exchange)
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

struct http_exchange *http_exchange_new(struct http_server *server,
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
    list_init(&exchange->queued);
    list_append(&server->exchanges, &exchange->node);
    return exchange;
}

// Of the room that a body has, what counts as that of a large one.
static size_t large(size_t room)
{
    return room > HTTP_BODY_SMALL ? room : 0;
}

// The room that a body of so many octets gets: more than it needs, as it may go on.
static size_t room_for(size_t need)
{
    size_t most = need > HTTP_BODY_SMALL ? HTTP_BODY_MAX : HTTP_BODY_SMALL;
    size_t room = need < 512 ? 1024 : need * 2;
    return room < most ? room : most;
}

static enum http_body_fate make_room(struct http_exchange *exchange, size_t need)
{
    if (need > HTTP_BODY_MAX)
        return HTTP_BODY_TOO_LARGE;
    if (need <= exchange->body_room)
        return HTTP_BODY_TAKEN;
    struct http_server *server = exchange->server;
    size_t room = room_for(need);
    size_t others = server->large_bodies - large(exchange->body_room);
    if (others + large(room) > HTTP_LARGE_BODIES_MAX)
        return HTTP_BODY_NO_ROOM;
    server->large_bodies = others + large(room);
    exchange->body = memory_resize(exchange->body, room + 1);
    exchange->body_room = room;
    return HTTP_BODY_TAKEN;
}

void http_exchange_leave_room(struct http_exchange *exchange)
{
    exchange->server->large_bodies -= large(exchange->body_room);
}

static void drop_body(struct http_exchange *exchange)
{
    http_exchange_leave_room(exchange);
    memory_free(exchange->body);
    exchange->body = NULL;
    exchange->body_length = exchange->body_room = 0;
}

bool http_exchange_take_body(struct http_exchange *exchange, const char *bytes, size_t length)
{
    if (exchange->body_fate == HTTP_BODY_TAKEN)
        exchange->body_fate = make_room(exchange, exchange->body_length + length);
    if (exchange->body_fate != HTTP_BODY_TAKEN) {
        drop_body(exchange);
        exchange->discarded += length;
        return exchange->discarded <= HTTP_BODY_MAX;
    }
    memcpy(exchange->body + exchange->body_length, bytes, length);
    exchange->body_length += length;
    exchange->body[exchange->body_length] = '\0';
    return true;
}

enum MHD_Result http_exchange_send(struct http_exchange *exchange)
{
    assert(exchange->replied && exchange->response != NULL);
    enum MHD_Result result =
        MHD_queue_response(exchange->connection, exchange->status, exchange->response);
    MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    return result;
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

static void on_sent(void *state)
{
    http_server_release(state);
}

// Who lent the bytes gets them back in the node's thread; memory has no owner.
static struct MHD_Response *make_response(struct http_server *server, void *bytes, size_t length,
                                          void (*release)(void *owner), void *owner)
{
    void *state = owner;
    void (*sent)(void *state) = release;
    if (release != memory_free) {
        struct release *note = memory_new(sizeof(*note));
        *note = (struct release){.server = server, .release = release, .owner = owner};
        list_init(&note->node);
        state = note;
        sent = on_sent;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(length, bytes, sent, state);
    assert(response != NULL);
    return response;
}

void http_reply_shared(struct http_exchange *exchange, unsigned status, const char *type,
                       const void *bytes, size_t length, void (*release)(void *owner), void *owner)
{
    assert(exchange->handed_over && !exchange->replied);
    exchange->replied = true;
    exchange->status = status;
    if (exchange->connection == NULL) { // the client or the server went away meanwhile
        release(owner);
        http_exchange_free(exchange);
        return;
    }
    // It only reads the buffer; its parameter is not const for those who let it copy or free.
    void *buffer = (void *)(uintptr_t)bytes;
    exchange->response = make_response(exchange->server, buffer, length, release, owner);
    (void)MHD_add_response_header(exchange->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (size_t i = 0; i < exchange->header_count; i++)
        (void)MHD_add_response_header(exchange->response, exchange->headers[i].name,
                                      exchange->headers[i].value);
    if (exchange->suspended) // else: in the server's thread, which sends it at once
        http_server_replied(exchange->server, exchange);
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

void http_exchange_refuse_body(struct http_exchange *exchange)
{
    struct error error;
    bool too_large = exchange->body_fate == HTTP_BODY_TOO_LARGE;
    if (too_large) {
        exchange->server->bodies_too_large++;
        (void)error_set(&error, ERROR_LIMIT, "body-too-large",
                        "the body of a request may have at most %d bytes", HTTP_BODY_MAX);
    } else {
        exchange->server->bodies_without_room++;
        (void)error_set(&error, ERROR_UNAVAILABLE, "bodies-too-large",
                        "other requests have all the room that there is for bodies of over %d "
                        "bytes; send it again later",
                        HTTP_BODY_SMALL);
    }
    http_reply_error(exchange, &error);
    if (too_large)
        exchange->status = MHD_HTTP_CONTENT_TOO_LARGE;
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
