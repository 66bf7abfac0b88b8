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
// makes crowded ones rare where intervals lie evenly. It is made anew after as many changes of
// leaves as half of them. Where most leaves would crowd, because intervals lie in few dense
// clusters, there is no index, and all go through the tree.
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

// The marked slots where the leaf of a key may be: the nearest at or before the key's slot, and the
// one before that. Both are the same where there is no second one near; NO_SLOT where there is
// none, and the tree must be asked.
struct leaf_places {
    uint64_t nearest;
    uint64_t before;
};

#define NO_SLOT UINT64_MAX

INTERVAL_SEARCH uint8_t *leaf_slots_marks(const struct leaf_slots *slots)
{
    return (uint8_t *)(slots->starts + slots->count) + MARKS_BEFORE;
}

// Looks at the marks of some sixty slots, those up to the key's. Which of the two places counts is
// not known before memory answers, so both are found at once: a branch on it would be guessed
// wrong often, and keep the processor from going ahead to the next key.
INTERVAL_SEARCH struct leaf_places leaf_slots_places(const struct leaf_slots *slots, uint64_t key)
{
    struct leaf_places places = {NO_SLOT, NO_SLOT};
    uint64_t slot = (key - slots->origin) >> slots->shift;
    if (__builtin_expect(key < slots->origin || slot >= slots->count, 0))
        return places;
    uint64_t marks = 0;
    memcpy(&marks, leaf_slots_marks(slots) + slot / 8 - 7, sizeof(marks));
    marks = le64toh(marks) << (7 - slot % 8); // the slot's own mark is the highest bit
    if (__builtin_expect(marks == 0, 0))
        return places;
    unsigned back = (unsigned)__builtin_clzll(marks);
    places.nearest = slot - back;
    marks ^= (uint64_t)1 << (63 - back);
    places.before =
        __builtin_expect(marks == 0, 0) ? places.nearest : slot - (unsigned)__builtin_clzll(marks);
    return places;
}

// The leaf that a key leads to, from the places found for it; NULL where the tree must be asked.
// Not to be followed before the sequence was checked.
INTERVAL_SEARCH struct leaf *leaf_slots_leaf(const struct leaf_slots *slots,
                                             struct leaf_places places, uint64_t key)
{
    if (__builtin_expect(places.nearest == NO_SLOT, 0))
        return NULL;
    const struct leaf_start *nearest = &slots->starts[places.nearest];
    uintptr_t leaf = SEQUENCE_LOAD(&nearest->leaf);
    uintptr_t before = SEQUENCE_LOAD(&slots->starts[places.before].leaf);
    bool behind = key >= nearest->key;
    bool unknown = (leaf & LEAF_CROWDED) != 0 || places.before == places.nearest;
    if (__builtin_expect(!behind & unknown, 0))
        return NULL;
    leaf = __builtin_expect_with_probability(behind, 1, 0.5) ? leaf : before;
    return (struct leaf *)(leaf & ~LEAF_CROWDED); // NOLINT(performance-no-int-to-ptr)
}

#endif
