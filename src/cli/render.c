// SPDX-License-Identifier: BSD-2-Clause
#include "cli/render.h"

#include "base/memory.h"
#include "base/text.h"
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 16
#define CELL_MAX    128

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);
    return length > end_length && strcmp(text + length - end_length, end) == 0;
}

// "85 ms", "12.5 s", "3 min 20 s", "4 h 10 min", "12 d 3 h".
static void render_time(double seconds, char *buffer, size_t size)
{
    uint64_t whole = (uint64_t)seconds;
    if (seconds < 1)
        (void)snprintf(buffer, size, "%.3g ms", seconds * 1000);
    else if (seconds < 60)
        (void)snprintf(buffer, size, "%.3g s", seconds);
    else if (seconds < 3600)
        (void)snprintf(buffer, size, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else if (seconds < 86400)
        (void)snprintf(buffer, size, "%" PRIu64 " h %" PRIu64 " min", whole / 3600,
                       whole % 3600 / 60);
    else
        (void)snprintf(buffer, size, "%" PRIu64 " d %" PRIu64 " h", whole / 86400,
                       whole % 86400 / 3600);
}

static void render_bytes(double bytes, char *buffer, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        bytes /= 1024;
    (void)snprintf(buffer, size, "%.4g %s", bytes, units[unit]);
}

static void render_inline(const json_t *list, char *buffer, size_t size)
{
    size_t used = 0;
    size_t i = 0;
    const json_t *item = NULL;
    (void)snprintf(buffer, size, "-");
    json_array_foreach(list, i, item)
    {
        char cell[CELL_MAX];
        int length = snprintf(buffer + used, size - used, "%s%s", i == 0 ? "" : ", ",
                              render_value("", item, cell, sizeof(cell)));
        used += length > 0 ? (size_t)length : 0;
        if (used >= size)
            break;
    }
}

const char *render_value(const char *name, const json_t *value, char *buffer, size_t size)
{
    buffer[0] = '\0';
    if (json_is_string(value))
        (void)snprintf(buffer, size, "%s", json_string_value(value));
    else if (json_is_boolean(value))
        (void)snprintf(buffer, size, "%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_null(value) || value == NULL)
        (void)snprintf(buffer, size, "-");
    else if (json_is_number(value) && ends_with(name, "_ms"))
        render_time(json_number_value(value) / 1000, buffer, size);
    else if (json_is_number(value) && (ends_with(name, "_s") || ends_with(name, "_seconds")))
        render_time(json_number_value(value), buffer, size);
    else if (json_is_number(value) && (ends_with(name, "_bytes") || strcmp(name, "bytes") == 0))
        render_bytes(json_number_value(value), buffer, size);
    else if (json_is_integer(value))
        (void)snprintf(buffer, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(buffer, size, "%.6g", json_real_value(value));
    else if (json_is_array(value))
        render_inline(value, buffer, size);
    return text_make_printable(buffer);
}

// A member's name for people: "age_ms" -> "age", "mab_sequence" -> "mab sequence".
static const char *render_name(const char *name, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "%s", name);
    static const char *const units[] = {"_ms", "_seconds", "_s", "_bytes"};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ends_with(buffer, units[i])) {
            buffer[strlen(buffer) - strlen(units[i])] = '\0';
            break;
        }
    }
    for (char *c = buffer; *c != '\0'; c++)
        if (*c == '_')
            *c = ' ';
    return buffer;
}

// The names of the columns: the members of the first object that are no objects themselves.
static size_t find_columns(const json_t *list, const char **names)
{
    size_t count = 0;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json_array_get(list, 0), name, value)
    {
        if (count < COLUMNS_MAX && !json_is_object(value))
            names[count++] = name;
    }
    return count;
}

static void render_table(const json_t *list, int depth)
{
    const char *names[COLUMNS_MAX];
    size_t columns = find_columns(list, names);
    if (columns == 0)
        return;
    char cells[COLUMNS_MAX][CELL_MAX];
    const char *row[COLUMNS_MAX];
    struct table_text *table = table_text_new(columns, depth);
    for (size_t i = 0; i < columns; i++)
        row[i] = render_name(names[i], cells[i], CELL_MAX);
    table_text_row(table, row);
    size_t i = 0;
    const json_t *object = NULL;
    json_array_foreach(list, i, object)
    {
        for (size_t j = 0; j < columns; j++)
            row[j] = render_value(names[j], json_object_get(object, names[j]), cells[j], CELL_MAX);
        table_text_row(table, row);
    }
    table_text_print(table);
}

void render_list(const json_t *list, int depth)
{
    if (json_is_object(json_array_get(list, 0))) {
        render_table(list, depth);
        return;
    }
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(list, i, item)
    {
        char cell[CELL_MAX];
        (void)printf("%*s%s\n", depth, "", render_value("", item, cell, sizeof(cell)));
    }
}

static bool is_left_out(const char *name)
{
    return strcmp(name, "healthy") == 0 || strcmp(name, "why") == 0 || strcmp(name, "v") == 0;
}

static bool is_nested(const json_t *value)
{
    return json_is_object(value) ||
           (json_is_array(value) && json_is_object(json_array_get(value, 0)));
}

void render_object(const json_t *object, int depth)
{
    struct table_text *table = table_text_new(2, depth);
    const char *name = NULL;
    json_t *value = NULL;
    char label[CELL_MAX];
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        char text[2048];
        if (is_left_out(name) || is_nested(value))
            continue;
        table_text_row(table, (const char *[]){render_name(name, label, sizeof(label)),
                                               render_value(name, value, text, sizeof(text))});
    }
    table_text_print(table);
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (!is_nested(value) || (json_is_object(value) && json_object_size(value) == 0))
            continue;
        (void)printf("%*s%s%s%s\n", depth, "", color_dim(), render_name(name, label, sizeof(label)),
                     color_end());
        if (json_is_object(value))
            render_object(value, depth + 2);
        else
            render_list(value, depth + 2);
    }
}
