// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/output.h"
#include "cli/render.h"

#include <stdio.h>

static void print_health(const json_t *object)
{
    bool healthy = json_is_true(json_object_get(object, "healthy"));
    const char *why = json_string_value(json_object_get(object, "why"));
    if (healthy)
        (void)printf("%sworking%s", color_good(), color_end());
    else
        (void)printf("%snot working%s%s%s", color_bad(), color_end(), why == NULL ? "" : ": ",
                     why == NULL ? "" : why);
}

static void print_node(const json_t *status)
{
    char uptime[64];
    const char *name = json_string_value(json_object_get(status, "name"));
    const char *version = json_string_value(json_object_get(status, "version"));
    (void)printf(
        "%s%s%s  ivip %s, up %s, key %s\n", color_bold(), name == NULL ? "?" : name, color_end(),
        version == NULL ? "?" : version,
        render_value("uptime_s", json_object_get(status, "uptime_s"), uptime, sizeof(uptime)),
        json_string_value(json_object_get(status, "key")));
    const char *role = NULL;
    json_t *object = NULL;
    json_object_foreach(json_object_get(status, "roles"), role, object)
    {
        (void)printf("\n%s%s%s  ", color_bold(), role, color_end());
        print_health(object);
        (void)putchar('\n');
        render_object(object, 2);
    }
}

// Asks all nodes; returns the list of their answers. One that does not answer, or does not do its
// work, shows in the exit status, so that scripts need no JSON.
static json_t *ask_all(const struct control_sockets *sockets, int *status)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < sockets->count; i++) {
        struct error error = {0};
        json_t *answer =
            control_call(sockets->paths[i], json_pack("{s:s}", "command", "status"), &error);
        if (answer == NULL) {
            *status = report_error(&error, false);
            continue;
        }
        if (!json_is_true(json_object_get(answer, "healthy")) && *status == STATUS_DONE)
            *status = STATUS_REFUSED;
        (void)json_array_append_new(nodes, answer);
    }
    return nodes;
}

// Where one node is meant, its own document; where all are, a list of them.
static int run_json(const struct control_sockets *sockets)
{
    int status = STATUS_DONE;
    struct error error = {0};
    if (sockets->count > 1) {
        (void)print_json(json_pack("{s:i, s:o}", "v", 1, "nodes", ask_all(sockets, &status)));
        return status;
    }
    json_t *answer =
        control_call(sockets->paths[0], json_pack("{s:s}", "command", "status"), &error);
    if (answer == NULL)
        return report_error(&error, true);
    bool healthy = json_is_true(json_object_get(answer, "healthy"));
    (void)print_json(answer);
    return healthy ? STATUS_DONE : STATUS_REFUSED;
}

static int run(const struct arguments *arguments)
{
    struct control_sockets sockets;
    struct error error = {0};
    if (!control_sockets_find(arguments, &sockets, &error))
        return report_error(&error, arguments->json);
    if (arguments->json)
        return run_json(&sockets);
    int status = STATUS_DONE;
    json_t *nodes = ask_all(&sockets, &status);
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        if (i > 0)
            (void)putchar('\n');
        print_node(json_array_get(nodes, i));
    }
    json_decref(nodes);
    return status;
}

static const struct command_option options[] = {CONTROL_OPTION, {0}};

const struct cli_command cli_status = {
    .name = "status",
    .synopsis = "[--control SOCKET]",
    .summary = "what the nodes on this machine do",
    .help = "Asks the nodes that run on this machine what they do: each role with its counters,\n"
            "its peers, and for every MAB the sequence and age of the last update. Exit status 1\n"
            "when a role does not do its work.\n\n"
            "Examples:\n"
            "  sudo ivip status\n"
            "  sudo ivip status --control /run/ivip/qsa.sock\n"
            "  sudo ivip status --json | jq .roles.qsa\n",
    .read_on = "docs/configuration.md (control, metrics), man ivip",
    .options = options,
    .run = run,
};
