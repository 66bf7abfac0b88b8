// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.h"
#include "cli/output.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct command_option no_options[] = {{0}};

static const struct command_option *options_of(const struct cli_command *command)
{
    return command->options != NULL ? command->options : no_options;
}

static void print_help(const struct cli_command *command)
{
    (void)printf("ivip %s - %s\n\nUsage: ivip %s%s%s\n\n%s", command->name, command->summary,
                 command->name, command->synopsis[0] == '\0' ? "" : " ", command->synopsis,
                 command->help);
    if (!command->verbatim) {
        (void)printf("\nOptions:\n");
        for (const struct command_option *option = options_of(command); option->name != NULL;
             option++) {
            char left[64];
            (void)snprintf(left, sizeof(left), "--%s%s%s", option->name,
                           option->argument == NULL ? "" : " ",
                           option->argument == NULL ? "" : option->argument);
            (void)printf("  %-20s %s\n", left, option->help);
        }
        (void)printf("  %-20s %s\n  %-20s %s\n", "--json", "print JSON, for scripts", "--help",
                     "print this");
    }
    (void)printf("\nExit status: 0 done, 1 refused or failed, 2 usage, 3 unreachable.\n"
                 "Read on: %s\n",
                 command->read_on);
}

int usage_error(const struct arguments *arguments, const char *format, ...)
{
    const struct cli_command *command = arguments->command;
    char text[ERROR_TEXT_MAX];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    if (arguments->json) {
        struct error error;
        (void)error_set(&error, ERROR_INPUT, "usage", "%s", text);
        (void)report_error(&error, true);
        return STATUS_USAGE;
    }
    print_error("%s", text);
    (void)fprintf(stderr, "Usage: ivip %s%s%s\nMore: ivip %s --help\n", command->name,
                  command->synopsis[0] == '\0' ? "" : " ", command->synopsis, command->name);
    return STATUS_USAGE;
}

const char *option_value(const struct arguments *arguments, const char *name)
{
    const struct command_option *options = options_of(arguments->command);
    for (size_t i = 0; options[i].name != NULL; i++)
        if (strcmp(options[i].name, name) == 0)
            return arguments->values[i];
    assert(false && "an option of this command");
    return NULL;
}

// Takes one option, at words[0]; `next` is the word behind it or NULL. Returns how many words it
// took; 0 after a mistake.
static size_t take_option(const char *word, const char *next, struct arguments *arguments,
                          int *status)
{
    const struct command_option *options = options_of(arguments->command);
    const char *name = word + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    for (size_t i = 0; options[i].name != NULL; i++) {
        if (strlen(options[i].name) != length || memcmp(options[i].name, name, length) != 0)
            continue;
        assert(i < COMMAND_OPTIONS_MAX);
        bool flag = options[i].argument == NULL;
        if (flag && value != NULL)
            *status = usage_error(arguments, "--%s takes no value", options[i].name);
        else if (!flag && value == NULL && next == NULL)
            *status = usage_error(arguments, "--%s needs %s behind it", options[i].name,
                                  options[i].argument);
        else {
            arguments->values[i] = flag ? "" : value != NULL ? value : next;
            return flag || value != NULL ? 1 : 2;
        }
        return 0;
    }
    *status = usage_error(arguments, "there is no option \"%.60s\"", word);
    return 0;
}

static bool check_words(const struct arguments *arguments, int *status)
{
    const struct cli_command *command = arguments->command;
    if (arguments->count < command->words_min)
        *status = usage_error(arguments, "something is missing behind \"ivip %s\"", command->name);
    else if (command->words_max != WORDS_ANY && arguments->count > command->words_max)
        *status = usage_error(arguments, "\"%.60s\" is one word too many",
                              arguments->words[command->words_max]);
    else
        return true;
    return false;
}

bool json_asked(size_t count, char **words)
{
    for (size_t i = 0; i < count && strcmp(words[i], "--") != 0; i++)
        if (strcmp(words[i], "--json") == 0)
            return true;
    return false;
}

bool arguments_read(const struct cli_command *command, size_t count, char **words,
                    struct arguments *arguments, int *status)
{
    *arguments = (struct arguments){.command = command, .words = words};
    bool options_end = command->verbatim;
    // Known before the first mistake is named.
    arguments->json = !options_end && json_asked(count, words);
    for (size_t i = 0; i < count; i++) {
        const char *word = words[i];
        bool help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
        if (help && (!options_end || (command->verbatim && count == 1))) {
            print_help(command);
            *status = STATUS_DONE;
            return false;
        }
        if (!options_end && strcmp(word, "--json") == 0)
            continue;
        if (!options_end && strcmp(word, "--") == 0) {
            options_end = true;
        } else if (!options_end && word[0] == '-' && word[1] != '\0') {
            size_t taken =
                take_option(word, i + 1 < count ? words[i + 1] : NULL, arguments, status);
            if (taken == 0)
                return false;
            i += taken - 1;
        } else {
            words[arguments->count++] = words[i];
        }
    }
    words[arguments->count] = NULL;
    return check_words(arguments, status);
}
