// SPDX-License-Identifier: BSD-2-Clause
#include "base/log.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static _Atomic enum log_level most = LOG_LEVEL_INFO; // all threads log, a reload sets it

void log_set_level(enum log_level level)
{
    most = level;
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_write(enum log_level level, const char *part, const char *format, ...)
{
    if (level > most)
        return;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)text_make_printable(text); // a line is an event, whatever it quotes
    // One call, so that lines of several processes on one terminal do not mix.
    (void)fprintf(stderr, "%s %s: %s\n", level_names[level], part, text);
}
