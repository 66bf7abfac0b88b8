// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/operator.h"
#include "node/http/json_error.h"

#include <errno.h>
#include <stdlib.h>

static int run(const struct arguments *arguments)
{
    json_t *request = json_pack("{s:s}", "command", "ruas.audit");
    const char *limit = option_value(arguments, "limit");
    if (arguments->count > 0)
        (void)json_object_set_new(request, "user", json_text(arguments->words[0]));
    if (limit != NULL) {
        char *end = NULL;
        errno = 0;
        long long lines = strtoll(limit, &end, 10);
        if (errno != 0 || end == limit || *end != '\0') {
            json_decref(request);
            return usage_error(arguments->command, "--limit takes a number, not \"%.40s\"", limit);
        }
        (void)json_object_set_new(request, "limit", json_integer(lines));
    }
    return operator_list(arguments, request, "audit");
}

static const struct command_option options[] = {
    {"limit", "NUMBER", "how many lines, from 1 to 1000 (100)"},
    CONTROL_OPTION,
    {0},
};

const struct cli_command cli_audit = {
    .name = "audit",
    .synopsis = "[--limit NUMBER] [USER]",
    .summary = "who changed what (its operator)",
    .help = "Lists the newest lines of the RUAS's audit trail: every change that was made or\n"
            "refused, when, by whom, and from where; with USER, only that user's.\n\n"
            "Examples:\n"
            "  sudo ivip audit\n"
            "  sudo ivip audit --limit 1000 anna\n",
    .read_on = "ivip user --help, docs/authority.md",
    .options = options,
    .words_max = 1,
    .run = run,
};
