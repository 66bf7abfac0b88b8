// SPDX-License-Identifier: BSD-2-Clause
// JSON answers as text for people: names and values in columns, lists of objects as tables.
#ifndef IVIP_CLI_RENDER_H
#define IVIP_CLI_RENDER_H

#include <jansson.h>
#include <stddef.h>

// A value in words; `name` decides how: "age_ms" and "uptime_s" become times, "_bytes" sizes.
// Returns `buffer`.
const char *render_value(const char *name, const json_t *value, char *buffer, size_t size);
// An object's members, indented by `depth` columns. "healthy", "why" and "v" are left to the
// caller.
void render_object(const json_t *object, int depth);
// A list of objects as a table with a heading; of other things, a line each.
void render_list(const json_t *list, int depth);

#endif
