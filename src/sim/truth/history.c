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
    struct unit first;
    size_t unit_count;
    struct unit_history *units;
};

struct mapping_history *mapping_history_new(const struct mapping *mapping, size_t units,
                                            struct instant now)
{
    struct mapping_history *history = memory_new(sizeof(*history));
    assert(units <= mapping_units(mapping)->length.units);
    history->first = mapping_units(mapping)->start;
    history->unit_count = units;
    history->units = memory_new_array(units, sizeof(struct unit_history));
    mapping_history_record(history, mapping, now);
    return history;
}

void mapping_history_free(struct mapping_history *history)
{
    if (history == NULL)
        return;
    for (size_t i = 0; i < history->unit_count; i++)
        memory_free(history->units[i].periods);
    memory_free(history->units);
    memory_free(history);
}

void mapping_history_record(struct mapping_history *history, const struct mapping *mapping,
                            struct instant now)
{
    for (size_t i = 0; i < history->unit_count; i++) {
        struct unit_history *unit = &history->units[i];
        struct address etr = mapping_etr(mapping, (struct unit){history->first.index + i});
        if (unit->count > 0 && address_equal(&unit->periods[unit->count - 1].etr, &etr))
            continue;
        unit->periods = memory_resize(unit->periods, (unit->count + 1) * sizeof(struct period));
        unit->periods[unit->count++] = (struct period){now, etr};
    }
}

bool mapping_history_was(const struct mapping_history *history, size_t i, const struct address *etr,
                         struct instant *ended)
{
    assert(i < history->unit_count);
    const struct unit_history *unit = &history->units[i];
    *ended = INSTANT_NEVER;
    for (size_t p = unit->count; p-- > 0;) {
        if (address_equal(&unit->periods[p].etr, etr))
            return true;
        *ended = unit->periods[p].from;
    }
    return false;
}
