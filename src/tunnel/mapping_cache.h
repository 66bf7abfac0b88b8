// SPDX-License-Identifier: BSD-2-Clause
// The mappings that a caching ITR was told of: ranges with their ETR, each until it expires
// (arch §1.7.2, DRTM §2).
//
// Ranges never overlap: what is learned last takes the place of everything it touches, because a
// server that now gives other boundaries has changed them. Bounded; the least recently used range
// is forgotten first. A range in use is asked for again before it expires, so that traffic does
// not have to wait.
#ifndef IVIP_TUNNEL_MAPPING_CACHE_H
#define IVIP_TUNNEL_MAPPING_CACHE_H

#include "base/instant.h"
#include "base/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_RENEW_FRACTION    8  // a range in use is renewed in the last 1/8 of its life
#define CACHE_RENEW_SECONDS_MAX 30 // but no sooner than this before its end

struct mapping_cache;

struct cached {
    struct range range;
    struct address etr; // FAMILY_NONE: zero
    struct instant expires;
};

struct mapping_cache_counters {
    uint64_t learned;
    uint64_t replaced;  // ranges that a learned one took the place of
    uint64_t forgotten; // on request
    uint64_t expired;
    uint64_t displaced; // least recently used, for want of room
    uint64_t renewals;  // asked again before expiry
};

struct mapping_cache *mapping_cache_new(size_t limit);
void mapping_cache_free(struct mapping_cache *cache);

void mapping_cache_learn(struct mapping_cache *cache, struct instant now,
                         const struct cached *mapping);
// Drops every cached range that the given one touches.
void mapping_cache_forget(struct mapping_cache *cache, const struct range *range);
// What covers the address of a packet, which counts as use; NULL when nothing valid does. The
// pointer holds until the cache next changes.
const struct cached *mapping_cache_use(struct mapping_cache *cache, struct instant now,
                                       const struct address *address);
// An address of the next range to ask for again.
bool mapping_cache_next_renewal(struct mapping_cache *cache, struct address *address);

struct instant mapping_cache_next_deadline(const struct mapping_cache *cache);
void mapping_cache_tick(struct mapping_cache *cache, struct instant now);

size_t mapping_cache_count(const struct mapping_cache *cache);
// Walks all: from *place 0 on; false at the end.
bool mapping_cache_next(const struct mapping_cache *cache, size_t *place, struct cached *mapping);
const struct mapping_cache_counters *mapping_cache_counters(const struct mapping_cache *cache);

#endif
