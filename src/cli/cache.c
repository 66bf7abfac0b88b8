// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/operator.h"

static int run(const struct arguments *arguments)
{
    return operator_list(arguments, json_pack("{s:s}", "command", "itr.cache"), "cache");
}

static const struct command_option options[] = {CONTROL_OPTION, {0}};

const struct cli_command cli_cache = {
    .name = "cache",
    .synopsis = "[--control SOCKET]",
    .summary = "mappings that the ITR here holds",
    .help = "Lists the mappings that the caching ITR on this machine holds, and how long each is\n"
            "good yet. An ITR with a full database holds none: see `ivip status`.\n\n"
            "Examples:\n"
            "  sudo ivip cache\n"
            "  sudo ivip cache --json | jq '.cache | length'\n",
    .read_on = "ivip query --help, docs/query.md",
    .options = options,
    .run = run,
};
