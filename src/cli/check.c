// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.h"
#include "cli/output.h"
#include "node/config/config.h"

#include <stdio.h>
#include <string.h>

// What is printed is YAML, so that it can be kept as a config that leaves nothing to defaults.
static void print_text(const json_t *text)
{
    const char *plain = json_string_value(text);
    if (strcspn(plain, ":[]{},#&*!|>'\"%@\\ ") == strlen(plain))
        (void)printf("%s", plain);
    else
        (void)json_dumpf(text, stdout, JSON_ENCODE_ANY); // a YAML text in double quotes, too
}

static void print_value(const char *key, const json_t *value);

// A list of texts on one line; of objects, each beginning with a dash.
static void print_list(const json_t *list)
{
    size_t i = 0;
    const json_t *item = NULL;
    bool objects = json_is_object(json_array_get(list, 0));
    (void)printf(objects ? "\n" : " [");
    json_array_foreach(list, i, item)
    {
        const char *name = NULL;
        json_t *value = NULL;
        const char *lead = "    - ";
        if (!objects) {
            (void)printf("%s", i == 0 ? "" : ", ");
            print_text(item);
            continue;
        }
        json_object_foreach((json_t *)(uintptr_t)item, name, value)
        {
            (void)printf("%s", lead);
            print_value(name, value);
            lead = "      ";
        }
    }
    (void)printf(objects ? "" : "]\n");
}

static void print_value(const char *key, const json_t *value)
{
    (void)printf("%s:", key);
    if (json_is_array(value)) {
        print_list(value);
        return;
    }
    (void)putchar(' ');
    if (json_is_string(value))
        print_text(value);
    else if (json_is_integer(value))
        (void)printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        (void)printf("%s", json_is_true(value) ? "true" : "false");
    (void)putchar('\n');
}

static void print_config(const json_t *config)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        const char *inner = NULL;
        json_t *of_inner = NULL;
        bool unset = json_is_string(value) && json_string_length(value) == 0;
        if (strcmp(key, "v") == 0 || unset)
            continue;
        if (!json_is_object(value)) {
            print_value(key, value);
            continue;
        }
        (void)printf("%s:\n", key);
        json_object_foreach(value, inner, of_inner)
        {
            (void)printf("  ");
            print_value(inner, of_inner);
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
            "filled in, as YAML. A mistake is named with file, line and column, and what was "
            "expected.\n"
            "Nothing is started or changed.\n\n"
            "Examples:\n"
            "  ivip check /etc/ivip/qsr.yaml\n"
            "  ivip check --json qsa.yaml | jq .qsa.caching_time\n",
    .read_on = "man ivip.yaml, docs/configuration.md",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
