// SPDX-License-Identifier: BSD-2-Clause
// Columns of numbers in a snapshot (docs/protocol.md, "Snapshot"): one width for all of them, and
// their octets in planes, most significant first, so that the many equal ones lie together for the
// compressor and the reader works on whole vectors.
//
//     0x0102, 0x0103, 0x0207   ->   width 2 | 01 01 02 | 02 03 07
#ifndef IVIP_MAPPING_COLUMNS_H
#define IVIP_MAPPING_COLUMNS_H

#include "base/cursor.h"

#include <stddef.h>
#include <stdint.h>

#define COLUMN_WIDTH_MAX 8

// A column inside a block that the caller keeps.
struct column {
    unsigned width; // octets a number; 0: all are zero
    size_t count;
    const uint8_t *planes;
};

void column_write(struct writer *writer, const uint64_t *numbers, size_t count);
// Finds the next column of `count` numbers; fails the reader where there is none.
struct column column_read(struct reader *reader, size_t count);
// Gives the numbers from `first` on.
void column_numbers(const struct column *column, size_t first, size_t count, uint64_t *numbers);

#endif
