// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/rest_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define YEAR_MAX 2500 // nanoseconds of later years do not fit 64 bits

bool time_parse(const char *text, struct wall_time *time, struct error *error)
{
    struct tm parts = {0};
    const char *end = strlen(text) == sizeof("2026-01-31T12:00:00Z") - 1
                          ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts)
                          : NULL;
    bool shaped = end != NULL && *end == '\0';
    struct tm normal = parts;
    time_t seconds = shaped ? timegm(&normal) : -1;
    // timegm turns 31 February into a day of March.
    if (!shaped || seconds <= 0 || normal.tm_mday != parts.tm_mday || parts.tm_sec > 59 ||
        parts.tm_year + 1900 > YEAR_MAX)
        return error_set(error, ERROR_INPUT, "bad-time",
                         "\"%.40s\" is not a time like 2026-01-31T12:00:00Z (UTC)", text);
    time->ms = (uint64_t)seconds * 1000;
    return true;
}

const char *time_print(struct wall_time time, char buffer[TIME_TEXT_MAX])
{
    time_t seconds = (time_t)(time.ms / 1000);
    struct tm parts;
    if (time.ms == 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(buffer, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        (void)snprintf(buffer, TIME_TEXT_MAX, "never");
    return buffer;
}
