// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/leaf_index.h"

#include "mapping/interval_tree.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

// Fewer leaves than this are found through the tree as quickly.
#define LEAVES_MIN   64
#define SLOTS_A_LEAF 2 // at least, when the index is made
#define PAGE_BYTES   4096
#define HUGE_PAGE    ((size_t)2 << 20)

static size_t array_bytes(uint64_t slots)
{
    return slots * sizeof(struct leaf_start) + MARKS_BEFORE + slots / 8;
}

// Zeroed address space; large arrays begin at a huge page, and ask for such.
static void *array_new(size_t bytes)
{
    size_t slack = bytes >= HUGE_PAGE ? HUGE_PAGE : 0;
    char *memory = mmap(NULL, bytes + slack, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        (void)fprintf(stderr, "ivip: out of memory: %zu bytes more could not be had\n", bytes);
        abort();
    }
    if (slack == 0)
        return memory;
    size_t before = -(uintptr_t)memory & (HUGE_PAGE - 1);
    if (before > 0)
        (void)munmap(memory, before);
    memory += before;
    size_t pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    (void)munmap(memory + pages, slack - before);
    (void)madvise(memory, pages, MADV_HUGEPAGE);
    return memory;
}

void leaf_index_release(struct leaf_index *index)
{
    for (unsigned bits = 0; bits <= LEAF_INDEX_BITS_MAX; bits++) {
        if (index->arrays[bits] != NULL)
            (void)munmap(index->arrays[bits], array_bytes((uint64_t)1 << bits));
    }
    memset(index, 0, sizeof(*index));
}

size_t leaf_index_memory(const struct leaf_index *index)
{
    return index->slots.count > 0 ? array_bytes(index->slots.count) : 0;
}

static uint64_t slot_of(const struct leaf_slots *slots, uint64_t key)
{
    return (key - slots->origin) >> slots->shift;
}

static void set_start(struct leaf_slots *slots, uint64_t slot, uint64_t key,
                      const struct leaf *leaf, bool crowded)
{
    assert(slot < slots->count);
    slots->starts[slot].key = key;
    __atomic_store_n(&slots->starts[slot].leaf, (uintptr_t)leaf | (crowded ? LEAF_CROWDED : 0),
                     __ATOMIC_RELAXED);
    leaf_slots_marks(slots)[slot / 8] |= (uint8_t)(1u << slot % 8);
}

// The leaf that a key leads to through the tree, and the key that it starts at; the first leaf
// starts at the origin.
static const struct leaf *leaf_from(const struct interval_map *map, uint64_t key, uint64_t *start)
{
    const void *node = map->root;
    *start = map->index.slots.origin;
    for (unsigned level = 0; level < map->height; level++) {
        unsigned place = inner_place(node, key);
        struct inner_entry entry = inner_get(node, place);
        if (place > 0 && entry.key > *start)
            *start = entry.key;
        node = entry.child;
    }
    return node;
}

void leaf_index_update(struct interval_map *map, uint64_t key)
{
    struct leaf_slots *slots = &map->index.slots;
    map->index.changes++;
    if (slots->count == 0)
        return;
    uint64_t slot = key < slots->origin ? 0 : slot_of(slots, key);
    if (slot >= slots->count)
        return;
    uint64_t first = slots->origin + (slot << slots->shift);
    uint64_t last = first + (((uint64_t)1 << slots->shift) - 1);
    uint64_t start = 0;
    const struct leaf *leaf = leaf_from(map, last < first ? UINT64_MAX : last, &start);
    if (start < first) {
        leaf_slots_marks(slots)[slot / 8] &= (uint8_t) ~(1u << slot % 8);
        return;
    }
    uint64_t before = 0;
    if (start > first)
        (void)leaf_from(map, start - 1, &before);
    set_start(slots, slot, start, leaf, start > first && before >= first);
}

// How many leaves there are below a node.
static size_t count_leaves(const void *node, unsigned height)
{
    const struct inner *inner = node;
    if (height <= 1)
        return height == 0 ? 1 : inner->count;
    size_t count = 0;
    for (unsigned i = 0; i < inner->count; i++)
        count += count_leaves(inner_get(inner, i).child, height - 1);
    return count;
}

// Puts the leaves below a node in, in order; the first of them starts at `key`.
static void fill(struct leaf_slots *slots, const void *node, unsigned height, uint64_t key)
{
    if (height == 0) {
        uint64_t slot = slot_of(slots, key);
        bool marked = (leaf_slots_marks(slots)[slot / 8] >> slot % 8 & 1) != 0;
        set_start(slots, slot, key, node, marked);
        return;
    }
    const struct inner *inner = node;
    for (unsigned i = 0; i < inner->count; i++) {
        struct inner_entry entry = inner_get(inner, i);
        fill(slots, entry.child, height - 1, i == 0 ? key : entry.key);
    }
}

// Takes the memory away from under the array in use; readers that still look find no marks.
static void leave(struct leaf_index *index)
{
    if (index->slots.count > 0)
        (void)madvise(index->slots.starts, array_bytes(index->slots.count), MADV_DONTNEED);
    index->slots = (struct leaf_slots){0};
}

// How many leaves can be found by the slot they start in: the last in each.
static size_t count_marks(const struct leaf_slots *slots)
{
    const uint8_t *marks = leaf_slots_marks(slots);
    size_t count = 0;
    for (uint64_t i = 0; i < slots->count / 8; i++)
        count += (size_t)__builtin_popcount(marks[i]);
    return count;
}

// Lays 2^bits slots over all intervals.
static void lay_out(struct interval_map *map, unsigned bits)
{
    struct leaf_index *index = &map->index;
    uint64_t start = 0;
    uint64_t origin = leaf_get(leaf_from(map, 0, &start), 0).start;
    const struct leaf *last = leaf_from(map, UINT64_MAX, &start);
    uint64_t span = leaf_get(last, leaf_last(last)).start - origin;
    uint32_t width = span == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(span);
    if (index->arrays[bits] == NULL)
        index->arrays[bits] = array_new(array_bytes((uint64_t)1 << bits));
    if (index->slots.count != (uint64_t)1 << bits)
        leave(index);
    index->slots = (struct leaf_slots){origin, (uint64_t)1 << bits, width > bits ? width - bits : 0,
                                       index->arrays[bits]};
    memset(leaf_slots_marks(&index->slots), 0, index->slots.count / 8);
    fill(&index->slots, map->root, map->height, origin);
    // Leaves that crowd in few slots are found through the tree anyway, and without asking first.
    if (count_marks(&index->slots) < index->leaves / 2)
        leave(index);
}

void leaf_index_tend(struct interval_map *map, bool settle)
{
    struct leaf_index *index = &map->index;
    size_t worth = index->leaves / 2 > LEAVES_MIN ? index->leaves / 2 : LEAVES_MIN;
    if (index->changes < (settle ? 1 : worth))
        return;
    index->changes = 0;
    index->leaves = count_leaves(map->root, map->height);
    if (index->leaves < LEAVES_MIN) {
        leave(index);
        return;
    }
    unsigned bits = 64 - (unsigned)__builtin_clzll(index->leaves * SLOTS_A_LEAF - 1);
    lay_out(map, bits < LEAF_INDEX_BITS_MAX ? bits : LEAF_INDEX_BITS_MAX);
}
