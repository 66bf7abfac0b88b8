// SPDX-License-Identifier: BSD-2-Clause
// Whose usage reports a RUAS takes: those of the ITRs that its config lists.
#ifndef IVIP_AUTHORITY_USAGE_ACCEPT_H
#define IVIP_AUTHORITY_USAGE_ACCEPT_H

#include "wire/usage_report.h"

#include <stdbool.h>
#include <stddef.h>

// Reads a report and checks that it is signed by one of the ITRs. Errors: "bad-report" and
// "unknown-itr".
bool usage_accept(const struct public_key *itrs, size_t count, const uint8_t *bytes, size_t length,
                  struct usage_report *report, struct error *error);

#endif
