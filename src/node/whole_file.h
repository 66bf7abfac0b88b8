// SPDX-License-Identifier: BSD-2-Clause
// Small files that are there whole or not at all, whenever the machine stops.
#ifndef IVIP_NODE_WHOLE_FILE_H
#define IVIP_NODE_WHOLE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHOLE_FILE_SEAL_BYTES 32 // behind the content: its BLAKE2b-256 digest

// The octets of a file and a zero behind them, which the caller frees with memory_free; NULL with
// errno where it cannot be read, or has more than `most` (EFBIG).
uint8_t *whole_file_read(const char *path, size_t most, size_t *length);
// Puts a file with those octets, mode 0600, in the place of the one that may be there: under the
// name PATH.new until it is on the disk. Waits for the disk. Returns errno, or 0.
int whole_file_replace(const char *path, const void *bytes, size_t length);
// Writes the seal behind the first `length` octets, where there must be room for it.
void whole_file_seal(uint8_t *bytes, size_t length);
// Whether the last of `length` octets are the seal of those before: against damage, not malice.
bool whole_file_intact(const uint8_t *bytes, size_t length);

#endif
