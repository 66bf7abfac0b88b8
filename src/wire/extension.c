// SPDX-License-Identifier: BSD-2-Clause
#include "wire/extension.h"

#include <assert.h>
#include <stdint.h>

void extension_pad(struct writer *writer, size_t length)
{
    size_t padded = writer_length(writer) + EXTENSION_HEADER_BYTES;
    assert(padded <= length);
    writer_u16(writer, EXTENSION_PADDING);
    writer_u16(writer, (uint16_t)(length - padded));
    writer_zeros(writer, length - padded);
}

bool extensions_step_over(struct reader *reader)
{
    while (!reader->failed && reader_left(reader) > 0) {
        (void)reader_u16(reader);
        (void)reader_take(reader, reader_u16(reader));
    }
    return !reader->failed;
}
