// SPDX-License-Identifier: BSD-2-Clause
// Reading the blocks of a snapshot, none of which is trusted: each is unpacked into one buffer of
// a fixed size, and every number is checked before it is used.
#include "mapping/snapshot_blocks.h"

#include "base/memory.h"
#include "mapping/columns.h"
#include "mapping/mapping_state.h"
#include "mapping/record_hash.h"

#include <inttypes.h>
#include <string.h>
#include <zstd.h>

// Micronets taken from the columns at a time: a few arrays that stay in the first-level cache. A
// multiple of those that a leaf of the interval map is filled with, and of those hashed together.
#define CHUNK 480

#define BLOCK_CRITICAL 1

// What reading works with.
struct blocks_reader {
    struct mapping *mapping;
    uint64_t micronets_max;
    ZSTD_DCtx *unpacker;
    uint8_t *plain;       // SNAPSHOT_BLOCK_BYTES
    struct address *etrs; // by number in the snapshot; 0 is zero
    uint32_t *values;     // by number: index in the mapping's table
    uint32_t *held;       // by number: micronets read, each of which holds its ETR
    size_t etr_count;     // numbers known, 0 included
    uint64_t end;         // of the last micronet: the first unit not yet filled
    uint64_t units_left;  // from there to the end of the MAB
    struct error *error;
};

static bool corrupt(struct blocks_reader *from, const char *what)
{
    return error_set(from->error, ERROR_FORMAT, "snapshot-corrupt",
                     "the snapshot is damaged or was made wrongly: %s", what);
}

// Unpacks a block's body; `plain` reads what was in it.
static bool unpack(struct blocks_reader *from, struct reader *body, struct reader *plain)
{
    size_t packed_length = reader_left(body);
    const uint8_t *packed = reader_take(body, packed_length);
    size_t length = ZSTD_decompressDCtx(from->unpacker, from->plain, SNAPSHOT_BLOCK_BYTES, packed,
                                        packed_length);
    if (ZSTD_isError(length))
        return corrupt(from, "a block cannot be unpacked, or holds more than a block may");
    *plain = reader_over(from->plain, length);
    return true;
}

static bool read_etrs(struct blocks_reader *from, struct reader *plain)
{
    uint32_t count = reader_u32(plain);
    if (count == 0 || count > SNAPSHOT_BLOCK_ENTRIES ||
        from->etr_count + count > (size_t)SNAPSHOT_ETRS_MAX + 1)
        return corrupt(from, "it has too many ETRs, or a block of none");
    size_t total = from->etr_count + count;
    from->etrs = memory_resize(from->etrs, total * sizeof(*from->etrs));
    from->values = memory_resize(from->values, total * sizeof(*from->values));
    from->held = memory_resize(from->held, total * sizeof(*from->held));
    for (; from->etr_count < total; from->etr_count++) {
        enum family family = (enum family)reader_u8(plain);
        struct address etr = reader_address(plain, family);
        if (plain->failed || family_octets(family) == 0)
            return corrupt(from, "an ETR is neither an IPv4 nor an IPv6 address");
        // Held by one more reference until all micronets are read.
        from->etrs[from->etr_count] = etr;
        from->values[from->etr_count] = etr_table_take(&from->mapping->etrs, &etr, 1);
        from->held[from->etr_count] = 0;
    }
    return reader_left(plain) == 0 || corrupt(from, "there is more behind the last ETR");
}

// Turns numbers of the columns into micronets and their records.
static bool take_chunk(struct blocks_reader *from, const struct column columns[3], size_t first,
                       size_t count, struct interval *micronets, struct record *records)
{
    uint64_t gaps[CHUNK];
    uint64_t lengths[CHUNK];
    uint64_t etrs[CHUNK];
    column_numbers(&columns[0], first, count, gaps);
    column_numbers(&columns[1], first, count, lengths);
    column_numbers(&columns[2], first, count, etrs);
    for (size_t i = 0; i < count; i++) {
        if (gaps[i] >= from->units_left || lengths[i] >= from->units_left - gaps[i])
            return corrupt(from, "a micronet lies outside the MAB");
        if (etrs[i] >= from->etr_count)
            return corrupt(from, "a micronet has an ETR that is not in the table");
        uint64_t start = from->end + gaps[i];
        uint64_t length = lengths[i] + 1;
        micronets[i] = (struct interval){start, length, from->values[etrs[i]]};
        records[i] = (struct record){start, length, from->etrs[etrs[i]], false};
        from->held[etrs[i]]++; // the table is told at the end, once for each ETR
        from->end = start + length;
        from->units_left -= gaps[i] + length;
    }
    return true;
}

static bool read_micronets(struct blocks_reader *from, struct reader *plain)
{
    uint32_t count = reader_u32(plain);
    if (count == 0 || count > SNAPSHOT_BLOCK_ENTRIES ||
        count > from->micronets_max - from->mapping->count)
        return corrupt(from, "it has more micronets than it says, or a block of too many or none");
    struct column columns[3];
    for (unsigned i = 0; i < 3; i++)
        columns[i] = column_read(plain, count);
    if (plain->failed || reader_left(plain) != 0)
        return corrupt(from, "a block's columns do not fill it");
    struct interval micronets[CHUNK];
    struct record records[CHUNK];
    for (size_t done = 0; done < count; done += CHUNK) {
        size_t chunk = count - done < CHUNK ? count - done : CHUNK;
        if (!take_chunk(from, columns, done, chunk, micronets, records))
            return false;
        store_append(&from->mapping->store, micronets, chunk);
        record_hash_add(&from->mapping->hash, records, chunk);
        from->mapping->count += chunk;
    }
    return true;
}

// One block; `end` becomes true behind the last.
static bool read_block(struct blocks_reader *from, struct reader *reader, bool *end)
{
    uint16_t type = reader_u16(reader);
    uint16_t flags = reader_u16(reader);
    struct reader body = reader_sub(reader, reader_u32(reader));
    struct reader plain;
    if (reader->failed || body.failed)
        return corrupt(from, "a block is cut off");
    switch (type) {
    case SNAPSHOT_ETRS:
        return unpack(from, &body, &plain) && read_etrs(from, &plain);
    case SNAPSHOT_MICRONETS:
        return unpack(from, &body, &plain) && read_micronets(from, &plain);
    case SNAPSHOT_END:
        *end = true;
        return (reader_left(&body) == 0 && reader_left(reader) == 0) ||
               corrupt(from, "there is more in its end, or behind it");
    default:
        return (flags & BLOCK_CRITICAL) == 0 ||
               error_set(from->error, ERROR_FORMAT, "snapshot-too-new",
                         "the snapshot has a part of type %u that must be understood, and this "
                         "version of Ivip does not: update it",
                         type);
    }
}

static bool read_all(struct blocks_reader *from, struct reader *reader)
{
    for (bool end = false; !end;)
        if (!read_block(from, reader, &end))
            return false;
    return true;
}

bool snapshot_blocks_read(struct reader *reader, uint64_t micronets_max, struct mapping *mapping,
                          struct error *error)
{
    struct blocks_reader from = {
        .mapping = mapping,
        .micronets_max = micronets_max,
        .unpacker = ZSTD_createDCtx(),
        .plain = memory_new(SNAPSHOT_BLOCK_BYTES),
        .etrs = memory_new(sizeof(*from.etrs)),
        .values = memory_new(sizeof(*from.values)),
        .held = memory_new(sizeof(*from.held)),
        .etr_count = 1,
        .end = mapping->store.units.start.index,
        .units_left = mapping->store.units.length.units,
        .error = error,
    };
    from.values[0] = ETR_ZERO;
    bool good = from.unpacker != NULL ||
                error_set(error, ERROR_SYSTEM, "compression-failed", "zstd: out of memory");
    good = good && read_all(&from, reader);
    for (size_t i = 1; i < from.etr_count; i++) {
        etr_table_hold(&mapping->etrs, from.values[i], from.held[i]);
        etr_table_drop(&mapping->etrs, from.values[i]);
    }
    etr_table_sweep(&mapping->etrs);
    store_end_bulk(&mapping->store);
    (void)ZSTD_freeDCtx(from.unpacker);
    memory_free(from.plain);
    memory_free(from.etrs);
    memory_free(from.values);
    memory_free(from.held);
    return good;
}
