// SPDX-License-Identifier: BSD-2-Clause
// Writing the blocks of a snapshot. The same database gives the same bytes, whatever its history:
// ETRs are numbered in the order of their addresses.
#include "mapping/snapshot_blocks.h"

#include "base/memory.h"
#include "mapping/columns.h"
#include "mapping/mapping_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

// Level 1 loads as fast as others, and a snapshot is made again every few minutes.
#define COMPRESSION_LEVEL 1
#define ETR_OCTETS_MAX    17

// What writing works with.
struct blocks_writer {
    const struct mapping *mapping;
    struct growing *out;
    ZSTD_CCtx *compressor;
    uint8_t *plain;    // SNAPSHOT_BLOCK_BYTES
    uint32_t *numbers; // by index in the table of ETRs: number in the snapshot; 0 zero
    struct error *error;
};

uint8_t *growing_extend(struct growing *growing, size_t length)
{
    size_t needed = growing->length + length;
    if (needed > growing->capacity) {
        growing->capacity = needed > 2 * growing->capacity ? needed : 2 * growing->capacity;
        growing->bytes = memory_resize(growing->bytes, growing->capacity);
    }
    uint8_t *place = growing->bytes + growing->length;
    growing->length = needed;
    return place;
}

#define BLOCK_HEADER_BYTES 8

static void write_block_header(uint8_t *place, enum snapshot_block type, size_t length)
{
    struct writer writer = writer_over(place, BLOCK_HEADER_BYTES);
    writer_u16(&writer, (uint16_t)type);
    writer_u16(&writer, 1); // critical: who does not know it cannot read the snapshot
    writer_u32(&writer, (uint32_t)length);
    assert(!writer.failed);
}

// Compresses what was written over `plain` into a block.
static bool write_block(struct blocks_writer *to, enum snapshot_block type,
                        const struct writer *plain)
{
    assert(!plain->failed);
    size_t bound = ZSTD_compressBound(writer_length(plain));
    size_t at = to->out->length;
    uint8_t *place = growing_extend(to->out, BLOCK_HEADER_BYTES + bound);
    size_t length = ZSTD_compressCCtx(to->compressor, place + BLOCK_HEADER_BYTES, bound,
                                      plain->start, writer_length(plain), COMPRESSION_LEVEL);
    if (ZSTD_isError(length))
        return error_set(to->error, ERROR_SYSTEM, "compression-failed", "zstd: %s",
                         ZSTD_getErrorName(length));
    write_block_header(place, type, length);
    to->out->length = at + BLOCK_HEADER_BYTES + length;
    return true;
}

static int compare_addresses(const void *a, const void *b, void *addresses)
{
    const struct address *table = addresses;
    return address_compare(&table[*(const uint32_t *)a], &table[*(const uint32_t *)b]);
}

// The indices of all ETRs in use, in the order of their addresses; the caller frees.
static uint32_t *sorted_etrs(const struct etr_table *etrs, size_t *count)
{
    uint32_t *indices = memory_new_array(etrs->used, sizeof(*indices));
    *count = 0;
    for (uint32_t i = ETR_FIRST; i < etrs->used; i++)
        if (etrs->slots[i].references > 0)
            indices[(*count)++] = i;
    qsort_r(indices, *count, sizeof(*indices), compare_addresses, etrs->addresses);
    return indices;
}

static bool write_etrs(struct blocks_writer *to)
{
    const struct etr_table *etrs = &to->mapping->etrs;
    size_t count = 0;
    uint32_t *indices = sorted_etrs(etrs, &count);
    bool good =
        count <= SNAPSHOT_ETRS_MAX ||
        error_set(to->error, ERROR_LIMIT, "too-many-etrs",
                  "%zu ETRs in one MAB: a snapshot holds at most %d", count, SNAPSHOT_ETRS_MAX);
    for (size_t done = 0; good && done < count; done += SNAPSHOT_BLOCK_ENTRIES) {
        size_t left = count - done;
        size_t entries = left < SNAPSHOT_BLOCK_ENTRIES ? left : SNAPSHOT_BLOCK_ENTRIES;
        struct writer writer = writer_over(to->plain, SNAPSHOT_BLOCK_BYTES);
        writer_u32(&writer, (uint32_t)entries);
        for (size_t i = done; i < done + entries; i++) {
            const struct address *etr = &etrs->addresses[indices[i]];
            writer_u8(&writer, etr->family);
            writer_address(&writer, etr);
            to->numbers[indices[i]] = (uint32_t)i + 1;
        }
        good = write_block(to, SNAPSHOT_ETRS, &writer);
    }
    memory_free(indices);
    return good;
}

// The columns of one block.
struct block_columns {
    uint64_t gaps[SNAPSHOT_BLOCK_ENTRIES];
    uint64_t lengths[SNAPSHOT_BLOCK_ENTRIES];
    uint64_t etrs[SNAPSHOT_BLOCK_ENTRIES];
    struct interval micronets[SNAPSHOT_BLOCK_ENTRIES];
};

static bool write_columns(struct blocks_writer *to, const struct block_columns *columns,
                          size_t count)
{
    struct writer writer = writer_over(to->plain, SNAPSHOT_BLOCK_BYTES);
    writer_u32(&writer, (uint32_t)count);
    column_write(&writer, columns->gaps, count);
    column_write(&writer, columns->lengths, count);
    column_write(&writer, columns->etrs, count);
    return write_block(to, SNAPSHOT_MICRONETS, &writer);
}

static bool write_micronets(struct blocks_writer *to)
{
    const struct store *store = &to->mapping->store;
    struct block_columns *columns = memory_new(sizeof(*columns));
    uint64_t end = store->units.start.index; // of the micronet before
    uint64_t last = range_last(&store->units).index;
    bool good = true;
    bool more = true;
    while (good && more) {
        size_t count = store_read(store, end, columns->micronets, SNAPSHOT_BLOCK_ENTRIES);
        for (size_t i = 0; i < count; i++) {
            const struct interval *micronet = &columns->micronets[i];
            columns->gaps[i] = micronet->start - end;
            columns->lengths[i] = micronet->length - 1;
            columns->etrs[i] = to->numbers[micronet->value];
            end = micronet->start + micronet->length;
        }
        good = count == 0 || write_columns(to, columns, count);
        more = count == SNAPSHOT_BLOCK_ENTRIES && end - 1 != last;
    }
    memory_free(columns);
    return good;
}

bool snapshot_blocks_write(const struct mapping *mapping, struct growing *out, struct error *error)
{
    struct blocks_writer to = {
        .mapping = mapping,
        .out = out,
        .compressor = ZSTD_createCCtx(),
        .plain = memory_new(SNAPSHOT_BLOCK_BYTES),
        .numbers = memory_new_array(mapping->etrs.used, sizeof(uint32_t)),
        .error = error,
    };
    bool good = to.compressor != NULL ||
                error_set(error, ERROR_SYSTEM, "compression-failed", "zstd: out of memory");
    good = good && write_etrs(&to) && write_micronets(&to);
    if (good)
        write_block_header(growing_extend(out, BLOCK_HEADER_BYTES), SNAPSHOT_END, 0);
    (void)ZSTD_freeCCtx(to.compressor);
    memory_free(to.plain);
    memory_free(to.numbers);
    return good;
}
