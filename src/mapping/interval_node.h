// SPDX-License-Identifier: BSD-2-Clause
// The two kinds of node of the interval map's B+-tree, 512 bytes each: eight cache lines, of which
// a search touches two. The first line says which of the other seven to look in.
//
//     inner    line 0     firsts[7], count          firsts[g] is keys[0] of group g
//              group g    keys[4] | children[4]     keys: where the child's intervals may start
//
//     leaf     line 0     base, count, kind, previous, next, firsts[7]
//       narrow line l     lows[5] | lengths[5] | values[5] | high, count      12 bytes an interval
//       far    the rest   starts[30] | lengths[30] | values[30]               16 bytes an interval
//       wide   the rest   starts[24] | lengths[24] | values[24]               20 bytes an interval
//
// A narrow leaf's intervals start less than 2^32 behind its base and are less than 2^32 long, which
// is nearly everything; so the lower halves of their starts suffice. Where they lie further apart
// but are as short, the leaf is far; where one is longer, it is wide. Its lines are filled evenly,
// so that most inserts move a few numbers within one line, and those with intervals come first. A
// line also knows the upper half of its first start, but for the three highest bits: who comes to
// it by the line index needs nothing else of the leaf.
#ifndef IVIP_MAPPING_INTERVAL_NODE_H
#define IVIP_MAPPING_INTERVAL_NODE_H

#include "mapping/interval_map.h"
#include "mapping/sequence.h"

#include <stdbool.h>
#include <stdint.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define NODE_LINES     7 // behind the first
#define GROUP_CHILDREN 4
#define INNER_CHILDREN (NODE_LINES * GROUP_CHILDREN)
#define LINE_INTERVALS 5

// The most intervals that a leaf of each kind holds.
#define NARROW_INTERVALS (NODE_LINES * LINE_INTERVALS)
#define FAR_INTERVALS    30
#define WIDE_INTERVALS   24

// Kinds of leaves, the densest first.
enum leaf_kind { LEAF_NARROW, LEAF_FAR, LEAF_WIDE, LEAF_NONE };

struct inner_group {
    uint64_t keys[GROUP_CHILDREN];
    void *children[GROUP_CHILDREN];
};

struct inner {
    uint64_t firsts[NODE_LINES];
    uint64_t count; // children
    struct inner_group groups[NODE_LINES];
};

struct leaf_line {
    uint32_t lows[LINE_INTERVALS]; // lower halves of the starts
    uint32_t lengths[LINE_INTERVALS];
    uint32_t values[LINE_INTERVALS];
    uint32_t tail; // count, and bits 32 to 60 of the first start; use line_count and line_start
};

#define LINE_COUNT_BITS 3
#define LINE_HIGHEST    ((uint64_t)7 << 61) // bits of a start that a line does not know

struct leaf_narrow {
    uint32_t firsts[NODE_LINES + 1]; // base to first start of each line; UINT32_MAX: empty
    struct leaf_line lines[NODE_LINES];
};

struct leaf_far {
    uint64_t starts[FAR_INTERVALS];
    uint32_t lengths[FAR_INTERVALS];
    uint32_t values[FAR_INTERVALS];
};

struct leaf_wide { // its starts lie where those of a far leaf do
    uint64_t starts[WIDE_INTERVALS];
    uint64_t lengths[WIDE_INTERVALS];
    uint32_t values[WIDE_INTERVALS];
};

struct leaf {
    uint64_t base; // of narrow offsets: the start of the first interval when it was written
    uint32_t count;
    uint16_t kind;   // enum leaf_kind
    uint16_t layout; // of the line index, in which it was last; the writer's
    struct leaf *previous;
    struct leaf *next;
    union {
        struct leaf_narrow narrow;
        struct leaf_far far;
        struct leaf_wide wide;
    };
};

_Static_assert(sizeof(struct inner) == 512 && sizeof(struct leaf) == 512, "eight cache lines");
_Static_assert(sizeof(struct inner_group) == 64 && sizeof(struct leaf_line) == 64, "one line");

// An interval's place in its leaf: line * LINE_INTERVALS + place in the line, or the place in the
// arrays of a wide leaf.
#define LEAF_BEFORE (-1) // before the first interval
#define LEAF_BEHIND 1000 // behind the last

#ifdef SEQUENCE_TSAN
#define INTERVAL_SEARCH static inline SEQUENCE_READER
#else
#define INTERVAL_SEARCH static inline __attribute__((always_inline))
#endif

// Searching. All of it is safe on torn nodes: what is read lies in the node, places are in range.

INTERVAL_SEARCH unsigned line_count(const struct leaf_line *line)
{
    return line->tail & ((1 << LINE_COUNT_BITS) - 1);
}

// The places of a line that intervals are in, as bits.
INTERVAL_SEARCH unsigned line_places(const struct leaf_line *line)
{
    return ((1u << line_count(line)) - 1) & ((1u << LINE_INTERVALS) - 1);
}

// How many of the first `count` numbers (at most 8), but for the first `skip`, are not above a key.
// What lies behind them may be read, but stays in the node.
#if defined(__AVX512F__) && defined(__AVX512VL__)
INTERVAL_SEARCH unsigned rank_u64(const uint64_t *numbers, unsigned skip, unsigned count,
                                  uint64_t key)
{
    unsigned wanted = (1u << count) - (1u << skip);
    unsigned found = count <= 4 ? _mm256_cmple_epu64_mask(_mm256_loadu_si256((const void *)numbers),
                                                          _mm256_set1_epi64x((long long)key))
                                : _mm512_cmple_epu64_mask(_mm512_loadu_si512(numbers),
                                                          _mm512_set1_epi64((long long)key));
    return (unsigned)__builtin_popcount(found & wanted);
}

INTERVAL_SEARCH unsigned rank_u32(const uint32_t *numbers, unsigned skip, unsigned count,
                                  uint32_t key)
{
    unsigned wanted = (1u << count) - (1u << skip);
    unsigned found = _mm256_cmple_epu32_mask(_mm256_loadu_si256((const void *)numbers),
                                             _mm256_set1_epi32((int)key));
    return (unsigned)__builtin_popcount(found & wanted);
}

// How many of a line's intervals start at `offset` behind `low` or before that; modulo 2^32.
INTERVAL_SEARCH unsigned line_rank(const struct leaf_line *line, uint32_t low, uint32_t offset)
{
    __m256i lows = _mm256_loadu_si256((const void *)line->lows);
    __m256i offsets = _mm256_sub_epi32(lows, _mm256_set1_epi32((int)low));
    unsigned found = _mm256_cmple_epu32_mask(offsets, _mm256_set1_epi32((int)offset));
    return (unsigned)__builtin_popcount(found & line_places(line));
}

// Which of a line's intervals, as a bit, holds what is `offset` behind `low`; 0: none.
INTERVAL_SEARCH unsigned line_holding(const struct leaf_line *line, uint32_t low, uint32_t offset)
{
    __m256i lows = _mm256_loadu_si256((const void *)line->lows);
    __m256i lengths = _mm256_loadu_si256((const void *)line->lengths);
    __m256i offsets = _mm256_sub_epi32(lows, _mm256_set1_epi32((int)low));
    __m256i wanted = _mm256_set1_epi32((int)offset);
    __mmask8 before = _mm256_cmple_epu32_mask(offsets, wanted);
    __m256i behind = _mm256_sub_epi32(wanted, offsets);
    return _mm256_mask_cmplt_epu32_mask(before, behind, lengths) & line_places(line);
}
#else
INTERVAL_SEARCH unsigned rank_u64(const uint64_t *numbers, unsigned skip, unsigned count,
                                  uint64_t key)
{
    unsigned rank = 0;
    for (unsigned i = skip; i < count; i++)
        rank += numbers[i] <= key;
    return rank;
}

INTERVAL_SEARCH unsigned rank_u32(const uint32_t *numbers, unsigned skip, unsigned count,
                                  uint32_t key)
{
    unsigned rank = 0;
    for (unsigned i = skip; i < count; i++)
        rank += numbers[i] <= key;
    return rank;
}

INTERVAL_SEARCH unsigned line_rank(const struct leaf_line *line, uint32_t low, uint32_t offset)
{
    unsigned rank = 0;
    unsigned count = line_count(line);
    for (unsigned i = 0; i < LINE_INTERVALS; i++)
        rank += (line->lows[i] - low <= offset) & (i < count);
    return rank;
}

INTERVAL_SEARCH unsigned line_holding(const struct leaf_line *line, uint32_t low, uint32_t offset)
{
    unsigned found = 0;
    for (unsigned i = 0; i < LINE_INTERVALS; i++) {
        uint32_t start = line->lows[i] - low;
        found |= (unsigned)((start <= offset) & (offset - start < line->lengths[i])) << i;
    }
    return found & line_places(line);
}
#endif

// The group that holds the child that leads to `key`.
INTERVAL_SEARCH unsigned inner_group_of(const struct inner *inner, uint64_t key)
{
    return rank_u64(inner->firsts, 1, NODE_LINES, key);
}

// The place of that child in its group. Only the very last key there is equals unused numbers, and
// those are behind the last child: inner_place sees to it.
INTERVAL_SEARCH unsigned inner_place_in(const struct inner_group *group, uint64_t key)
{
    return rank_u64(group->keys, 1, GROUP_CHILDREN, key);
}

// The place of the child that leads to `key`.
INTERVAL_SEARCH unsigned inner_place(const struct inner *inner, uint64_t key)
{
    uint64_t last = inner->count - 1;
    if (__builtin_expect(key == UINT64_MAX, 0))
        return last < INNER_CHILDREN ? (unsigned)last : 0;
    unsigned group = inner_group_of(inner, key);
    return group * GROUP_CHILDREN + inner_place_in(&inner->groups[group], key);
}

// The interval of a narrow leaf's line that holds `key`, which is near, found without the leaf: its
// place in the line as a bit, 0 where none does; and where the line starts.
INTERVAL_SEARCH unsigned line_find(const struct leaf_line *line, uint64_t key, uint64_t *first)
{
    uint32_t low = line->lows[0];
    uint64_t high = (uint64_t)(line->tail >> LINE_COUNT_BITS) << 32;
    *first = high | low | (key & LINE_HIGHEST);
    uint64_t offset = key - *first;
    unsigned holding = line_holding(line, low, (uint32_t)offset);
    return offset >> 32 == 0 ? holding : 0;
}

// The interval that line_find found.
INTERVAL_SEARCH struct interval line_get(const struct leaf_line *line, unsigned holding,
                                         uint64_t first)
{
    unsigned within = (unsigned)__builtin_ctz(holding | 1u << (LINE_INTERVALS - 1));
    uint32_t offset = line->lows[within] - (uint32_t)first;
    return (struct interval){first + offset, line->lengths[within], line->values[within]};
}

// Its value; of no interval, 0.
INTERVAL_SEARCH uint32_t line_value(const struct leaf_line *line, unsigned holding)
{
    unsigned within = (unsigned)__builtin_ctz(holding | 1u << (LINE_INTERVALS - 1));
    return holding != 0 ? line->values[within] : 0;
}

// A key as an offset in a narrow leaf; keys before the base become large and are sorted out by
// leaf_find.
INTERVAL_SEARCH uint32_t leaf_offset(const struct leaf *leaf, uint64_t key)
{
    uint64_t offset = key - leaf->base;
    return offset < UINT32_MAX ? (uint32_t)offset : UINT32_MAX - 1;
}

// The line of a narrow leaf where the last interval that starts at `key` or before it is.
INTERVAL_SEARCH unsigned leaf_line_of(const struct leaf *leaf, uint64_t key)
{
    return rank_u32(leaf->narrow.firsts, 1, NODE_LINES, leaf_offset(leaf, key));
}

// Where the interval at a place in a line of the leaf starts.
INTERVAL_SEARCH uint64_t leaf_start_in(const struct leaf *leaf, const struct leaf_line *line,
                                       unsigned within)
{
    return leaf->base + (uint32_t)(line->lows[within] - (uint32_t)leaf->base);
}

// The last interval of a narrow leaf that starts at `key` or before it, in the line that
// leaf_line_of gave; false where none does.
INTERVAL_SEARCH bool leaf_narrow_at(const struct leaf *leaf, unsigned number, uint64_t key,
                                    struct interval *found)
{
    const struct leaf_line *line = &leaf->narrow.lines[number];
    unsigned within = line_rank(line, (uint32_t)leaf->base, leaf_offset(leaf, key));
    if (__builtin_expect(within == 0 || key < leaf->base, 0))
        return false;
    within--;
    *found = (struct interval){leaf_start_in(leaf, line, within), line->lengths[within],
                               line->values[within]};
    return true;
}

// The place of the last interval that starts at `key` or before it; LEAF_BEFORE where none does.
INTERVAL_SEARCH int leaf_find(const struct leaf *leaf, uint64_t key)
{
    if (__builtin_expect(leaf->kind != LEAF_NARROW, 0)) {
        int place = LEAF_BEFORE;
        uint32_t count = leaf->count < FAR_INTERVALS ? leaf->count : FAR_INTERVALS;
        for (uint32_t i = 0; i < count; i++)
            place += leaf->far.starts[i] <= key;
        return place;
    }
    unsigned number = leaf_line_of(leaf, key);
    const struct leaf_line *line = &leaf->narrow.lines[number];
    unsigned within = line_rank(line, (uint32_t)leaf->base, leaf_offset(leaf, key));
    int place = (int)(number * LINE_INTERVALS + within) - 1;
    return key < leaf->base ? LEAF_BEFORE : place;
}

// The interval at a place.
INTERVAL_SEARCH struct interval leaf_get(const struct leaf *leaf, int place)
{
    if (__builtin_expect(leaf->kind == LEAF_FAR, 0)) {
        unsigned within = (unsigned)place % FAR_INTERVALS;
        return (struct interval){leaf->far.starts[within], leaf->far.lengths[within],
                                 leaf->far.values[within]};
    }
    if (__builtin_expect(leaf->kind == LEAF_WIDE, 0)) {
        unsigned within = (unsigned)place % WIDE_INTERVALS;
        return (struct interval){leaf->wide.starts[within], leaf->wide.lengths[within],
                                 leaf->wide.values[within]};
    }
    unsigned within = (unsigned)place % NARROW_INTERVALS;
    const struct leaf_line *line = &leaf->narrow.lines[within / LINE_INTERVALS];
    unsigned i = within % LINE_INTERVALS;
    return (struct interval){leaf_start_in(leaf, line, i), line->lengths[i], line->values[i]};
}

// The place behind a place (or behind LEAF_BEFORE), or LEAF_BEHIND.
INTERVAL_SEARCH int leaf_next(const struct leaf *leaf, int place)
{
    if (leaf->kind != LEAF_NARROW)
        return (uint32_t)(place + 1) < leaf->count ? place + 1 : LEAF_BEHIND;
    if (place == LEAF_BEFORE)
        return leaf->count > 0 ? 0 : LEAF_BEHIND;
    unsigned number = (unsigned)place / LINE_INTERVALS % NODE_LINES;
    if ((unsigned)place % LINE_INTERVALS + 1 < line_count(&leaf->narrow.lines[number]))
        return place + 1;
    if (number + 1 == NODE_LINES || line_count(&leaf->narrow.lines[number + 1]) == 0)
        return LEAF_BEHIND;
    return (int)((number + 1) * LINE_INTERVALS);
}

// The place of the last interval; LEAF_BEFORE where there is none.
INTERVAL_SEARCH int leaf_last(const struct leaf *leaf)
{
    return leaf_find(leaf, UINT64_MAX);
}

// True when the key is in the interval; also for an interval of length 0, which holds none.
SEQUENCE_READER static inline bool interval_holds(const struct interval *interval, uint64_t key)
{
    return key - interval->start < interval->length;
}

// Writing. The caller has begun a change (sequence.h).

// Asks for all lines of a leaf at once.
static inline void leaf_warm(const struct leaf *leaf)
{
    for (size_t line = 0; line <= NODE_LINES; line++)
        __builtin_prefetch((const char *)leaf + line * sizeof(struct leaf_line), 1);
}

// Makes the leaf empty; links are left alone.
void leaf_clear(struct leaf *leaf);
// The intervals that the leaf, being of the kind it is, can hold.
unsigned leaf_capacity(const struct leaf *leaf);
// The densest kind of leaf that can hold these intervals (sorted, at least one), or LEAF_NONE.
enum leaf_kind leaf_kind_for(const struct interval *intervals, unsigned count);
// True when one leaf can hold them.
bool leaf_fits(const struct interval *intervals, unsigned count);
// Fills the leaf with intervals that fit.
void leaf_write(struct leaf *leaf, const struct interval *intervals, unsigned count);
// Copies all intervals out and returns how many there are.
unsigned leaf_read(const struct leaf *leaf, struct interval intervals[NARROW_INTERVALS]);
// Puts an interval in behind `place` (which may be LEAF_BEFORE) without changing the kind of leaf;
// false where that cannot be.
bool leaf_insert(struct leaf *leaf, int place, const struct interval *interval);
void leaf_erase(struct leaf *leaf, int place);
void leaf_set_value(struct leaf *leaf, int place, uint32_t value);

// A child of an inner node and where its intervals may start. The first child's key does not count.
struct inner_entry {
    uint64_t key;
    void *child;
};

static inline struct inner_entry inner_get(const struct inner *inner, unsigned place)
{
    const struct inner_group *group = &inner->groups[place / GROUP_CHILDREN];
    return (struct inner_entry){group->keys[place % GROUP_CHILDREN],
                                group->children[place % GROUP_CHILDREN]};
}

// Copies all children out and returns how many there are.
unsigned inner_read(const struct inner *inner, struct inner_entry entries[INNER_CHILDREN]);
void inner_write(struct inner *inner, const struct inner_entry *entries, unsigned count);
// Puts a child behind the others of a node that is not full.
void inner_append(struct inner *inner, const struct inner_entry *entry);
void inner_set_key(struct inner *inner, unsigned place, uint64_t key);

#endif
