// SPDX-License-Identifier: BSD-2-Clause
#include "node/control.h"

#include "base/list.h"
#include "base/log.h"
#include "base/memory.h"
#include "node/http/json_error.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES 4096
#define BACKLOG    8

struct registered {
    const char *name;
    control_command *command;        // or
    const struct control_work *work; // one that takes long
    void *state;
};

struct control {
    struct node *node;
    uv_pipe_t listener;
    bool listening;
    bool closing;
    char *path;
    struct registered commands[CONTROL_COMMANDS_MAX];
    size_t command_count;
    struct list_node clients;
    size_t client_count;
    size_t jobs; // under way
};

// A command that a worker does.
struct job {
    uv_work_t request;
    struct control *control;
    struct client *client; // NULL when it went away meanwhile
    const struct registered *registered;
    void *work;
};

struct client {
    struct list_node node;
    struct control *control;
    uv_pipe_t pipe;
    char read_buffer[READ_BYTES];
    char *line; // what came of the next request
    size_t line_length;
    size_t line_capacity;
    uv_write_t write;
    struct job *job; // under way, or NULL; and
    char *answer;    // being written, or NULL: nothing is read meanwhile
};

struct control *control_new(struct node *node)
{
    struct control *control = memory_new(sizeof(*control));
    control->node = node;
    list_init(&control->clients);
    return control;
}

void control_add(struct control *control, const char *name, control_command *command, void *state)
{
    assert(control->command_count < CONTROL_COMMANDS_MAX);
    control->commands[control->command_count++] = (struct registered){name, command, NULL, state};
}

void control_add_work(struct control *control, const char *name, const struct control_work *work,
                      void *state)
{
    assert(control->command_count < CONTROL_COMMANDS_MAX);
    control->commands[control->command_count++] = (struct registered){name, NULL, work, state};
}

static void free_if_done(struct control *control)
{
    if (!control->closing || control->listening || control->client_count > 0 || control->jobs > 0)
        return;
    memory_free(control->path);
    memory_free(control);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct control *control = client->control;
    list_remove(&client->node);
    control->client_count--;
    if (client->job != NULL)
        client->job->client = NULL;
    memory_free(client->line);
    memory_free(client->answer);
    memory_free(client);
    free_if_done(control);
}

static void close_client(struct client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->pipe))
        uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static const struct registered *find_command(const struct control *control, const json_t *request,
                                             struct error *error)
{
    const char *name = json_string_value(json_object_get(request, "command"));
    if (name == NULL) {
        error_set(error, ERROR_INPUT, "bad-request",
                  "a request is a JSON object with \"command\", such as {\"command\":\"status\"}");
        return NULL;
    }
    for (size_t i = 0; i < control->command_count; i++)
        if (strcmp(control->commands[i].name, name) == 0)
            return &control->commands[i];
    error_set(error, ERROR_NOT_FOUND, "unknown-command",
              "this node has no command \"%.60s\"; it may lack the role that does it", name);
    return NULL;
}

// The line of an answer, with its newline; the caller frees it. Takes over the reference; without
// one it is the error's.
static char *answer_line(json_t *answer, const struct error *error)
{
    if (answer == NULL)
        answer = json_of_error(error);
    else if (json_object_get(answer, "v") == NULL)
        (void)json_object_set_new(answer, "v", json_integer(1));
    char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    assert(text != NULL);
    size_t text_length = strlen(text);
    text = memory_resize(text, text_length + 2);
    memcpy(text + text_length, "\n", 2);
    return text;
}

static void next_request(struct client *client);

static void on_written(uv_write_t *write, int status)
{
    struct client *client = write->data;
    memory_free(client->answer);
    client->answer = NULL;
    if (status != 0)
        close_client(client);
    else
        next_request(client);
}

static void write_answer(struct client *client, json_t *answer, const struct error *error)
{
    client->answer = answer_line(answer, error);
    uv_buf_t out = uv_buf_init(client->answer, (unsigned)strlen(client->answer));
    client->write.data = client;
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &out, 1, on_written) != 0)
        close_client(client);
}

// --- commands that take long ---------------------------------------------------------------------

static void run_job(uv_work_t *request)
{
    struct job *job = request->data;
    job->registered->work->run(job->work);
}

// Its end is due also when nobody waits for the answer any more, unless the node stops.
static void on_job_run(uv_work_t *request, int status)
{
    struct job *job = request->data;
    struct control *control = job->control;
    struct client *client = job->client;
    const struct registered *registered = job->registered;
    struct error error = {0};
    json_t *answer = NULL;
    control->jobs--;
    if (control->closing || status != 0)
        error_set(&error, ERROR_UNAVAILABLE, "stopping", "the node is stopping");
    else
        answer = registered->work->end(registered->state, job->work, &error);
    registered->work->drop(job->work);
    memory_free(job);
    if (client != NULL)
        client->job = NULL;
    if (client == NULL || uv_is_closing((uv_handle_t *)&client->pipe))
        json_decref(answer);
    else
        write_answer(client, answer, &error);
    free_if_done(control);
}

// False with `error` filled where nothing is to be done.
static bool begin_job(struct client *client, const struct registered *registered,
                      const json_t *request, struct error *error)
{
    void *work = registered->work->begin(registered->state, request, error);
    if (work == NULL)
        return false;
    struct job *job = memory_new(sizeof(*job));
    *job = (struct job){
        .control = client->control, .client = client, .registered = registered, .work = work};
    job->request.data = job;
    client->job = job;
    client->control->jobs++;
    int result =
        uv_queue_work(node_loop(client->control->node), &job->request, run_job, on_job_run);
    assert(result == 0);
    (void)result;
    return true;
}

// --- requests ------------------------------------------------------------------------------------

static void take_request(struct client *client, const char *line, size_t length)
{
    struct error error = {0};
    json_error_t where;
    json_t *answer = NULL;
    const struct registered *registered = NULL;
    json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &where);
    if (request == NULL)
        error_set(&error, ERROR_INPUT, "bad-request", "not JSON: %s (column %d)", where.text,
                  where.column);
    else
        registered = find_command(client->control, request, &error);
    if (registered != NULL && registered->command != NULL)
        answer = registered->command(registered->state, request, &error);
    else if (registered != NULL && begin_job(client, registered, request, &error)) {
        json_decref(request);
        return;
    }
    json_decref(request);
    write_answer(client, answer, &error);
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct client *client = handle->data;
    *buffer = uv_buf_init(client->read_buffer, sizeof(client->read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    if (length < 0) {
        close_client(client);
        return;
    }
    size_t need = client->line_length + (size_t)length;
    if (need > CONTROL_LINE_MAX) {
        log_warning("control", "a request over %d bytes was refused", CONTROL_LINE_MAX);
        close_client(client);
        return;
    }
    if (need > client->line_capacity) {
        client->line_capacity = need * 2;
        client->line = memory_resize(client->line, client->line_capacity);
    }
    memcpy(client->line + client->line_length, buffer->base, (size_t)length);
    client->line_length = need;
    next_request(client);
}

// Answers the next whole line, or reads on where there is none yet.
static void next_request(struct client *client)
{
    if (client->answer != NULL || client->job != NULL ||
        uv_is_closing((uv_handle_t *)&client->pipe))
        return;
    char *end = client->line == NULL ? NULL : memchr(client->line, '\n', client->line_length);
    if (end == NULL) {
        (void)uv_read_start((uv_stream_t *)&client->pipe, on_allocate, on_read);
        return;
    }
    (void)uv_read_stop((uv_stream_t *)&client->pipe);
    size_t length = (size_t)(end - client->line);
    take_request(client, client->line, length);
    sodium_memzero(client->line, length); // `ivip user add` sends a password
    client->line_length -= length + 1;
    memmove(client->line, end + 1, client->line_length);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct control *control = listener->data;
    if (status != 0)
        return;
    struct client *client = memory_new(sizeof(*client));
    client->control = control;
    client->pipe.data = client;
    (void)uv_pipe_init(node_loop(control->node), &client->pipe, 0);
    list_append(&control->clients, &client->node);
    control->client_count++;
    if (uv_accept(listener, (uv_stream_t *)&client->pipe) != 0 ||
        control->client_count > CONTROL_CLIENTS_MAX)
        close_client(client);
    else
        next_request(client);
}

// True when a node listens at that socket, also one that has no time to answer.
static bool in_use(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    // EAGAIN: its queue is full.
    bool listens = sock >= 0 && (connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0 ||
                                 errno == EAGAIN);
    if (sock >= 0)
        (void)close(sock);
    return listens;
}

// Binds with mode 0600 from the first moment on.
static int bind_private(struct control *control)
{
    mode_t mask = umask(0177);
    int result = uv_pipe_bind(&control->listener, control->path);
    (void)umask(mask);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&control->listener, BACKLOG, on_connection);
    return result;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct control *control = handle->data;
    control->listening = false;
    free_if_done(control);
}

bool control_open(struct control *control, const char *path, struct error *error)
{
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return error_set(error, ERROR_INPUT, "bad-control",
                         "control: %s is too long for a Unix socket (at most %zu characters)", path,
                         sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    if (in_use(path))
        return error_set(error, ERROR_CONFLICT, "already-running",
                         "control: another node runs with %s; stop it, or give this one another "
                         "control socket",
                         path);
    struct stat status;
    if (lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
        return error_set(error, ERROR_INPUT, "bad-control",
                         "control: %s exists and is no socket; move it away, or name another path",
                         path);
    (void)unlink(path);
    control->path = memory_copy_text(path);
    (void)uv_pipe_init(node_loop(control->node), &control->listener, 0);
    control->listener.data = control;
    control->listening = true;
    int result = bind_private(control);
    if (result == 0)
        return true;
    memory_free(control->path);
    control->path = NULL;
    uv_close((uv_handle_t *)&control->listener, on_listener_closed);
    return error_set(error, ERROR_SYSTEM, "cannot-listen", "control: cannot listen on %s: %s%s",
                     path, uv_strerror(result),
                     result == UV_EACCES ? "; its directory must belong to the account that the "
                                           "node runs as"
                                         : "");
}

void control_close(struct control *control)
{
    control->closing = true;
    // Closing the listener removes its socket from the file system too.
    for (struct list_node *node = control->clients.next; node != &control->clients;
         node = node->next)
        close_client(container_of(node, struct client, node));
    if (control->listening && !uv_is_closing((uv_handle_t *)&control->listener))
        uv_close((uv_handle_t *)&control->listener, on_listener_closed);
    free_if_done(control);
}
