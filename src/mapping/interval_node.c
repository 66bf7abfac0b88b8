// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/interval_node.h"

#include <assert.h>
#include <string.h>

void leaf_clear(struct leaf *leaf)
{
    leaf->base = 0;
    leaf->count = 0;
    leaf->wide = 0;
    memset(&leaf->narrow, 0xff, sizeof(leaf->narrow));
    for (unsigned i = 0; i < NODE_LINES; i++)
        leaf->narrow.lines[i].count = 0;
}

unsigned leaf_capacity(const struct leaf *leaf)
{
    return leaf->wide ? LEAF_WIDE : LEAF_NARROW;
}

// An offset is never UINT32_MAX: that is for unused places.
static bool fits_narrow(const struct interval *intervals, unsigned count)
{
    if (count > LEAF_NARROW || intervals[count - 1].start - intervals[0].start >= UINT32_MAX)
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

static void write_line(struct leaf *leaf, unsigned number, const struct interval *intervals,
                       unsigned count)
{
    struct leaf_line *line = &leaf->narrow.lines[number];
    memset(line->offsets, 0xff, sizeof(line->offsets));
    for (unsigned i = 0; i < count; i++) {
        line->offsets[i] = (uint32_t)(intervals[i].start - leaf->base);
        line->lengths[i] = (uint32_t)intervals[i].length;
        line->values[i] = intervals[i].value;
    }
    line->count = count;
    leaf->narrow.firsts[number] = line->offsets[0];
}

// Spreads the intervals over the lines; where there are fewer than lines, the last stay empty.
static void write_narrow(struct leaf *leaf, const struct interval *intervals, unsigned count)
{
    unsigned each = count / NODE_LINES;
    unsigned more = count % NODE_LINES; // lines that get one more
    for (unsigned number = 0; number < NODE_LINES; number++) {
        unsigned here = each + (number < more);
        write_line(leaf, number, intervals, here);
        intervals += here;
    }
    leaf->narrow.firsts[NODE_LINES] = UINT32_MAX;
}

static void write_wide(struct leaf *leaf, const struct interval *intervals, unsigned count)
{
    struct leaf_wide *wide = &leaf->wides;
    for (unsigned i = 0; i < count; i++) {
        wide->starts[i] = intervals[i].start;
        wide->lengths[i] = intervals[i].length;
        wide->values[i] = intervals[i].value;
    }
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
    unsigned count = 0;
    if (leaf->wide) {
        for (; count < leaf->count; count++)
            intervals[count] = leaf_get(leaf, (int)count);
        return count;
    }
    for (unsigned number = 0; number < NODE_LINES; number++) {
        const struct leaf_line *line = &leaf->narrow.lines[number];
        for (unsigned i = 0; i < line->count; i++)
            intervals[count++] =
                (struct interval){leaf->base + line->offsets[i], line->lengths[i], line->values[i]};
    }
    assert(count == leaf->count);
    return count;
}

// Moves the elements from `place` on by one, up or down, in an array of `count`.
#define OPEN_PLACE(array, place, count)                                                            \
    memmove((array) + (place) + 1, (array) + (place), ((count) - (place)) * sizeof(*(array)))
#define CLOSE_PLACE(array, place, count)                                                           \
    memmove((array) + (place), (array) + (place) + 1, ((count) - (place)-1) * sizeof(*(array)))

static void insert_wide(struct leaf *leaf, unsigned place, const struct interval *interval)
{
    struct leaf_wide *wide = &leaf->wides;
    unsigned count = leaf->count;
    OPEN_PLACE(wide->starts, place, count);
    OPEN_PLACE(wide->lengths, place, count);
    OPEN_PLACE(wide->values, place, count);
    wide->starts[place] = interval->start;
    wide->lengths[place] = interval->length;
    wide->values[place] = interval->value;
}

static void insert_in_line(struct leaf *leaf, unsigned number, unsigned place,
                           const struct interval *interval)
{
    struct leaf_line *line = &leaf->narrow.lines[number];
    assert(line->count < LINE_INTERVALS && place <= line->count);
    for (unsigned i = line->count; i > place; i--) {
        line->offsets[i] = line->offsets[i - 1];
        line->lengths[i] = line->lengths[i - 1];
        line->values[i] = line->values[i - 1];
    }
    line->offsets[place] = (uint32_t)(interval->start - leaf->base);
    line->lengths[place] = (uint32_t)interval->length;
    line->values[place] = interval->value;
    line->count++;
    leaf->narrow.firsts[number] = line->offsets[0];
}

// Spreads a narrow leaf's intervals anew, with one more at rank `rank`.
static void insert_spread(struct leaf *leaf, unsigned rank, const struct interval *interval)
{
    struct interval intervals[LEAF_NARROW + 1];
    unsigned count = leaf_read(leaf, intervals);
    OPEN_PLACE(intervals, rank, count);
    intervals[rank] = *interval;
    write_narrow(leaf, intervals, count + 1);
}

static void insert_narrow(struct leaf *leaf, int place, const struct interval *interval)
{
    unsigned number = place == LEAF_BEFORE ? 0 : (unsigned)place / LINE_INTERVALS;
    unsigned within = place == LEAF_BEFORE ? 0 : (unsigned)place % LINE_INTERVALS + 1;
    if (leaf->narrow.lines[number].count < LINE_INTERVALS) {
        insert_in_line(leaf, number, within, interval);
        return;
    }
    // At the end of a full line: the next one may have room, or be empty.
    if (within == LINE_INTERVALS && number + 1 < NODE_LINES &&
        leaf->narrow.lines[number + 1].count < LINE_INTERVALS) {
        insert_in_line(leaf, number + 1, 0, interval);
        return;
    }
    unsigned rank = within;
    for (unsigned i = 0; i < number; i++)
        rank += leaf->narrow.lines[i].count;
    insert_spread(leaf, rank, interval);
}

bool leaf_insert(struct leaf *leaf, int place, const struct interval *interval)
{
    if (leaf->count == leaf_capacity(leaf))
        return false;
    if (leaf->wide) {
        insert_wide(leaf, (unsigned)(place + 1), interval);
    } else {
        if (leaf->count == 0)
            leaf->base = interval->start;
        if (interval->start < leaf->base || interval->start - leaf->base >= UINT32_MAX ||
            interval->length > UINT32_MAX)
            return false;
        insert_narrow(leaf, place, interval);
    }
    leaf->count++;
    return true;
}

static void erase_wide(struct leaf *leaf, unsigned place)
{
    struct leaf_wide *wide = &leaf->wides;
    unsigned count = leaf->count;
    CLOSE_PLACE(wide->starts, place, count);
    CLOSE_PLACE(wide->lengths, place, count);
    CLOSE_PLACE(wide->values, place, count);
}

// Takes an interval out of its line; a line that gets empty is filled from the others.
static void erase_narrow(struct leaf *leaf, unsigned number, unsigned place)
{
    struct leaf_line *line = &leaf->narrow.lines[number];
    assert(place < line->count);
    line->count--;
    for (unsigned i = place; i < line->count; i++) {
        line->offsets[i] = line->offsets[i + 1];
        line->lengths[i] = line->lengths[i + 1];
        line->values[i] = line->values[i + 1];
    }
    line->offsets[line->count] = UINT32_MAX;
    leaf->narrow.firsts[number] = line->offsets[0];
}

void leaf_erase(struct leaf *leaf, int place)
{
    assert(leaf->count > 0);
    if (leaf->wide) {
        erase_wide(leaf, (unsigned)place);
        leaf->count--;
        return;
    }
    unsigned number = (unsigned)place / LINE_INTERVALS;
    erase_narrow(leaf, number, (unsigned)place % LINE_INTERVALS);
    leaf->count--;
    if (leaf->narrow.lines[number].count == 0 && leaf->count > 0) {
        struct interval intervals[LEAF_NARROW];
        write_narrow(leaf, intervals, leaf_read(leaf, intervals));
    }
}

void leaf_set_value(struct leaf *leaf, int place, uint32_t value)
{
    unsigned at = (unsigned)place;
    if (leaf->wide)
        leaf->wides.values[at] = value;
    else
        leaf->narrow.lines[at / LINE_INTERVALS].values[at % LINE_INTERVALS] = value;
}

unsigned inner_read(const struct inner *inner, struct inner_entry entries[INNER_CHILDREN])
{
    for (unsigned i = 0; i < inner->count; i++)
        entries[i] = inner_get(inner, i);
    return (unsigned)inner->count;
}

void inner_write(struct inner *inner, const struct inner_entry *entries, unsigned count)
{
    assert(count > 0 && count <= INNER_CHILDREN);
    for (unsigned i = 0; i < INNER_CHILDREN; i++) {
        struct inner_group *group = &inner->groups[i / GROUP_CHILDREN];
        group->keys[i % GROUP_CHILDREN] = i < count ? entries[i].key : UINT64_MAX;
        group->children[i % GROUP_CHILDREN] = i < count ? entries[i].child : NULL;
    }
    for (unsigned i = 0; i < NODE_LINES; i++)
        inner->firsts[i] = inner->groups[i].keys[0];
    inner->count = count;
}

void inner_set_key(struct inner *inner, unsigned place, uint64_t key)
{
    assert(place < inner->count);
    struct inner_group *group = &inner->groups[place / GROUP_CHILDREN];
    group->keys[place % GROUP_CHILDREN] = key;
    inner->firsts[place / GROUP_CHILDREN] = group->keys[0];
}
