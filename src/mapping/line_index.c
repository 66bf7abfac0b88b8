// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/line_index.h"

#include "mapping/huge_array.h"
#include "mapping/interval_tree.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

// Fewer leaves than this are found through the tree as quickly.
#define LEAVES_MIN 64
// Slots for each leaf when the index is laid out: a narrow one has seven lines to be found.
#define SLOTS_NARROW 12
#define SLOTS_OTHER  3
// More lines of a leaf than this are put in anew together.
#define MOVED_MAX 3
// Done of a layout each time a leaf is added or dropped: leaves put in, and octets given back. A
// map that grows while packets wait does not hurry, as each page of memory takes the kernel the
// time of an answer: of a quarter more leaves than there were, with a quarter of that changes, all
// are in just before the next layout is due.
#define LAID_AT_ONCE         16
#define LAID_AT_ONCE_GROWING 6
#define GIVEN_AT_ONCE        ((size_t)1 << 20)
// A line knows all but the three highest bits of where it starts. Slots are narrow enough that no
// entry can name a line whose start differs from the key's slot in these alone.
#define SLOT_WIDTH_MAX ((uint64_t)1 << 55)

static size_t array_bytes(uint64_t entries)
{
    return entries * sizeof(uint64_t);
}

void line_index_release(struct line_index *index)
{
    for (unsigned bits = 0; bits <= LINE_INDEX_BITS_MAX; bits++)
        for (unsigned i = 0; i < 2; i++)
            if (index->arrays[bits][i] != NULL)
                huge_array_free(index->arrays[bits][i], array_bytes((uint64_t)1 << bits));
    memset(index, 0, sizeof(*index));
}

size_t line_index_memory(const struct line_index *index)
{
    const struct line_slots *all[] = {&index->slots, &index->next, &index->given_up};
    size_t bytes = 0;
    for (size_t i = 0; i < 3; i++)
        bytes += all[i]->count > 0 ? array_bytes((uint64_t)all[i]->count + 1) : 0;
    return bytes;
}

struct leaf_shape leaf_shape(const struct leaf *leaf)
{
    struct leaf_shape shape = {.base = leaf->base, .narrow = leaf->kind == LEAF_NARROW};
    if (shape.narrow)
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
    uint64_t address = there & (LINE_ADDRESS | LINE_LEAF);
    uint64_t there_into = last_start(there);
    if (there == 0 || is_repeated(there))
        return entry_for(line, into, into);
    if (address == line) // it started elsewhere in the slot before
        return entry_for(line, into, is_pair(there) ? (uint8_t)(there >> LINE_OTHER_SHIFT) : into);
    if (there_into > into)
        return address == line + LINE_BYTES ? entry_for(address, there_into, into) : 0;
    return entry_for(line, into, address + LINE_BYTES == line ? there_into : into);
}

// True where it is the first line that starts in its slot.
static bool put_line(struct line_slots *slots, uint64_t start, uint64_t line)
{
    if (!line_slots_cover(slots, start))
        return false;
    uint64_t place = line_slots_place(slots, start);
    uint64_t at = (place >> 32) + 1;
    assert(at <= slots->count);
    uint64_t there = slots->entries[at];
    bool first = there == 0 || is_repeated(there) || (there & (LINE_ADDRESS | LINE_LEAF)) == line;
    uint64_t entry = entry_among(there, line, (uint8_t)(place >> 24));
    if (entry == 0)
        return false;
    write_entry(&slots->entries[at], entry);
    while (++at <= slots->count && (entry = repeated(entry)) != 0 &&
           (slots->entries[at] == 0 || is_repeated(slots->entries[at])))
        write_entry(&slots->entries[at], entry);
    return first;
}

// Takes out what a line has from the slot it starts in on; the line before it takes its place.
// Where the entry is that of the line behind, it no longer names this one: or else this one would
// come back to a slot that it does not start in when the line behind leaves.
static void drop_line(struct line_slots *slots, uint64_t at, uint64_t line)
{
    uint64_t *entries = slots->entries;
    uint64_t behind = line + LINE_BYTES;
    if ((entries[at] & (LINE_ADDRESS | LINE_LEAF)) == behind && !is_repeated(entries[at]))
        write_entry(&entries[at],
                    entry_for(behind, last_start(entries[at]), last_start(entries[at])));
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
    (void)put_line(slots, start, line);
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

static void forget_leaf(struct line_slots *slots, const struct leaf *leaf,
                        const struct leaf_shape *shape)
{
    if (slots->count == 0)
        return;
    if (!shape->narrow) {
        forget_line(slots, shape->base, leaf);
        return;
    }
    for (unsigned i = 0; i < NODE_LINES && shape->firsts[i] != UINT32_MAX; i++)
        forget_line(slots, shape->base + shape->firsts[i], leaf);
}

// Returns how many of its lines are the first in their slots.
static unsigned put_leaf(struct line_slots *slots, const struct leaf *leaf)
{
    unsigned firsts = 0;
    if (slots->count == 0)
        return 0;
    if (leaf->kind != LEAF_NARROW)
        return put_line(slots, leaf->base, (uintptr_t)leaf | LINE_LEAF);
    // From the last to the first: each fills the slots up to the one behind.
    for (unsigned i = NODE_LINES; i-- > 0;)
        if (leaf->narrow.firsts[i] != UINT32_MAX)
            firsts += put_line(slots, leaf->base + leaf->narrow.firsts[i],
                               (uintptr_t)&leaf->narrow.lines[i]);
    return firsts;
}

static void update_leaf(struct line_slots *slots, const struct leaf *leaf,
                        const struct leaf_shape *before, const struct leaf_shape *shape)
{
    unsigned changed[NODE_LINES];
    unsigned count = 0;
    bool anew = shape->base != before->base || shape->narrow != before->narrow;
    if (slots->count == 0)
        return;
    for (unsigned i = 0; i < NODE_LINES; i++) {
        changed[count] = i;
        count += shape->firsts[i] != before->firsts[i];
        anew = anew || (shape->firsts[i] == UINT32_MAX && before->firsts[i] != UINT32_MAX);
    }
    if (anew || count > MOVED_MAX) {
        forget_leaf(slots, leaf, before);
        (void)put_leaf(slots, leaf);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned at = changed[i];
        uint64_t start = shape->base + shape->firsts[at];
        bool fresh = before->firsts[at] == UINT32_MAX;
        move_line(slots, fresh ? start : before->base + before->firsts[at], start,
                  (uintptr_t)&leaf->narrow.lines[at]);
    }
}

void line_index_forget(struct line_index *index, const struct leaf *leaf,
                       const struct leaf_shape *shape)
{
    forget_leaf(&index->slots, leaf, shape);
    if (leaf->layout == index->layout)
        forget_leaf(&index->next, leaf, shape);
}

// Puts a leaf into the slots being laid out.
static unsigned put_into_next(struct line_index *index, struct leaf *leaf)
{
    leaf->layout = index->layout;
    return put_leaf(&index->next, leaf);
}

void line_index_put(struct line_index *index, struct leaf *leaf)
{
    (void)put_leaf(&index->slots, leaf);
    leaf->layout = (uint16_t)(index->layout - 1);
    // Else it is put in when its turn comes.
    if (index->next.count > 0 && leaf_get(leaf, leaf_last(leaf)).start > index->next_key)
        (void)put_into_next(index, leaf);
}

void line_index_update(struct line_index *index, const struct leaf *leaf,
                       const struct leaf_shape *before)
{
    struct leaf_shape shape = leaf_shape(leaf);
    update_leaf(&index->slots, leaf, before, &shape);
    if (leaf->layout == index->layout)
        update_leaf(&index->next, leaf, before, &shape);
}

// Laying out

// Takes the memory away from under some of the slots given up, which makes their entries 0: readers
// that still look find nothing.
static void give_back(struct line_slots *given_up, size_t bytes_most)
{
    if (given_up->count == 0)
        return; // and there may be no entries at all
    size_t bytes = array_bytes((uint64_t)given_up->count + 1);
    size_t from = bytes > bytes_most ? (bytes - bytes_most) / HUGE_PAGE * HUGE_PAGE : 0;
    char *memory = (char *)given_up->entries + from;
    if (madvise(memory, bytes - from, MADV_DONTNEED) != 0)
        memset(memory, 0, bytes - from); // locked memory
    given_up->count = from == 0 ? 0 : (uint32_t)(from / sizeof(uint64_t)) - 1;
}

// Slots that are used no more.
static void give_up(struct line_index *index, struct line_slots *slots)
{
    give_back(&index->given_up, SIZE_MAX); // what is left from the time before
    index->given_up = *slots;
    *slots = (struct line_slots){0};
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
    assert(map->height > 0 && root->count > 0); // an inner node has children
    for (unsigned i = 0; i < root->count; i++) {
        const void *node = inner_get(root, i).child;
        for (unsigned level = 1; level < map->height; level++)
            node = inner_get(node, 0).child;
        slots += ((const struct leaf *)node)->kind == LEAF_NARROW ? SLOTS_NARROW : SLOTS_OTHER;
    }
    return slots / root->count;
}

// An array for so many slots that nothing is in, and that is not in use.
static uint64_t *array_for(struct line_index *index, uint32_t count)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll((uint64_t)count);
    void **arrays = index->arrays[bits];
    unsigned i = arrays[0] != NULL && arrays[0] == (void *)index->slots.entries;
    if (arrays[i] == NULL)
        arrays[i] = huge_array_new(array_bytes((uint64_t)1 << bits));
    // Of the last one only a part would be used, and given back: it would cost up to 2 MiB more.
    size_t whole = array_bytes((uint64_t)count + 1) / HUGE_PAGE * HUGE_PAGE;
    if (whole > 0 && !index->growing)
        huge_array_ask(arrays[i], whole);
    return arrays[i];
}

static void lay_out_begin(struct interval_map *map)
{
    struct line_index *index = &map->index;
    give_back(&index->given_up, SIZE_MAX); // its array may be the one that is taken
    index->changes = 0;
    index->laid_out = index->leaves;
    if (index->leaves < LEAVES_MIN) {
        give_up(index, &index->slots);
        return;
    }
    size_t wanted = index->leaves * slots_a_leaf(map);
    size_t most = ((size_t)1 << LINE_INDEX_BITS_MAX) - 1;
    index->next = slots_over(map, (uint32_t)(wanted < most ? wanted : most));
    if (index->next.count == 0) {
        give_up(index, &index->slots);
        return;
    }
    index->next.entries = array_for(index, index->next.count);
    index->next_key = UINT64_MAX;
    index->next_starts = 0;
    index->layout++;
}

// The slots laid out take the place of those in use. Lines that crowd in few slots are found
// through the tree anyway, and without asking first.
static void lay_out_end(struct line_index *index)
{
    give_up(index, &index->slots);
    index->slots = index->next;
    index->next = (struct line_slots){0};
    if (index->next_starts < index->leaves / 2)
        give_up(index, &index->slots);
}

// Puts some more leaves in, from the last to the first.
static void lay_out_more(struct interval_map *map, size_t count)
{
    struct line_index *index = &map->index;
    struct leaf *leaf = interval_tree_leaf(map, index->next_key);
    for (; leaf != NULL && count > 0; count--) {
        index->next_starts += put_into_next(index, leaf);
        leaf = leaf->previous;
        if (leaf != NULL)
            __builtin_prefetch(leaf->previous);
    }
    if (leaf == NULL)
        lay_out_end(index);
    else
        index->next_key = leaf_get(leaf, leaf_last(leaf)).start;
}

void line_index_tend(struct interval_map *map)
{
    struct line_index *index = &map->index;
    size_t worth = index->laid_out / 4;
    if (index->next.count > 0)
        lay_out_more(map, index->growing ? LAID_AT_ONCE_GROWING : LAID_AT_ONCE);
    else if (index->changes >= (worth > LEAVES_MIN ? worth : LEAVES_MIN))
        lay_out_begin(map);
    else
        give_back(&index->given_up, GIVEN_AT_ONCE);
}

void line_index_settle(struct interval_map *map)
{
    struct line_index *index = &map->index;
    if (index->changes > 0) {
        give_up(index, &index->next); // it may not reach to where leaves were added
        lay_out_begin(map);
    }
    if (index->next.count > 0)
        lay_out_more(map, SIZE_MAX);
    give_back(&index->given_up, SIZE_MAX);
}
