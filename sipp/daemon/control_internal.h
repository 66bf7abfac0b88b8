// SPDX-License-Identifier: BSD-2-Clause
// What the files of the control socket share.
#ifndef SIPP_DAEMON_CONTROL_INTERNAL_H
#define SIPP_DAEMON_CONTROL_INTERNAL_H

#include "sipp/daemon/sippd.h"
#include "sipp/lib/notation.h"

#include <jansson.h>

#define LINE_MAX_BYTES 4096
#define CLIENTS_MAX    32
#define ECHOES_MAX     256

struct client {
    struct control *control;
    uv_pipe_t pipe;
    bool closing;
    char line[LINE_MAX_BYTES];
    size_t used;
};

// An echo that waits for its answer.
struct echo {
    struct client *client; // NULL: free
    uint16_t number;
    uint64_t sent; // nanoseconds
    uint64_t wait; // nanoseconds
    struct route route;
    bool whole_way; // nobody meant it to end before
};

struct control {
    struct sippd *sippd;
    uv_pipe_t server;
    uv_timer_t timer;
    char path[108];
    struct client *clients[CLIENTS_MAX];
    struct echo echoes[ECHOES_MAX];
    uint16_t next_number;
};

// Takes the object over and sends it as a line.
void answer(struct client *client, json_t *object);
// The text of a key, or NULL.
const char *text_of(const json_t *command, const char *key);

// control_command.c: carries out what a line says; `answer` gets what comes of it, now or later.
void control_line(struct client *client, const char *line);

// control_echo.c
bool command_echo(struct control *control, struct client *client, const json_t *command,
                  struct error *error);
// Tells those whose echoes have waited too long.
void echoes_time_out(struct control *control);

#endif
