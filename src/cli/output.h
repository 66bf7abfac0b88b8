// SPDX-License-Identifier: BSD-2-Clause
// What the commands print.
#ifndef IVIP_CLI_OUTPUT_H
#define IVIP_CLI_OUTPUT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

// "ivip: SENTENCE" on standard error.
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The same from an error, or with `json` {"v":1,"error":{...}} on standard output. Returns the exit
// status that fits.
int report_error(const struct error *error, bool json);
// One JSON document on standard output; takes over the reference. Returns STATUS_DONE.
int print_json(json_t *document);

// Before a secret is printed: a redirection made the file before this program could, and what that
// lets others read is closed here. False, with `error` filled, where it cannot be.
bool output_close_to_others(struct error *error);

// Escape sequences on a terminal, "" elsewhere and where NO_COLOR is set.
const char *color_good(void);
const char *color_bad(void);
const char *color_dim(void);
const char *color_bold(void);
const char *color_end(void);

// A table with aligned columns, indented by `depth`: rows of `columns` cells are added, then all is
// written and freed.
struct table_text;
struct table_text *table_text_new(size_t columns, int depth);
void table_text_row(struct table_text *table, const char *const *cells);
void table_text_print(struct table_text *table);

#endif
