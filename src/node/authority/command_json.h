// SPDX-License-Identifier: BSD-2-Clause
// Commands as JSON: how end users send them, how scheduled sets are stored, and how the audit trail
// shows them.
//
//     [{"do":"map","micronet":"20.1.0.16/28","etr":"198.18.3.1"},
//      {"do":"define","micronet":"20.1.0.32+3","etr":"zero"},
//      {"do":"split","micronet":"20.1.0.16/28","into":["20.1.0.16/29","20.1.0.24/29"]},
//      {"do":"join","micronets":["20.1.0.16/29","20.1.0.24/29"]},
//      {"do":"delete","micronet":"20.1.0.16/28"}]
#ifndef IVIP_NODE_AUTHORITY_COMMAND_JSON_H
#define IVIP_NODE_AUTHORITY_COMMAND_JSON_H

#include "authority/command.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

// Reads a set. Errors name the command, by its number from 1, and the member; `*failed` is its
// number from 0, or the length of the array where it is the array itself. The caller owns the set.
struct command_set *command_set_from_json(const json_t *json, size_t *failed, struct error *error);
// A new reference to an array, which command_set_from_json reads back to the same set.
json_t *command_set_to_json(const struct command_set *set);

// Reading members of an object; the errors name them.
// Refuses members that are not in `allowed` (ended by NULL).
bool json_check_members(const json_t *object, const char *const *allowed, struct error *error);
// A text that must be there; NULL with an error otherwise.
const char *json_get_text(const json_t *object, const char *name, struct error *error);

#endif
