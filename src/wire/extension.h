// SPDX-License-Identifier: BSD-2-Clause
// Extensions: what may follow the body of the query messages, `type` 2, `length` 2, `value`
// (docs/protocol.md, "Query protocol"). Who does not know a type steps over it.
#ifndef IVIP_WIRE_EXTENSION_H
#define IVIP_WIRE_EXTENSION_H

#include "base/cursor.h"

#include <stdbool.h>
#include <stddef.h>

#define EXTENSION_HEADER_BYTES 4

enum extension_type {
    EXTENSION_PADDING = 0,
    EXTENSION_ALTERNATIVE = 1,
    EXTENSION_RELEASED = 2,
    EXTENSION_FLUSHED = 3,
};

// Makes the message `length` octets long; there must be room for an extension before that.
void extension_pad(struct writer *writer, size_t length);
// Reads on to the end; false where an extension does not fit.
bool extensions_step_over(struct reader *reader);

#endif
