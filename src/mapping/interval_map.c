// SPDX-License-Identifier: BSD-2-Clause
// The changing half of the interval map: a B+-tree that stays dense.
//
//                    [ 40 | 90 ]               inner nodes: keys divide children
//                    |    |    |
//          [7 20 33]-[40 55]-[90 91 95]        leaves: intervals in order, linked both ways
//
// A full leaf first shares with a sibling that has room. When neither has, five neighbours become
// six: so leaves stay nearly nine tenths full under random inserts, and memory below 24 bytes an
// interval, also while the index is laid out anew. A leaf that gets nearly empty is merged into a
// sibling. Intervals that arrive in order fill each leaf to the end.
//
// An interval lies in the leaf that its start leads to, and may run past the key that divides
// that leaf from the next; so a search that finds no start at or below its key in a leaf looks at
// the end of the leaf before.
#include "mapping/interval_map.h"

#include "base/memory.h"
#include "mapping/interval_tree.h"

#include <assert.h>
#include <string.h>

static struct interval_map *new_map(bool growing)
{
    struct interval_map *map = memory_new(sizeof(*map));
    pool_init(&map->pool, growing);
    map->index.growing = growing;
    map->finder = interval_finder_pick();
    map->root = interval_leaf_new(map);
    return map;
}

struct interval_map *interval_map_new(void)
{
    return new_map(false);
}

struct interval_map *interval_map_new_growing(void)
{
    return new_map(true);
}

void interval_map_free(struct interval_map *map)
{
    if (map == NULL)
        return;
    line_index_release(&map->index);
    pool_release(&map->pool);
    memory_free(map);
}

size_t interval_map_count(const struct interval_map *map)
{
    return map->count;
}

size_t interval_map_memory(const struct interval_map *map)
{
    return sizeof(*map) + pool_memory(&map->pool) + line_index_memory(&map->index);
}

// The leaf that a key leads to, for the writer when it does not change the tree; and the place of
// the last interval there that starts at the key or before it.
static struct leaf *leaf_for(const struct interval_map *map, uint64_t key, int *place)
{
    struct leaf *leaf = leaf_of_entry(line_slots_find(&map->index.slots, key));
    if (leaf != NULL) {
        *place = leaf_find(leaf, key);
        // Where an interval starts at the key, or between two of the leaf, the key leads there.
        if (*place != LEAF_BEFORE &&
            (leaf_get(leaf, *place).start == key || leaf_next(leaf, *place) != LEAF_BEHIND))
            return leaf;
    }
    struct interval_path path;
    leaf = interval_path_descend(map, key, &path);
    *place = leaf_find(leaf, key);
    return leaf;
}

// True when an interval may go into the leaf behind `place`: no neighbour overlaps it.
static bool is_free(const struct leaf *leaf, int place, const struct interval *interval)
{
    if (place != LEAF_BEFORE || leaf->previous != NULL) {
        struct interval before = place != LEAF_BEFORE
                                     ? leaf_get(leaf, place)
                                     : leaf_get(leaf->previous, leaf_last(leaf->previous));
        if (interval_holds(&before, interval->start))
            return false;
    }
    int next = leaf_next(leaf, place);
    if (next != LEAF_BEHIND || leaf->next != NULL) {
        struct interval behind =
            next != LEAF_BEHIND ? leaf_get(leaf, next) : leaf_get(leaf->next, 0);
        if (interval_holds(interval, behind.start))
            return false;
    }
    return true;
}

bool interval_map_insert(struct interval_map *map, const struct interval *interval)
{
    assert(interval->length > 0 && interval->length - 1 <= UINT64_MAX - interval->start);
    int place = 0;
    struct leaf *leaf = leaf_for(map, interval->start, &place);
    leaf_warm(leaf);
    if (!is_free(leaf, place, interval))
        return false;
    struct leaf_shape before = leaf_shape(leaf);
    sequence_write_begin(&map->sequence);
    if (leaf_insert(leaf, place, interval))
        line_index_update(&map->index, leaf, &before);
    else
        interval_leaf_overflow(map, leaf, interval);
    map->count++;
    sequence_write_end(&map->sequence);
    return true;
}

// The line that the index names, where an interval in it starts at `start`, and its place in the
// line; NULL where none does. Of the leaf nothing else is read: that would be one more miss.
static struct leaf_line *exact_by_index(const struct interval_map *map, uint64_t start,
                                        unsigned *within)
{
    struct leaf_line *line = line_of_entry(line_slots_find(&map->index.slots, start));
    uint64_t first = 0;
    unsigned holding = line == NULL ? 0 : line_find(line, start, &first);
    if (holding == 0 || line_get(line, holding, first).start != start)
        return NULL;
    *within = (unsigned)__builtin_ctz(holding);
    return line;
}

// The leaf and place of the interval that starts at `start`; NULL where none does.
static struct leaf *exact(const struct interval_map *map, uint64_t start, int *place)
{
    unsigned within = 0;
    const struct leaf_line *line = exact_by_index(map, start, &within);
    if (line != NULL) {
        struct leaf *leaf = leaf_of_entry((uintptr_t)line);
        *place = (int)(line - leaf->narrow.lines) * LINE_INTERVALS + (int)within;
        return leaf;
    }
    struct leaf *leaf = leaf_for(map, start, place);
    if (*place == LEAF_BEFORE || leaf_get(leaf, *place).start != start)
        return NULL;
    return leaf;
}

bool interval_map_remove(struct interval_map *map, uint64_t start)
{
    int place = 0;
    struct leaf *leaf = exact(map, start, &place);
    if (leaf == NULL)
        return false;
    struct leaf_shape before = leaf_shape(leaf);
    sequence_write_begin(&map->sequence);
    leaf_erase(leaf, place);
    line_index_update(&map->index, leaf, &before);
    map->count--;
    interval_leaf_shrunk(map, start, leaf);
    sequence_write_end(&map->sequence);
    return true;
}

bool interval_map_set_value(struct interval_map *map, uint64_t start, uint32_t value)
{
    unsigned within = 0;
    int place = 0;
    struct leaf_line *line = exact_by_index(map, start, &within);
    struct leaf *leaf = line == NULL ? exact(map, start, &place) : NULL;
    if (line == NULL && leaf == NULL)
        return false;
    sequence_write_begin(&map->sequence);
    if (line != NULL)
        line->values[within] = value;
    else
        leaf_set_value(leaf, place, value);
    sequence_write_end(&map->sequence);
    return true;
}

struct leaf *interval_tree_leaf(const struct interval_map *map, uint64_t key)
{
    int place = 0;
    return leaf_for(map, key, &place);
}
