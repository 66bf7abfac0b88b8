// SPDX-License-Identifier: BSD-2-Clause
// The control socket: who is connected, and lines in and out (control_command.c).
#include "sipp/daemon/control_internal.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reply {
    uv_write_t write;
    char *text;
};

// ---- answers

static void written(uv_write_t *write, int status)
{
    (void)status;
    struct reply *reply = write->data;
    free(reply->text); // jansson's
    memory_free(reply);
}

// Takes the object over and sends it as a line.
void answer(struct client *client, json_t *object)
{
    (void)json_object_set_new(object, "v", json_integer(1));
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL || client->closing) {
        free(text);
        return;
    }
    struct reply *reply = memory_new(sizeof(*reply));
    char end = '\n';
    uv_buf_t parts[2] = {uv_buf_init(text, (unsigned)strlen(text)), uv_buf_init(&end, 1)};
    static char newline[] = "\n";
    parts[1].base = newline;
    reply->text = text;
    reply->write.data = reply;
    (void)uv_write(&reply->write, (uv_stream_t *)&client->pipe, parts, 2, written);
}

static void client_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

static void client_close(struct client *client)
{
    struct control *control = client->control;
    if (client->closing)
        return;
    client->closing = true;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (control->clients[i] == client)
            control->clients[i] = NULL;
    }
    for (size_t i = 0; i < ECHOES_MAX; i++) {
        if (control->echoes[i].client == client)
            control->echoes[i].client = NULL;
    }
    uv_close((uv_handle_t *)&client->pipe, client_closed);
}

static void time_out(uv_timer_t *timer)
{
    echoes_time_out(timer->data);
}

// ---- the socket

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct client *client = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(client->line + client->used,
                          (unsigned)(sizeof(client->line) - 1 - client->used));
}

static void received(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    (void)buffer;
    if (length < 0) {
        client_close(client);
        return;
    }
    client->used += (size_t)length;
    client->line[client->used] = '\0';
    char *end;
    // A zero byte in a line ends it for the parser, not for us.
    while (!client->closing && (end = memchr(client->line, '\n', client->used)) != NULL) {
        *end = '\0';
        control_line(client, client->line);
        size_t eaten = (size_t)(end + 1 - client->line);
        client->used -= eaten;
        memmove(client->line, end + 1, client->used + 1);
    }
    if (client->used == sizeof(client->line) - 1)
        client_close(client);
}

static void accept_client(uv_stream_t *server, int status)
{
    struct control *control = server->data;
    size_t place = 0;
    while (place < CLIENTS_MAX && control->clients[place] != NULL)
        place++;
    struct client *client = memory_new(sizeof(*client));
    client->control = control;
    (void)uv_pipe_init(server->loop, &client->pipe, 0);
    client->pipe.data = client;
    if (status != 0 || uv_accept(server, (uv_stream_t *)&client->pipe) != 0 ||
        place == CLIENTS_MAX) {
        client_close(client);
        return;
    }
    control->clients[place] = client;
    (void)uv_read_start((uv_stream_t *)&client->pipe, allocate, received);
}

bool control_open(struct sippd *sippd, const char *path, struct error *error)
{
    if (sippd->control != NULL)
        return error_set(error, ERROR_INPUT, "control-twice", "a line above has a control socket");
    struct control *control = memory_new(sizeof(*control));
    if (strlen(path) >= sizeof(control->path)) {
        memory_free(control);
        return error_set(error, ERROR_INPUT, "bad-path",
                         "the path of a socket has at most %zu bytes", sizeof(control->path) - 1);
    }
    control->sippd = sippd;
    sippd->control = control;
    (void)snprintf(control->path, sizeof(control->path), "%s", path);
    (void)uv_timer_init(&sippd->loop, &control->timer);
    control->timer.data = control;
    (void)uv_pipe_init(&sippd->loop, &control->server, 0);
    control->server.data = control;
    if (sippd->checking)
        return true;
    (void)unlink(path);
    mode_t before = umask(077);
    int bound = uv_pipe_bind(&control->server, path);
    (void)umask(before);
    if (bound != 0 || uv_listen((uv_stream_t *)&control->server, 16, accept_client) != 0)
        return error_set(error, ERROR_SYSTEM, "no-control", "cannot listen at %s: %s", path,
                         bound != 0 ? uv_strerror(bound) : "listen failed");
    (void)uv_timer_start(&control->timer, time_out, 100, 100);
    return true;
}

bool control_give(const struct sippd *sippd, struct error *error)
{
    if (sippd->control == NULL || chown(sippd->control->path, sippd->uid, sippd->gid) == 0)
        return true;
    return error_set(error, ERROR_SYSTEM, "no-control", "%s cannot be given to %s: %s",
                     sippd->control->path, sippd->user, strerror(errno));
}

void control_close(struct sippd *sippd)
{
    struct control *control = sippd->control;
    if (control == NULL)
        return;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (control->clients[i] != NULL)
            client_close(control->clients[i]);
    }
    uv_close((uv_handle_t *)&control->server, NULL);
    uv_close((uv_handle_t *)&control->timer, NULL);
    (void)uv_run(&sippd->loop, UV_RUN_NOWAIT);
    if (!sippd->checking)
        (void)unlink(control->path);
    memory_free(control);
    sippd->control = NULL;
}
