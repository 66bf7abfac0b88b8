// SPDX-License-Identifier: BSD-2-Clause
// Errors as the JSON that REST and control socket answer with:
// {"v":1,"error":{"reason":"...","text":"..."}}.
#ifndef IVIP_NODE_HTTP_JSON_ERROR_H
#define IVIP_NODE_HTTP_JSON_ERROR_H

#include "base/error.h"

#include <jansson.h>

// A new JSON string. Octets that are not UTF-8 (an error may quote what a peer sent, and be cut
// anywhere) become "?", so this never fails.
json_t *json_text(const char *text);
// A new reference to the whole answer.
json_t *json_of_error(const struct error *error);

#endif
