// SPDX-License-Identifier: BSD-2-Clause
#include "cli/operator.h"

#include "cli/control_client.h"
#include "cli/output.h"
#include "cli/render.h"

#include <stdio.h>

int operator_do(const struct arguments *arguments, json_t *request, const char *done)
{
    struct error error = {0};
    json_t *answer = control_ask(arguments, request, &error);
    if (answer == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        return print_json(answer);
    (void)puts(done);
    json_decref(answer);
    return STATUS_DONE;
}

int operator_list(const struct arguments *arguments, json_t *request, const char *key)
{
    struct error error = {0};
    json_t *answer = control_ask(arguments, request, &error);
    if (answer == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        return print_json(answer);
    const json_t *list = json_object_get(answer, key);
    if (json_array_size(list) == 0)
        (void)fprintf(stderr, "There is nothing to list yet.\n");
    else
        render_list(list, 0);
    if (json_is_true(json_object_get(answer, "more")))
        (void)fprintf(stderr, "There are more; the list is cut here.\n");
    json_decref(answer);
    return STATUS_DONE;
}
