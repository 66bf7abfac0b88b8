// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/output.h"
#include "cli/render.h"
#include "node/http/json_error.h"

#include <stdio.h>
#include <string.h>

// All records in one list: taking them gives a part at a time. NULL with `error` filled where not
// even the first came; after that, what was taken is kept whatever happens.
static json_t *gather(const struct arguments *arguments, bool take, struct error *error)
{
    json_t *all = json_array();
    json_t *last = NULL;
    bool more = true;
    while (more) {
        json_t *answer = control_ask(
            arguments, json_pack("{s:s, s:b}", "command", "itr.usage", "take", (int)take), error);
        if (answer == NULL && last == NULL) {
            json_decref(all);
            return NULL;
        }
        if (answer == NULL)
            break;
        (void)json_array_extend(all, json_object_get(answer, "usage"));
        more = take && json_is_true(json_object_get(answer, "more"));
        json_decref(last);
        last = answer;
    }
    (void)json_object_set_new(last, "usage", all);
    return last;
}

// Values of ours hold neither commas nor quotes nor line ends: numbers, ranges, keys, user names,
// times.
static void print_csv(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *line = json_array_get(list, i);
        const char *name;
        json_t *value;
        const char *between = "";
        if (i == 0) {
            json_object_foreach(line, name, value)
            {
                (void)printf("%s%s", between, name);
                between = ",";
            }
            (void)printf("\n");
            between = "";
        }
        json_object_foreach(line, name, value)
        {
            if (json_is_integer(value))
                (void)printf("%s%" JSON_INTEGER_FORMAT, between, json_integer_value(value));
            else
                (void)printf("%s%s", between,
                             json_is_string(value) ? json_string_value(value) : "");
            between = ",";
        }
        (void)printf("\n");
    }
}

static void say_more(const json_t *answer, const char *how)
{
    if (json_is_true(json_object_get(answer, "more")))
        (void)fprintf(stderr, "There are more; %s.\n", how);
}

static void print_usage(const struct arguments *arguments, const json_t *list)
{
    if (json_array_size(list) == 0)
        (void)fprintf(stderr, "No traffic was counted.\n");
    else if (option_value(arguments, "csv") != NULL)
        print_csv(list);
    else
        render_list(list, 0);
}

// What the ITR here counted since its start, or since its records were last taken.
static int show_itr(const struct arguments *arguments, const json_t *answer)
{
    const json_t *uncounted = json_object_get(answer, "uncounted");
    json_int_t packets = json_integer_value(json_object_get(uncounted, "packets"));
    print_usage(arguments, json_object_get(answer, "usage"));
    say_more(answer, "--take gives all");
    if (packets > 0)
        (void)fprintf(stderr,
                      "%" JSON_INTEGER_FORMAT
                      " packets more belong to micronets that found no room "
                      "in the records.\n",
                      packets);
    return STATUS_DONE;
}

static json_t *ask_ruas(const struct arguments *arguments, struct error *error)
{
    static const char *const names[] = {"by", "from", "to"};
    json_t *request = json_pack("{s:s}", "command", "ruas.usage");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (option_value(arguments, names[i]) != NULL)
            (void)json_object_set_new(request, names[i],
                                      json_text(option_value(arguments, names[i])));
    return control_ask(arguments, request, error);
}

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    bool take = option_value(arguments, "take") != NULL;
    bool ruas = option_value(arguments, "by") != NULL || option_value(arguments, "from") != NULL ||
                option_value(arguments, "to") != NULL;
    if (take && ruas)
        return usage_error(arguments, "--take is for an ITR, --by, --from and --to are "
                                      "for a RUAS");
    json_t *answer = ruas ? ask_ruas(arguments, &error) : gather(arguments, take, &error);
    // No ITR here, or none that lives, but perhaps a RUAS.
    if (answer == NULL && !ruas && !take &&
        (strcmp(error.reason, "unknown-command") == 0 || strcmp(error.reason, "no-node") == 0)) {
        ruas = true;
        answer = ask_ruas(arguments, &error);
    }
    if (answer == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        return print_json(answer);
    int status = STATUS_DONE;
    if (ruas) {
        print_usage(arguments, json_object_get(answer, "usage"));
        say_more(answer, "ask for less time with --from and --to");
    } else {
        status = show_itr(arguments, answer);
    }
    json_decref(answer);
    return status;
}

static const struct command_option options[] = {
    {"take", NULL, "ITR: take the records out, so that each packet is accounted for once"},
    {"by", "WHAT", "RUAS: lines by micronet, user, itr or time (hours)"},
    {"from", "TIME", "RUAS: count from then on, as 2026-01-31T00:00:00Z"},
    {"to", "TIME", "RUAS: and up to then"},
    {"csv", NULL, "comma-separated values with a heading"},
    CONTROL_OPTION,
    {0},
};

const struct cli_command cli_usage = {
    .name = "usage",
    .synopsis = "[--take] [--by WHAT] [--from TIME] [--to TIME] [--csv] [--control SOCKET]",
    .summary = "traffic that ITRs tunnelled for each micronet",
    .help = "At an ITR: how many packets and octets it tunnelled for each micronet since they\n"
            "were last reported or taken. With --take the records are taken out and begin\n"
            "anew at zero.\n\n"
            "At a RUAS: what all its ITRs reported (itr.usage_to), which is what users are\n"
            "charged for: by micronet, by user and UAB, by ITR, or hour by hour.\n\n"
            "Examples:\n"
            "  sudo ivip usage\n"
            "  sudo ivip usage --take --json >> usage-$(date +%F).json\n"
            "  sudo ivip usage --by user --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z\n"
            "  sudo ivip usage --by micronet --csv > usage.csv\n",
    .read_on = "docs/authority.md (Usage), ivip status --help",
    .options = options,
    .run = run,
};
