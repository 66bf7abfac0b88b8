// SPDX-License-Identifier: BSD-2-Clause
// The document's notation of sequences (overview §3.1, §5.3), written and read.
//
//     Q.D:S.H                       an address sequence: ':' stands between its 64-bit addresses
//     S.H, Q.D, *Q.E, S.I           a route sequence: '*' before the active address
//
// Every address may be a name or hexadecimal groups; `names` may be NULL everywhere.
#ifndef SIPP_LIB_NOTATION_H
#define SIPP_LIB_NOTATION_H

#include "sipp/lib/names.h"
#include "sipp/lib/route.h"

#define ROUTE_TEXT_MAX (ROUTE_MAX * (NAME_TEXT_MAX + 3))
#define PATH_TEXT_MAX  ROUTE_TEXT_MAX

// Reads a route sequence; exactly one address, not the first, has the '*'.
bool route_parse(const struct names *names, const char *text, struct route *route,
                 struct error *error);
const char *route_print(const struct names *names, const struct route *route,
                        char buffer[ROUTE_TEXT_MAX]);

// Reads an address sequence, high-order address first.
bool path_parse(const struct names *names, const char *text, struct path *path,
                struct error *error);
const char *path_print(const struct names *names, const struct path *path,
                       char buffer[PATH_TEXT_MAX]);
// As path_parse, for a sequence of at most SEQUENCE_MAX addresses.
bool sequence_parse(const struct names *names, const char *text, struct sequence *sequence,
                    struct error *error);

#endif
