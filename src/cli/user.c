// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/operator.h"
#include "cli/output.h"
#include "cli/password.h"
#include "node/http/json_error.h"

#include <sodium.h>
#include <string.h>

static int add(const struct arguments *arguments)
{
    if (arguments->count != 2)
        return usage_error(arguments, "`ivip user add` needs the NAME of one user");
    char password[PASSWORD_TEXT_MAX];
    struct error error = {0};
    if (!password_read(arguments->words[1], password, &error))
        return report_error(&error, arguments->json);
    json_t *request = json_pack("{s:s, s:o, s:s}", "command", "ruas.user-add", "user",
                                json_text(arguments->words[1]), "password", password);
    sodium_memzero(password, sizeof(password));
    return operator_do(arguments, request, "User added; next: ivip uab add RANGE USER");
}

static int run(const struct arguments *arguments)
{
    const char *verb = arguments->words[0];
    if (strcmp(verb, "add") == 0)
        return add(arguments);
    if (strcmp(verb, "list") == 0 && arguments->count == 1)
        return operator_list(arguments, json_pack("{s:s}", "command", "ruas.user-list"), "users");
    if (strcmp(verb, "remove") == 0 && arguments->count == 2)
        return operator_do(arguments,
                           json_pack("{s:s, s:o}", "command", "ruas.user-remove", "user",
                                     json_text(arguments->words[1])),
                           "User removed.");
    return usage_error(arguments, "add NAME, list or remove NAME was expected");
}

static const struct command_option options[] = {CONTROL_OPTION, {0}};

const struct cli_command cli_user = {
    .name = "user",
    .synopsis = "add NAME | list | remove NAME",
    .summary = "end users of this RUAS (its operator)",
    .help = "Adds, lists and removes the end users of the RUAS that runs on this machine. Adding\n"
            "asks for a password, twice; where standard input is no terminal, its first line is\n"
            "the password. A user can be removed once no UAB is delegated to them any more.\n\n"
            "Examples:\n"
            "  sudo ivip user add anna\n"
            "  pwgen 20 1 | sudo ivip user add ben\n"
            "  sudo ivip user list\n",
    .read_on = "ivip uab --help, ivip token --help, man ivip",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
