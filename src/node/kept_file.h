// SPDX-License-Identifier: BSD-2-Clause
// A file in the state directory that keeps something over restarts: whole or not at all, and
// written by a worker, since the loop must not wait for a disk.
//
//     kept_file_write --> content --> worker: make, write, fsync, rename
//                            `- one that comes meanwhile waits; the newest is written last
#ifndef IVIP_NODE_KEPT_FILE_H
#define IVIP_NODE_KEPT_FILE_H

#include "node/node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A content that could not be written is worth another try after this time.
#define KEPT_FILE_RETRY_SECONDS 60

// What is to be in the file.
struct kept_content {
    void *state;
    // Gives its octets, in memory that is freed when they are written: in a worker, and may use
    // nothing but the state. NULL: it is too large to be kept.
    uint8_t *(*make)(void *state, size_t *length);
    // Frees the state, in the loop's thread.
    void (*drop)(void *state);
};

struct kept_file;

// STATE/`name`. `part`, of the program, and `what` is kept are constants, for the log.
struct kept_file *kept_file_open(struct node *node, const char *part, const char *what,
                                 const char *name);
// What is to be written still is. NULL does nothing.
void kept_file_close(struct kept_file *file);
const char *kept_file_path(const struct kept_file *file);

// The octets that an earlier run kept, and a zero behind them: at most `most`, to be freed with
// memory_free. NULL where there are none; what keeps them from being read is logged. Waits for the
// disk.
uint8_t *kept_file_read(const struct kept_file *file, size_t most, size_t *length);
// Puts that content, which is taken over, in the place of what is kept.
void kept_file_write(struct kept_file *file, const struct kept_content *content);
// The same for octets in memory of memory_new, which are taken over.
void kept_file_write_bytes(struct kept_file *file, uint8_t *bytes, size_t length);
// Whether what came last could not be written; the first time that is logged.
bool kept_file_failed(const struct kept_file *file);

#endif
