// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"
#include "cli/output.h"
#include "cli/render.h"

#include <stdio.h>
#include <string.h>

// One set: its number, state and time, then its commands, as the RUAS holds them.
static void print_set(const json_t *set)
{
    char at[64];
    const char *state = json_string_value(json_object_get(set, "state"));
    (void)printf("%s%" JSON_INTEGER_FORMAT "%s  %s, at %s\n", color_bold(),
                 json_integer_value(json_object_get(set, "scheduled")), color_end(),
                 state == NULL ? "?" : state,
                 render_value("at", json_object_get(set, "at"), at, sizeof(at)));
    size_t i = 0;
    const json_t *command = NULL;
    json_array_foreach(json_object_get(set, "commands"), i, command)
    {
        const char *name = NULL;
        json_t *value = NULL;
        (void)printf("  ");
        json_object_foreach((json_t *)(uintptr_t)command, name, value)
        {
            char text[512];
            (void)printf(" %s", render_value(name, value, text, sizeof(text)));
        }
        (void)putchar('\n');
    }
}

static json_t *ask(const struct arguments *arguments, const char *method, const char *path,
                   struct error *error)
{
    struct client client;
    json_t *answer = NULL;
    if (client_open(&client, arguments, error))
        answer = client_call(&client, method, path, NULL, NULL, error);
    client_release(&client);
    return answer;
}

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    const char *verb = arguments->words[0];
    const char *number = arguments->count > 1 ? arguments->words[1] : "";
    bool cancel = strcmp(verb, "cancel") == 0 && number[0] != '\0' && strlen(number) < 20 &&
                  strspn(number, "0123456789") == strlen(number);
    if (!cancel && (strcmp(verb, "list") != 0 || arguments->count > 1))
        return usage_error(arguments, "list or cancel NUMBER was expected");
    char path[64] = "/v1/scheduled";
    if (cancel)
        (void)snprintf(path, sizeof(path), "/v1/scheduled/%s", number);
    json_t *answer = ask(arguments, cancel ? "DELETE" : "GET", path, &error);
    if (answer == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        return print_json(answer);
    size_t i = 0;
    const json_t *set = NULL;
    json_array_foreach(json_object_get(answer, "scheduled"), i, set)
    {
        print_set(set);
    }
    if (cancel)
        (void)puts("Cancelled.");
    else if (i == 0)
        (void)fprintf(stderr, "Nothing is scheduled.\n");
    json_decref(answer);
    return STATUS_DONE;
}

static const struct command_option options[] = {CLIENT_OPTION, {0}};

const struct cli_command cli_schedule = {
    .name = "schedule",
    .synopsis = "list | cancel NUMBER",
    .summary = "sets that wait for their time",
    .help = "Lists the sets that you sent with --at: those that wait, and what became of the\n"
            "others. Cancels one that still waits.\n\n"
            "Examples:\n"
            "  ivip map --at +2h 20.1.0.16/28 198.18.4.1\n"
            "  ivip schedule list\n"
            "  ivip schedule cancel 1\n",
    .read_on = "ivip map --help, man ivip",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
