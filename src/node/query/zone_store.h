// SPDX-License-Identifier: BSD-2-Clause
// Answers of DNS that were validated, in memory and as the octets of a file (docs/discovery.md,
// "Kept on disk").
//
//     "IVIPZONE" version | digest of the trust anchor | when confirmed | domain | answers | digest
//     answer:  type, name, number of records, each with its length      (none: DNS said so, signed)
#ifndef IVIP_NODE_QUERY_ZONE_STORE_H
#define IVIP_NODE_QUERY_ZONE_STORE_H

#include "base/error.h"
#include "base/instant.h"
#include "query/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONE_STORE_RECORDS_MAX 64        // of one answer; further ones are not kept
#define ZONE_STORE_BYTES_MAX   (1 << 28) // of a file
#define ZONE_ANCHOR_BYTES      32

// What the answers are worth: for which domain, by which trust anchor they were validated, and when
// DNS last said that they are in force.
struct zone_label {
    char domain[DNS_NAME_TEXT_MAX];
    uint8_t anchor[ZONE_ANCHOR_BYTES]; // BLAKE2b-256 of its file
    struct wall_time confirmed;
};

// An answer, borrowed from the store.
struct zone_answer {
    size_t count; // 0: there are no such records
    struct dns_record records[ZONE_STORE_RECORDS_MAX];
};

struct zone_store;

struct zone_store *zone_store_new(void);
void zone_store_free(struct zone_store *store);

// Keeps a copy of a validated answer, in the place of an earlier one.
void zone_store_put(struct zone_store *store, const struct dns_question *question,
                    const struct dns_answer *answer);
bool zone_store_find(const struct zone_store *store, const struct dns_question *question,
                     struct zone_answer *answer);
size_t zone_store_count(const struct zone_store *store);
// The octets that they take in a file.
size_t zone_store_size(const struct zone_store *store);
// Only answers that were marked since the last sweep stay.
void zone_store_mark(struct zone_store *store, const struct dns_question *question);
void zone_store_sweep(struct zone_store *store);

// All answers as a file; the caller frees it. NULL where it would be over ZONE_STORE_BYTES_MAX.
uint8_t *zone_store_encode(const struct zone_store *store, const struct zone_label *label,
                           size_t *length);
// Reads a file. NULL with "zone-damaged" where it is not whole.
struct zone_store *zone_store_decode(const uint8_t *bytes, size_t length, struct zone_label *label,
                                     struct error *error);

#endif
