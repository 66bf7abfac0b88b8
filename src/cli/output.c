// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output.h"

#include "base/memory.h"
#include "base/text.h"
#include "cli/command.h"
#include "node/http/json_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void print_error(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "ivip: %s\n", text_make_printable(text));
}

static int status_of(enum error_code code)
{
    return code == ERROR_UNAVAILABLE ? STATUS_UNREACHABLE : STATUS_REFUSED;
}

int report_error(const struct error *error, bool json)
{
    if (json)
        (void)print_json(json_of_error(error));
    else
        print_error("%s", error->text);
    return status_of(error->code);
}

int print_json(json_t *document)
{
    size_t flags = isatty(STDOUT_FILENO) != 0 ? JSON_INDENT(2) : JSON_COMPACT;
    flags |= JSON_REAL_PRECISION(9); // nothing measured here is more exact
    (void)json_dumpf(document, stdout, flags);
    (void)putchar('\n');
    json_decref(document);
    return STATUS_DONE;
}

bool output_close_to_others(struct error *error)
{
    struct stat status;
    if (fstat(STDOUT_FILENO, &status) != 0 || !S_ISREG(status.st_mode) ||
        (status.st_mode & (S_IRWXG | S_IRWXO)) == 0 || fchmod(STDOUT_FILENO, 0600) == 0)
        return true;
    return error_set(error, ERROR_SYSTEM, "open-file",
                     "others could read the secret in that file, and its mode cannot be changed: "
                     "%s",
                     strerror(errno));
}

static const char *color(const char *sequence)
{
    const char *off = getenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe)
    bool plain = (off != NULL && off[0] != '\0') || isatty(STDOUT_FILENO) == 0;
    return plain ? "" : sequence;
}

const char *color_good(void)
{
    return color("\033[32m");
}

const char *color_bad(void)
{
    return color("\033[31m");
}

const char *color_dim(void)
{
    return color("\033[2m");
}

const char *color_bold(void)
{
    return color("\033[1m");
}

const char *color_end(void)
{
    return color("\033[0m");
}

struct table_text {
    size_t columns;
    int depth;
    size_t *widths;
    char **cells; // row after row
    size_t count;
    size_t capacity;
};

struct table_text *table_text_new(size_t columns, int depth)
{
    struct table_text *table = memory_new(sizeof(*table));
    table->columns = columns;
    table->depth = depth;
    table->widths = memory_new_array(columns, sizeof(table->widths[0]));
    return table;
}

void table_text_row(struct table_text *table, const char *const *cells)
{
    if (table->count + table->columns > table->capacity) {
        table->capacity = (table->capacity + table->columns) * 2;
        table->cells = memory_resize(table->cells, table->capacity * sizeof(table->cells[0]));
    }
    for (size_t i = 0; i < table->columns; i++) {
        size_t length = strlen(cells[i]);
        if (length > table->widths[i])
            table->widths[i] = length;
        table->cells[table->count++] = text_make_printable(memory_copy_text(cells[i]));
    }
}

void table_text_print(struct table_text *table)
{
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns;
        if (column == 0)
            (void)printf("%*s", table->depth, "");
        if (last)
            (void)printf("%s\n", table->cells[i]);
        else
            (void)printf("%-*s  ", (int)table->widths[column], table->cells[i]);
        memory_free(table->cells[i]);
    }
    memory_free(table->cells);
    memory_free(table->widths);
    memory_free(table);
}
