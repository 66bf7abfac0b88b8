// SPDX-License-Identifier: BSD-2-Clause
// An index over the leaves of an interval map: from a key straight to its leaf, past the levels of
// inner nodes, each of which would wait for memory after the one before.
//
//     keys     origin |-------|-------|-------|-------|-------|-------|  slots of 2^shift keys
//     leaves          A.......:....B..:.......:.......:C..D...:.......
//     marks           1       1       0       0       1       0          a leaf starts here
//     starts          A       B       -       -       D       -          the last that does
//                                                     crowded: C too
//
// The leaf of a key is the one that starts at the nearest mark at or before its slot; in a slot
// with a start, those before the start belong to the mark before. Where leaves start close
// together a slot is crowded, and keys in it before its last start go through the tree; so do
// keys outside the slots. There are two to four slots for each leaf when the index is made, which
// makes crowded ones rare where micronets lie evenly; it is made anew after as many changes of
// leaves as half of them. Where they lie in dense clusters most lookups in these find the tree.
//
// A start takes 16 bytes, which is 1.2 to 3 bytes an interval.
#ifndef IVIP_MAPPING_LEAF_INDEX_H
#define IVIP_MAPPING_LEAF_INDEX_H

#include "mapping/interval_node.h"

#include <endian.h>
#include <string.h>

#define LEAF_INDEX_BITS_MAX 25 // slots: enough for some 2^28 intervals

// Where the last leaf that starts in a slot starts.
struct leaf_start {
    uint64_t key;
    uintptr_t leaf; // with LEAF_CROWDED where others start in the slot too
};

#define LEAF_CROWDED ((uintptr_t)1) // nodes are aligned, so the lowest bit is free

// What readers need of an index.
struct leaf_slots {
    uint64_t origin; // the first key of the first slot
    uint64_t count;  // of slots, a power of two; 0: there is no index
    uint32_t shift;
    struct leaf_start *starts; // MARKS_BEFORE zero octets and the marks lie behind
};

struct leaf_index {
    struct leaf_slots slots;
    // The writer's. Arrays for each power of two ever needed stay mapped for readers that still
    // look; those no longer in use have no memory behind them.
    void *arrays[LEAF_INDEX_BITS_MAX + 1];
    size_t leaves;  // when it was made
    size_t changes; // of leaves since
};

struct interval_map;

void leaf_index_release(struct leaf_index *index);
// Bytes of memory in use.
size_t leaf_index_memory(const struct leaf_index *index);
// A leaf now starts, or does no longer start, at `key`. The caller has begun a change, and the tree
// is as it will be.
void leaf_index_update(struct interval_map *map, uint64_t key);
// Makes the index anew where it has become worth it: after every few calls of leaf_index_update,
// or at all changes where `settle`.
void leaf_index_tend(struct interval_map *map, bool settle);

// Searching. All of it is safe on torn arrays, once the slots are known not to be torn.

// Zero octets before the marks, so that the eight that end with any mark can be read.
#define MARKS_BEFORE 8
#define NO_SLOT      UINT64_MAX

INTERVAL_SEARCH uint8_t *leaf_slots_marks(const struct leaf_slots *slots)
{
    return (uint8_t *)(slots->starts + slots->count) + MARKS_BEFORE;
}

// The nearest marked slot at or before `slot`, or NO_SLOT where none of some sixty is.
INTERVAL_SEARCH uint64_t leaf_slots_marked(const struct leaf_slots *slots, uint64_t slot)
{
    uint64_t window = 0;
    memcpy(&window, leaf_slots_marks(slots) + slot / 8 - 7, sizeof(window));
    window = le64toh(window) << (7 - slot % 8);
    return window != 0 ? slot - (unsigned)__builtin_clzll(window) : NO_SLOT;
}

// The marked slot to look for a key in first; NO_SLOT where the tree must be asked.
INTERVAL_SEARCH uint64_t leaf_slots_first(const struct leaf_slots *slots, uint64_t key)
{
    uint64_t slot = (key - slots->origin) >> slots->shift;
    if (__builtin_expect(key < slots->origin || slot >= slots->count, 0))
        return NO_SLOT;
    return leaf_slots_marked(slots, slot);
}

// The leaf that a key leads to, by the slot that leaf_slots_first gave; NULL where the tree must be
// asked. Not to be followed before the sequence was checked.
INTERVAL_SEARCH struct leaf *leaf_slots_leaf(const struct leaf_slots *slots, uint64_t slot,
                                             uint64_t key)
{
    if (__builtin_expect(slot == NO_SLOT, 0))
        return NULL;
    const struct leaf_start *start = &slots->starts[slot];
    uintptr_t leaf = __atomic_load_n(&start->leaf, __ATOMIC_RELAXED);
    if (key < start->key) {
        if (__builtin_expect((leaf & LEAF_CROWDED) != 0 || slot == 0, 0))
            return NULL;
        slot = leaf_slots_marked(slots, slot - 1);
        if (__builtin_expect(slot == NO_SLOT, 0))
            return NULL;
        leaf = __atomic_load_n(&slots->starts[slot].leaf, __ATOMIC_RELAXED);
    }
    return (struct leaf *)(leaf & ~LEAF_CROWDED); // NOLINT(performance-no-int-to-ptr)
}

#endif
