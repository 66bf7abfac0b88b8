// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.h"
#include "cli/output.h"

#include <stdio.h>

static int run(const struct arguments *arguments)
{
    if (arguments->json)
        return print_json(
            json_pack("{s:i, s:s, s:i}", "v", 1, "version", IVIP_VERSION, "protocol", 1));
    (void)printf("ivip %s (protocol 1)\n", IVIP_VERSION);
    return STATUS_DONE;
}

const struct cli_command cli_version = {
    .name = "version",
    .synopsis = "",
    .summary = "print the version",
    .help = "Prints the version of the program and of the protocol that it speaks.\n",
    .read_on = "docs/protocol.md",
    .run = run,
};
