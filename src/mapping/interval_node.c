// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/interval_node.h"

#include <assert.h>
#include <string.h>

void leaf_clear(struct leaf *leaf)
{
    leaf->base = 0;
    leaf->count = 0;
    leaf->kind = LEAF_NARROW;
    memset(&leaf->narrow, 0xff, sizeof(leaf->narrow));
    for (unsigned i = 0; i < NODE_LINES; i++)
        leaf->narrow.lines[i].tail = 0;
}

unsigned leaf_capacity(const struct leaf *leaf)
{
    return leaf->kind == LEAF_NARROW ? NARROW_INTERVALS
           : leaf->kind == LEAF_FAR  ? FAR_INTERVALS
                                     : WIDE_INTERVALS;
}

enum leaf_kind leaf_kind_for(const struct interval *intervals, unsigned count)
{
    uint64_t longest = 0;
    for (unsigned i = 0; i < count; i++)
        longest |= intervals[i].length;
    bool is_short = longest <= UINT32_MAX;
    // UINT32_MAX is the offset of lines without intervals.
    bool near = intervals[count - 1].start - intervals[0].start < UINT32_MAX;
    if (is_short && near && count <= NARROW_INTERVALS)
        return LEAF_NARROW;
    if (is_short && count <= FAR_INTERVALS)
        return LEAF_FAR;
    return count <= WIDE_INTERVALS ? LEAF_WIDE : LEAF_NONE;
}

bool leaf_fits(const struct interval *intervals, unsigned count)
{
    return leaf_kind_for(intervals, count) != LEAF_NONE;
}

// Notes how many intervals a line has, and where it starts, after its lows were written.
static void end_line(struct leaf *leaf, unsigned number, unsigned count)
{
    struct leaf_line *line = &leaf->narrow.lines[number];
    uint64_t first = leaf_start_in(leaf, line, 0);
    line->tail = count == 0 ? 0 : (uint32_t)(first >> 32) << LINE_COUNT_BITS | count;
    leaf->narrow.firsts[number] = count == 0 ? UINT32_MAX : (uint32_t)(first - leaf->base);
}

static void write_interval(struct leaf_line *line, unsigned place, const struct interval *interval)
{
    line->lows[place] = (uint32_t)interval->start;
    line->lengths[place] = (uint32_t)interval->length;
    line->values[place] = interval->value;
}

static void move_interval(struct leaf_line *line, unsigned to, unsigned from)
{
    line->lows[to] = line->lows[from];
    line->lengths[to] = line->lengths[from];
    line->values[to] = line->values[from];
}

static void write_line(struct leaf *leaf, unsigned number, const struct interval *intervals,
                       unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        write_interval(&leaf->narrow.lines[number], i, &intervals[i]);
    end_line(leaf, number, count);
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

static void write_far(struct leaf *leaf, const struct interval *intervals, unsigned count)
{
    struct leaf_far *far = &leaf->far;
    for (unsigned i = 0; i < count; i++) {
        far->starts[i] = intervals[i].start;
        far->lengths[i] = (uint32_t)intervals[i].length;
        far->values[i] = intervals[i].value;
    }
}

static void write_wide(struct leaf *leaf, const struct interval *intervals, unsigned count)
{
    struct leaf_wide *wide = &leaf->wide;
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
    leaf->kind = (uint16_t)leaf_kind_for(intervals, count);
    if (leaf->kind == LEAF_NARROW)
        write_narrow(leaf, intervals, count);
    else if (leaf->kind == LEAF_FAR)
        write_far(leaf, intervals, count);
    else
        write_wide(leaf, intervals, count);
}

unsigned leaf_read(const struct leaf *leaf, struct interval intervals[NARROW_INTERVALS])
{
    unsigned count = 0;
    if (leaf->kind != LEAF_NARROW) {
        for (; count < leaf->count; count++)
            intervals[count] = leaf_get(leaf, (int)count);
        return count;
    }
    for (unsigned number = 0; number < NODE_LINES; number++) {
        const struct leaf_line *line = &leaf->narrow.lines[number];
        for (unsigned i = 0; i < line_count(line); i++)
            intervals[count++] =
                (struct interval){leaf_start_in(leaf, line, i), line->lengths[i], line->values[i]};
    }
    assert(count == leaf->count);
    return count;
}

// Moves the elements from `place` on by one, up or down, in an array of `count`.
#define OPEN_PLACE(array, place, count)                                                            \
    memmove((array) + (place) + 1, (array) + (place), ((count) - (place)) * sizeof(*(array)))
#define CLOSE_PLACE(array, place, count)                                                           \
    memmove((array) + (place), (array) + (place) + 1, ((count) - (place)-1) * sizeof(*(array)))

static void insert_far(struct leaf *leaf, unsigned place, const struct interval *interval)
{
    struct leaf_far *far = &leaf->far;
    unsigned count = leaf->count;
    OPEN_PLACE(far->starts, place, count);
    OPEN_PLACE(far->lengths, place, count);
    OPEN_PLACE(far->values, place, count);
    far->starts[place] = interval->start;
    far->lengths[place] = (uint32_t)interval->length;
    far->values[place] = interval->value;
}

static void insert_wide(struct leaf *leaf, unsigned place, const struct interval *interval)
{
    struct leaf_wide *wide = &leaf->wide;
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
    unsigned count = line_count(line);
    assert(count < LINE_INTERVALS && place <= count);
    for (unsigned i = count; i > place; i--)
        move_interval(line, i, i - 1);
    write_interval(line, place, interval);
    end_line(leaf, number, count + 1);
}

// Spreads a narrow leaf's intervals anew, with one more at rank `rank`.
static void insert_spread(struct leaf *leaf, unsigned rank, const struct interval *interval)
{
    struct interval intervals[NARROW_INTERVALS + 1];
    unsigned count = leaf_read(leaf, intervals);
    OPEN_PLACE(intervals, rank, count);
    intervals[rank] = *interval;
    write_narrow(leaf, intervals, count + 1);
}

static bool has_room(const struct leaf *leaf, unsigned number)
{
    return number < NODE_LINES && line_count(&leaf->narrow.lines[number]) < LINE_INTERVALS;
}

static void erase_in_line(struct leaf *leaf, unsigned number, unsigned place)
{
    struct leaf_line *line = &leaf->narrow.lines[number];
    unsigned count = line_count(line) - 1;
    assert(place <= count);
    for (unsigned i = place; i < count; i++)
        move_interval(line, i, i + 1);
    end_line(leaf, number, count);
}

static struct interval interval_in(const struct leaf *leaf, unsigned number, unsigned place)
{
    return leaf_get(leaf, (int)(number * LINE_INTERVALS + place));
}

// Puts an interval in at a place of a full line whose neighbour has room for one: few lines are
// touched, and few change where they start.
static bool insert_beside(struct leaf *leaf, unsigned number, unsigned place,
                          const struct interval *interval)
{
    if (has_room(leaf, number + 1)) {
        if (place == LINE_INTERVALS) {
            insert_in_line(leaf, number + 1, 0, interval);
            return true;
        }
        struct interval last = interval_in(leaf, number, LINE_INTERVALS - 1);
        insert_in_line(leaf, number + 1, 0, &last);
        erase_in_line(leaf, number, LINE_INTERVALS - 1);
        insert_in_line(leaf, number, place, interval);
        return true;
    }
    if (number == 0 || place == 0 || !has_room(leaf, number - 1))
        return false;
    struct interval first = interval_in(leaf, number, 0);
    insert_in_line(leaf, number - 1, line_count(&leaf->narrow.lines[number - 1]), &first);
    erase_in_line(leaf, number, 0);
    insert_in_line(leaf, number, place - 1, interval);
    return true;
}

static void insert_narrow(struct leaf *leaf, int place, const struct interval *interval)
{
    unsigned number = place == LEAF_BEFORE ? 0 : (unsigned)place / LINE_INTERVALS;
    unsigned within = place == LEAF_BEFORE ? 0 : (unsigned)place % LINE_INTERVALS + 1;
    if (has_room(leaf, number)) {
        insert_in_line(leaf, number, within, interval);
        return;
    }
    if (insert_beside(leaf, number, within, interval))
        return;
    unsigned rank = within;
    for (unsigned i = 0; i < number; i++)
        rank += line_count(&leaf->narrow.lines[i]);
    insert_spread(leaf, rank, interval);
}

bool leaf_insert(struct leaf *leaf, int place, const struct interval *interval)
{
    if (leaf->count == leaf_capacity(leaf))
        return false;
    if (leaf->kind == LEAF_WIDE) {
        insert_wide(leaf, (unsigned)(place + 1), interval);
    } else if (leaf->kind == LEAF_FAR) {
        if (interval->length > UINT32_MAX)
            return false;
        insert_far(leaf, (unsigned)(place + 1), interval);
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

static void erase_far(struct leaf *leaf, unsigned place)
{
    struct leaf_far *far = &leaf->far;
    unsigned count = leaf->count;
    CLOSE_PLACE(far->starts, place, count);
    CLOSE_PLACE(far->lengths, place, count);
    CLOSE_PLACE(far->values, place, count);
}

static void erase_wide(struct leaf *leaf, unsigned place)
{
    struct leaf_wide *wide = &leaf->wide;
    unsigned count = leaf->count;
    CLOSE_PLACE(wide->starts, place, count);
    CLOSE_PLACE(wide->lengths, place, count);
    CLOSE_PLACE(wide->values, place, count);
}

void leaf_erase(struct leaf *leaf, int place)
{
    assert(leaf->count > 0);
    if (leaf->kind != LEAF_NARROW) {
        (leaf->kind == LEAF_FAR ? erase_far : erase_wide)(leaf, (unsigned)place);
        leaf->count--;
        return;
    }
    unsigned number = (unsigned)place / LINE_INTERVALS;
    erase_in_line(leaf, number, (unsigned)place % LINE_INTERVALS);
    leaf->count--;
    // A line that gets empty is filled from the others.
    if (line_count(&leaf->narrow.lines[number]) == 0 && leaf->count > 0) {
        struct interval intervals[NARROW_INTERVALS];
        write_narrow(leaf, intervals, leaf_read(leaf, intervals));
    }
}

void leaf_set_value(struct leaf *leaf, int place, uint32_t value)
{
    unsigned at = (unsigned)place;
    if (leaf->kind == LEAF_WIDE)
        leaf->wide.values[at] = value;
    else if (leaf->kind == LEAF_FAR)
        leaf->far.values[at] = value;
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

void inner_append(struct inner *inner, const struct inner_entry *entry)
{
    assert(inner->count < INNER_CHILDREN);
    unsigned place = (unsigned)inner->count++;
    inner->groups[place / GROUP_CHILDREN].children[place % GROUP_CHILDREN] = entry->child;
    inner_set_key(inner, place, entry->key);
}

void inner_set_key(struct inner *inner, unsigned place, uint64_t key)
{
    assert(place < inner->count);
    struct inner_group *group = &inner->groups[place / GROUP_CHILDREN];
    group->keys[place % GROUP_CHILDREN] = key;
    inner->firsts[place / GROUP_CHILDREN] = group->keys[0];
}
