// SPDX-License-Identifier: BSD-2-Clause
// sipp ping, trace, route, join and status: what is asked of a running daemon.
#include "sipp/tool/tool.h"

#include "sipp/lib/notation.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DNS_SEQUENCES_MAX 16
#define TRACE_SILENT_MAX  3 // hops in a row that say nothing

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static long long number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

// What "to" is for the daemon: the text itself, or all that the DNS says for "dns:NAME". NULL after
// saying that it says nothing.
static json_t *destination(const struct options *options, const char *to)
{
    struct path paths[DNS_SEQUENCES_MAX];
    if (strncmp(to, "dns:", 4) != 0)
        return json_string(to);
    size_t count = dns_sequences(options, to + 4, paths, DNS_SEQUENCES_MAX);
    json_t *list = count == 0 ? NULL : json_array();
    for (size_t i = 0; i < count; i++) {
        char text[PATH_TEXT_MAX];
        (void)json_array_append_new(list, json_string(path_print(NULL, &paths[i], text)));
    }
    return list;
}

static json_t *echo(const struct options *options, const char *to, int hop_limit, int *status)
{
    json_t *command = json_pack("{s:s,s:i,s:i,s:i}", "command", "echo", "hop_limit", hop_limit,
                                "size", options->size, "milliseconds", options->wait);
    json_t *where = to == NULL ? NULL : destination(options, to);
    if (to != NULL && where == NULL) {
        json_decref(command);
        *status = EXIT_UNREACHABLE;
        return NULL;
    }
    if (where != NULL)
        (void)json_object_set_new(command, "to", where);
    if (options->via != NULL)
        (void)json_object_set_new(command, "via", json_string(options->via));
    if (options->route != NULL)
        (void)json_object_set_new(command, "route", json_string(options->route));
    return daemon_ask(options, command, status);
}

// Prints one answer; true where it was a reply.
static bool print_answer(const struct options *options, json_t *answer, bool first)
{
    const json_t *reply = json_object_get(answer, "reply");
    const json_t *error = json_object_get(answer, "error");
    if (first && options->results == NULL)
        (void)printf("route  %s\n", text_of(answer, "sent"));
    (void)json_object_del(answer, "v");
    json_incref(answer);
    if (reply != NULL)
        say(options, answer, "reply  %s  hop limit %lld  %.3f ms\n", text_of(reply, "route"),
            number_of(reply, "hop_limit"), json_real_value(json_object_get(reply, "milliseconds")));
    else if (error != NULL)
        say(options, answer, "error  %s code %lld parameter %lld\n  from %s\n  about %s\n",
            text_of(error, "type"), number_of(error, "code"), number_of(error, "parameter"),
            text_of(error, "route"), text_of(error, "at"));
    else
        say(options, answer, "no answer\n");
    return reply != NULL;
}

int command_ping(struct options *options, char **words, int count)
{
    int status = EXIT_DONE;
    int replies = 0;
    if (count != 1 && options->route == NULL)
        return complain(EXIT_USAGE, "say which address sequence");
    for (int i = 0; i < options->count; i++) {
        if (i > 0)
            (void)usleep(200000);
        json_t *answer = echo(options, count > 0 ? words[0] : NULL, options->hop_limit, &status);
        if (answer == NULL)
            return status;
        replies += print_answer(options, answer, i == 0) ? 1 : 0;
        json_decref(answer);
    }
    if (options->results == NULL)
        (void)printf("%d of %d answered\n", replies, options->count);
    return replies > 0 ? EXIT_DONE : EXIT_UNREACHABLE;
}

// Prints one hop; true where the trace is over.
static bool print_hop(const struct options *options, int hop, json_t *answer, int *silent,
                      int *status)
{
    const json_t *reply = json_object_get(answer, "reply");
    const json_t *error = json_object_get(answer, "error");
    char from[256];
    *silent = reply == NULL && error == NULL ? *silent + 1 : 0;
    (void)json_object_del(answer, "v");
    (void)json_object_set_new(answer, "hop", json_integer(hop));
    json_incref(answer);
    if (*silent > 0) {
        say(options, answer, "%2d  no answer\n", hop);
        return *silent == TRACE_SILENT_MAX;
    }
    const char *route = text_of(reply != NULL ? reply : error, "route");
    (void)snprintf(from, sizeof(from), "%.*s", (int)strcspn(route, ","), route);
    if (reply != NULL) {
        say(options, answer, "%2d  %-20s arrived; answered by %s\n", hop, from, route);
        *status = EXIT_DONE;
        return true;
    }
    bool expired = strcmp(text_of(error, "type"), "time-exceeded") == 0;
    say(options, answer, "%2d  %-20s %s%s\n", hop, from, text_of(error, "at"),
        expired ? "" : "  unreachable");
    return !expired;
}

int command_trace(struct options *options, char **words, int count)
{
    int status = EXIT_UNREACHABLE;
    int silent = 0;
    if (count != 1 && options->route == NULL)
        return complain(EXIT_USAGE, "say which address sequence");
    for (int hop = 1; hop <= options->hop_limit; hop++) {
        json_t *answer = echo(options, count > 0 ? words[0] : NULL, hop, &status);
        if (answer == NULL)
            return status;
        if (hop == 1 && options->results == NULL)
            (void)printf(" 0  %-20s %s\n", "here", text_of(answer, "sent"));
        bool over = print_hop(options, hop, answer, &silent, &status);
        json_decref(answer);
        if (over)
            break;
    }
    return status;
}

static int print_routes(const struct options *options)
{
    int status = EXIT_DONE;
    size_t i;
    json_t *route;
    json_t *answer = daemon_ask(options, json_pack("{s:s}", "command", "routes"), &status);
    json_array_foreach(json_object_get(answer, "routes"), i, route)
    {
        say(options, json_incref(route), "%-26s %-16s %-12s %s\n", text_of(route, "prefix"),
            text_of(route, "name"), text_of(route, "interface"), text_of(route, "gateway"));
    }
    json_decref(answer);
    return status;
}

int command_route(struct options *options, char **words, int count)
{
    int status = EXIT_DONE;
    bool set = count >= 3 && count <= 4 && strcmp(words[0], "set") == 0;
    if (count == 0)
        return print_routes(options);
    if (!set && (count != 2 || strcmp(words[0], "remove") != 0))
        return complain(EXIT_USAGE, "route set PREFIX INTERFACE [GATEWAY], or route remove PREFIX");
    json_t *command =
        json_pack("{s:s,s:s}", "command", set ? "route-set" : "route-remove", "prefix", words[1]);
    if (set)
        (void)json_object_set_new(command, "interface", json_string(words[2]));
    if (count == 4)
        (void)json_object_set_new(command, "gateway", json_string(words[3]));
    json_decref(daemon_ask(options, command, &status));
    return status;
}

static int change_membership(const struct options *options, const char *word, char **words,
                             int count)
{
    int status = EXIT_DONE;
    if (count != 1)
        return complain(EXIT_USAGE, "say which group");
    json_decref(
        daemon_ask(options, json_pack("{s:s,s:s}", "command", word, "group", words[0]), &status));
    return status;
}

int command_join(struct options *options, char **words, int count)
{
    return change_membership(options, "join", words, count);
}

int command_leave(struct options *options, char **words, int count)
{
    return change_membership(options, "leave", words, count);
}

static void print_metric(const char *name, const char *label, const json_t *value)
{
    (void)printf("%s{%s} %lld\n", name, label, (long long)json_integer_value(value));
}

// The counters in Prometheus's text form; what ends in the word "drop-" is a reason of its own.
static void print_metrics(const json_t *status)
{
    const char *key;
    const json_t *value;
    char label[64];
    json_t *counters = json_object_get(status, "counters");
    (void)printf("# HELP sipp_packets_total Packets by what happened to them; the drop-* ones were "
                 "dropped.\n# TYPE sipp_packets_total counter\n");
    json_object_foreach(counters, key, value)
    {
        (void)snprintf(label, sizeof(label), "what=\"%s\"", key);
        print_metric("sipp_packets_total", label, value);
    }
    (void)printf("# HELP sipp_associations Pairs of identifying addresses with a path.\n"
                 "# TYPE sipp_associations gauge\nsipp_associations %zu\n",
                 json_array_size(json_object_get(status, "associations")));
    (void)printf("# HELP sipp_own_sequences Address sequences and groups of this node.\n"
                 "# TYPE sipp_own_sequences gauge\nsipp_own_sequences %zu\n",
                 json_array_size(json_object_get(status, "own")));
    (void)printf("# HELP sipp_interfaces Links and tunnels of this node.\n"
                 "# TYPE sipp_interfaces gauge\nsipp_interfaces %zu\n",
                 json_array_size(json_object_get(status, "interfaces")));
}

int command_status(struct options *options, char **words, int count)
{
    int status = EXIT_DONE;
    (void)words;
    if (count != 0)
        return complain(EXIT_USAGE, "status takes no words");
    json_t *answer = daemon_ask(options, json_pack("{s:s}", "command", "status"), &status);
    if (answer == NULL)
        return status;
    options->printed = true;
    if (options->metrics) {
        print_metrics(answer);
    } else {
        (void)json_dumpf(answer, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    }
    json_decref(answer);
    return EXIT_DONE;
}
