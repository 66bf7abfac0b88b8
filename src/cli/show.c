// SPDX-License-Identifier: BSD-2-Clause
#include "base/range.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/set.h"

#include <stdio.h>
#include <string.h>

#define PAGE_MICRONETS 1000 // asked for at a time
#define PATH_TEXT_MAX  1024

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
    set_print_micronets(micronets);
    if (json_array_size(micronets) == 0)
        (void)fprintf(stderr, "No micronets there; `ivip define` makes one of unused space.\n");
}

// All pages of the answer in one list; NULL with `error` filled.
static json_t *fetch(const struct client *client, const char *range, struct error *error)
{
    json_t *all = json_array();
    char after[3 * RANGE_TEXT_MAX] = "";
    for (;;) {
        char path[PATH_TEXT_MAX];
        (void)snprintf(path, sizeof(path), "/v1/micronets?limit=%d%s%s%s%s", PAGE_MICRONETS,
                       range[0] == '\0' ? "" : "&range=", range,
                       after[0] == '\0' ? "" : "&after=", after);
        json_t *page = client_call(client, "GET", path, NULL, NULL, error);
        if (page == NULL) {
            json_decref(all);
            return NULL;
        }
        (void)json_array_extend(all, json_object_get(page, "micronets"));
        const char *next = json_string_value(json_object_get(page, "next"));
        if (next != NULL)
            encode(next, after, sizeof(after));
        json_decref(page);
        if (next == NULL)
            return json_pack("{s:i, s:o}", "v", 1, "micronets", all);
    }
}

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    char encoded[3 * RANGE_TEXT_MAX] = "";
    if (arguments->count > 0) {
        struct range range;
        char printed[RANGE_TEXT_MAX];
        if (!range_parse(arguments->words[0], &range, &error))
            return usage_error(arguments, "%s", error.text);
        encode(range_print(&range, printed), encoded, sizeof(encoded));
    }
    struct client client;
    json_t *answer = NULL;
    if (client_open(&client, arguments, &error))
        answer = fetch(&client, encoded, &error);
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
