// SPDX-License-Identifier: BSD-2-Clause
// The `ivip` program: finds the command and runs it.
#include "cli/command.h"
#include "cli/output.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

const struct cli_command *const cli_commands[] = {
    &cli_run,    &cli_check, &cli_key,   &cli_status,   &cli_doctor,  &cli_show,     &cli_map,
    &cli_define, &cli_split, &cli_join,  &cli_drop,     &cli_apply,   &cli_schedule, &cli_query,
    &cli_mtu,    &cli_cache, &cli_usage, &cli_snapshot, &cli_zone,    &cli_user,     &cli_uab,
    &cli_token,  &cli_audit, &cli_lab,   &cli_sim,      &cli_version, NULL,
};

const struct cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

static void print_commands(FILE *out)
{
    (void)fprintf(out, "ivip - IP addresses that stay yours wherever you connect\n\n"
                       "Usage: ivip COMMAND ...\n\n");
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        (void)fprintf(out, "  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    (void)fprintf(out, "\nEach explains itself: ivip COMMAND --help. All of them: man ivip.\n"
                       "Start here: make demo, then docs/architecture.md.\n");
}

static int no_command(const char *name, bool json)
{
    struct error error;
    (void)error_set(&error, ERROR_INPUT, "usage",
                    "there is no command \"%.60s\"; `ivip help` lists them", name);
    (void)report_error(&error, json);
    return STATUS_USAGE;
}

int main(int count, char **words)
{
    if (sodium_init() < 0) {
        print_error("libsodium did not start: no random numbers");
        return STATUS_REFUSED;
    }
    const char *name = count > 1 ? words[1] : "";
    bool help = strcmp(name, "help") == 0;
    if (help && count > 2) {
        // "ivip help map" is "ivip map --help".
        static char option[] = "--help";
        words[1] = words[2];
        words[2] = option;
        name = words[1];
        count = 3;
        help = false;
    }
    if (help || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_commands(stdout);
        return STATUS_DONE;
    }
    if (name[0] == '\0') {
        print_commands(stderr);
        return STATUS_USAGE;
    }
    const struct cli_command *command =
        cli_command_find(strcmp(name, "--version") == 0 ? "version" : name);
    if (command == NULL)
        return no_command(name, json_asked((size_t)count - 1, words + 1));
    struct arguments arguments;
    int status = STATUS_DONE;
    if (!arguments_read(command, (size_t)count - 2, words + 2, &arguments, &status))
        return status;
    status = command->run(&arguments);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        print_error("the output could not be written");
        return STATUS_REFUSED;
    }
    return status;
}
