// SPDX-License-Identifier: BSD-2-Clause
#include "cli/set.h"

#include "base/range.h"
#include "cli/output.h"
#include "node/http/json_error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

json_t *set_micronet(const struct arguments *arguments, const char *text, int *status)
{
    struct range range;
    struct error error = {0};
    char printed[RANGE_TEXT_MAX];
    if (range_parse(text, &range, &error))
        return json_string(range_print(&range, printed));
    *status = usage_error(arguments, "%s", error.text);
    return NULL;
}

json_t *set_etr(const struct arguments *arguments, const char *text, int *status)
{
    struct address address;
    struct error error = {0};
    char printed[ADDRESS_TEXT_MAX];
    if (strcmp(text, "zero") == 0)
        return json_string(text);
    if (address_parse(text, &address, &error))
        return json_string(address_print(&address, printed));
    *status = usage_error(arguments, "%s; an ETR's address or \"zero\" was expected", error.text);
    return NULL;
}

// "+15m" as the time it will be then; other texts are left to the server.
static bool resolve_time(const char *text, char *buffer, size_t size)
{
    if (text[0] != '+') {
        (void)snprintf(buffer, size, "%s", text);
        return true;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text + 1, &end, 10);
    static const struct {
        const char *unit;
        unsigned long long seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[1] < '0' || text[1] > '9' || errno != 0 || strcmp(end, units[i].unit) != 0 ||
            number > 366ULL * 86400 / units[i].seconds)
            continue;
        // Written in whole seconds, and never earlier than asked for.
        struct timespec clock = {0};
        (void)clock_gettime(CLOCK_REALTIME, &clock);
        time_t then = clock.tv_sec + (clock.tv_nsec > 0) + (time_t)(number * units[i].seconds);
        struct tm parts;
        return gmtime_r(&then, &parts) != NULL &&
               strftime(buffer, size, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0;
    }
    return false;
}

void set_print_micronets(const json_t *micronets)
{
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
}

static void print_answer(const json_t *answer)
{
    const char *mab = json_string_value(json_object_get(answer, "mab"));
    const json_t *sequence = json_object_get(answer, "sequence");
    const json_t *scheduled = json_object_get(answer, "scheduled");
    set_print_micronets(json_object_get(answer, "micronets"));
    if (json_is_true(json_object_get(answer, "dry_run")))
        (void)printf("%sNothing was changed: it was a dry run, and it would be done.%s\n",
                     color_dim(), color_end());
    else if (scheduled != NULL)
        (void)printf("%sIt will be done at its time (number %" JSON_INTEGER_FORMAT ").%s\n",
                     color_dim(), json_integer_value(scheduled), color_end());
    else if (mab != NULL && json_is_integer(sequence))
        (void)printf("%sDone: set %" JSON_INTEGER_FORMAT " of MAB %s.%s\n", color_dim(),
                     json_integer_value(sequence), mab, color_end());
}

int set_send(const struct arguments *arguments, json_t *commands,
             void (*explain)(void *state, size_t command, struct error *error), void *state)
{
    const char *at = option_value(arguments, "at");
    char time_text[64];
    json_t *body = json_pack("{s:o, s:b}", "commands", commands, "dry_run",
                             option_value(arguments, "dry-run") != NULL);
    if (at != NULL) {
        if (!resolve_time(at, time_text, sizeof(time_text))) {
            json_decref(body);
            return usage_error(arguments,
                               "--at takes a time such as 2030-01-31T22:00:00Z, +90s, +15m or "
                               "+2h, not \"%.40s\"",
                               at);
        }
        (void)json_object_set_new(body, "at", json_text(time_text));
    }
    struct client client;
    struct error error = {0};
    json_t *answer = NULL;
    size_t failed = NO_COMMAND;
    if (client_open(&client, arguments, &error))
        answer = client_call(&client, "POST", "/v1/commands", body, &failed, &error);
    client_release(&client);
    json_decref(body);
    if (answer == NULL) {
        if (failed != NO_COMMAND && explain != NULL)
            explain(state, failed, &error);
        return report_error(&error, arguments->json);
    }
    if (arguments->json)
        return print_json(answer);
    print_answer(answer);
    json_decref(answer);
    return STATUS_DONE;
}
