// SPDX-License-Identifier: BSD-2-Clause
#include "sim/truth/history.h"

#include "base/memory.h"

#include <assert.h>

struct period {
    struct instant from;
    struct address etr;
};

struct unit_history {
    struct period *periods; // oldest first; each lasts until the next
    size_t count;
};

struct mapping_history {
    struct unit_history units[CELLS];
};

struct mapping_history *mapping_history_new(const struct cells *cells, struct instant now)
{
    struct mapping_history *history = memory_new(sizeof(*history));
    mapping_history_record(history, cells, now);
    return history;
}

void mapping_history_free(struct mapping_history *history)
{
    if (history == NULL)
        return;
    for (size_t i = 0; i < CELLS; i++)
        memory_free(history->units[i].periods);
    memory_free(history);
}

void mapping_history_record(struct mapping_history *history, const struct cells *cells,
                            struct instant now)
{
    for (size_t i = 0; i < CELLS; i++) {
        struct unit_history *unit = &history->units[i];
        const struct address *etr = &cells->at[i].etr;
        if (unit->count > 0 && address_equal(&unit->periods[unit->count - 1].etr, etr))
            continue;
        unit->periods = memory_resize(unit->periods, (unit->count + 1) * sizeof(struct period));
        unit->periods[unit->count++] = (struct period){now, *etr};
    }
}

bool mapping_history_was(const struct mapping_history *history, size_t i, const struct address *etr,
                         struct instant *ended)
{
    assert(i < CELLS);
    const struct unit_history *unit = &history->units[i];
    *ended = INSTANT_NEVER;
    for (size_t p = unit->count; p-- > 0;) {
        if (address_equal(&unit->periods[p].etr, etr))
            return true;
        *ended = unit->periods[p].from;
    }
    return false;
}
