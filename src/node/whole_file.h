// SPDX-License-Identifier: BSD-2-Clause
// Small files that are there whole or not at all, whenever the machine stops.
#ifndef IVIP_NODE_WHOLE_FILE_H
#define IVIP_NODE_WHOLE_FILE_H

#include <stddef.h>
#include <stdint.h>

// The octets of a file and a zero behind them, which the caller frees with memory_free; NULL with
// errno where it cannot be read, or has more than `most` (EFBIG).
uint8_t *whole_file_read(const char *path, size_t most, size_t *length);
// Puts a file with those octets, mode 0600, in the place of the one that may be there: under the
// name PATH.new until it is on the disk. Waits for the disk. Returns errno, or 0.
int whole_file_replace(const char *path, const void *bytes, size_t length);

#endif
