// SPDX-License-Identifier: BSD-2-Clause
// What a querier has learned and not yet had to forget: one entry for each range, found by unit,
// by the nonce it was learned with, by expiry and by age of last use.
//
// An entry is in one of two states: current (in the map, counted, usable), or doomed: taken out,
// kept only until its owner has told whoever must know.
#ifndef IVIP_QUERY_CACHE_H
#define IVIP_QUERY_CACHE_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/range.h"
#include "base/table.h"
#include "query/range_map.h"
#include "query/slab.h"
#include "wire/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_SPARED_MAX 16 // entries looked at for one eviction

// A place in the querier's queue of events, in an entry or a question.
struct event_link {
    struct list_node node;
    bool of_question;
};

// A mapping as a server gave it.
struct learned {
    struct range range;
    struct address etr;
    enum query_status status; // mapped, zero or not-in-MAB
    uint64_t mab_sequence;
    uint64_t nonce;           // of the request it answers; updates carry it
    uint32_t server_sequence; // of the last reply or update accepted for it
    uint16_t upstream;        // index of the server that gave it
    uint32_t generation;      // of that server's place, then; see querier_state.h
    bool doomed;
    bool used; // since it came to its place in cache.uses
    struct heap_node expiry;
    struct table_node by_nonce;
    struct list_node use;         // in cache.uses
    struct list_node of_upstream; // in the upstream's list
    struct event_link event;      // in the querier's queue of events
};

struct cache {
    struct hash_key key;
    struct slab slab;
    struct range_map ranges;
    struct table nonces;
    struct heap expiries;
    struct list_node uses; // in the order added, or last spared
    size_t count;          // current entries
};

// For about so many entries.
void cache_init(struct cache *cache, struct hash_key key, size_t entries);
void cache_release(struct cache *cache);

// The entry that covers a unit, or NULL.
struct learned *cache_find(const struct cache *cache, enum family family, struct unit unit);
// The entry learned with that nonce, or NULL.
struct learned *cache_find_nonce(const struct cache *cache, uint64_t nonce);
// The first entry that overlaps the range, or NULL.
struct learned *cache_first_in(const struct cache *cache, const struct range *range);
// The entry to be evicted, or NULL: about the least recently used. One that was used since it came
// to its place is spared for a round, but no more than CACHE_SPARED_MAX at once. So a hit writes to
// nothing but the entry found; in an exact order it would to three others, all over memory.
struct learned *cache_oldest(struct cache *cache);
// The entry that expires first, or NULL.
struct learned *cache_first_to_expire(const struct cache *cache);

// A new current entry; no other may overlap the range. The caller fills in what it is and links
// `of_upstream` and `event`, which come initialised.
struct learned *cache_add(struct cache *cache, const struct range *range, uint64_t nonce,
                          struct instant expires);
// The entry was confirmed by another request, or has another expiry.
void cache_renew(struct cache *cache, struct learned *learned, uint64_t nonce,
                 struct instant expires);
// The entry was used.
void cache_touch(struct learned *learned);
// Takes an entry out; it stays allocated, doomed, until cache_free_doomed.
void cache_doom(struct cache *cache, struct learned *learned);
void cache_free_doomed(struct cache *cache, struct learned *learned);

size_t cache_memory(const struct cache *cache);

#endif
