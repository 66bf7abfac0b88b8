// SPDX-License-Identifier: BSD-2-Clause
// What the control socket is asked: one JSON object a line in, one a line out, each with "v": 1.
//
//     {"command":"echo","to":"Q.E.I","via":"P.0","hop_limit":64,"size":56,"milliseconds":2000}
//         -> {"sent":ROUTE,"reply":{"route":ROUTE,"hop_limit":N,"milliseconds":X}}
//         -> {"sent":ROUTE,"error":{"route":ROUTE,"type":WORD,"code":N,"parameter":N,"at":ROUTE}}
//         -> {"sent":ROUTE,"timeout":true}
//     {"command":"status"}    {"command":"routes"}    {"command":"own"}
//     {"command":"route-set","prefix":P,"interface":I,"gateway":A}  {"command":"route-remove",...}
//     {"command":"join","group":A}  {"command":"leave","group":A}
#include "sipp/daemon/control_internal.h"

#include <string.h>

const char *text_of(const json_t *command, const char *key)
{
    return json_string_value(json_object_get(command, key));
}

static void answer_error(struct client *client, const struct error *error)
{
    answer(client,
           json_pack("{s:{s:s,s:s}}", "error", "reason", error->reason, "text", error->text));
}

static json_t *own_sequences(const struct sippd *sippd)
{
    json_t *list = json_array();
    size_t count;
    const struct own_sequence *own = node_own(sippd->node, &count);
    for (size_t i = 0; i < count; i++) {
        char text[PATH_TEXT_MAX];
        struct path path = path_of(&own[i].sequence);
        (void)json_array_append_new(list, json_string(path_print(sippd->names, &path, text)));
    }
    return list;
}

static json_t *association_list(const struct sippd *sippd)
{
    json_t *list = json_array();
    const struct associations *associations = node_associations(sippd->node);
    const struct association *one = NULL;
    while ((one = associations_next(associations, one)) != NULL) {
        char local[NAME_TEXT_MAX];
        char path[PATH_TEXT_MAX];
        (void)json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:b}", "local", names_print(sippd->names, one->local, local),
                      "path", path_print(sippd->names, &one->path, path), "heard", one->heard));
    }
    return list;
}

static void command_status(const struct control *control, struct client *client)
{
    struct sippd *sippd = control->sippd;
    json_t *counters = json_object();
    json_t *interfaces = json_array();
    for (int i = 0; i < NODE_COUNTERS; i++)
        (void)json_object_set_new(
            counters, node_counter_name((enum node_counter)i),
            json_integer((json_int_t)node_counter(sippd->node, (enum node_counter)i)));
    for (size_t i = 0; i < sippd->port_count; i++)
        (void)json_array_append_new(interfaces, json_string(port_name(sippd->ports[i])));
    answer(client, json_pack("{s:b,s:o,s:o,s:o,s:o}", "router", node_is_router(sippd->node), "own",
                             own_sequences(sippd), "interfaces", interfaces, "associations",
                             association_list(sippd), "counters", counters));
}

struct route_list {
    const struct sippd *sippd;
    json_t *list;
};

static void list_route(void *state, const struct sipp_prefix *prefix,
                       const struct next_hop *next_hop)
{
    struct route_list *routes = state;
    char prefix_text[SIPP_PREFIX_TEXT_MAX];
    char name[NAME_TEXT_MAX];
    char gateway[NAME_TEXT_MAX];
    bool direct = sipp_address_none(next_hop->gateway);
    (void)json_array_append_new(
        routes->list,
        json_pack("{s:s,s:s,s:s,s:s}", "prefix", sipp_prefix_print(prefix, prefix_text), "name",
                  names_print(routes->sippd->names, prefix->address, name), "interface",
                  next_hop->interface < routes->sippd->port_count
                      ? port_name(routes->sippd->ports[next_hop->interface])
                      : "?",
                  "gateway",
                  direct ? "link" : names_print(routes->sippd->names, next_hop->gateway, gateway)));
}

static void command_routes(const struct control *control, struct client *client)
{
    struct route_list routes = {control->sippd, json_array()};
    forwarding_walk(node_forwarding(control->sippd->node), list_route, &routes);
    answer(client, json_pack("{s:o}", "routes", routes.list));
}

static bool command_route_change(struct control *control, struct client *client,
                                 const json_t *command, bool set, struct error *error)
{
    struct sippd *sippd = control->sippd;
    struct sipp_prefix prefix;
    struct next_hop next_hop = {.gateway = SIPP_ADDRESS_NONE};
    const char *prefix_text = text_of(command, "prefix");
    const char *interface = text_of(command, "interface");
    const char *gateway = text_of(command, "gateway");
    if (prefix_text == NULL || (set && interface == NULL))
        return error_set(error, ERROR_INPUT, "incomplete", "say \"prefix\" and \"interface\"");
    if (!names_parse_prefix(sippd->names, prefix_text, &prefix, error) ||
        (gateway != NULL && !names_parse(sippd->names, gateway, &next_hop.gateway, error)))
        return false;
    if (!set && !forwarding_remove(node_forwarding(sippd->node), &prefix))
        return error_set(error, ERROR_NOT_FOUND, "no-route", "no route for %s", prefix_text);
    if (set) {
        next_hop.interface = port_find(sippd, interface);
        if (next_hop.interface == NODE_NO_INTERFACE)
            return error_set(error, ERROR_NOT_FOUND, "unknown-interface", "no interface %s",
                             interface);
        forwarding_set(node_forwarding(sippd->node), &prefix, next_hop);
    }
    answer(client, json_object());
    return true;
}

static bool command_member(struct control *control, struct client *client, const json_t *command,
                           bool join, struct error *error)
{
    struct sipp_address group;
    const char *text = text_of(command, "group");
    if (text == NULL || !names_parse(control->sippd->names, text, &group, error))
        return text != NULL ? false : error_set(error, ERROR_INPUT, "incomplete", "say \"group\"");
    if (!sipp_address_multicast(group))
        return error_set(error, ERROR_INPUT, "no-group", "%.60s is not a multicast group", text);
    struct sequence sequence = sequence_of(group);
    if (join && !node_add_own(control->sippd->node, &sequence, error))
        return false;
    if (!join && !node_remove_own(control->sippd->node, &sequence))
        return error_set(error, ERROR_NOT_FOUND, "no-member", "not a member of %.60s", text);
    answer(client, json_object());
    return true;
}

static bool run_command(struct control *control, struct client *client, const json_t *command,
                        struct error *error)
{
    const char *word = text_of(command, "command");
    if (word == NULL)
        return error_set(error, ERROR_INPUT, "no-command", "say which \"command\"");
    if (strcmp(word, "echo") == 0)
        return command_echo(control, client, command, error);
    if (strcmp(word, "route-set") == 0 || strcmp(word, "route-remove") == 0)
        return command_route_change(control, client, command, word[6] == 's', error);
    if (strcmp(word, "join") == 0 || strcmp(word, "leave") == 0)
        return command_member(control, client, command, word[0] == 'j', error);
    if (strcmp(word, "status") == 0)
        command_status(control, client);
    else if (strcmp(word, "routes") == 0)
        command_routes(control, client);
    else if (strcmp(word, "own") == 0)
        answer(client, json_pack("{s:o}", "own", own_sequences(control->sippd)));
    else
        return error_set(error, ERROR_INPUT, "unknown-command", "\"%.40s\" is not a command", word);
    return true;
}

void control_line(struct client *client, const char *line)
{
    struct error error = {0};
    json_error_t where;
    json_t *command = json_loads(line, 0, &where);
    bool good = json_is_object(command) ? run_command(client->control, client, command, &error)
                                        : error_set(&error, ERROR_INPUT, "bad-json",
                                                    "not a JSON object: %s", where.text);
    if (!good)
        answer_error(client, &error);
    json_decref(command);
    struct sippd *sippd = client->control->sippd;
    sippd->settle(sippd);
}
