// SPDX-License-Identifier: BSD-2-Clause
// The directory of a RUAS: its MABs, where each stands, and which ETR addresses are refused
// (docs/protocol.md, "HTTP interface"; fast-push §5). Signed, so that anyone may pass it on.
#ifndef IVIP_PUSH_DIRECTORY_H
#define IVIP_PUSH_DIRECTORY_H

#include "base/address.h"
#include "base/instant.h"
#include "base/key.h"
#include "mapping/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIRECTORY_CONTEXT     "ivip directory v1"
#define DIRECTORY_MABS_MAX    262144
#define DIRECTORY_REFUSED_MAX 4096
#define DIRECTORY_BYTES_MAX   ((size_t)40 << 20)

struct directory_mab {
    struct prefix mab;
    uint64_t sequence; // 0: it never changed
    bool hash_known;
    struct mapping_hash hash; // at that sequence
};

// Numbers are below 2^63, as JSON readers hold them.
struct directory {
    struct public_key ruas;
    uint64_t epoch;
    uint64_t sequence; // of the payload after which all this is true
    struct wall_time time;
    size_t mab_count;
    struct directory_mab *mabs;
    size_t refused_count;
    struct prefix *refused;
};

// The signed text; the caller owns it (memory_free).
char *directory_write(const struct directory *directory, const struct secret_key *key,
                      size_t *length);
// Reads and checks a directory that must be signed with `key`; directory_release frees what it
// holds. On false it holds nothing.
bool directory_read(const void *bytes, size_t length, const struct public_key *key,
                    struct directory *directory, struct error *error);
void directory_release(struct directory *directory);

#endif
