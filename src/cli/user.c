// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/operator.h"
#include "cli/output.h"
#include "cli/password.h"
#include "node/http/json_error.h"

#include <sodium.h>
#include <string.h>

// Asks for a password and sends it with the command.
static int send_password(const struct arguments *arguments, const char *command, const char *done)
{
    char password[PASSWORD_TEXT_MAX];
    struct error error = {0};
    if (!password_read(arguments->words[1], password, &error))
        return report_error(&error, arguments->json);
    json_t *request = json_pack("{s:s, s:o, s:s}", "command", command, "user",
                                json_text(arguments->words[1]), "password", password);
    sodium_memzero(password, sizeof(password));
    return operator_do(arguments, request, done);
}

static int run(const struct arguments *arguments)
{
    const char *verb = arguments->words[0];
    bool add = strcmp(verb, "add") == 0;
    bool change = strcmp(verb, "password") == 0;
    if ((add || change) && arguments->count != 2)
        return usage_error(arguments, "`ivip user %s` needs the NAME of one user", verb);
    if (add)
        return send_password(arguments, "ruas.user-add",
                             "User added; next: ivip uab add RANGE USER");
    if (change)
        return send_password(arguments, "ruas.user-password",
                             "Password changed; tokens are as they were: ivip token list USER");
    if (strcmp(verb, "list") == 0 && arguments->count == 1)
        return operator_list(arguments, json_pack("{s:s}", "command", "ruas.user-list"), "users");
    if (strcmp(verb, "remove") == 0 && arguments->count == 2)
        return operator_do(arguments,
                           json_pack("{s:s, s:o}", "command", "ruas.user-remove", "user",
                                     json_text(arguments->words[1])),
                           "User removed.");
    return usage_error(arguments, "add NAME, password NAME, list or remove NAME was expected");
}

static const struct command_option options[] = {CONTROL_OPTION, {0}};

const struct cli_command cli_user = {
    .name = "user",
    .synopsis = "add NAME | password NAME | list | remove NAME",
    .summary = "end users of this RUAS (its operator)",
    .help =
        "Adds, lists and removes the end users of the RUAS that runs on this machine, and gives\n"
        "them another password. A password is asked for twice; where standard input is no\n"
        "terminal, it is its first line. A user can be removed once no UAB is delegated to them "
        "any more.\n\n"
        "Examples:\n"
        "  sudo ivip user add anna\n"
        "  pwgen 20 1 | sudo ivip user add ben\n"
        "  sudo ivip user password anna\n"
        "  sudo ivip user list\n",
    .read_on = "ivip uab --help, ivip token --help, man ivip",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
