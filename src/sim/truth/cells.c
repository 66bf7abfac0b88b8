// SPDX-License-Identifier: BSD-2-Clause
#include "sim/truth/cells.h"

// The places of a range; false where it reaches beyond the cells.
static bool find_places(const struct cells *cells, const struct range *range, size_t *first,
                        size_t *last)
{
    uint64_t from = range->start.index - cells->first.index;
    uint64_t units = range->length.units;
    if (range->start.index < cells->first.index || units == 0 || units > CELLS ||
        from > CELLS - units)
        return false;
    *first = (size_t)from;
    *last = (size_t)(from + units - 1);
    return true;
}

static bool is_zero(const struct cell *cell)
{
    return cell->etr.family == FAMILY_NONE;
}

// Whether the cell is in the micronet of the one before it.
static bool goes_on(const struct cells *cells, size_t i)
{
    return i < CELLS && cells->at[i].used && !cells->at[i].begins;
}

static size_t first_of(const struct cells *cells, size_t i)
{
    while (goes_on(cells, i))
        i--;
    return i;
}

static size_t last_of(const struct cells *cells, size_t i)
{
    while (goes_on(cells, i + 1))
        i++;
    return i;
}

static bool is_micronet(const struct cells *cells, size_t first, size_t last)
{
    return cells->at[first].used && cells->at[first].begins && last_of(cells, first) == last;
}

static bool all_zero(const struct cells *cells, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++)
        if (!is_zero(&cells->at[i]))
            return false;
    return true;
}

// What is left of a zero micronet behind a new one is a micronet.
static bool define(struct cells *cells, size_t first, size_t last, const struct address *etr)
{
    if (!all_zero(cells, first, last))
        return false;
    if (goes_on(cells, last + 1))
        cells->at[last + 1].begins = true;
    for (size_t i = first; i <= last; i++)
        cells->at[i] = (struct cell){.used = true, .begins = i == first, .etr = *etr};
    return true;
}

static bool join(struct cells *cells, size_t first, size_t last)
{
    size_t parts = 0;
    for (size_t i = first; i <= last; i++) {
        if (!cells->at[i].used)
            return false;
        parts += cells->at[i].begins;
    }
    if (parts < 2 || !cells->at[first].begins || goes_on(cells, last + 1) ||
        !all_zero(cells, first, last))
        return false;
    for (size_t i = first + 1; i <= last; i++)
        cells->at[i].begins = false;
    return true;
}

static bool split(struct cells *cells, size_t first, size_t last, struct unit at)
{
    uint64_t place = at.index - cells->first.index;
    if (!all_zero(cells, first, last) || place <= first || place > last)
        return false;
    cells->at[place].begins = true;
    return true;
}

bool cells_apply(struct cells *cells, const struct update *update)
{
    size_t first = 0;
    size_t last = 0;
    if (!find_places(cells, &update->range, &first, &last))
        return false;
    if (update->kind == UPDATE_DEFINE)
        return define(cells, first, last, &update->etr);
    if (update->kind == UPDATE_JOIN)
        return join(cells, first, last);
    if (!is_micronet(cells, first, last))
        return false;
    if (update->kind == UPDATE_SPLIT)
        return split(cells, first, last, update->at);
    if (update->kind == UPDATE_DELETE && !all_zero(cells, first, last))
        return false;
    for (size_t i = first; i <= last; i++)
        if (update->kind == UPDATE_DELETE)
            cells->at[i] = (struct cell){0};
        else
            cells->at[i].etr = update->etr;
    return true;
}

bool cells_agree(const struct cells *cells, const struct mapping *mapping)
{
    for (size_t i = 0; i < CELLS; i++) {
        struct micronet found;
        const struct cell *cell = &cells->at[i];
        struct unit unit = {cells->first.index + i};
        enum mapping_state state = mapping_lookup(mapping, unit, &found);
        if ((state == MAPPING_GAP) == cell->used || !address_equal(&found.etr, &cell->etr))
            return false;
        if (cell->used &&
            (found.range.start.index != cells->first.index + first_of(cells, i) ||
             range_last(&found.range).index != cells->first.index + last_of(cells, i)))
            return false;
    }
    return true;
}

bool cells_same(const struct cells *a, const struct cells *b, size_t i)
{
    if (a->at[i].used != b->at[i].used || !a->at[i].used)
        return a->at[i].used == b->at[i].used;
    return address_equal(&a->at[i].etr, &b->at[i].etr) && first_of(a, i) == first_of(b, i) &&
           last_of(a, i) == last_of(b, i);
}
