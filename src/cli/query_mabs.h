// SPDX-License-Identifier: BSD-2-Clause
// Learning the set of MABs from a query server, as ITRs do.
#ifndef IVIP_CLI_QUERY_MABS_H
#define IVIP_CLI_QUERY_MABS_H

#include "base/address.h"
#include "base/error.h"

#include <stdbool.h>

// Fetches the set that the server tells and prints it: a line for each MAB and each refused prefix,
// or with `json` one document. False when the server does not answer, or tells no set.
bool query_mabs_print(const struct endpoint *server, bool json, struct error *error);

#endif
