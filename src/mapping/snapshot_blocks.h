// SPDX-License-Identifier: BSD-2-Clause
// The blocks of a snapshot: ETR tables and columns of micronets, each compressed by itself.
// Format: docs/protocol.md, "Snapshot".
#ifndef IVIP_MAPPING_SNAPSHOT_BLOCKS_H
#define IVIP_MAPPING_SNAPSHOT_BLOCKS_H

#include "base/cursor.h"
#include "base/error.h"
#include "mapping/mapping.h"

// Most ETRs or micronets in one block.
#define SNAPSHOT_BLOCK_ENTRIES 65536
// Most octets of a block before compression: three columns at their widest.
#define SNAPSHOT_BLOCK_BYTES (4 + 3 * (1 + 8 * SNAPSHOT_BLOCK_ENTRIES))
// Most ETRs in a snapshot.
#define SNAPSHOT_ETRS_MAX (1 << 24)

enum snapshot_block { SNAPSHOT_ETRS = 1, SNAPSHOT_MICRONETS = 2, SNAPSHOT_END = 3 };

// Bytes that grow as they are written; owned, given back with memory_free(bytes).
struct growing {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

// Room for `length` more bytes, which count as written.
uint8_t *growing_extend(struct growing *growing, size_t length);

// Appends all blocks of a mapping, the end included.
bool snapshot_blocks_write(const struct mapping *mapping, struct growing *out, struct error *error);
// Reads all blocks into an empty mapping, at most `micronets_max` micronets. Memory stays within
// that and a few MiB, whatever the blocks say. The mapping may hold a part after an error.
bool snapshot_blocks_read(struct reader *reader, uint64_t micronets_max, struct mapping *mapping,
                          struct error *error);

#endif
