// SPDX-License-Identifier: BSD-2-Clause
// Bounds-checked cursors: the only way bytes from outside are read and bytes for outside written.
//
// Errors are sticky: after the first read or write that does not fit, `failed` stays true, reads
// give zeros and writes do nothing. A decoder reads a whole message and checks once at the end.
// All numbers are big-endian on the wire.
#ifndef IVIP_BASE_CURSOR_H
#define IVIP_BASE_CURSOR_H

#include "base/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reads from memory that the caller keeps alive.
struct reader {
    const uint8_t *next;
    const uint8_t *end;
    bool failed;
};

// Writes into memory that the caller owns.
struct writer {
    uint8_t *start;
    uint8_t *next;
    uint8_t *end;
    bool failed;
};

struct reader reader_over(const void *bytes, size_t length);
// Bytes not yet read; 0 once failed.
size_t reader_left(const struct reader *reader);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
// Copies `length` bytes out; on failure `bytes` is zeroed.
void reader_bytes(struct reader *reader, void *bytes, size_t length);
// Returns a pointer to the next `length` bytes (inside the input) and steps over them; NULL on
// failure.
const uint8_t *reader_take(struct reader *reader, size_t length);
// A reader over just the next `length` bytes, which are stepped over here. It is born failed where
// they are not there.
struct reader reader_sub(struct reader *reader, size_t length);
// 4 or 16 octets; other families fail the reader.
struct address reader_address(struct reader *reader, enum family family);

struct writer writer_over(void *bytes, size_t size);
// Bytes written so far.
size_t writer_length(const struct writer *writer);
// Bytes that still fit; 0 once failed.
size_t writer_left(const struct writer *writer);
void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_u64(struct writer *writer, uint64_t value);
void writer_bytes(struct writer *writer, const void *bytes, size_t length);
void writer_zeros(struct writer *writer, size_t length);
// The 4 or 16 octets of the address; nothing for FAMILY_NONE.
void writer_address(struct writer *writer, const struct address *address);
// Leaves room for a 16-bit length and returns its place, to be filled by writer_patch_u16 with
// what has been written behind it.
uint8_t *writer_reserve_u16(struct writer *writer);
void writer_patch_u16(struct writer *writer, uint8_t *place);

#endif
