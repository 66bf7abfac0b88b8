// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/line_index.h"

#include "mapping/interval_tree.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Fewer leaves than this are found through the tree as quickly.
#define LEAVES_MIN 64
// Slots for each leaf when the index is laid out: a narrow one has seven lines to be found.
#define SLOTS_NARROW 12
#define SLOTS_WIDE   3
// More lines of a leaf than this are put in anew together.
#define MOVED_MAX  3
#define PAGE_BYTES 4096
#define HUGE_PAGE  ((size_t)2 << 20)
// A line knows all but the three highest bits of where it starts. Slots are narrow enough that no
// entry can name a line whose start differs from the key's slot in these alone.
#define SLOT_WIDTH_MAX ((uint64_t)1 << 55)

static size_t array_bytes(uint64_t entries)
{
    return entries * sizeof(uint64_t);
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

void line_index_release(struct line_index *index)
{
    for (unsigned bits = 0; bits <= LINE_INDEX_BITS_MAX; bits++) {
        if (index->arrays[bits] != NULL)
            (void)munmap(index->arrays[bits], array_bytes((uint64_t)1 << bits));
    }
    memset(index, 0, sizeof(*index));
}

size_t line_index_memory(const struct line_index *index)
{
    return index->slots.count > 0 ? array_bytes((uint64_t)index->slots.count + 1) : 0;
}

struct leaf_shape leaf_shape(const struct leaf *leaf)
{
    struct leaf_shape shape = {.base = leaf->base, .wide = leaf->wide};
    if (!leaf->wide)
        memcpy(shape.firsts, leaf->narrow.firsts, sizeof(shape.firsts));
    return shape;
}

static void write_entry(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELAXED); // readers may look
}

// An entry as it is repeated in the slot behind; 0 where it was repeated often enough.
static uint64_t repeated(uint64_t entry)
{
    unsigned distance = (unsigned)(entry / LINE_DISTANCE) % (LINE_FILL_MAX + 1);
    if (entry == 0 || distance == LINE_FILL_MAX)
        return 0;
    return (entry & (((uint64_t)1 << LINE_OTHER_SHIFT) - 1)) + LINE_DISTANCE;
}

static bool is_repeated(uint64_t entry)
{
    return entry / LINE_DISTANCE % (LINE_FILL_MAX + 1) != 0;
}

// Entries of a leaf lie in one run behind the start of each of its lines: writing a line fills all
// that are not the start of another, up to the most there may be.

static uint64_t entry_for(uint64_t line, uint64_t last, uint64_t other)
{
    assert(line >> LINE_OTHER_SHIFT == 0);
    return last << LINE_LAST_SHIFT | other << LINE_OTHER_SHIFT | line;
}

static uint64_t last_start(uint64_t entry)
{
    return entry >> LINE_LAST_SHIFT;
}

// True where an entry also says where the line before its own starts.
static bool is_pair(uint64_t entry)
{
    return last_start(entry) != (uint8_t)(entry >> LINE_OTHER_SHIFT);
}

// The entry for a line in the slot where it starts, given the one that is there; 0 where that
// stays, since it is that of a line behind.
static uint64_t entry_among(uint64_t there, uint64_t line, uint64_t into)
{
    uint64_t address = there & (LINE_ADDRESS | LINE_WIDE);
    uint64_t there_into = last_start(there);
    if (there == 0 || is_repeated(there))
        return entry_for(line, into, into);
    if (address == line) // it started elsewhere in the slot before
        return entry_for(line, into, is_pair(there) ? (uint8_t)(there >> LINE_OTHER_SHIFT) : into);
    if (there_into > into)
        return address == line + LINE_BYTES ? entry_for(address, there_into, into) : 0;
    return entry_for(line, into, address + LINE_BYTES == line ? there_into : into);
}

static void put_line(struct line_slots *slots, uint64_t start, uint64_t line)
{
    if (!line_slots_cover(slots, start))
        return;
    uint64_t place = line_slots_place(slots, start);
    uint64_t at = (place >> 32) + 1;
    assert(at <= slots->count);
    uint64_t entry = entry_among(slots->entries[at], line, (uint8_t)(place >> 24));
    if (entry == 0)
        return;
    write_entry(&slots->entries[at], entry);
    while (++at <= slots->count && (entry = repeated(entry)) != 0 &&
           (slots->entries[at] == 0 || is_repeated(slots->entries[at])))
        write_entry(&slots->entries[at], entry);
}

// Takes out what a line has from the slot it starts in on; the line before it takes its place.
static void drop_line(struct line_slots *slots, uint64_t at, uint64_t line)
{
    uint64_t *entries = slots->entries;
    if ((entries[at] & LINE_ADDRESS) == line && is_pair(entries[at])) {
        uint64_t other = (uint8_t)(entries[at] >> LINE_OTHER_SHIFT);
        write_entry(&entries[at], entry_for(line - LINE_BYTES, other, other));
        at++;
    }
    for (; at <= slots->count && (entries[at] & LINE_ADDRESS) == line; at++)
        write_entry(&entries[at], repeated(entries[at - 1]));
}

// A line that started at `before` now starts at `start`.
static void move_line(struct line_slots *slots, uint64_t before, uint64_t start, uint64_t line)
{
    if (line_slots_cover(slots, before)) {
        uint64_t at = line_slots_place(slots, before) >> 32;
        if (!line_slots_cover(slots, start) || line_slots_place(slots, start) >> 32 != at)
            drop_line(slots, at + 1, line);
    }
    put_line(slots, start, line);
}

static void forget_line(struct line_slots *slots, uint64_t start, const struct leaf *leaf)
{
    if (!line_slots_cover(slots, start))
        return;
    uint64_t at = (line_slots_place(slots, start) >> 32) + 1;
    if (leaf_of_entry(slots->entries[at]) != leaf)
        return; // crowded, or forgotten with the line before
    for (; at <= slots->count && leaf_of_entry(slots->entries[at]) == leaf; at++)
        write_entry(&slots->entries[at], repeated(slots->entries[at - 1]));
}

void line_index_forget(struct line_index *index, const struct leaf *leaf,
                       const struct leaf_shape *shape)
{
    if (index->slots.count == 0)
        return;
    if (shape->wide) {
        forget_line(&index->slots, shape->base, leaf);
        return;
    }
    for (unsigned i = 0; i < NODE_LINES && shape->firsts[i] != UINT32_MAX; i++)
        forget_line(&index->slots, shape->base + shape->firsts[i], leaf);
}

void line_index_put(struct line_index *index, const struct leaf *leaf)
{
    if (index->slots.count == 0)
        return;
    if (leaf->wide) {
        put_line(&index->slots, leaf->base, (uintptr_t)leaf | LINE_WIDE);
        return;
    }
    // From the last to the first: each fills the slots up to the one behind.
    for (unsigned i = NODE_LINES; i-- > 0;)
        if (leaf->narrow.firsts[i] != UINT32_MAX)
            put_line(&index->slots, leaf->base + leaf->narrow.firsts[i],
                     (uintptr_t)&leaf->narrow.lines[i]);
}

void line_index_update(struct line_index *index, const struct leaf *leaf,
                       const struct leaf_shape *before)
{
    struct leaf_shape shape = leaf_shape(leaf);
    unsigned changed[NODE_LINES];
    unsigned count = 0;
    bool anew = shape.base != before->base || shape.wide != before->wide;
    if (index->slots.count == 0)
        return;
    for (unsigned i = 0; i < NODE_LINES; i++) {
        changed[count] = i;
        count += shape.firsts[i] != before->firsts[i];
        anew = anew || (shape.firsts[i] == UINT32_MAX && before->firsts[i] != UINT32_MAX);
    }
    if (anew || count > MOVED_MAX) {
        line_index_forget(index, leaf, before);
        line_index_put(index, leaf);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned at = changed[i];
        uint64_t start = shape.base + shape.firsts[at];
        bool fresh = before->firsts[at] == UINT32_MAX;
        move_line(&index->slots, fresh ? start : before->base + before->firsts[at], start,
                  (uintptr_t)&leaf->narrow.lines[at]);
    }
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

// Puts the leaves below a node in, from the last to the first.
static void put_all(struct line_index *index, const void *node, unsigned height)
{
    if (height == 0) {
        line_index_put(index, node);
        return;
    }
    const struct inner *inner = node;
    for (unsigned i = 0; i < inner->count; i++)
        __builtin_prefetch(inner_get(inner, i).child);
    for (unsigned i = (unsigned)inner->count; i-- > 0;)
        put_all(index, inner_get(inner, i).child, height - 1);
}

// Takes the memory away from under the array in use, which makes all entries 0: readers that still
// look find nothing.
static void leave(struct line_index *index)
{
    struct line_slots *slots = &index->slots;
    size_t bytes = array_bytes((uint64_t)slots->count + 1);
    if (slots->count > 0 && madvise(slots->entries, bytes, MADV_DONTNEED) != 0)
        memset(slots->entries, 0, bytes); // locked memory
    *slots = (struct line_slots){0};
}

// How many lines can be found by the slot they start in: the last in each.
static size_t count_starts(const struct line_slots *slots)
{
    size_t count = 0;
    for (uint64_t i = 1; i <= slots->count; i++)
        count += slots->entries[i] != 0 && !is_repeated(slots->entries[i]);
    return count;
}

// The first leaf, or the last.
static const struct leaf *outermost(const struct interval_map *map, bool last)
{
    const void *node = map->root;
    for (unsigned level = 0; level < map->height; level++) {
        const struct inner *inner = node;
        node = inner_get(inner, last ? (unsigned)inner->count - 1 : 0).child;
    }
    return node;
}

// Slots for all keys from where the first interval starts to where the last does.
static struct line_slots slots_over(const struct interval_map *map, uint32_t count)
{
    const struct leaf *behind = outermost(map, true);
    uint64_t first = leaf_get(outermost(map, false), 0).start;
    uint64_t last = leaf_get(behind, leaf_last(behind)).start;
    struct line_slots slots = {.origin = first, .span = last - first};
    if (slots.span / count >= SLOT_WIDTH_MAX)
        return slots;
    slots.count = count;
    unsigned bits = slots.span == 0 ? 0 : 64 - (unsigned)__builtin_clzll(slots.span);
    slots.shift = bits > 32 ? bits - 32 : 0;
    slots.scale = ((uint64_t)count << 32) / ((slots.span >> slots.shift) + 1);
    return slots;
}

// Slots that are wanted for each leaf, by a look at a leaf below each child of the root.
static size_t slots_a_leaf(const struct interval_map *map)
{
    const struct inner *root = map->root;
    size_t slots = 0;
    assert(map->height > 0);
    for (unsigned i = 0; i < root->count; i++) {
        const void *node = inner_get(root, i).child;
        for (unsigned level = 1; level < map->height; level++)
            node = inner_get(node, 0).child;
        slots += ((const struct leaf *)node)->wide ? SLOTS_WIDE : SLOTS_NARROW;
    }
    return slots / root->count;
}

static void lay_out(struct interval_map *map)
{
    struct line_index *index = &map->index;
    size_t wanted = index->leaves * slots_a_leaf(map);
    size_t most = ((size_t)1 << LINE_INDEX_BITS_MAX) - 1;
    uint32_t count = (uint32_t)(wanted < most ? wanted : most);
    unsigned bits = 64 - (unsigned)__builtin_clzll((uint64_t)count);
    if (index->arrays[bits] == NULL)
        index->arrays[bits] = array_new(array_bytes((uint64_t)1 << bits));
    leave(index);
    index->slots = slots_over(map, count);
    if (index->slots.count == 0)
        return;
    index->slots.entries = index->arrays[bits];
    put_all(index, map->root, map->height);
    // Lines that crowd in few slots are found through the tree anyway, and without asking first.
    if (count_starts(&index->slots) < index->leaves / 2)
        leave(index);
}

static void renew(struct interval_map *map, size_t worth)
{
    struct line_index *index = &map->index;
    if (index->changes < worth)
        return;
    index->changes = 0;
    index->leaves = count_leaves(map->root, map->height);
    if (index->leaves < LEAVES_MIN)
        leave(index);
    else
        lay_out(map);
}

void line_index_tend(struct interval_map *map)
{
    size_t worth = map->index.leaves / 4;
    renew(map, worth > LEAVES_MIN ? worth : LEAVES_MIN);
}

void line_index_settle(struct interval_map *map)
{
    renew(map, 1);
}
