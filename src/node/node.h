// SPDX-License-Identifier: BSD-2-Clause
// One running process: its event loop, config, key, and the roles in it.
//
// Each role has a shell, role_NAME.c, that owns the sockets and timers around a core, drives it
// (input, then outputs and events until there are none, then the next deadline) and answers for it
// here: metrics, status, health. All of them run in the one thread of the loop; slow work
// (password hashes, compression) goes to libuv's workers, and TLS to the threads of HTTP servers.
#ifndef IVIP_NODE_NODE_H
#define IVIP_NODE_NODE_H

#include "base/error.h"
#include "base/instant.h"
#include "base/key.h"
#include "base/random.h"
#include "node/config/config.h"
#include "node/metrics.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct node;

#define NODE_ROLES_MAX 8

// What a role's shell gives the node. The functions get `state` and run in the loop's thread.
struct role {
    const char *name; // "qsa"; a constant
    void *state;
    // Adds the role's metrics to a page.
    void (*write_metrics)(void *state, struct metrics_page *page);
    // What `ivip status` shows: a new reference to a JSON object.
    json_t *(*status)(void *state);
    // True when the role does its work; otherwise `why` (of `size` bytes) says in a sentence what
    // is missing.
    bool (*healthy)(void *state, char *why, size_t size);
    // Takes over a new config; on false nothing changed. NULL where nothing can be reloaded.
    bool (*reload)(void *state, const struct config *config, struct error *error);
    // Closes every handle and frees `state` when they are closed.
    void (*stop)(void *state);
    // The config names files that the role reads: it is reloaded also where the config is the same.
    bool reads_files;
};

// Answers a command from the control socket. `request` is the JSON object sent. Returns a new
// reference to the answer, or NULL with `error` filled.
typedef json_t *control_command(void *state, const json_t *request, struct error *error);

uv_loop_t *node_loop(struct node *node);
// The config in force. A reload puts another in its place, but what was given out here before
// stays readable until the node ends.
const struct config *node_config(const struct node *node);
const struct secret_key *node_key(const struct node *node);
// The monotonic time, read once for each turn of the loop.
struct instant node_now(const struct node *node);
struct wall_time node_wall_time(const struct node *node);
// A fresh seed for a core.
struct random_seed node_seed(const struct node *node);

void node_add_role(struct node *node, const struct role *role);
// The state of the role with that name in this node, or NULL: how roles of one process meet.
void *node_role(const struct node *node, const char *name);
// Commands are named "ROLE.verb", e.g. "ruas.user-add".
void node_add_command(struct node *node, const char *name, control_command *command, void *state);

// A command that takes long: its work is done by one of libuv's workers while the loop goes on.
struct control_work {
    // Makes a job of a request, in the loop's thread; NULL with `error` filled.
    void *(*begin)(void *state, const json_t *request, struct error *error);
    // In a worker; may use nothing but the job.
    void (*run)(void *job);
    // Answers as a control_command does, in the loop's thread.
    json_t *(*end)(void *state, void *job, struct error *error);
    // Frees the job: after its end, or instead of it where the node stops meanwhile.
    void (*drop)(void *job);
};
// `work` must stay.
void node_add_work(struct node *node, const char *name, const struct control_work *work,
                   void *state);

// Adds what the node itself, not its roles, counts.
void node_write_metrics(const struct node *node, struct metrics_page *page);
double node_uptime_seconds(const struct node *node);
// All roles, in the order in which they were added.
size_t node_role_count(const struct node *node);
const struct role *node_role_at(const struct node *node, size_t i);

// A node without roles: what node_run begins with, and what the tests of a shell run it in. Takes
// over the config, copies the key.
struct node *node_new(struct config *config, const struct secret_key *key);
// Stops all roles, newest first, lets the loop run until every handle is closed, and frees the
// node with its config.
void node_free(struct node *node);

// Runs the config until SIGTERM or SIGINT, and reloads it on SIGHUP. Returns true after an orderly
// stop; on false it could not start, and `error` says why.
bool node_run(const char *config_path, struct error *error);

#endif
