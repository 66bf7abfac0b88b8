// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.h"
#include "cli/output.h"
#include "node/config.h"

#include <stdio.h>
#include <string.h>

static void print_value(const char *key, const json_t *value, int depth);

static void print_list(const json_t *list, int depth)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(list, i, item)
    {
        const char *name = NULL;
        json_t *value = NULL;
        if (json_is_string(item)) {
            (void)printf("%s%s", i == 0 ? "" : ", ", json_string_value(item));
            continue;
        }
        const char *lead = "- ";
        json_object_foreach((json_t *)(uintptr_t)item, name, value)
        {
            (void)printf("\n%*s%s%s: %s", depth, "", lead, name, json_string_value(value));
            lead = "  ";
        }
    }
    (void)printf(json_array_size(list) == 0 ? "none\n" : "\n");
}

static void print_value(const char *key, const json_t *value, int depth)
{
    (void)printf("%*s%s: ", depth, "", key);
    if (json_is_array(value))
        print_list(value, depth + 2);
    else if (json_is_string(value))
        (void)printf("%s\n", json_string_length(value) == 0 ? "none" : json_string_value(value));
    else if (json_is_integer(value))
        (void)printf("%lld\n", (long long)json_integer_value(value));
    else
        (void)printf("%s\n", json_is_true(value) ? "true" : "false");
}

static void print_config(const json_t *config)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        if (strcmp(key, "v") == 0)
            continue;
        if (!json_is_object(value)) {
            print_value(key, value, 0);
            continue;
        }
        const char *inner = NULL;
        json_t *of_inner = NULL;
        (void)printf("%s:\n", key);
        json_object_foreach(value, inner, of_inner)
        {
            print_value(inner, of_inner, 2);
        }
    }
}

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    struct config *config = config_load(arguments->words[0], &error);
    if (config == NULL)
        return report_error(&error, arguments->json);
    json_t *description = config_describe(config);
    config_free(config);
    if (arguments->json)
        return print_json(description);
    print_config(description);
    json_decref(description);
    return STATUS_DONE;
}

const struct cli_command cli_check = {
    .name = "check",
    .synopsis = "FILE",
    .summary = "check a config file",
    .help = "Reads the config FILE as `ivip run` would, and prints what it says with all defaults\n"
            "filled in. A mistake is named with file, line and column, and what was expected.\n"
            "Nothing is started or changed.\n\n"
            "Examples:\n"
            "  ivip check /etc/ivip/qsr.yaml\n"
            "  ivip check --json qsa.yaml | jq .qsa.caching_time\n",
    .read_on = "man ivip.yaml, docs/configuration.md",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
