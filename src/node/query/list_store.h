// SPDX-License-Identifier: BSD-2-Clause
// The set of MABs that query servers told an ITR, as the octets of a file (docs/discovery.md, "The
// set of MABs from a query server").
//
//     "IVIPMABS" version | when confirmed | level and name of the root | pages | digest
//     page:  length, content         in the order in which a walk from the root meets them
#ifndef IVIP_NODE_QUERY_LIST_STORE_H
#define IVIP_NODE_QUERY_LIST_STORE_H

#include "base/error.h"
#include "base/instant.h"
#include "query/page_shelf.h"

#include <stddef.h>
#include <stdint.h>

#define LIST_STORE_BYTES_MAX (1 << 27) // of a file: all pages that an index may hold

// A version as a file, which the caller frees with memory_free. May be called in any thread.
uint8_t *list_store_encode(const struct page_shelf *shelf, struct wall_time confirmed,
                           size_t *length);
// Reads a file: one holder. NULL with "list-damaged" where it is not whole.
struct page_shelf *list_store_decode(const uint8_t *bytes, size_t length,
                                     struct wall_time *confirmed, struct error *error);

#endif
