// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"

#include "base/memory.h"
#include "node/config/config.h"

#include <assert.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX      (64 * 1024 * 1024)
#define TIMEOUT_SECONDS 30

static bool add_socket(struct control_sockets *sockets, const char *path)
{
    size_t length = strlen(path);
    if (sockets->count == CONTROL_SOCKETS_MAX || length >= sizeof(sockets->paths[0]))
        return false;
    memcpy(sockets->paths[sockets->count++], path, length + 1);
    return true;
}

bool control_sockets_find(const struct arguments *arguments, struct control_sockets *sockets,
                          struct error *error)
{
    sockets->count = 0;
    const char *path = option_value(arguments, "control");
    if (path == NULL)
        path = getenv("IVIP_CONTROL"); // NOLINT(concurrency-mt-unsafe)
    if (path != NULL && path[0] != '\0') {
        if (add_socket(sockets, path))
            return true;
        return error_set(error, ERROR_INPUT, "bad-control", "%.40s... is too long for a socket",
                         path);
    }
    glob_t found;
    if (glob(CONFIG_CONTROL_DIRECTORY "/*.sock", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            (void)add_socket(sockets, found.gl_pathv[i]);
        globfree(&found);
    }
    if (sockets->count > 0)
        return true;
    return error_set(error, ERROR_UNAVAILABLE, "no-node",
                     "no node runs here: there is no socket in %s; start one with `ivip run FILE`, "
                     "or say with --control where its socket is",
                     CONFIG_CONTROL_DIRECTORY);
}

// A connected socket; -1 with `error` filled.
static int connect_to(const char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        error_set(error, ERROR_INPUT, "bad-control", "%.40s... is too long for a socket", path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    struct timeval limit = {.tv_sec = TIMEOUT_SECONDS};
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock >= 0 && setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
        setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0 &&
        connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0)
        return sock;
    const char *next = errno == EACCES                            ? "; try it with sudo"
                       : errno == ENOENT || errno == ECONNREFUSED ? "; is the node running?"
                                                                  : "";
    error_set(error, errno == EACCES ? ERROR_DENIED : ERROR_UNAVAILABLE, "no-node",
              "the node at %s does not answer: %s%s", path, strerror(errno), next);
    if (sock >= 0)
        (void)close(sock);
    return -1;
}

static bool send_all(int sock, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(sock, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

// Reads up to the newline; NULL where none came.
static char *read_line(int sock, size_t *length)
{
    size_t capacity = 65536;
    char *line = memory_new(capacity);
    *length = 0;
    for (;;) {
        ssize_t got = recv(sock, line + *length, capacity - *length, 0);
        if (got <= 0 || *length + (size_t)got > ANSWER_MAX) {
            memory_free(line);
            return NULL;
        }
        *length += (size_t)got;
        if (line[*length - 1] == '\n')
            return line;
        if (*length == capacity) {
            capacity *= 2;
            line = memory_resize(line, capacity);
        }
    }
}

// The answer, or NULL and the error that it is.
static json_t *read_answer(const char *path, const char *line, size_t length, struct error *error)
{
    json_t *answer = json_loadb(line, length, 0, NULL);
    const json_t *refusal = json_object_get(answer, "error");
    if (json_is_object(answer) && refusal == NULL)
        return answer;
    const char *reason = json_string_value(json_object_get(refusal, "reason"));
    const char *text = json_string_value(json_object_get(refusal, "text"));
    if (text != NULL)
        error_set(error, ERROR_CONFLICT, reason == NULL ? "refused" : reason, "%s", text);
    else
        error_set(error, ERROR_FORMAT, "bad-answer", "the node at %s answers nonsense", path);
    json_decref(answer);
    return NULL;
}

json_t *control_call(const char *path, json_t *request, struct error *error)
{
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    assert(text != NULL);
    json_t *answer = NULL;
    int sock = connect_to(path, error);
    if (sock >= 0) {
        size_t length = 0;
        char *line = NULL;
        if (send_all(sock, text, strlen(text)) && send_all(sock, "\n", 1))
            line = read_line(sock, &length);
        if (line == NULL)
            error_set(error, ERROR_UNAVAILABLE, "no-answer",
                      "the node at %s took the request but did not answer", path);
        else
            answer = read_answer(path, line, length, error);
        memory_free(line);
        (void)close(sock);
    }
    free(text);
    return answer;
}

json_t *control_ask(const struct arguments *arguments, json_t *request, struct error *error)
{
    struct control_sockets sockets;
    json_t *answer = NULL;
    bool found = control_sockets_find(arguments, &sockets, error);
    bool elsewhere = found;
    for (size_t i = 0; elsewhere && i < sockets.count; i++) {
        struct error refusal = {0};
        answer = control_call(sockets.paths[i], json_incref(request), &refusal);
        // A node that died left its socket; it may be the one that was meant, or another.
        bool unknown = strcmp(refusal.reason, "unknown-command") == 0;
        elsewhere = answer == NULL && (unknown || (refusal.code == ERROR_UNAVAILABLE &&
                                                   strcmp(refusal.reason, "no-node") == 0));
        if (i == 0 || !unknown)
            *error = refusal;
    }
    json_decref(request);
    return answer;
}
