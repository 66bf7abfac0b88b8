// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/operator.h"
#include "cli/output.h"
#include "node/http/json_error.h"

#include <stdio.h>
#include <string.h>

static int add(const struct arguments *arguments)
{
    struct error error = {0};
    if (!output_close_to_others(&error))
        return report_error(&error, arguments->json);
    json_t *request = json_pack("{s:s, s:o}", "command", "ruas.token-add", "user",
                                json_text(arguments->words[1]));
    static const char *const passed_on[] = {"scope", "micronet", "expires"};
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
        const char *value = option_value(arguments, passed_on[i]);
        if (value != NULL)
            (void)json_object_set_new(request, passed_on[i], json_text(value));
    }
    json_t *answer = control_ask(arguments, request, &error);
    if (answer == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        return print_json(answer);
    const char *token = json_string_value(json_object_get(answer, "token"));
    // The token alone on standard output, so that it can be sent into a file.
    (void)printf("%s\n", token == NULL ? "" : token);
    (void)fprintf(stderr, "This is the only time that the token is shown.\n");
    json_decref(answer);
    return STATUS_DONE;
}

static int run(const struct arguments *arguments)
{
    const char *verb = arguments->words[0];
    if (strcmp(verb, "add") == 0 && arguments->count == 2)
        return add(arguments);
    if (strcmp(verb, "list") == 0 && arguments->count <= 2) {
        json_t *request = json_pack("{s:s}", "command", "ruas.token-list");
        if (arguments->count == 2)
            (void)json_object_set_new(request, "user", json_text(arguments->words[1]));
        return operator_list(arguments, request, "tokens");
    }
    if (strcmp(verb, "revoke") == 0 && arguments->count == 2)
        return operator_do(arguments,
                           json_pack("{s:s, s:o}", "command", "ruas.token-revoke", "id",
                                     json_text(arguments->words[1])),
                           "Token revoked.");
    return usage_error(arguments, "add USER, list [USER] or revoke ID was expected");
}

static const struct command_option options[] = {
    {"scope", "SCOPE", "add: read, map (change ETRs only) or all (the default)"},
    {"micronet", "RANGE", "add: good for this range only"},
    {"expires", "TIME", "add: good until then, 2030-01-31T22:00:00Z"},
    CONTROL_OPTION,
    {0},
};

const struct cli_command cli_token = {
    .name = "token",
    .synopsis = "add USER [OPTIONS] | list [USER] | revoke ID",
    .summary = "keys for programs of end users (its operator)",
    .help =
        "Makes a token, by which a program (`ivip map`, a multihoming monitor) may act for an\n"
        "end user, as far as its scope goes. It is shown once, and a file that it is sent into is\n"
        "made readable by its owner alone; the RUAS keeps only a digest.\n\n"
        "Examples:\n"
        "  sudo ivip token add anna > ~/.config/ivip/token\n"
        "  sudo ivip token add anna --scope map --micronet 20.1.0.16/28\n"
        "  sudo ivip token list\n"
        "  sudo ivip token revoke 3f5a0c1e9b7d2468\n",
    .read_on = "ivip user --help, man ivip (CLIENT CONFIG)",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
