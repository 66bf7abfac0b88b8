// SPDX-License-Identifier: BSD-2-Clause
// What `ivip doctor` finds: each a sentence that is true or not, and what to do where it is not.
#ifndef IVIP_CLI_FINDING_H
#define IVIP_CLI_FINDING_H

#include <stdbool.h>
#include <stddef.h>

struct finding {
    bool good;
    char text[400];
    char hint[200]; // "" where the text says it all
};

struct findings {
    size_t count;
    struct finding *items;
};

void finding_add(struct findings *findings, bool good, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// Writes all of them; true when all are good.
bool findings_print(const struct findings *findings, bool json);
void findings_release(struct findings *findings);

#endif
