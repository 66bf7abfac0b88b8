// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/columns.h"

#include <assert.h>
#include <string.h>

static unsigned width_of(const uint64_t *numbers, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= numbers[i];
    return all == 0 ? 0 : (unsigned)(64 - __builtin_clzll(all) + 7) / 8;
}

void column_write(struct writer *writer, const uint64_t *numbers, size_t count)
{
    unsigned width = width_of(numbers, count);
    writer_u8(writer, (uint8_t)width);
    if (writer_left(writer) < width * count) {
        writer->failed = true;
        return;
    }
    for (unsigned plane = 0; plane < width; plane++) {
        unsigned shift = 8 * (width - 1 - plane);
        uint8_t *octets = writer->next;
        for (size_t i = 0; i < count; i++)
            octets[i] = (uint8_t)(numbers[i] >> shift);
        writer->next += count;
    }
}

struct column column_read(struct reader *reader, size_t count)
{
    struct column column = {.width = reader_u8(reader), .count = count};
    if (column.width > COLUMN_WIDTH_MAX) {
        reader->failed = true;
        column.width = 0;
    }
    column.planes = reader_take(reader, column.width * count);
    return column;
}

void column_numbers(const struct column *column, size_t first, size_t count, uint64_t *numbers)
{
    assert(first + count <= column->count);
    memset(numbers, 0, count * sizeof(*numbers));
    for (unsigned plane = 0; plane < column->width; plane++) {
        const uint8_t *octets = column->planes + plane * column->count + first;
        for (size_t i = 0; i < count; i++)
            numbers[i] = numbers[i] << 8 | octets[i];
    }
}
