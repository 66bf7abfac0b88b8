// SPDX-License-Identifier: BSD-2-Clause
#include "node/http/json_error.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

json_t *json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string != NULL)
        return string;
    char *copy = memory_copy_text(text);
    for (char *c = copy; *c != '\0'; c++)
        if ((*c & 0x80) != 0)
            *c = '?';
    string = json_string(copy);
    memory_free(copy);
    assert(string != NULL);
    return string;
}

json_t *json_of_error(const struct error *error)
{
    json_t *json = json_pack("{s:i, s:{s:o, s:o}}", "v", 1, "error", "reason",
                             json_text(error->reason), "text", json_text(error->text));
    assert(json != NULL);
    return json;
}
