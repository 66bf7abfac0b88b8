// SPDX-License-Identifier: BSD-2-Clause
// The payloads of the last ten minutes, for receivers that missed some (fast-push §4.1.3).
//
// They are kept in the form in which they are asked for, in segments that fill up one after the
// other and are let go whole when their last payload is too old or memory is short:
//
//     [ len payload len payload ... ] -> [ len payload ... ] -> [ len payload    free ]
//       oldest segment                                            newest
#ifndef IVIP_PUSH_HISTORY_H
#define IVIP_PUSH_HISTORY_H

#include "base/instant.h"

#include <stddef.h>
#include <stdint.h>

#define HISTORY_SECONDS    600
#define HISTORY_BYTES_MAX  ((size_t)64 << 20) // of the sender's
#define FETCH_PAYLOADS_MAX 4096               // most that one request gets

enum history_answer {
    HISTORY_FOUND,
    HISTORY_GONE,    // the first one asked for is no longer kept
    HISTORY_NOT_YET, // the first one asked for is not there yet
};

struct history;

// Keeps at most about `bytes_max` bytes. The caller owns it.
struct history *history_new(size_t bytes_max);
void history_free(struct history *history);

// Adds a payload; its sequence follows that of the last one added (any, for the first).
void history_add(struct history *history, struct instant now, uint64_t sequence,
                 const uint8_t *bytes, size_t length);
// The lowest and highest sequence kept; both 0 while there is none.
uint64_t history_first(const struct history *history);
uint64_t history_last(const struct history *history);
size_t history_memory(const struct history *history);

// The payloads from `first` on to `last` or what there is (at most FETCH_PAYLOADS_MAX), in order,
// each behind its 16-bit length. On HISTORY_FOUND `bytes` is the caller's, for memory_free.
enum history_answer history_read(const struct history *history, uint64_t first, uint64_t last,
                                 uint8_t **bytes, size_t *length);

#endif
