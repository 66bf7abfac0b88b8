// SPDX-License-Identifier: BSD-2-Clause
#include "node/push/public_server.h"

#include "base/memory.h"
#include "node/http/http_server.h"
#include "push/directory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_BINARY "application/octet-stream"
#define TYPE_JSON   "application/json"
#define TYPE_TEXT   "text/plain"
#define HTTP_GONE   410

// A directory that is being served, by as many answers as there are.
struct directory_file {
    size_t users;
    char *text;
    size_t length;
};

struct public_server {
    struct node *node;
    struct http_server *http;
    const struct sender *sender;
    struct snapshot_keeper *keeper;
    const struct config_prefixes *refused;
    struct directory_file *directory; // cached, or NULL
    struct instant directory_at;
    size_t sending;          // bytes of payloads in answers under way
    public_take *take_usage; // or NULL
    void *take_state;
    size_t users; // this server and the answers that point to it
    struct public_server_counters counters;
};

// Payloads in an answer under way.
struct parcel {
    struct public_server *server;
    uint8_t *bytes;
    size_t length;
};

static void release_directory(void *state)
{
    struct directory_file *file = state;
    if (file == NULL || --file->users > 0)
        return;
    memory_free(file->text);
    memory_free(file);
}

static void release(struct public_server *server)
{
    assert(server->users > 0);
    if (--server->users > 0)
        return;
    release_directory(server->directory);
    memory_free(server);
}

static void release_parcel(void *state)
{
    struct parcel *parcel = state;
    parcel->server->sending -= parcel->length;
    release(parcel->server);
    memory_free(parcel->bytes);
    memory_free(parcel);
}

static void refuse(struct public_server *server, struct http_exchange *exchange,
                   const struct error *error)
{
    server->counters.refused++;
    http_reply_error(exchange, error);
}

// As http_reply_error, with the status that has no error code of its own.
static void refuse_gone(struct public_server *server, struct http_exchange *exchange)
{
    static const char text[] = "{\"v\":1,\"error\":{\"reason\":\"gone\",\"text\":"
                               "\"these payloads are no longer kept: fetch the directory\"}}";
    server->counters.refused++;
    http_reply(exchange, HTTP_GONE, TYPE_JSON, text, sizeof(text) - 1);
}

// --- directory -----------------------------------------------------------------------------------

static void make_directory(struct public_server *server)
{
    const struct sender *sender = server->sender;
    size_t count = sender_mab_count(sender);
    struct directory_mab *mabs = memory_new_array(count, sizeof(*mabs));
    for (size_t i = 0; i < count; i++) {
        struct sender_mab_state state = sender_mab_state(sender, i);
        mabs[i] = (struct directory_mab){state.mab, state.sequence, state.hash_known, state.hash};
    }
    struct directory directory = {.ruas = key_public(node_key(server->node)),
                                  .epoch = sender_epoch(sender),
                                  .sequence = sender_position(sender),
                                  .time = node_wall_time(server->node),
                                  .mab_count = count,
                                  .mabs = mabs,
                                  .refused_count = server->refused->count,
                                  .refused = server->refused->items};
    struct directory_file *file = memory_new(sizeof(*file));
    file->users = 1;
    file->text = directory_write(&directory, node_key(server->node), &file->length);
    release_directory(server->directory);
    server->directory = file;
    server->directory_at = node_now(server->node);
    memory_free(mabs);
}

static void reply_directory(struct public_server *server, struct http_exchange *exchange)
{
    struct instant fresh = instant_add(server->directory_at, duration_ms(DIRECTORY_CACHED_MS));
    if (server->directory == NULL || instant_reached(node_now(server->node), fresh))
        make_directory(server);
    struct directory_file *file = server->directory;
    server->counters.directories++;
    server->counters.bytes += file->length;
    file->users++;
    http_reply_shared(exchange, 200, TYPE_JSON, file->text, file->length, release_directory, file);
}

// --- payloads ------------------------------------------------------------------------------------

static void send_payloads(struct public_server *server, struct http_exchange *exchange,
                          uint8_t *bytes, size_t length)
{
    struct parcel *parcel = memory_new(sizeof(*parcel));
    *parcel = (struct parcel){server, bytes, length};
    server->sending += length;
    server->users++;
    server->counters.payload_requests++;
    server->counters.bytes += length;
    http_reply_shared(exchange, 200, TYPE_BINARY, bytes, length, release_parcel, parcel);
}

// Reads a number that ends at `end`; steps behind it.
static bool take_number(const char **text, char end, uint64_t *number)
{
    char *behind = NULL;
    if (**text < '0' || **text > '9')
        return false;
    *number = strtoull(*text, &behind, 10);
    if (*behind != end)
        return false;
    *text = behind + (end != '\0');
    return true;
}

static void reply_payloads(struct public_server *server, struct http_exchange *exchange,
                           const char *rest)
{
    uint64_t epoch = 0;
    uint64_t first = 0;
    uint64_t last = 0;
    struct error error;
    if (!take_number(&rest, '/', &epoch) || !take_number(&rest, '-', &first) ||
        !take_number(&rest, '\0', &last) || first == 0 || last < first) {
        (void)error_set(&error, ERROR_INPUT, "bad-request",
                        "expected /v1/payloads/EPOCH/FIRST-LAST");
        refuse(server, exchange, &error);
        return;
    }
    if (server->sending > PUBLIC_BYTES_MAX) {
        (void)error_set(&error, ERROR_UNAVAILABLE, "busy",
                        "too many payloads are on their way already; ask again");
        refuse(server, exchange, &error);
        return;
    }
    uint8_t *bytes = NULL;
    size_t length = 0;
    enum history_answer answer = HISTORY_GONE;
    if (epoch == sender_epoch(server->sender))
        answer = history_read(sender_history(server->sender), first, last, &bytes, &length);
    if (answer == HISTORY_FOUND)
        send_payloads(server, exchange, bytes, length);
    else if (answer == HISTORY_GONE)
        refuse_gone(server, exchange);
    else {
        (void)error_set(&error, ERROR_NOT_FOUND, "not-yet", "payload %" PRIu64 " was not sent yet",
                        first);
        refuse(server, exchange, &error);
    }
}

// --- snapshots -----------------------------------------------------------------------------------

static void on_given(void *state, struct snapshot_file *file)
{
    struct http_exchange *exchange = state;
    if (file != NULL) {
        http_reply_shared(exchange, 200, TYPE_BINARY, file->bytes, file->length,
                          snapshot_file_release, file);
        return;
    }
    struct error error;
    (void)error_set(&error, ERROR_UNAVAILABLE, "stopping", "the RUAS is stopping");
    http_reply_error(exchange, &error);
}

static void reply_latest(struct public_server *server, struct http_exchange *exchange,
                         const struct prefix *mab)
{
    struct error error;
    uint64_t least = 0;
    const char *text = http_query(exchange, "least");
    if (text != NULL && !take_number(&text, '\0', &least)) {
        (void)error_set(&error, ERROR_INPUT, "bad-request", "least must be a sequence number");
        refuse(server, exchange, &error);
        return;
    }
    if (snapshot_keeper_latest(server->keeper, mab, least, on_given, exchange, &error))
        server->counters.snapshots++;
    else
        refuse(server, exchange, &error);
}

// ADDRESS-LENGTH/..., which it steps behind.
static bool take_prefix(const char **text, struct prefix *prefix)
{
    char copy[PREFIX_TEXT_MAX];
    size_t length = strcspn(*text, "/");
    if (length >= sizeof(copy) || (*text)[length] != '/')
        return false;
    memcpy(copy, *text, length);
    copy[length] = '\0';
    char *dash = strchr(copy, '-');
    if (dash == NULL)
        return false;
    *dash = '/';
    *text += length + 1;
    return prefix_parse(copy, prefix, NULL);
}

static void reply_snapshot(struct public_server *server, struct http_exchange *exchange,
                           const char *rest)
{
    struct prefix mab;
    uint64_t sequence = 0;
    struct error error;
    if (!take_prefix(&rest, &mab) ||
        (strcmp(rest, "latest") != 0 && !take_number(&rest, '\0', &sequence))) {
        (void)error_set(&error, ERROR_INPUT, "bad-request",
                        "expected /v1/snapshots/ADDRESS-LENGTH/latest or a sequence number");
        refuse(server, exchange, &error);
        return;
    }
    if (strcmp(rest, "latest") == 0) {
        reply_latest(server, exchange, &mab);
        return;
    }
    struct snapshot_file *file = snapshot_keeper_find(server->keeper, &mab, sequence);
    if (file != NULL) {
        server->counters.snapshots++;
        on_given(exchange, file);
        return;
    }
    (void)error_set(&error, ERROR_NOT_FOUND, "no-such-snapshot",
                    "there is no snapshot %" PRIu64 " of that MAB; ask for the latest", sequence);
    refuse(server, exchange, &error);
}

// --- all -----------------------------------------------------------------------------------------

// What follows `start` in a path, or NULL where it does not begin so.
static const char *behind(const char *path, const char *start)
{
    size_t length = strlen(start);
    return strncmp(path, start, length) == 0 ? path + length : NULL;
}

static void reply_usage(struct public_server *server, struct http_exchange *exchange)
{
    static const char text[] = "{\"v\":1}\n";
    size_t length = 0;
    struct error error;
    const char *body = http_body(exchange, &length);
    if (server->take_usage(server->take_state, (const uint8_t *)body, length, &error))
        http_reply(exchange, 200, TYPE_JSON, text, sizeof(text) - 1);
    else
        refuse(server, exchange, &error);
}

static void on_request(void *state, struct http_exchange *exchange)
{
    struct public_server *server = state;
    const char *path = http_path(exchange);
    const char *rest = NULL;
    struct error error;
    if (server->take_usage != NULL && strcmp(http_method(exchange), "POST") == 0 &&
        strcmp(path, "/v1/usage") == 0) {
        reply_usage(server, exchange);
    } else if (strcmp(http_method(exchange), "GET") != 0 &&
               strcmp(http_method(exchange), "HEAD") != 0) {
        (void)error_set(&error, ERROR_INPUT, "bad-request", "only GET is served here");
        refuse(server, exchange, &error);
    } else if (strcmp(path, "/v1/directory") == 0)
        reply_directory(server, exchange);
    else if ((rest = behind(path, "/v1/payloads/")) != NULL)
        reply_payloads(server, exchange, rest);
    else if ((rest = behind(path, "/v1/snapshots/")) != NULL)
        reply_snapshot(server, exchange, rest);
    else if (strcmp(path, "/health") == 0)
        http_reply(exchange, 200, TYPE_TEXT, "ok\n", 3);
    else {
        (void)error_set(&error, ERROR_NOT_FOUND, "no-such-path",
                        "there are /v1/directory, /v1/payloads, /v1/snapshots and /health");
        refuse(server, exchange, &error);
    }
}

struct public_server *public_server_open(struct node *node, const struct endpoint *listen,
                                         const struct sender *sender,
                                         struct snapshot_keeper *keeper,
                                         const struct config_prefixes *refused, struct error *error)
{
    struct public_server *server = memory_new(sizeof(*server));
    server->node = node;
    server->sender = sender;
    server->keeper = keeper;
    server->refused = refused;
    server->users = 1;
    server->http = http_server_open(node, listen, NULL, on_request, server, error);
    if (server->http != NULL)
        return server;
    release(server);
    return NULL;
}

void public_server_set_usage(struct public_server *server, public_take *take, void *state)
{
    server->take_usage = take;
    server->take_state = state;
}

void public_server_close(struct public_server *server)
{
    if (server == NULL)
        return;
    http_server_close(server->http);
    release(server);
}

void public_server_set_refused(struct public_server *server, const struct config_prefixes *refused)
{
    server->refused = refused;
    release_directory(server->directory);
    server->directory = NULL;
}

struct endpoint public_server_local(const struct public_server *server)
{
    return http_server_local(server->http);
}

void public_server_write_metrics(const struct public_server *server, struct metrics_page *page)
{
    http_server_write_metrics(server->http, "public", page);
}

const struct public_server_counters *public_server_counters(const struct public_server *server)
{
    return &server->counters;
}
