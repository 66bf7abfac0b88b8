// SPDX-License-Identifier: BSD-2-Clause
#include "base/range.h"
#include "cli/client.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

// Percent-encodes what a range may hold besides letters and digits.
static void encode(const char *text, char *buffer, size_t size)
{
    size_t used = 0;
    for (; *text != '\0' && used + 4 < size; text++) {
        bool plain = strchr("0123456789abcdefABCDEF.:-", *text) != NULL;
        if (plain)
            buffer[used++] = *text;
        else
            used += (size_t)snprintf(buffer + used, size - used, "%%%02X", (unsigned char)*text);
    }
    buffer[used] = '\0';
}

static void print(const json_t *answer)
{
    const json_t *micronets = json_object_get(answer, "micronets");
    struct table_text *table = table_text_new(2, 0);
    size_t i = 0;
    const json_t *micronet = NULL;
    json_array_foreach(micronets, i, micronet)
    {
        const char *range = json_string_value(json_object_get(micronet, "micronet"));
        const char *etr = json_string_value(json_object_get(micronet, "etr"));
        table_text_row(table,
                       (const char *[]){range == NULL ? "?" : range, etr == NULL ? "-" : etr});
    }
    table_text_print(table);
    if (i == 0)
        (void)fprintf(stderr, "No micronets there; `ivip define` makes one of unused space.\n");
}

static int run(const struct arguments *arguments)
{
    char path[256] = "/v1/micronets";
    struct error error = {0};
    if (arguments->count > 0) {
        struct range range;
        char printed[RANGE_TEXT_MAX];
        char encoded[3 * RANGE_TEXT_MAX];
        if (!range_parse(arguments->words[0], &range, &error))
            return usage_error(arguments->command, "%s", error.text);
        encode(range_print(&range, printed), encoded, sizeof(encoded));
        (void)snprintf(path, sizeof(path), "/v1/micronets?range=%s", encoded);
    }
    struct client client;
    json_t *answer = NULL;
    if (client_open(&client, arguments, &error))
        answer = client_call(&client, "GET", path, NULL, NULL, &error);
    client_release(&client);
    if (answer == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        return print_json(answer);
    print(answer);
    json_decref(answer);
    return STATUS_DONE;
}

static const struct command_option options[] = {CLIENT_OPTION, {0}};

const struct cli_command cli_show = {
    .name = "show",
    .synopsis = "[RANGE]",
    .summary = "my micronets and their ETRs",
    .help = "Lists your micronets with the ETR that each is mapped to, as the RUAS has them; with\n"
            "RANGE, those in it.\n\n"
            "Examples:\n"
            "  ivip show\n"
            "  ivip show 20.1.0.0/24\n"
            "  ivip show --json | jq -r '.micronets[] | select(.etr == \"zero\") | .micronet'\n",
    .read_on = "ivip query --help (what a query server answers), man ivip",
    .options = options,
    .words_max = 1,
    .run = run,
};
