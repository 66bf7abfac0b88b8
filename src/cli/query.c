// SPDX-License-Identifier: BSD-2-Clause
// Asks a query server as an ITR would, and shows what it says.
#include "wire/query.h"

#include "base/random.h"
#include "cli/control_client.h"
#include "cli/output.h"
#include "cli/query_client.h"
#include "cli/query_mabs.h"
#include "cli/watch.h"
#include "node/config/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *to_json(const struct address *question, const struct query_answer *answer)
{
    const struct query_message *reply = &answer->message;
    char text[RANGE_TEXT_MAX];
    char server[ENDPOINT_TEXT_MAX];
    json_t *json =
        json_pack("{s:i, s:s, s:s, s:s, s:i, s:f}", "v", 1, "address",
                  address_print(question, text), "status", query_status_name(reply->status),
                  "server", endpoint_print(&answer->server, server), "load", (int)reply->load,
                  "round_trip_ms", (double)answer->round_trip.ns / 1e6);
    if (reply->status == QUERY_MAPPED || reply->status == QUERY_ZERO) {
        (void)json_object_set_new(json, "micronet", json_string(range_print(&reply->range, text)));
        (void)json_object_set_new(json, "etr", json_string(address_print(&reply->etr, text)));
        (void)json_object_set_new(json, "caching_ms", json_integer(reply->caching_ms));
        (void)json_object_set_new(json, "mab_sequence",
                                  json_integer((json_int_t)reply->mab_sequence));
    }
    json_t *others = json_array();
    for (size_t i = 0; i < reply->alternative_count; i++)
        (void)json_array_append_new(others,
                                    json_string(endpoint_print(&reply->alternatives[i], server)));
    (void)json_object_set_new(json, "alternatives", others);
    return json;
}

static void print_meaning(const struct address *question, const struct query_message *reply)
{
    char address[ADDRESS_TEXT_MAX];
    char range[RANGE_TEXT_MAX];
    char etr[ADDRESS_TEXT_MAX];
    (void)address_print(question, address);
    if (reply->status == QUERY_MAPPED || reply->status == QUERY_ZERO)
        (void)range_print(&reply->range, range);
    switch (reply->status) {
    case QUERY_MAPPED:
        (void)printf("%s is in %s, mapped to %s%s%s\n", address, range, color_good(),
                     address_print(&reply->etr, etr), color_end());
        break;
    case QUERY_ZERO:
        (void)printf("%s is in %s, mapped to zero: ITRs drop packets to it\n", address, range);
        break;
    case QUERY_NOT_IN_MAB:
        (void)printf("%s is in no MAB that this server knows: ITRs leave it alone\n", address);
        break;
    case QUERY_TRY_ANOTHER:
        (void)printf("the server cannot answer for %s now: it is loading that MAB\n", address);
        break;
    case QUERY_BUSY:
        (void)printf("the server is over its limits; ask later, or another\n");
        break;
    case QUERY_FLUSH:
        break;
    }
}

static void print_answer(const struct address *question, const struct query_answer *answer)
{
    const struct query_message *reply = &answer->message;
    char text[RANGE_TEXT_MAX];
    print_meaning(question, reply);
    (void)printf("  %-13s %s\n", "status", query_status_name(reply->status));
    if (reply->status == QUERY_MAPPED || reply->status == QUERY_ZERO) {
        (void)printf("  %-13s %s\n", "range", range_print(&reply->range, text));
        (void)printf("  %-13s %s\n", "etr", address_print(&reply->etr, text));
        (void)printf("  %-13s %.3f s\n", "caching time", reply->caching_ms / 1000.0);
        (void)printf("  %-13s %" PRIu64 "\n", "mab sequence", reply->mab_sequence);
    }
    for (size_t i = 0; i < reply->alternative_count; i++)
        (void)printf("  %-13s %s\n", "alternative", endpoint_print(&reply->alternatives[i], text));
    (void)printf("  %-13s %s, load %u of 255\n", "server", endpoint_print(&answer->server, text),
                 reply->load);
    (void)printf("  %-13s %.3f ms\n", "round trip", (double)answer->round_trip.ns / 1e6);
}

static int status_of(enum query_status status)
{
    bool answered = status == QUERY_MAPPED || status == QUERY_ZERO || status == QUERY_NOT_IN_MAB;
    return answered ? STATUS_DONE : STATUS_REFUSED;
}

// The words of the command line: one address, one "@SERVER".
static bool read_words(const struct arguments *arguments, struct address *question,
                       const char **server, int *status)
{
    const char *address = NULL;
    struct error error = {0};
    *server = NULL;
    for (size_t i = 0; i < arguments->count; i++) {
        const char *word = arguments->words[i];
        if (word[0] == '@')
            *server = word + 1;
        else if (address == NULL)
            address = word;
        else
            *status = usage_error(arguments, "\"%.60s\" is one word too many", word);
    }
    if (*status != STATUS_DONE)
        return false;
    bool of_mabs = option_value(arguments, "mabs") != NULL;
    bool of_changes = option_value(arguments, "watch") != NULL;
    if (option_value(arguments, "changes") != NULL && !of_changes)
        *status = usage_error(arguments, "--changes goes with --watch");
    else if (of_mabs && of_changes)
        *status = usage_error(arguments, "--watch follows one ADDRESS, not --mabs");
    else if (of_mabs && address != NULL)
        *status = usage_error(arguments, "--mabs is about no ADDRESS; leave it out");
    else if (of_mabs)
        return true;
    else if (address == NULL)
        *status = usage_error(arguments, "an ADDRESS to ask about was expected");
    else if (!address_parse(address, question, &error))
        *status = usage_error(arguments, "%s", error.text);
    return *status == STATUS_DONE;
}

static int watch(const struct arguments *arguments, const struct endpoint *server,
                 const struct address *question)
{
    const char *text = option_value(arguments, "changes");
    char *end = NULL;
    struct error error = {0};
    errno = 0;
    unsigned long changes = text == NULL ? 0 : strtoul(text, &end, 10);
    if (text != NULL && (errno != 0 || *end != '\0' || changes == 0 || text[0] == '-'))
        return usage_error(arguments, "--changes takes a number from 1 on, not \"%.40s\"", text);
    if (!watch_mapping(server, question, changes, arguments->json, &error))
        return report_error(&error, arguments->json);
    return STATUS_DONE;
}

static int run(const struct arguments *arguments)
{
    struct address question;
    const char *server_text = NULL;
    int status = STATUS_DONE;
    if (!read_words(arguments, &question, &server_text, &status))
        return status;
    struct endpoint server;
    struct query_answer answer;
    struct error error = {0};
    if (!query_server_find(arguments, server_text, &server, &error))
        return error.code == ERROR_INPUT && server_text != NULL
                   ? usage_error(arguments, "%s", error.text)
                   : report_error(&error, arguments->json);
    if (option_value(arguments, "mabs") != NULL)
        return query_mabs_print(&server, arguments->json, &error)
                   ? STATUS_DONE
                   : report_error(&error, arguments->json);
    if (option_value(arguments, "watch") != NULL)
        return watch(arguments, &server, &question);
    if (!query_server_ask(&server, &question, &answer, &error))
        return report_error(&error, arguments->json);
    if (arguments->json)
        (void)print_json(to_json(&question, &answer));
    else
        print_answer(&question, &answer);
    return status_of(answer.message.status);
}

static const struct command_option options[] = {
    {"watch", NULL, "stay, and print a line whenever the mapping changes"},
    {"mabs", NULL, "no ADDRESS: show all MABs that the server knows"},
    {"changes", "NUMBER", "with --watch: end after so many lines"},
    CONTROL_OPTION,
    {0},
};

const struct cli_command cli_query = {
    .name = "query",
    .synopsis = "[--watch] ADDRESS | --mabs [@SERVER[:PORT]]",
    .summary = "ask a query server where an address is mapped",
    .help = "Asks a query server (QSA, QSR) which micronet the address is in and where that is\n"
            "mapped, with the very message that ITRs send, and shows the answer, how long it may\n"
            "be cached and how long it took. Without @SERVER it asks the query server of a node\n"
            "on this machine, or the one that this machine's ITR asks.\n\n"
            "Examples:\n"
            "  ivip query 20.1.0.20 @198.18.9.2\n"
            "  ivip query 2001:db8:0:40::1 @[2001:db8:ff::2]:4746\n"
            "  ivip query 20.1.0.20 --json | jq -r .etr\n"
            "  ivip query --watch 20.1.0.20 @198.18.9.2      like an ITR: asked once, then told\n"
            "  ivip query --mabs @198.18.9.2                 the set of MABs, as ITRs learn it\n\n"
            "Exit status 1 when the server says busy or try another.\n",
    .read_on = "docs/protocol.md (query protocol), ivip show --help",
    .options = options,
    .words_min = 0,
    .words_max = 2,
    .run = run,
};
