// SPDX-License-Identifier: BSD-2-Clause
#include "cli/set.h"

static int run(const struct arguments *arguments)
{
    int status = STATUS_USAGE;
    json_t *micronets = json_array();
    for (size_t i = 0; i < arguments->count; i++) {
        json_t *micronet = set_micronet(arguments, arguments->words[i], &status);
        if (micronet == NULL) {
            json_decref(micronets);
            return status;
        }
        (void)json_array_append_new(micronets, micronet);
    }
    return set_send(arguments, json_pack("[{s:s, s:o}]", "do", "join", "micronets", micronets),
                    NULL, NULL);
}

static const struct command_option options[] = {SET_OPTIONS};

const struct cli_command cli_join = {
    .name = "join",
    .synopsis = "[--dry-run] [--at TIME] MICRONET MICRONET...",
    .summary = "make one micronet of neighbours",
    .help =
        "Makes one micronet of two or more that lie side by side. All must be mapped to zero;\n"
        "to join some that carry traffic, put map, join and map into one set (`ivip apply`).\n\n"
        "Examples:\n"
        "  ivip join 20.1.0.16/29 20.1.0.24/29\n",
    .read_on = "ivip apply --help, ivip split --help",
    .options = options,
    .words_min = 2,
    .words_max = WORDS_ANY,
    .run = run,
};
