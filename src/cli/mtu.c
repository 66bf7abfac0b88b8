// SPDX-License-Identifier: BSD-2-Clause
#include "cli/command.h"
#include "cli/output.h"
#include "node/routes.h"

#include <stdio.h>

// What the outer header takes: the same family's header without options.
#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40

static json_t *estimate(const char *text, struct error *error)
{
    struct address etr;
    struct address source;
    uint32_t mtu = 0;
    char from[ADDRESS_TEXT_MAX];
    char to[ADDRESS_TEXT_MAX];
    if (!address_parse(text, &etr, error))
        return NULL;
    if (!routes_find(&etr, &mtu, &source)) {
        error_set(error, ERROR_NOT_FOUND, "no-route", "this machine has no route to %s", text);
        return NULL;
    }
    uint32_t header = etr.family == FAMILY_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
    return json_pack("{s:s, s:s, s:I, s:I}", "etr", address_print(&etr, to), "from",
                     address_print(&source, from), "path_mtu", (json_int_t)mtu, "inner_mtu",
                     (json_int_t)(mtu > header ? mtu - header : 0));
}

static int run(const struct arguments *arguments)
{
    json_t *list = json_array();
    for (size_t i = 0; i < arguments->count; i++) {
        struct error error = {0};
        json_t *one = estimate(arguments->words[i], &error);
        if (one == NULL) {
            json_decref(list);
            return report_error(&error, arguments->json);
        }
        (void)json_array_append_new(list, one);
    }
    if (arguments->json)
        return print_json(json_pack("{s:i, s:o}", "v", 1, "paths", list));
    size_t i = 0;
    const json_t *path = NULL;
    json_array_foreach(list, i, path)
    {
        (void)printf("%s: packets of up to %" JSON_INTEGER_FORMAT " octets fit into the tunnel"
                     " (path MTU %" JSON_INTEGER_FORMAT ", from %s)\n",
                     json_string_value(json_object_get(path, "etr")),
                     json_integer_value(json_object_get(path, "inner_mtu")),
                     json_integer_value(json_object_get(path, "path_mtu")),
                     json_string_value(json_object_get(path, "from")));
    }
    json_decref(list);
    return STATUS_DONE;
}

const struct cli_command cli_mtu = {
    .name = "mtu",
    .synopsis = "ETR...",
    .summary = "largest packets that fit into a tunnel",
    .help =
        "Shows the path MTU from this machine to an ETR as the kernel knows it now, learned\n"
        "reductions included, and the largest packet that fits into a tunnel there. An ITR on\n"
        "this machine answers larger ones with \"fragmentation needed\" or \"packet too big\".\n\n"
        "Examples:\n"
        "  ivip mtu 198.18.3.1\n"
        "  ivip mtu --json 198.18.3.1 2001:db8:3::1 | jq '.paths[].inner_mtu'\n",
    .read_on = "docs/architecture.md (path MTU), RFC 1191, RFC 8201",
    .words_min = 1,
    .words_max = WORDS_ANY,
    .run = run,
};
