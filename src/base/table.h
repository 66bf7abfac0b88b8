// SPDX-License-Identifier: BSD-2-Clause
// Intrusive hash table: a `struct table_node` inside each element; the caller hashes and compares.
//
//     buckets[hash & mask] -> node -> node -> NULL
//
// Hashes of anything a peer chooses must be keyed (hash_bytes in base/hash.h with a random key),
// or a peer could pile its entries into one bucket.
#ifndef IVIP_BASE_TABLE_H
#define IVIP_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next;
    uint64_t hash;
};

struct table {
    struct table_node **buckets; // owned
    size_t bucket_count;         // a power of two
    size_t count;
    size_t room; // it grows when there are more
};

// True when the node holds the key looked for.
typedef bool table_match(const struct table_node *node, const void *key);

void table_init(struct table *table);
// Frees the buckets; the elements belong to the caller.
void table_release(struct table *table);

// Makes room for that many at once: a table that grows moves all its nodes, which for millions of
// them takes longer than a server may stand still. Up to three for two buckets are put up with, as
// memory is used by buckets as they are filled. Only while the table is empty.
void table_reserve(struct table *table, size_t count);

void table_insert(struct table *table, struct table_node *node, uint64_t hash);
struct table_node *table_find(const struct table *table, uint64_t hash, table_match *match,
                              const void *key);
// Asks memory for where a search for that hash begins.
void table_foresee(const struct table *table, uint64_t hash);
// Takes out a node that is in the table.
void table_remove(struct table *table, struct table_node *node);
// Walks all nodes: start with NULL; NULL at the end. The node returned last may be removed only
// after the next one was fetched.
struct table_node *table_next(const struct table *table, const struct table_node *node);

#endif
