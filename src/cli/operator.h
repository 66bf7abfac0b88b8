// SPDX-License-Identifier: BSD-2-Clause
// Commands of a RUAS's operator over the control socket, and what is printed of their answers.
#ifndef IVIP_CLI_OPERATOR_H
#define IVIP_CLI_OPERATOR_H

#include "cli/command.h"

#include <jansson.h>

// Sends the request (its reference is taken over); prints the answer as JSON, or `done`.
int operator_do(const struct arguments *arguments, json_t *request, const char *done);
// The same for an answer with a list of objects under `key`: printed as a table.
int operator_list(const struct arguments *arguments, json_t *request, const char *key);

#endif
