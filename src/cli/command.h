// SPDX-License-Identifier: BSD-2-Clause
// The commands of `ivip`: each is a table entry with its options and its help, and one function.
//
//     main.c -> cli_command_find -> arguments_read (options, --help, --json) -> command->run
//
// What a command prints on standard output is its result, for people or as JSON; everything else
// goes to standard error.
#ifndef IVIP_CLI_COMMAND_H
#define IVIP_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

// Exit statuses, the same for every command.
enum {
    STATUS_DONE = 0,
    STATUS_REFUSED = 1,     // refused, or failed
    STATUS_USAGE = 2,       // the command line makes no sense
    STATUS_UNREACHABLE = 3, // a server or node did not answer
};

#define COMMAND_OPTIONS_MAX 12
#define WORDS_ANY           ((size_t)-1)

struct command_option {
    const char *name;     // "at" for --at; NULL ends a list
    const char *argument; // what stands behind it, "TIME"; NULL for a flag
    const char *help;     // one line
};

struct arguments;

struct cli_command {
    const char *name;
    const char *synopsis;                 // what stands behind the name: "MICRONET ETR"
    const char *summary;                  // one line, for the list of commands
    const char *help;                     // paragraphs and examples, ending in a newline
    const char *read_on;                  // where to read on
    const struct command_option *options; // NULL where there are none but --json and --help
    size_t words_min;                     // words besides options
    size_t words_max;                     // WORDS_ANY: any number
    bool verbatim; // all behind the name is words, options too: for programs that are passed on to
    int (*run)(const struct arguments *arguments);
};

// A command line, taken apart. The texts are those of the command line.
struct arguments {
    const struct cli_command *command;
    const char *values[COMMAND_OPTIONS_MAX]; // as command->options; NULL: not given
    bool json;
    size_t count;
    char **words; // `count` of them, then NULL
};

// The value of an option of this command ("" for a flag); NULL where it was not given.
const char *option_value(const struct arguments *arguments, const char *name);

// Takes apart what stands behind the command's name; `words` is reordered. True when the command is
// to be run; otherwise *status is what to exit with (help was printed, or a mistake named).
bool arguments_read(const struct cli_command *command, size_t count, char **words,
                    struct arguments *arguments, int *status);

// Whether --json is among the words, before "--".
bool json_asked(size_t count, char **words);

// Says what is wrong with the command line and how it is written, with --json as an error of reason
// "usage"; returns STATUS_USAGE.
int usage_error(const struct arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// All commands in the order in which `ivip help` lists them, ended by NULL.
extern const struct cli_command *const cli_commands[];
const struct cli_command *cli_command_find(const char *name);

extern const struct cli_command cli_run, cli_check, cli_key, cli_status, cli_doctor, cli_show,
    cli_map, cli_define, cli_split, cli_join, cli_drop, cli_apply, cli_schedule, cli_query, cli_mtu,
    cli_cache, cli_usage, cli_snapshot, cli_user, cli_uab, cli_token, cli_audit, cli_lab, cli_sim,
    cli_version, cli_zone;

#endif
