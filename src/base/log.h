// SPDX-License-Identifier: BSD-2-Clause
// The daemon's log: one line an event on standard error, "level role: sentence". Cores do not
// log; they hand out events and counters, and the shell around them decides what is worth a line.
#ifndef IVIP_BASE_LOG_H
#define IVIP_BASE_LOG_H

#include "base/error.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

// Lines above this level are not written. Starts at LOG_LEVEL_INFO.
void log_set_level(enum log_level level);
// "error", "warning", "info", "debug"; false for another word.
bool log_level_parse(const char *text, enum log_level *level);

// `part` names the role or subsystem that speaks ("qsa", "feed"). Never log a secret.
void log_write(enum log_level level, const char *part, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(part, ...)   log_write(LOG_LEVEL_ERROR, part, __VA_ARGS__)
#define log_warning(part, ...) log_write(LOG_LEVEL_WARNING, part, __VA_ARGS__)
#define log_info(part, ...)    log_write(LOG_LEVEL_INFO, part, __VA_ARGS__)
#define log_debug(part, ...)   log_write(LOG_LEVEL_DEBUG, part, __VA_ARGS__)

#endif
