// SPDX-License-Identifier: BSD-2-Clause
#include "node/http/http_connections.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"
#include "node/deadline.h"
#include "node/socket_address.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>

#define SOURCE_IPV6_OCTETS 8 // of an address: its /64

// Whoever has connections.
struct source {
    struct table_node node;
    struct address address;
    unsigned connections;
};

// Connections that are waited for, for as long as each other.
struct wait {
    struct list_node since_longest; // first
    uint64_t times;                 // the patience that there is
};

struct connection {
    struct list_node node; // in a wait, or in none when it was cut
    struct http_connections *connections;
    struct source *source;
    int descriptor;
    struct instant since; // when the waiting began
};

struct http_connections {
    uv_loop_t *loop;
    uv_timer_t timer;     // for the first that would be cut
    struct wait requests; // that are not whole
    struct wait answers;  // that are not taken
    struct table sources;
    struct hash_key key;
    struct duration patience;
    _Atomic uint64_t accepted, refused, cut, ended; // written by the server's thread alone
};

struct http_connections *http_connections_new(uv_loop_t *loop)
{
    struct http_connections *connections = memory_new(sizeof(*connections));
    connections->loop = loop;
    connections->patience = duration_s(HTTP_REQUEST_SECONDS);
    list_init(&connections->requests.since_longest);
    list_init(&connections->answers.since_longest);
    connections->requests.times = 1;
    connections->answers.times = HTTP_ANSWER_TIMES;
    table_init(&connections->sources);
    randombytes_buf(connections->key.bytes, sizeof(connections->key.bytes));
    (void)uv_timer_init(loop, &connections->timer);
    connections->timer.data = connections;
    return connections;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct http_connections *connections = handle->data;
    table_release(&connections->sources);
    memory_free(connections);
}

void http_connections_close(struct http_connections *connections)
{
    assert(connections->sources.count == 0);
    uv_close((uv_handle_t *)&connections->timer, on_timer_closed);
}

void http_connections_set_patience(struct http_connections *connections, struct duration patience)
{
    connections->patience = patience;
}

struct http_connection_counts http_connections_counts(const struct http_connections *connections)
{
    uint64_t ended = connections->ended; // first: none has ended that is not counted as accepted
    return (struct http_connection_counts){
        .accepted = connections->accepted,
        .refused = connections->refused,
        .cut = connections->cut,
        .open = connections->accepted - ended,
    };
}

// --- sources -------------------------------------------------------------------------------------

static struct address source_of(const struct sockaddr *address)
{
    struct address source = endpoint_of_socket_address(address).address;
    if (source.family == FAMILY_IPV6)
        memset(source.octets + SOURCE_IPV6_OCTETS, 0, sizeof(source.octets) - SOURCE_IPV6_OCTETS);
    return source;
}

static bool is_source(const struct table_node *node, const void *address)
{
    return address_equal(&container_of(node, struct source, node)->address, address);
}

static struct source *find_source(const struct http_connections *connections,
                                  const struct address *address)
{
    uint64_t hash = hash_bytes(&connections->key, address, sizeof(*address));
    struct table_node *node = table_find(&connections->sources, hash, is_source, address);
    return node == NULL ? NULL : container_of(node, struct source, node);
}

// The source, which is made where it has no connection yet; with one connection more.
static struct source *hold_source(struct http_connections *connections,
                                  const struct address *address)
{
    struct source *source = find_source(connections, address);
    if (source == NULL) {
        source = memory_new(sizeof(*source));
        source->address = *address;
        table_insert(&connections->sources, &source->node,
                     hash_bytes(&connections->key, address, sizeof(*address)));
    }
    source->connections++;
    return source;
}

static void release_source(struct http_connections *connections, struct source *source)
{
    assert(source->connections > 0);
    if (--source->connections > 0)
        return;
    table_remove(&connections->sources, &source->node);
    memory_free(source);
}

enum MHD_Result http_connections_accept(void *state, const struct sockaddr *address,
                                        socklen_t length)
{
    (void)length;
    struct http_connections *connections = state;
    struct address wanted = source_of(address);
    const struct source *source = find_source(connections, &wanted);
    if (source == NULL || source->connections < HTTP_CONNECTIONS_PER_SOURCE_MAX)
        return MHD_YES;
    connections->refused++;
    return MHD_NO;
}

// --- time ----------------------------------------------------------------------------------------

static struct instant now(const struct http_connections *connections)
{
    return (struct instant){uv_now(connections->loop) * 1000000};
}

// When the first of a wait is cut.
static struct instant deadline_of(const struct http_connections *connections,
                                  const struct wait *wait)
{
    const struct list_node *node = list_first(&wait->since_longest);
    if (node == NULL)
        return INSTANT_NEVER;
    struct duration patience = {connections->patience.ns * wait->times};
    return instant_add(container_of(node, struct connection, node)->since, patience);
}

// Cuts those that took too long. libmicrohttpd sees their end at its next turn and closes them.
static void cut_late(struct http_connections *connections, const struct wait *wait)
{
    for (struct list_node *node = list_first(&wait->since_longest); node != NULL;
         node = list_first(&wait->since_longest)) {
        if (!instant_reached(now(connections), deadline_of(connections, wait)))
            return;
        list_remove(node);
        connections->cut++;
        (void)shutdown(container_of(node, struct connection, node)->descriptor, SHUT_RDWR);
    }
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct http_connections *connections)
{
    struct instant deadline = instant_earlier(deadline_of(connections, &connections->requests),
                                              deadline_of(connections, &connections->answers));
    deadline_arm(&connections->timer, now(connections), deadline, on_timer);
}

static void on_timer(uv_timer_t *timer)
{
    struct http_connections *connections = timer->data;
    cut_late(connections, &connections->requests);
    cut_late(connections, &connections->answers);
    set_timer(connections);
}

static void wait_for(struct connection *connection, struct wait *wait)
{
    bool alone = list_empty(&wait->since_longest);
    connection->since = now(connection->connections);
    list_remove(&connection->node);
    list_append(&wait->since_longest, &connection->node);
    if (alone)
        set_timer(connection->connections); // otherwise it is set for one that waits longer
}

// --- libmicrohttpd -------------------------------------------------------------------------------

static struct connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static struct connection *begin(struct http_connections *connections, struct MHD_Connection *handle)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
    assert(info != NULL);
    struct connection *connection = memory_new(sizeof(*connection));
    connection->connections = connections;
    connection->descriptor = info->connect_fd;
    list_init(&connection->node);
    info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    assert(info != NULL);
    struct address address = source_of(info->client_addr);
    connection->source = hold_source(connections, &address);
    connections->accepted++;
    wait_for(connection, &connections->requests);
    return connection;
}

void http_connections_notify(void *connections, struct MHD_Connection *connection, void **context,
                             enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = begin(connections, connection);
        return;
    }
    struct connection *ended = *context;
    *context = NULL;
    list_remove(&ended->node);
    release_source(connections, ended->source);
    ended->connections->ended++;
    memory_free(ended);
}

void http_connection_whole(struct MHD_Connection *connection)
{
    struct connection *asking = connection_of(connection);
    if (asking != NULL)
        wait_for(asking, &asking->connections->answers);
}

void http_connection_wait(struct MHD_Connection *connection)
{
    struct connection *answered = connection_of(connection);
    if (answered != NULL)
        wait_for(answered, &answered->connections->requests);
}
