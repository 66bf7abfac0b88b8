// SPDX-License-Identifier: BSD-2-Clause
#include "cli/set.h"

static int run(const struct arguments *arguments)
{
    int status = STATUS_USAGE;
    json_t *micronet = set_micronet(arguments, arguments->words[0], &status);
    json_t *etr = micronet == NULL ? NULL : set_etr(arguments, arguments->words[1], &status);
    if (etr == NULL) {
        json_decref(micronet);
        return status;
    }
    return set_send(arguments,
                    json_pack("[{s:s, s:o, s:o}]", "do", "map", "micronet", micronet, "etr", etr),
                    NULL, NULL);
}

static const struct command_option options[] = {SET_OPTIONS};

const struct cli_command cli_map = {
    .name = "map",
    .synopsis = "[--dry-run] [--at TIME] MICRONET ETR|zero",
    .summary = "change where a micronet's packets go",
    .help = "Maps a micronet to the ETR that its packets shall be tunnelled to, or to zero: then\n"
            "ITRs drop them. MICRONET must be exactly one of your micronets (`ivip show`); to\n"
            "change boundaries see split, join, define and drop. The change is durable when the\n"
            "command returns, and every ITR that needs to know follows within about a second.\n\n"
            "A micronet is written as 20.1.0.16/28, 20.1.0.5-20.1.0.9, 20.1.0.5+5, 20.1.0.5, or\n"
            "2001:db8:0:40::/64+3.\n\n"
            "Examples:\n"
            "  ivip map 20.1.0.16/28 198.18.3.1       through provider A\n"
            "  ivip map 20.1.0.16/28 198.18.4.1       and now through provider B\n"
            "  ivip map 20.1.0.16/28 zero             to nobody\n"
            "  ivip map --at +2h 20.1.0.16/28 198.18.4.1\n",
    .read_on = "ivip apply --help for several at once, man ivip",
    .options = options,
    .words_min = 2,
    .words_max = 2,
    .run = run,
};
