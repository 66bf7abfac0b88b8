// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/output.h"
#include "cli/render.h"
#include "node/http/json_error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASKED_MAX 120 // octets of what was asked that are shown; all of it with --json
#define TEXT_MAX  512

// "map 20.1.0.16/28 zero; join 20.1.0.0/29, 20.1.0.8/29": the values, which explain themselves.
static void write_commands(FILE *out, const json_t *commands)
{
    size_t i = 0;
    const json_t *command = NULL;
    json_array_foreach(commands, i, command)
    {
        const char *name = NULL;
        const char *before = i == 0 ? "" : "; ";
        json_t *value = NULL;
        json_object_foreach((json_t *)(uintptr_t)command, name, value)
        {
            char text[TEXT_MAX];
            (void)fprintf(out, "%s%s", before, render_value(name, value, text, sizeof(text)));
            before = " ";
        }
    }
}

// What was asked: commands, or the members of a request as NAME=VALUE, those that have one.
static void write_asked(FILE *out, const json_t *what)
{
    const char *name = NULL;
    const char *before = "";
    json_t *value = NULL;
    if (json_is_array(what))
        write_commands(out, what);
    json_object_foreach((json_t *)(uintptr_t)what, name, value)
    {
        char text[TEXT_MAX];
        if (json_is_null(value) || json_is_false(value))
            continue;
        (void)fputs(before, out);
        before = " ";
        if (strcmp(name, "commands") == 0)
            write_commands(out, value);
        else
            (void)fprintf(out, "%s=%s", name, render_value(name, value, text, sizeof(text)));
    }
}

static const char *asked(const json_t *what, char buffer[ASKED_MAX + 4])
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    buffer[0] = '\0';
    if (out == NULL)
        return buffer;
    write_asked(out, what);
    (void)fclose(out);
    (void)snprintf(buffer, ASKED_MAX + 4, "%.*s%s", ASKED_MAX, length == 0 ? "-" : text,
                   length > ASKED_MAX ? "..." : "");
    free(text);
    return buffer;
}

static const char *result(const json_t *line, char buffer[TEXT_MAX])
{
    const char *text = json_string_value(json_object_get(line, "text"));
    json_int_t sequence = json_integer_value(json_object_get(line, "sequence"));
    if (!json_is_true(json_object_get(line, "accepted")))
        (void)snprintf(buffer, TEXT_MAX, "refused: %s", text == NULL ? "-" : text);
    else if (sequence > 0)
        (void)snprintf(buffer, TEXT_MAX, "set %" JSON_INTEGER_FORMAT, sequence);
    else
        (void)snprintf(buffer, TEXT_MAX, "done");
    return buffer;
}

static const char *member(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text == NULL || text[0] == '\0' ? "-" : text;
}

static void print_trail(const json_t *lines)
{
    struct table_text *table = table_text_new(7, 0);
    table_text_row(table,
                   (const char *[]){"time", "who", "with", "from", "action", "asked", "result"});
    size_t i = 0;
    const json_t *line = NULL;
    json_array_foreach(lines, i, line)
    {
        char what[ASKED_MAX + 4];
        char outcome[TEXT_MAX];
        table_text_row(table, (const char *[]){member(line, "time"), member(line, "who"),
                                               member(line, "with"), member(line, "from"),
                                               member(line, "action"),
                                               asked(json_object_get(line, "what"), what),
                                               result(line, outcome)});
    }
    table_text_print(table);
}

// NULL after a mistake.
static json_t *make_request(const struct arguments *arguments)
{
    const char *limit = option_value(arguments, "limit");
    json_t *request = json_pack("{s:s}", "command", "ruas.audit");
    if (arguments->count > 0)
        (void)json_object_set_new(request, "user", json_text(arguments->words[0]));
    if (limit == NULL)
        return request;
    char *end = NULL;
    errno = 0;
    long long lines = strtoll(limit, &end, 10);
    if (errno == 0 && end != limit && *end == '\0') {
        (void)json_object_set_new(request, "limit", json_integer(lines));
        return request;
    }
    json_decref(request);
    (void)usage_error(arguments, "--limit takes a number, not \"%.40s\"", limit);
    return NULL;
}

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    json_t *request = make_request(arguments);
    if (request == NULL)
        return STATUS_USAGE;
    json_t *answer = control_ask(arguments, request, &error);
    if (answer == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        return print_json(answer);
    const json_t *lines = json_object_get(answer, "audit");
    if (json_array_size(lines) == 0)
        (void)fprintf(stderr, "There is nothing to list yet.\n");
    else
        print_trail(lines);
    json_decref(answer);
    return STATUS_DONE;
}

static const struct command_option options[] = {
    {"limit", "NUMBER", "how many lines, from 1 to 1000 (100); fewer where they are long"},
    CONTROL_OPTION,
    {0},
};

const struct cli_command cli_audit = {
    .name = "audit",
    .synopsis = "[--limit NUMBER] [USER]",
    .summary = "who changed what (its operator)",
    .help =
        "Lists the newest lines of the RUAS's audit trail: every change that was made or\n"
        "refused, when, by whom, and from where; with USER, only that user's. What was asked is\n"
        "shown in short, and whole with --json.\n\n"
        "Examples:\n"
        "  sudo ivip audit\n"
        "  sudo ivip audit --limit 1000 anna\n",
    .read_on = "ivip user --help, docs/authority.md",
    .options = options,
    .words_max = 1,
    .run = run,
};
