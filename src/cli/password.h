// SPDX-License-Identifier: BSD-2-Clause
// Asking for a password: never in the arguments of a program, where everybody could see it.
#ifndef IVIP_CLI_PASSWORD_H
#define IVIP_CLI_PASSWORD_H

#include "base/error.h"

#include <stdbool.h>

#define PASSWORD_TEXT_MAX 258

// Asks twice on the terminal, without showing what is typed; where standard input is no terminal,
// takes its first line. Wipe `password` after use.
bool password_read(const char *user, char password[PASSWORD_TEXT_MAX], struct error *error);

#endif
