// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/mapping.h"

#include "base/memory.h"
#include "mapping/mapping_state.h"

#include <assert.h>

_Static_assert(MAPPING_NUMBER_GAP == ETR_GAP && MAPPING_NUMBER_ZERO == ETR_ZERO &&
                   MAPPING_NUMBER_FIRST == ETR_FIRST,
               "numbers of ETRs are values of the store");

struct mapping *mapping_new(const struct prefix *mab, struct error *error)
{
    struct range units;
    if (!mab_check(mab, &units, error))
        return NULL;
    struct mapping *mapping = memory_new(sizeof(*mapping));
    mapping->mab = *mab;
    store_init(&mapping->store, &units);
    etr_table_init(&mapping->etrs);
    return mapping;
}

void mapping_free(struct mapping *mapping)
{
    if (mapping == NULL)
        return;
    store_release(&mapping->store);
    etr_table_release(&mapping->etrs);
    memory_free(mapping->undo.changes);
    memory_free(mapping->unhashed);
    memory_free(mapping);
}

const struct prefix *mapping_mab(const struct mapping *mapping)
{
    return &mapping->mab;
}

const struct range *mapping_units(const struct mapping *mapping)
{
    return &mapping->store.units;
}

uint64_t mapping_count(const struct mapping *mapping)
{
    return mapping->count;
}

size_t mapping_memory(const struct mapping *mapping)
{
    return sizeof(*mapping) + store_memory(&mapping->store) + etr_table_memory(&mapping->etrs) +
           mapping->undo.capacity * sizeof(*mapping->undo.changes) +
           (mapping->unhashed != NULL ? sizeof(*mapping->unhashed) : 0);
}

struct mapping_hash mapping_hash(const struct mapping *mapping)
{
    struct mapping_hash hash = mapping->hash;
    if (mapping->unhashed != NULL)
        record_hash_add(&hash, mapping->unhashed->records, mapping->unhashed->count);
    return hash;
}

bool mapping_hash_equal(const struct mapping_hash *a, const struct mapping_hash *b)
{
    return a->lanes[0] == b->lanes[0] && a->lanes[1] == b->lanes[1];
}

static enum mapping_state state_of(uint32_t value)
{
    return value >= ETR_FIRST ? MAPPING_MAPPED : value == ETR_ZERO ? MAPPING_ZERO : MAPPING_GAP;
}

static struct range range_of(const struct mapping *mapping, const struct interval *interval)
{
    return (struct range){mapping->store.units.family, {interval->start}, {interval->length}};
}

SEQUENCE_READER enum mapping_state mapping_lookup_numbered(const struct mapping *mapping,
                                                           struct unit unit, struct micronet *found,
                                                           uint32_t *number)
{
    assert(range_contains_unit(mapping_units(mapping), mapping->store.units.family, unit));
    for (;;) {
        uint64_t begun = sequence_begin(&mapping->sequence);
        struct interval at = store_find(&mapping->store, unit.index);
        if (sequence_retry(&mapping->sequence, begun))
            continue;
        struct address etr = etr_table_get(&mapping->etrs, at.value);
        if (sequence_retry(&mapping->sequence, begun))
            continue;
        *found = (struct micronet){range_of(mapping, &at), etr};
        *number = at.value;
        return state_of(at.value);
    }
}

enum mapping_state mapping_lookup(const struct mapping *mapping, struct unit unit,
                                  struct micronet *found)
{
    uint32_t number = 0;
    return mapping_lookup_numbered(mapping, unit, found, &number);
}

struct address mapping_numbered_etr(const struct mapping *mapping, uint32_t number)
{
    return etr_table_get(&mapping->etrs, number);
}

SEQUENCE_READER uint32_t mapping_tree_value(const struct mapping *mapping, struct unit unit)
{
    for (;;) {
        uint64_t begun = sequence_begin(&mapping->sequence);
        uint32_t value = interval_map_value(mapping->store.tree, unit.index);
        if (!sequence_retry(&mapping->sequence, begun))
            return value;
    }
}

SEQUENCE_READER void mapping_tree_etr(const struct mapping *mapping, struct unit unit,
                                      struct address *etr)
{
    for (;;) {
        uint64_t begun = sequence_begin(&mapping->sequence);
        uint32_t value = interval_map_value(mapping->store.tree, unit.index);
        if (sequence_retry(&mapping->sequence, begun))
            continue;
        *etr = etr_table_addresses(&mapping->etrs)[value];
        if (!sequence_retry(&mapping->sequence, begun))
            return;
    }
}

static void check_unit(const struct mapping *mapping, struct unit unit)
{
    const struct range *units = mapping_units(mapping);
    assert(unit.index - units->start.index < units->length.units);
    (void)units;
    (void)unit;
}

uint32_t mapping_etr_number(const struct mapping *mapping, struct unit unit)
{
    check_unit(mapping, unit);
    return mapping->store.tree == NULL ? mapping_flat_value(mapping, unit)
                                       : mapping_tree_value(mapping, unit);
}

struct address mapping_etr(const struct mapping *mapping, struct unit unit)
{
    check_unit(mapping, unit);
    struct address etr;
    if (mapping->store.tree == NULL)
        mapping_flat_etr(mapping, unit, &etr);
    else
        mapping_tree_etr(mapping, unit, &etr);
    return etr;
}

// The values of up to MAPPING_BATCH units, all from one state of the database.
SEQUENCE_READER static void value_batch(const struct mapping *mapping, const struct unit *units,
                                        size_t count, uint32_t *values)
{
    uint64_t begun = 0;
    do {
        begun = sequence_begin(&mapping->sequence);
        store_value_many(&mapping->store, units, count, values);
    } while (sequence_retry(&mapping->sequence, begun));
}

void mapping_etr_number_many(const struct mapping *mapping, const struct unit *units, size_t count,
                             uint32_t *numbers)
{
    for (size_t done = 0; done < count; done += MAPPING_BATCH) {
        size_t left = count - done;
        value_batch(mapping, units + done, left < MAPPING_BATCH ? left : MAPPING_BATCH,
                    numbers + done);
    }
}

// The ETRs of values read since `begun`; false where a change went on meanwhile.
SEQUENCE_READER static inline bool etrs_of(const struct mapping *mapping, uint64_t begun,
                                           const uint32_t *values, size_t count,
                                           struct address *etrs)
{
    if (sequence_retry(&mapping->sequence, begun))
        return false;
    const struct address *addresses = etr_table_addresses(&mapping->etrs);
    for (size_t i = 0; i < count; i++)
        etrs[i] = addresses[values[i]];
    return !sequence_retry(&mapping->sequence, begun);
}

// ETRs of up to MAPPING_BATCH units, all from one state of the database.
SEQUENCE_READER static void etr_batch(const struct mapping *mapping, const struct unit *units,
                                      size_t count, struct address *etrs)
{
    uint32_t values[MAPPING_BATCH];
    uint64_t begun = 0;
    do {
        begun = sequence_begin(&mapping->sequence);
        store_value_many(&mapping->store, units, count, values);
    } while (!etrs_of(mapping, begun, values, count, etrs));
}

void mapping_etr_many(const struct mapping *mapping, const struct unit *units, size_t count,
                      struct address *etrs)
{
    for (size_t done = 0; done < count; done += MAPPING_BATCH) {
        size_t left = count - done;
        etr_batch(mapping, units + done, left < MAPPING_BATCH ? left : MAPPING_BATCH, etrs + done);
    }
}

SEQUENCE_READER bool mapping_next(const struct mapping *mapping, struct unit from,
                                  struct micronet *found)
{
    const struct range *units = mapping_units(mapping);
    uint64_t unit = from.index < units->start.index ? units->start.index : from.index;
    if (unit > range_last(units).index)
        return false;
    for (;;) {
        uint64_t begun = sequence_begin(&mapping->sequence);
        struct interval at = {0};
        bool any = store_next(&mapping->store, unit, &at);
        if (sequence_retry(&mapping->sequence, begun))
            continue;
        struct address etr = etr_table_get(&mapping->etrs, any ? at.value : ETR_GAP);
        if (sequence_retry(&mapping->sequence, begun))
            continue;
        *found = (struct micronet){range_of(mapping, &at), etr};
        return any;
    }
}
