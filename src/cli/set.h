// SPDX-License-Identifier: BSD-2-Clause
// Atomic sets of commands: what `ivip map`, `split`, `join`, `define`, `drop` and `apply` send.
#ifndef IVIP_CLI_SET_H
#define IVIP_CLI_SET_H

#include "base/error.h"
#include "cli/client.h"

#include <jansson.h>

#define SET_OPTIONS                                                                                \
    {"dry-run", NULL, "only check: would it be done?"},                                            \
        {"at", "TIME", "do it then: 2030-01-31T22:00:00Z, or +90s, +15m, +2h from now"},           \
        CLIENT_OPTION,                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

// Checks a micronet as it was written on the command line, and gives it back in its normal form as
// a new JSON text; NULL with *status filled after a mistake.
json_t *set_micronet(const struct arguments *arguments, const char *text, int *status);
// The same for an ETR's address or "zero".
json_t *set_etr(const struct arguments *arguments, const char *text, int *status);

// Prints a JSON array of micronets and their ETRs, as the RUAS gives them, as a table.
void set_print_micronets(const json_t *micronets);

// Sends the commands (a JSON array, whose reference is taken over) with the options of the command
// line, and prints what came of them. Returns the exit status. Where `explain` is not NULL, it may
// put a place in front of an error about one command (number from 0).
int set_send(const struct arguments *arguments, json_t *commands,
             void (*explain)(void *state, size_t command, struct error *error), void *state);

#endif
