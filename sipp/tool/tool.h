// SPDX-License-Identifier: BSD-2-Clause
// The `sipp` command: what its files share.
#ifndef SIPP_TOOL_TOOL_H
#define SIPP_TOOL_TOOL_H

#include "sipp/lib/names.h"
#include "sipp/lib/route.h"

#include <jansson.h>

#define CONTROL_DEFAULT "/run/sippd.sock"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

struct options {
    const char *control;
    const char *names_file;
    struct names *names;
    const char *via;
    const char *route;
    const char *dns; // IPv4 address of a name server; NULL: the system's
    int count;
    int size;
    int hop_limit;
    int wait; // milliseconds for each answer
    bool metrics;
    bool help;
    bool printed;    // the command has written its own JSON
    json_t *results; // with --json: what is printed at the end; else NULL
};

// Each command gets the words behind its own; returns the exit status.
int command_addr(struct options *options, char **words, int count);
int command_registry(struct options *options, char **words, int count);
int command_ping(struct options *options, char **words, int count);
int command_trace(struct options *options, char **words, int count);
int command_route(struct options *options, char **words, int count);
int command_status(struct options *options, char **words, int count);
int command_join(struct options *options, char **words, int count);
int command_leave(struct options *options, char **words, int count);
int command_reverse(struct options *options, char **words, int count);

// Asks the DNS for the address sequences of a name; returns how many `paths` (at most `size`) were
// filled, 0 after saying why there is none.
size_t dns_sequences(const struct options *options, const char *name, struct path *paths,
                     size_t size);

// Prints what a command says of itself; false where there is none of that name.
bool help_print(const char *word);
// A whole file of text; the caller frees it with memory_free. NULL where it is none, or too long;
// ERROR_NOT_FOUND where there is no such file.
char *file_text(const char *file, struct error *error);
// One result: with --json `object` (taken over) joins the results, else the text is printed.
void say(const struct options *options, json_t *object, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Says a sentence on standard error and returns `status`.
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Asks the daemon one thing (the object is taken over) and returns its answer, or NULL after
// saying what went wrong; `status` is then the exit status.
json_t *daemon_ask(const struct options *options, json_t *command, int *status);

#endif
