// SPDX-License-Identifier: BSD-2-Clause
#include "cli/control_client.h"
#include "cli/output.h"
#include "cli/render.h"

#include <stdio.h>

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

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    json_t *answer = gather(arguments, option_value(arguments, "take") != NULL, &error);
    if (answer == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        return print_json(answer);
    const json_t *list = json_object_get(answer, "usage");
    const json_t *uncounted = json_object_get(answer, "uncounted");
    json_int_t packets = json_integer_value(json_object_get(uncounted, "packets"));
    if (json_array_size(list) == 0)
        (void)fprintf(stderr, "Nothing was tunnelled yet, or all of it was taken.\n");
    else
        render_list(list, 0);
    if (json_is_true(json_object_get(answer, "more")))
        (void)fprintf(stderr, "There are more; --take gives all.\n");
    if (packets > 0)
        (void)fprintf(stderr,
                      "%" JSON_INTEGER_FORMAT
                      " packets more belong to micronets that found no room "
                      "in the records.\n",
                      packets);
    json_decref(answer);
    return STATUS_DONE;
}

static const struct command_option options[] = {
    {"take", NULL, "take the records out, so that each packet is accounted for once"},
    CONTROL_OPTION,
    {0},
};

const struct cli_command cli_usage = {
    .name = "usage",
    .synopsis = "[--take] [--control SOCKET]",
    .summary = "traffic that the ITR here tunnelled for each micronet",
    .help =
        "Lists how many packets and octets the ITR on this machine tunnelled for each micronet:\n"
        "what the operator of a DITR charges the holders of micronets for. With --take the\n"
        "records are taken out and begin anew at zero.\n\n"
        "Examples:\n"
        "  sudo ivip usage\n"
        "  sudo ivip usage --take --json >> usage-$(date +%F).json\n",
    .read_on = "docs/glossary.md (DITR), ivip status --help",
    .options = options,
    .run = run,
};
