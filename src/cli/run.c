// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.h"
#include "cli/output.h"
#include "node/node.h"

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    if (node_run(arguments->words[0], &error))
        return STATUS_DONE;
    (void)report_error(&error, arguments->json);
    return STATUS_REFUSED;
}

const struct cli_command cli_run = {
    .name = "run",
    .synopsis = "FILE",
    .summary = "run a node",
    .help = "Runs the roles that the config FILE names, in the foreground, until SIGTERM or\n"
            "SIGINT. Log lines go to standard error; \"ready\" is the first when all roles have\n"
            "started. SIGHUP, or `systemctl reload`, makes it read FILE again: what changed is\n"
            "taken over whole, or not at all when something in it is wrong.\n\n"
            "Started as root it keeps only the capabilities that its roles need.\n\n"
            "Examples:\n"
            "  ivip check /etc/ivip/qsr.yaml && sudo ivip run /etc/ivip/qsr.yaml\n"
            "  systemctl start ivip@qsr\n",
    .read_on = "man ivip.yaml, docs/configuration.md",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
