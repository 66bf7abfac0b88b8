// SPDX-License-Identifier: BSD-2-Clause
// Following a mapping as an ITR does: asked once, told of every change.
#ifndef IVIP_CLI_WATCH_H
#define IVIP_CLI_WATCH_H

#include "base/address.h"
#include "base/error.h"

// Prints what the server says of the address, a line each time that it changes, until the program
// is interrupted, `changes_max` lines were printed (0: no limit) or standard output takes no more.
// With `json`, a document a line.
// False when the server does not answer (any more).
bool watch_mapping(const struct endpoint *server, const struct address *question,
                   unsigned long changes_max, bool json, struct error *error);

#endif
