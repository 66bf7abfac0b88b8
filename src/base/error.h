// SPDX-License-Identifier: BSD-2-Clause
// How a function tells its caller, and in the end a person, what went wrong.
//
// A function that can fail for a reason in the world (not a programmer's mistake: those are
// asserts) returns false and fills a `struct error`. It carries a class that decides exit status
// and HTTP status, a stable word that scripts can match, and a sentence that says what was wrong
// and, where that is known, what to do next. It is filled once, where the cause is known, and
// reported once, at the top.
#ifndef IVIP_BASE_ERROR_H
#define IVIP_BASE_ERROR_H

#include <stdbool.h>

enum error_code {
    ERROR_NONE = 0,
    ERROR_INPUT,       // what a person wrote makes no sense: mend it
    ERROR_DENIED,      // who asks is unknown or may not do this
    ERROR_NOT_FOUND,   // the thing named does not exist
    ERROR_CONFLICT,    // well written, but the state of the database forbids it
    ERROR_LIMIT,       // a documented limit was reached; try later or ask for less
    ERROR_UNAVAILABLE, // a peer or a service does not answer now; try later
    ERROR_FORMAT,      // bytes from outside do not follow the protocol
    ERROR_FORGED,      // a signature, nonce or digest is not right
    ERROR_SYSTEM,      // the operating system or a library refused: disk full, no permission
};

#define ERROR_REASON_MAX 40
#define ERROR_TEXT_MAX   360

struct error {
    enum error_code code;
    char reason[ERROR_REASON_MAX]; // stable word in kebab-case, e.g. "etr-inside-mab"
    char text[ERROR_TEXT_MAX];     // a sentence for people, without a final newline
};

// Fills `error` (when it is not NULL) and returns false, so that `return error_set(...)` reads
// well. `reason` is cut to ERROR_REASON_MAX - 1 bytes, the text to ERROR_TEXT_MAX - 1.
bool error_set(struct error *error, enum error_code code, const char *reason, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

// Puts "prefix: " in front of the sentence, for a caller that knows the file, line or peer.
void error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Forgets what was set.
void error_clear(struct error *error);

#endif
