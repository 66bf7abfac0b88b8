// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/output.h"
#include "cli/render.h"
#include "node/tunnel/routes.h"

#include <stdio.h>
#include <string.h>

// What the outer header takes: the same family's header without options.
#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40

static json_int_t inner_mtu(json_int_t path_mtu, bool ipv6)
{
    json_int_t header = ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    return path_mtu > header ? path_mtu - header : 0;
}

static json_t *estimate(const struct address *etr, struct error *error)
{
    struct address source;
    uint32_t mtu = 0;
    char from[ADDRESS_TEXT_MAX];
    char to[ADDRESS_TEXT_MAX];
    (void)address_print(etr, to);
    if (!routes_find(etr, &mtu, &source)) {
        error_set(error, ERROR_NOT_FOUND, "no-route", "this machine has no route to %s", to);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:I, s:I}", "etr", to, "from", address_print(&source, from),
                     "path_mtu", (json_int_t)mtu, "inner_mtu",
                     inner_mtu(mtu, etr->family == FAMILY_IPV6));
}

// The ETRs that the ITR on this machine tunnels to, with what it knows of the way to each.
static int list_paths(const struct arguments *arguments)
{
    struct error error = {0};
    json_t *answer = control_ask(arguments, json_pack("{s:s}", "command", "itr.paths"), &error);
    if (answer == NULL)
        return report_error(&error, arguments->json);
    size_t i = 0;
    json_t *path = NULL;
    json_t *paths = json_object_get(answer, "paths");
    json_array_foreach(paths, i, path)
    {
        const char *etr = json_string_value(json_object_get(path, "etr"));
        json_t *mtu = json_incref(json_object_get(path, "mtu"));
        bool ipv6 = etr != NULL && strchr(etr, ':') != NULL;
        (void)json_object_del(path, "mtu");
        (void)json_object_set_new(path, "path_mtu", mtu);
        (void)json_object_set_new(path, "inner_mtu",
                                  json_integer(inner_mtu(json_integer_value(mtu), ipv6)));
    }
    if (arguments->json)
        return print_json(answer);
    if (i == 0)
        (void)fprintf(stderr, "The ITR has not tunnelled to any ETR yet.\n");
    else
        render_list(paths, 0);
    if (json_is_true(json_object_get(answer, "more")))
        (void)fprintf(stderr, "There are more; the list is cut here.\n");
    json_decref(answer);
    return STATUS_DONE;
}

static int run(const struct arguments *arguments)
{
    if (arguments->count == 0)
        return list_paths(arguments);
    json_t *list = json_array();
    for (size_t i = 0; i < arguments->count; i++) {
        struct error error = {0};
        struct address etr;
        bool parsed = address_parse(arguments->words[i], &etr, &error);
        json_t *one = parsed ? estimate(&etr, &error) : NULL;
        if (one == NULL) {
            json_decref(list);
            return parsed ? report_error(&error, arguments->json)
                          : usage_error(arguments, "%s", error.text);
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

static const struct command_option options[] = {CONTROL_OPTION, {0}};

const struct cli_command cli_mtu = {
    .name = "mtu",
    .synopsis = "[ETR... | --control SOCKET]",
    .summary = "largest packets that fit into a tunnel",
    .help =
        "Shows the path MTU from this machine to an ETR as the kernel knows it now, learned\n"
        "reductions included, and the largest packet that fits into a tunnel there. An ITR on\n"
        "this machine answers larger ones with \"fragmentation needed\" or \"packet too big\".\n\n"
        "Examples:\n"
        "  ivip mtu 198.18.3.1\n"
        "  ivip mtu --json 198.18.3.1 2001:db8:3::1 | jq '.paths[].inner_mtu'\n",
    .read_on = "docs/tunnel.md, RFC 1191, RFC 8201",
    .options = options,
    .words_max = WORDS_ANY,
    .run = run,
};
