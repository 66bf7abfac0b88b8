// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"
#include "cli/control_client.h"
#include "cli/output.h"
#include "cli/render.h"
#include "node/http/json_error.h"

#include <stdio.h>
#include <string.h>

// One set: its number, user, state and time, and why it was refused; then its commands, as the RUAS
// holds them.
static void print_set(const json_t *set)
{
    char at[64];
    char why[512];
    const char *user = json_string_value(json_object_get(set, "user"));
    const char *state = json_string_value(json_object_get(set, "state"));
    const json_t *refusal = json_object_get(set, "text");
    (void)printf("%s%" JSON_INTEGER_FORMAT "%s  %s, %s, at %s%s%s\n", color_bold(),
                 json_integer_value(json_object_get(set, "scheduled")), color_end(),
                 user == NULL ? "?" : user, state == NULL ? "?" : state,
                 render_value("at", json_object_get(set, "at"), at, sizeof(at)),
                 refusal == NULL ? "" : ": ",
                 refusal == NULL ? "" : render_value("text", refusal, why, sizeof(why)));
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

// Those of all users, or of one, by the node here.
static json_t *ask_node(const struct arguments *arguments, struct error *error)
{
    json_t *request = json_pack("{s:s}", "command", "ruas.scheduled");
    if (arguments->count > 1)
        (void)json_object_set_new(request, "user", json_text(arguments->words[1]));
    return control_ask(arguments, request, error);
}

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    const char *verb = arguments->words[0];
    const char *number = arguments->count > 1 ? arguments->words[1] : "";
    bool cancel = strcmp(verb, "cancel") == 0 && number[0] != '\0' && strlen(number) < 20 &&
                  strspn(number, "0123456789") == strlen(number);
    bool all = strcmp(verb, "all") == 0;
    if (!cancel && !all && (strcmp(verb, "list") != 0 || arguments->count > 1))
        return usage_error(arguments, "list, cancel NUMBER or all [USER] was expected");
    char path[64] = "/v1/scheduled";
    if (cancel)
        (void)snprintf(path, sizeof(path), "/v1/scheduled/%s", number);
    json_t *answer =
        all ? ask_node(arguments, &error) : ask(arguments, cancel ? "DELETE" : "GET", path, &error);
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

static const struct command_option options[] = {CLIENT_OPTION, CONTROL_OPTION, {0}};

const struct cli_command cli_schedule = {
    .name = "schedule",
    .synopsis = "list | cancel NUMBER | all [USER]",
    .summary = "sets that wait for their time",
    .help = "Lists the sets that you sent with --at: those that wait, and what became of the\n"
            "others. Cancels one that still waits. With all, the operator of the RUAS on this\n"
            "machine sees those of all users, or of one.\n\n"
            "Examples:\n"
            "  ivip map --at +2h 20.1.0.16/28 198.18.4.1\n"
            "  ivip schedule list\n"
            "  ivip schedule cancel 1\n"
            "  sudo ivip schedule all anna\n",
    .read_on = "ivip map --help, man ivip",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
