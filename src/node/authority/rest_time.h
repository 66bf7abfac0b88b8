// SPDX-License-Identifier: BSD-2-Clause
// Times as people and JSON write them: "2026-01-31T12:00:00Z", always UTC.
#ifndef IVIP_NODE_AUTHORITY_REST_TIME_H
#define IVIP_NODE_AUTHORITY_REST_TIME_H

#include "base/error.h"
#include "base/instant.h"

#include <stdbool.h>

#define TIME_TEXT_MAX 32

bool time_parse(const char *text, struct wall_time *time, struct error *error);
// To the second; "never" for 0.
const char *time_print(struct wall_time time, char buffer[TIME_TEXT_MAX]);

#endif
