// SPDX-License-Identifier: BSD-2-Clause
// Hands everything on to the lab's own program: a separate one, in Python, since it drives other
// programs and needs none of this one's speed.
#include "cli/command.h"
#include "cli/output.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The program in the source tree that this binary was built in (build/ivip beside lab/), or the
// installed one.
static bool find_program(char *path, size_t size)
{
    char self[2048] = "";
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = length > 0 ? strrchr(self, '/') : NULL;
    if (slash != NULL) {
        *slash = '\0';
        (void)snprintf(path, size, "%s/../lab/ivip-lab", self);
        if (access(path, X_OK) == 0)
            return true;
    }
    (void)snprintf(path, size, "%s/ivip-lab", IVIP_LAB_DIRECTORY);
    return access(path, X_OK) == 0;
}

static int run(const struct arguments *arguments)
{
    char path[4096];
    if (!find_program(path, sizeof(path))) {
        print_error("the lab is not installed (%s is missing); build it from the source tree",
                    path);
        return STATUS_REFUSED;
    }
    char **words = memory_new_array(arguments->count + 2, sizeof(words[0]));
    words[0] = path;
    memcpy(words + 1, arguments->words, arguments->count * sizeof(words[0]));
    (void)fflush(stdout);
    (void)execv(path, words);
    print_error("%s cannot be run: %s", path, strerror(errno));
    memory_free(words);
    return STATUS_REFUSED;
}

const struct cli_command cli_lab = {
    .name = "lab",
    .synopsis = "up|down|exec|show ...",
    .summary = "the mini-Internet on this machine",
    .help = "Builds an Internet of network namespaces from a topology file, with BGP between its\n"
            "routers and Ivip nodes where the topology says; runs commands in it; takes it down.\n"
            "It needs root. `ivip lab` alone lists its commands.\n\n"
            "Examples:\n"
            "  sudo ivip lab up fig3\n"
            "  sudo ivip lab exec H1 -- ping -c 3 20.1.0.20\n"
            "  sudo ivip lab show fig3 --json\n"
            "  sudo ivip lab down\n",
    .read_on = "make demo, docs/lab.md",
    .words_max = WORDS_ANY,
    .verbatim = true,
    .run = run,
};
