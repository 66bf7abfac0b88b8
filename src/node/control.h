// SPDX-License-Identifier: BSD-2-Clause
// The control socket: how `ivip status` and the other commands of the operator reach a running
// node. A Unix socket that only the node's account may open.
//
// One JSON object a line: {"command":"status", ...}. Each gets one line back: {"v":1, ...} or
// {"v":1,"error":{"reason":...,"text":...}}.
#ifndef IVIP_NODE_CONTROL_H
#define IVIP_NODE_CONTROL_H

#include "node/node.h"

#define CONTROL_CLIENTS_MAX  32        // connections beyond these are closed at once
#define CONTROL_LINE_MAX     (1 << 20) // longest request, in bytes
#define CONTROL_COMMANDS_MAX 64

struct control;

struct control *control_new(struct node *node);
void control_add(struct control *control, const char *name, control_command *command, void *state);
void control_add_work(struct control *control, const char *name, const struct control_work *work,
                      void *state);
// Starts to listen. A socket left behind by a node that died is replaced; that of a node that
// lives is an error.
bool control_open(struct control *control, const char *path, struct error *error);
// Closes all connections, removes the socket, and frees `control` once the loop has closed them.
void control_close(struct control *control);

#endif
