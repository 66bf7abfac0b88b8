// SPDX-License-Identifier: BSD-2-Clause
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, enum error_code code, const char *reason, const char *format,
               ...)
{
    if (error == NULL)
        return false;
    error->code = code;
    (void)snprintf(error->reason, sizeof(error->reason), "%s", reason);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return false;
}

void error_prefix(struct error *error, const char *format, ...)
{
    if (error == NULL)
        return;
    char text[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (used < 0)
        return;
    size_t at = (size_t)used < sizeof(text) ? (size_t)used : sizeof(text) - 1;
    (void)snprintf(text + at, sizeof(text) - at, ": %s", error->text);
    memcpy(error->text, text, sizeof(text));
}

void error_clear(struct error *error)
{
    if (error != NULL)
        memset(error, 0, sizeof(*error));
}
