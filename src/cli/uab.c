// SPDX-License-Identifier: BSD-2-Clause
#include "base/range.h"
#include "cli/control_client.h"
#include "cli/operator.h"
#include "node/http/json_error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// The request with the range in its normal form; NULL after a mistake.
static json_t *with_range(const struct arguments *arguments, const char *command)
{
    struct range range;
    struct error error = {0};
    char text[RANGE_TEXT_MAX];
    if (!range_parse(arguments->words[1], &range, &error)) {
        (void)usage_error(arguments, "%s", error.text);
        return NULL;
    }
    return json_pack("{s:s, s:s}", "command", command, "range", range_print(&range, text));
}

// Puts the most micronets that the UAB may have into the request, where that was given.
static bool add_limit(const struct arguments *arguments, json_t *request)
{
    const char *text = option_value(arguments, "micronets");
    if (text == NULL)
        return true;
    char *end = NULL;
    errno = 0;
    long long most = strtoll(text, &end, 10);
    if (errno == 0 && *end == '\0' && end != text && most > 0) {
        (void)json_object_set_new(request, "micronets", json_integer(most));
        return true;
    }
    json_decref(request);
    (void)usage_error(arguments, "--micronets takes a number from 1 on, not \"%.40s\"", text);
    return false;
}

static int add(const struct arguments *arguments)
{
    json_t *request = with_range(arguments, "ruas.uab-add");
    if (request == NULL)
        return STATUS_USAGE;
    (void)json_object_set_new(request, "user", json_text(arguments->words[2]));
    if (!add_limit(arguments, request))
        return STATUS_USAGE;
    return operator_do(arguments, request, "UAB delegated.");
}

static int list(const struct arguments *arguments)
{
    json_t *request = json_pack("{s:s}", "command", "ruas.uab-list");
    if (arguments->count == 2)
        (void)json_object_set_new(request, "user", json_text(arguments->words[1]));
    return operator_list(arguments, request, "uabs");
}

static int take_back(const struct arguments *arguments)
{
    json_t *request = with_range(arguments, "ruas.uab-remove");
    if (request == NULL)
        return STATUS_USAGE;
    if (option_value(arguments, "force") != NULL)
        (void)json_object_set_new(request, "force", json_true());
    return operator_do(arguments, request, "UAB taken back.");
}

static int run(const struct arguments *arguments)
{
    const char *verb = arguments->words[0];
    if (strcmp(verb, "add") == 0 && arguments->count == 3)
        return add(arguments);
    if (strcmp(verb, "list") == 0 && arguments->count <= 2)
        return list(arguments);
    if (strcmp(verb, "remove") == 0 && arguments->count == 2)
        return take_back(arguments);
    return usage_error(arguments, "add RANGE USER, list [USER] or remove RANGE was expected");
}

static const struct command_option options[] = {
    {"micronets", "NUMBER", "add: most micronets in it (65536)"},
    {"force", NULL, "remove: although there are micronets in it"},
    CONTROL_OPTION,
    {0},
};

const struct cli_command cli_uab = {
    .name = "uab",
    .synopsis = "add RANGE USER | list [USER] | remove RANGE",
    .summary = "address blocks of end users (its operator)",
    .help = "Delegates a range of a MAB to an end user, who may then make micronets in it; lists\n"
            "what is delegated to whom; takes it back. A UAB with micronets in it is only taken\n"
            "back with --force: they stay as they are, and nobody can change them until the range\n"
            "is delegated again.\n\n"
            "Examples:\n"
            "  sudo ivip uab add 20.1.0.0/24 anna\n"
            "  sudo ivip uab list\n",
    .read_on = "ivip user --help, docs/glossary.md (UAB)",
    .options = options,
    .words_min = 1,
    .words_max = 3,
    .run = run,
};
