// SPDX-License-Identifier: BSD-2-Clause
// An index over the lines of an interval map's leaves, so that a lookup among millions of
// intervals waits for memory twice: for the index, and for the line that the interval is in.
//
//     keys     origin |-------|-------|-------|-------|-------|-------|  slots of equal width
//     lines          A.......:....B..:.......:.......:C..D...:.......
//     entries         A       B       (B)     (B)     D, C    (D)        (B): repeated
//
// An entry names the last line that starts in its slot, how far into the slot it starts, and how
// far the line before it, where that starts in the slot too and is of the same leaf; where no line
// starts in a slot, the entry before is repeated. So the line of a key is the one that its slot's
// entry names, or the one before that, or where both start behind the key, the one that the slot
// before names.
//
// That is right but where three lines or two leaves crowd in a slot, where lines lie too far apart
// (an entry is repeated LINE_FILL_MAX times only), and outside the slots. It need not be right: an
// interval that is found to hold the key is the answer, whatever led to it, since no two hold it.
// Else the tree is asked. What must be true of every entry at all times is that its lines are of a
// leaf that is in the tree now, and of the kind that the entry says.
//
// There are some 1.7 slots for each line when the index is laid out, which happens anew after as
// many changes of leaves as a quarter of them: beside the slots in use, some leaves with each leaf
// that is added or dropped, and changes of those that are in go to both. So no change takes long,
// however large the map: whoever answers packets stands still while it writes, and readers wait for
// it. And what is laid out is written from its end to its beginning, so that the pages of its
// memory are touched one after the other, and not nearly all of them by the next changes, wherever
// these are. Where most lines would crowd, because intervals lie in few dense clusters, there is no
// index, and all go through the tree. An entry takes 8 bytes, which is 2.4 to 3.1 bytes an
// interval.
#ifndef IVIP_MAPPING_LINE_INDEX_H
#define IVIP_MAPPING_LINE_INDEX_H

#include "mapping/interval_node.h"

#define LINE_INDEX_BITS_MAX 30 // slots: enough for some 2^32 intervals

// An entry, 0 where no line is known:
//
//     63   56 55   48 47                                6 5          1   0
//     | last  | other | address of the line, or the leaf  | distance   | leaf |
//
// `last` and `other` are how far into the slot the line and the one before it start, in 1/256 of a
// slot; the same twice where only one does. `distance` is how many slots before this one the line
// starts, when the entry is repeated (the starts are 0 then).
#define LINE_LEAF        ((uint64_t)1) // not a narrow leaf: the address is that of the leaf
#define LINE_DISTANCE    ((uint64_t)1 << 1)
#define LINE_FILL_MAX    31
#define LINE_BYTES       64
#define LINE_LAST_SHIFT  56
#define LINE_OTHER_SHIFT 48
#define LINE_ADDRESS     (((uint64_t)1 << LINE_OTHER_SHIFT) - LINE_BYTES)

// What readers need of an index.
struct line_slots {
    uint64_t origin;   // the first key of the first slot
    uint64_t span;     // the last key of the last slot, less the origin
    uint64_t scale;    // slots for 2^shift keys, times 2^32
    uint32_t shift;    // so that span >> shift takes 32 bits at most
    uint32_t count;    // of slots; 0: there is no index
    uint64_t *entries; // that of slot i is entries[i + 1]; entries[0] is 0
};

struct line_index {
    struct line_slots slots;
    // The writer's. Two arrays for each power of two ever needed stay mapped for readers that still
    // look; those no longer in use have no memory behind them.
    struct line_slots next;     // being laid out; its count is 0 when none are
    struct line_slots given_up; // used before; `count` is what is still to be given back
    uint64_t next_key;          // leads to the last leaf that is not yet put into `next`
    size_t next_starts;         // slots of `next` in which a line starts
    uint16_t layout;            // of `next`: that of the leaves that are in it, and maybe of others
    void *arrays[LINE_INDEX_BITS_MAX + 1][2];
    size_t leaves;   // in the tree
    size_t laid_out; // of these, when they were laid out last
    size_t changes;  // leaves added or dropped since
    bool growing;    // see interval_map_new_growing; set at first
};

struct interval_map;

void line_index_release(struct line_index *index);
// Bytes of memory in use.
size_t line_index_memory(const struct line_index *index);

// Where the lines of a leaf start: what the index knows of it.
struct leaf_shape {
    uint64_t base;
    bool narrow;
    uint32_t firsts[NODE_LINES];
};

struct leaf_shape leaf_shape(const struct leaf *leaf);
// Forgets a leaf, which had that shape when it was put in. Before its memory is given back.
void line_index_forget(struct line_index *index, const struct leaf *leaf,
                       const struct leaf_shape *shape);
// Puts a leaf in that is not in the index.
void line_index_put(struct line_index *index, struct leaf *leaf);
// After a change of a leaf that had `before` as its shape: puts it in anew where that is another
// now.
void line_index_update(struct line_index *index, const struct leaf *leaf,
                       const struct leaf_shape *before);
// After each leaf that was added or dropped: lays some of the index out anew where enough were to
// be worth it. The caller has begun a change, and the tree is whole.
void line_index_tend(struct interval_map *map);
// Lays all of it out anew where any leaf was added or dropped since it was.
void line_index_settle(struct interval_map *map);

// Searching. All of it is safe beside the writer once the slots are known not to be torn.

// A key's place, in 2^-32 of a slot; the key is not outside the slots.
INTERVAL_SEARCH uint64_t line_slots_place(const struct line_slots *slots, uint64_t key)
{
    return ((key - slots->origin) >> slots->shift) * slots->scale;
}

INTERVAL_SEARCH bool line_slots_cover(const struct line_slots *slots, uint64_t key)
{
    return key - slots->origin <= slots->span;
}

// The entry for a key at a place. Which of three it is is not known before memory answers: a branch
// on it would be guessed wrong often, and keep the processor from going ahead to the next key.
INTERVAL_SEARCH uint64_t line_slots_entry(const struct line_slots *slots, uint64_t place)
{
    const uint64_t *entry = &slots->entries[place >> 32];
    uint64_t before = SEQUENCE_LOAD(&entry[0]);
    uint64_t here = SEQUENCE_LOAD(&entry[1]);
    uint8_t start = (uint8_t)(place >> 24);
    bool last = start >= (uint8_t)(here >> LINE_LAST_SHIFT);
    bool other = start >= (uint8_t)(here >> LINE_OTHER_SHIFT);
    before = __builtin_expect_with_probability(other, 1, 0.5) ? here - LINE_BYTES : before;
    return __builtin_expect_with_probability(last, 1, 0.5) ? here : before;
}

// The entry for any key; 0 where there is none.
INTERVAL_SEARCH uint64_t line_slots_find(const struct line_slots *slots, uint64_t key)
{
    if (__builtin_expect(slots->count == 0 || !line_slots_cover(slots, key), 0))
        return 0;
    return line_slots_entry(slots, line_slots_place(slots, key));
}

// The line that an entry names; NULL where it names none, or a leaf that is not narrow.
INTERVAL_SEARCH struct leaf_line *line_of_entry(uint64_t entry)
{
    if (__builtin_expect((entry & LINE_LEAF) != 0, 0))
        return NULL;
    return (struct leaf_line *)(uintptr_t)(entry & LINE_ADDRESS); // NOLINT: an address
}

// The leaf that an entry names a line of, or NULL. Nodes are aligned to their size.
INTERVAL_SEARCH struct leaf *leaf_of_entry(uint64_t entry)
{
    uintptr_t address = entry & LINE_ADDRESS & ~(uint64_t)(sizeof(struct leaf) - 1);
    return (struct leaf *)address; // NOLINT(performance-no-int-to-ptr)
}

#endif
