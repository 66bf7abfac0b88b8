// SPDX-License-Identifier: BSD-2-Clause
#include "cli/set.h"

static int run(const struct arguments *arguments)
{
    int status = STATUS_USAGE;
    const char *target = arguments->count > 1 ? arguments->words[1] : "zero";
    json_t *micronet = set_micronet(arguments, arguments->words[0], &status);
    json_t *etr = micronet == NULL ? NULL : set_etr(arguments, target, &status);
    if (etr == NULL) {
        json_decref(micronet);
        return status;
    }
    return set_send(
        arguments, json_pack("[{s:s, s:o, s:o}]", "do", "define", "micronet", micronet, "etr", etr),
        NULL, NULL);
}

static const struct command_option options[] = {SET_OPTIONS};

const struct cli_command cli_define = {
    .name = "define",
    .synopsis = "[--dry-run] [--at TIME] MICRONET [ETR|zero]",
    .summary = "make a micronet of unused space",
    .help =
        "Makes the range a micronet and maps it to the ETR (zero where none is given). It must\n"
        "lie in one of your UABs, and nothing in it may be mapped to an ETR now.\n\n"
        "Examples:\n"
        "  ivip define 20.1.0.16/28 198.18.3.1\n"
        "  ivip define 2001:db8:0:40::/62\n",
    .read_on = "ivip map --help, docs/glossary.md (UAB, micronet)",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
