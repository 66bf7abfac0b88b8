// SPDX-License-Identifier: BSD-2-Clause
#include "cli/set.h"

static int run(const struct arguments *arguments)
{
    int status = STATUS_USAGE;
    json_t *micronet = set_micronet(arguments, arguments->words[0], &status);
    if (micronet == NULL)
        return status;
    return set_send(arguments, json_pack("[{s:s, s:o}]", "do", "delete", "micronet", micronet),
                    NULL, NULL);
}

static const struct command_option options[] = {SET_OPTIONS};

const struct cli_command cli_drop = {
    .name = "drop",
    .synopsis = "[--dry-run] [--at TIME] MICRONET",
    .summary = "delete a micronet",
    .help = "Deletes a micronet: its space is unused again. It must be mapped to zero first, so\n"
            "that nothing that carries traffic is deleted by a slip.\n\n"
            "Examples:\n"
            "  ivip map 20.1.0.16/28 zero && ivip drop 20.1.0.16/28\n",
    .read_on = "ivip map --help, ivip define --help",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
