// SPDX-License-Identifier: BSD-2-Clause
#include "authority/usage_accept.h"

bool usage_accept(const struct public_key *itrs, size_t count, const uint8_t *bytes, size_t length,
                  struct usage_report *report, struct error *error)
{
    char text[KEY_TEXT_MAX];
    if (!usage_report_read(bytes, length, report, error))
        return false;
    for (size_t i = 0; i < count; i++)
        if (key_equal(&itrs[i], &report->itr))
            return true;
    return error_set(error, ERROR_DENIED, "unknown-itr",
                     "ITR %s is not listed in ruas.itrs; its reports are not taken",
                     key_print(&report->itr, text));
}
