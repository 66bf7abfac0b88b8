// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/interval_node.h"

#include <assert.h>
#include <string.h>

void leaf_clear(struct leaf *leaf)
{
    leaf->base = 0;
    leaf->count = 0;
    leaf->wide = 0;
    memset(leaf->narrow.offsets, 0xff, sizeof(leaf->narrow.offsets));
}

static bool fits_narrow(const struct interval *intervals, unsigned count)
{
    if (count > LEAF_NARROW || intervals[count - 1].start - intervals[0].start > UINT32_MAX)
        return false;
    uint64_t longest = 0;
    for (unsigned i = 0; i < count; i++)
        longest |= intervals[i].length;
    return longest <= UINT32_MAX;
}

bool leaf_fits(const struct interval *intervals, unsigned count)
{
    return count <= LEAF_WIDE || fits_narrow(intervals, count);
}

static void write_narrow(struct leaf *leaf, const struct interval *intervals, unsigned count)
{
    struct leaf_narrow *narrow = &leaf->narrow;
    for (unsigned i = 0; i < count; i++) {
        narrow->offsets[i] = (uint32_t)(intervals[i].start - leaf->base);
        narrow->cells[i] = (struct leaf_cell){(uint32_t)intervals[i].length, intervals[i].value};
    }
    memset(narrow->offsets + count, 0xff, (LEAF_NARROW - count) * sizeof(uint32_t));
}

static void write_wide(struct leaf *leaf, const struct interval *intervals, unsigned count)
{
    struct leaf_wide *wide = &leaf->wides;
    for (unsigned i = 0; i < count; i++) {
        wide->starts[i] = intervals[i].start;
        wide->lengths[i] = intervals[i].length;
        wide->values[i] = intervals[i].value;
    }
    memset(wide->starts + count, 0xff, (LEAF_WIDE - count) * sizeof(uint64_t));
}

void leaf_write(struct leaf *leaf, const struct interval *intervals, unsigned count)
{
    assert(count > 0 && leaf_fits(intervals, count));
    leaf->base = intervals[0].start;
    leaf->count = count;
    leaf->wide = !fits_narrow(intervals, count);
    if (leaf->wide)
        write_wide(leaf, intervals, count);
    else
        write_narrow(leaf, intervals, count);
}

unsigned leaf_read(const struct leaf *leaf, struct interval intervals[LEAF_NARROW])
{
    for (unsigned i = 0; i < leaf->count; i++)
        intervals[i] = leaf_get(leaf, i);
    return leaf->count;
}

// Moves `count` elements from `place` on by one, up or down.
#define OPEN_PLACE(array, place, count)                                                            \
    memmove((array) + (place) + 1, (array) + (place), ((count) - (place)) * sizeof(*(array)))
#define CLOSE_PLACE(array, place, count)                                                           \
    memmove((array) + (place), (array) + (place) + 1, ((count) - (place)-1) * sizeof(*(array)))

bool leaf_insert(struct leaf *leaf, unsigned place, const struct interval *interval)
{
    unsigned count = leaf->count;
    assert(place <= count);
    if (count == (leaf->wide ? LEAF_WIDE : LEAF_NARROW))
        return false;
    if (leaf->wide) {
        struct leaf_wide *wide = &leaf->wides;
        OPEN_PLACE(wide->starts, place, count);
        OPEN_PLACE(wide->lengths, place, count);
        OPEN_PLACE(wide->values, place, count);
        wide->starts[place] = interval->start;
        wide->lengths[place] = interval->length;
        wide->values[place] = interval->value;
    } else {
        if (count == 0)
            leaf->base = interval->start;
        if (interval->start < leaf->base || interval->start - leaf->base > UINT32_MAX ||
            interval->length > UINT32_MAX)
            return false;
        struct leaf_narrow *narrow = &leaf->narrow;
        OPEN_PLACE(narrow->offsets, place, count);
        OPEN_PLACE(narrow->cells, place, count);
        narrow->offsets[place] = (uint32_t)(interval->start - leaf->base);
        narrow->cells[place] = (struct leaf_cell){(uint32_t)interval->length, interval->value};
    }
    leaf->count = count + 1;
    return true;
}

void leaf_erase(struct leaf *leaf, unsigned place)
{
    unsigned count = leaf->count;
    assert(place < count);
    if (leaf->wide) {
        struct leaf_wide *wide = &leaf->wides;
        CLOSE_PLACE(wide->starts, place, count);
        CLOSE_PLACE(wide->lengths, place, count);
        CLOSE_PLACE(wide->values, place, count);
        wide->starts[count - 1] = UINT64_MAX;
    } else {
        struct leaf_narrow *narrow = &leaf->narrow;
        CLOSE_PLACE(narrow->offsets, place, count);
        CLOSE_PLACE(narrow->cells, place, count);
        narrow->offsets[count - 1] = UINT32_MAX;
    }
    leaf->count = count - 1;
}

void leaf_set_value(struct leaf *leaf, unsigned place, uint32_t value)
{
    assert(place < leaf->count);
    if (leaf->wide)
        leaf->wides.values[place] = value;
    else
        leaf->narrow.cells[place].value = value;
}

void inner_write(struct inner *inner, const uint64_t *keys, void *const *children, unsigned count)
{
    assert(count > 0 && count <= INNER_CHILDREN);
    memcpy(inner->keys, keys, (count - 1) * sizeof(*keys));
    memset(inner->keys + count - 1, 0xff, (INNER_KEYS - (count - 1)) * sizeof(*keys));
    memcpy(inner->children, children, count * sizeof(*children));
    inner->count = count;
}

void inner_insert(struct inner *inner, unsigned place, uint64_t key, void *child)
{
    unsigned count = (unsigned)inner->count;
    assert(place > 0 && place <= count && count < INNER_CHILDREN);
    OPEN_PLACE(inner->keys, place - 1, count - 1);
    OPEN_PLACE(inner->children, place, count);
    inner->keys[place - 1] = key;
    inner->children[place] = child;
    inner->count = count + 1;
}

void inner_erase(struct inner *inner, unsigned place)
{
    unsigned count = (unsigned)inner->count;
    assert(place < count);
    if (count > 1) {
        unsigned key = place > 0 ? place - 1 : 0;
        CLOSE_PLACE(inner->keys, key, count - 1);
        inner->keys[count - 2] = UINT64_MAX;
    }
    CLOSE_PLACE(inner->children, place, count);
    inner->count = count - 1;
}
