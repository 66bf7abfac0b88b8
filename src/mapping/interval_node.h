// SPDX-License-Identifier: BSD-2-Clause
// The two kinds of node of the interval map's B+-tree, 512 bytes (eight cache lines) each.
//
//     inner    count | keys[32] | children[31]          keys[i]: no start in children[i+1] or
//                                                       behind it is lower
//     leaf     previous, next, base, count, wide |
//       narrow   offsets[40] | {length, value}[40]      starts are base + offset, 32 bits
//       wide     starts[24] | lengths[24] | values[24]  64 bits, where 32 do not suffice
//
// Starts (and keys) come first and together, so that a search compares whole vectors of them and
// touches three cache lines, then one line with the length and value. Unused places hold the
// highest number, so that a search needs no bound and no branch. Most leaves are narrow: 12 bytes
// an interval.
#ifndef IVIP_MAPPING_INTERVAL_NODE_H
#define IVIP_MAPPING_INTERVAL_NODE_H

#include "mapping/interval_map.h"
#include "mapping/sequence.h"

#include <stdbool.h>
#include <stdint.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define INNER_CHILDREN 31
#define INNER_KEYS     32 // one less than children is used; the rest pads to whole vectors
#define LEAF_NARROW    40
#define LEAF_WIDE      24

struct inner {
    uint64_t count; // children
    uint64_t keys[INNER_KEYS];
    void *children[INNER_CHILDREN];
};

struct leaf_cell {
    uint32_t length;
    uint32_t value;
};

struct leaf_narrow {
    uint32_t offsets[LEAF_NARROW];
    struct leaf_cell cells[LEAF_NARROW];
};

struct leaf_wide {
    uint64_t starts[LEAF_WIDE];
    uint64_t lengths[LEAF_WIDE];
    uint32_t values[LEAF_WIDE];
};

struct leaf {
    struct leaf *previous;
    struct leaf *next;
    uint64_t base; // of narrow offsets: not above the first start
    uint32_t count;
    uint32_t wide; // 0 or 1
    union {
        struct leaf_narrow narrow;
        struct leaf_wide wides;
    };
};

_Static_assert(sizeof(struct inner) == 512 && sizeof(struct leaf) == 512, "nodes are 512 bytes");

// Searches are compiled for several kinds of machine (interval_find.c).
#ifdef SEQUENCE_TSAN
#define INTERVAL_SEARCH static inline SEQUENCE_READER
#else
#define INTERVAL_SEARCH static inline __attribute__((always_inline))
#endif

// How many numbers of a node are not above a key. Numbers are sorted, and those behind the last
// used are the highest there are.

#if defined(__AVX512F__) && defined(__AVX512VL__)
INTERVAL_SEARCH unsigned rank_inner(const uint64_t numbers[INNER_KEYS], uint64_t key)
{
    __m512i keys = _mm512_set1_epi64((long long)key);
    unsigned found = 0;
    for (unsigned i = 0; i < INNER_KEYS; i += 8)
        found |= (unsigned)_mm512_cmple_epu64_mask(_mm512_loadu_si512(numbers + i), keys) << i;
    return (unsigned)__builtin_popcount(found);
}

INTERVAL_SEARCH unsigned rank_narrow(const uint32_t numbers[LEAF_NARROW], uint32_t key)
{
    __m512i keys = _mm512_set1_epi32((int)key);
    uint64_t found = _mm256_cmple_epu32_mask(_mm256_loadu_si256((const __m256i *)(numbers + 32)),
                                             _mm512_castsi512_si256(keys));
    found = found << 16 | _mm512_cmple_epu32_mask(_mm512_loadu_si512(numbers + 16), keys);
    found = found << 16 | _mm512_cmple_epu32_mask(_mm512_loadu_si512(numbers), keys);
    return (unsigned)__builtin_popcountll(found);
}

INTERVAL_SEARCH unsigned rank_wide(const uint64_t numbers[LEAF_WIDE], uint64_t key)
{
    __m512i keys = _mm512_set1_epi64((long long)key);
    unsigned found = 0;
    for (unsigned i = 0; i < LEAF_WIDE; i += 8)
        found |= (unsigned)_mm512_cmple_epu64_mask(_mm512_loadu_si512(numbers + i), keys) << i;
    return (unsigned)__builtin_popcount(found);
}
#else
// The compiler's own vectors become whatever the machine compiled for has.
typedef uint32_t lanes_u32 __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint64_t lanes_u64 __attribute__((vector_size(32), aligned(8), may_alias));

INTERVAL_SEARCH unsigned rank_u64(const uint64_t *numbers, unsigned count, uint64_t key)
{
    lanes_u64 keys = {key, key, key, key};
    lanes_u64 sum = {0};
    for (unsigned i = 0; i < count; i += 4)
        sum -= (lanes_u64)(*(const lanes_u64 *)(numbers + i) <= keys);
    return (unsigned)(sum[0] + sum[1] + sum[2] + sum[3]);
}

INTERVAL_SEARCH unsigned rank_inner(const uint64_t numbers[INNER_KEYS], uint64_t key)
{
    return rank_u64(numbers, INNER_KEYS, key);
}

INTERVAL_SEARCH unsigned rank_narrow(const uint32_t numbers[LEAF_NARROW], uint32_t key)
{
    lanes_u32 keys = {key, key, key, key, key, key, key, key};
    lanes_u32 sum = {0};
    for (unsigned i = 0; i < LEAF_NARROW; i += 8)
        sum -= (lanes_u32)(*(const lanes_u32 *)(numbers + i) <= keys);
    unsigned rank = 0;
    for (unsigned i = 0; i < 8; i++)
        rank += sum[i];
    return rank;
}

INTERVAL_SEARCH unsigned rank_wide(const uint64_t numbers[LEAF_WIDE], uint64_t key)
{
    return rank_u64(numbers, LEAF_WIDE, key);
}
#endif

// The place of the child that leads to `key`. Safe on torn nodes: always below INNER_CHILDREN.
INTERVAL_SEARCH unsigned inner_place(const struct inner *inner, uint64_t key)
{
    unsigned rank = rank_inner(inner->keys, key);
    uint64_t last = inner->count - 1;
    rank = rank < INNER_CHILDREN ? rank : INNER_CHILDREN - 1;
    return rank < last ? rank : (unsigned)(last < INNER_CHILDREN ? last : 0);
}

// How many intervals start at `key` or before it. Safe on torn nodes: at most LEAF_NARROW, or
// LEAF_WIDE where the leaf is wide.
INTERVAL_SEARCH unsigned leaf_rank(const struct leaf *leaf, uint64_t key)
{
    unsigned rank = 0;
    if (__builtin_expect(leaf->wide != 0, 0)) {
        rank = rank_wide(leaf->wides.starts, key);
    } else {
        uint64_t base = leaf->base;
        uint64_t offset = key - base;
        offset = offset < UINT32_MAX ? offset : UINT32_MAX;
        rank = rank_narrow(leaf->narrow.offsets, (uint32_t)offset);
        rank = key < base ? 0 : rank;
    }
    return rank < leaf->count ? rank : leaf->count;
}

// The interval at a place. Safe on torn nodes: what is read lies in the node.
INTERVAL_SEARCH struct interval leaf_get(const struct leaf *leaf, unsigned place)
{
    if (__builtin_expect(leaf->wide != 0, 0)) {
        unsigned within = place < LEAF_WIDE ? place : LEAF_WIDE - 1;
        return (struct interval){leaf->wides.starts[within], leaf->wides.lengths[within],
                                 leaf->wides.values[within]};
    }
    unsigned within = place < LEAF_NARROW ? place : LEAF_NARROW - 1;
    struct leaf_cell cell = leaf->narrow.cells[within];
    return (struct interval){leaf->base + leaf->narrow.offsets[within], cell.length, cell.value};
}

// True when the key is in the interval; also for an interval of length 0, which holds none.
SEQUENCE_READER static inline bool interval_holds(const struct interval *interval, uint64_t key)
{
    return key - interval->start < interval->length;
}

// Writing. The caller has begun a change (sequence.h).

// Makes the leaf empty; links are left alone.
void leaf_clear(struct leaf *leaf);
// True when one leaf can hold these intervals (sorted, at least one).
bool leaf_fits(const struct interval *intervals, unsigned count);
// Fills the leaf with intervals that fit.
void leaf_write(struct leaf *leaf, const struct interval *intervals, unsigned count);
// Copies all intervals out and returns how many there are.
unsigned leaf_read(const struct leaf *leaf, struct interval intervals[LEAF_NARROW]);
// Puts an interval in at `place` without changing the kind of leaf; false where that cannot be.
bool leaf_insert(struct leaf *leaf, unsigned place, const struct interval *interval);
void leaf_erase(struct leaf *leaf, unsigned place);
void leaf_set_value(struct leaf *leaf, unsigned place, uint32_t value);

// Fills an inner node; `keys` has one less than `children`.
void inner_write(struct inner *inner, const uint64_t *keys, void *const *children, unsigned count);
// Puts a child in at `place` (at least 1, with room), with the key that divides it from the one
// before.
void inner_insert(struct inner *inner, unsigned place, uint64_t key, void *child);
// Takes out the child at `place`, and the key before it (or behind it, for the first).
void inner_erase(struct inner *inner, unsigned place);

#endif
