// SPDX-License-Identifier: BSD-2-Clause
#include "cli/set.h"

static int run(const struct arguments *arguments)
{
    int status = STATUS_USAGE;
    json_t *micronet = set_micronet(arguments, arguments->words[0], &status);
    if (micronet == NULL)
        return status;
    json_t *parts = json_array();
    for (size_t i = 1; i < arguments->count; i++) {
        json_t *part = set_micronet(arguments, arguments->words[i], &status);
        if (part == NULL) {
            json_decref(micronet);
            json_decref(parts);
            return status;
        }
        (void)json_array_append_new(parts, part);
    }
    return set_send(
        arguments,
        json_pack("[{s:s, s:o, s:o}]", "do", "split", "micronet", micronet, "into", parts), NULL,
        NULL);
}

static const struct command_option options[] = {SET_OPTIONS};

const struct cli_command cli_split = {
    .name = "split",
    .synopsis = "[--dry-run] [--at TIME] MICRONET PART PART...",
    .summary = "divide a micronet",
    .help =
        "Divides a micronet into the parts, which must make up exactly the whole of it. It must\n"
        "be mapped to zero; to divide one that carries traffic, put map, split and map into\n"
        "one set (`ivip apply`), so that no packet sees a state in between.\n\n"
        "Examples:\n"
        "  ivip split 20.1.0.16/28 20.1.0.16/29 20.1.0.24/29\n"
        "  ivip split 20.1.0.16/28 20.1.0.16+3 20.1.0.19-20.1.0.31\n",
    .read_on = "ivip apply --help, ivip join --help",
    .options = options,
    .words_min = 3,
    .words_max = WORDS_ANY,
    .run = run,
};
