// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/store.h"

#include "mapping/etr_table.h"
#include "mapping/interval_node.h"

#include <assert.h>
#include <string.h>

void store_init(struct store *store, const struct range *units)
{
    memset(store, 0, sizeof(*store));
    store->units = *units;
    if (units->family == FAMILY_IPV6)
        store->tree = interval_map_new();
    else
        flat_map_init(&store->flat, (uint32_t)units->length.units);
}

void store_release(struct store *store)
{
    if (store->tree != NULL)
        interval_map_free(store->tree);
    else
        flat_map_release(&store->flat);
}

size_t store_memory(const struct store *store)
{
    return store->tree != NULL ? interval_map_memory(store->tree) : flat_map_memory(&store->flat);
}

static uint32_t place_of(const struct store *store, uint64_t unit)
{
    assert(unit - store->units.start.index < store->units.length.units);
    return (uint32_t)(unit - store->units.start.index);
}

// A micronet as the flat map places it.
static struct interval placed(const struct store *store, const struct interval *micronet)
{
    return (struct interval){place_of(store, micronet->start), micronet->length, micronet->value};
}

// The interval of the tree that contains a unit, or the gap around it.
SEQUENCE_READER static struct interval tree_run(const struct store *store, uint64_t unit)
{
    struct interval at = {0};
    uint64_t start = store->units.start.index;
    uint64_t end = start + store->units.length.units; // may be 0 at the end of all space
    if (interval_map_previous(store->tree, unit, &at)) {
        if (interval_holds(&at, unit))
            return at;
        start = at.start + at.length;
    }
    if (interval_map_next(store->tree, unit, &at))
        end = at.start;
    return (struct interval){start, end - start, ETR_GAP};
}

SEQUENCE_READER struct interval store_find(const struct store *store, uint64_t unit)
{
    if (store->tree != NULL)
        return tree_run(store, unit);
    struct interval found = flat_map_find(&store->flat, place_of(store, unit));
    found.start += store->units.start.index;
    return found;
}

SEQUENCE_READER void store_value_many(const struct store *store, const struct unit *units,
                                      size_t count, uint32_t *values)
{
    _Static_assert(sizeof(struct unit) == sizeof(uint64_t), "a unit is its number");
    _Static_assert(ETR_GAP == 0, "what the tree gives for keys in no interval");
    if (store->tree != NULL) {
        interval_map_value_many(store->tree, &units->index, count, values);
        return;
    }
    // Independent loads: the machine overlaps their misses by itself.
    uint64_t start = store->units.start.index;
    uint64_t outside = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t place = units[i].index - start;
        outside |= place & ~(uint64_t)(store->flat.size - 1);
        values[i] = flat_map_value(&store->flat, (uint32_t)place & (store->flat.size - 1));
    }
    assert(outside == 0);
    (void)outside;
}

SEQUENCE_READER bool store_next(const struct store *store, uint64_t unit, struct interval *micronet)
{
    if (store->tree != NULL)
        return interval_map_next(store->tree, unit, micronet);
    uint32_t place = place_of(store, unit);
    struct interval run = flat_map_find(&store->flat, place);
    if (run.value == ETR_GAP) {
        uint64_t end = run.start + run.length;
        if (end >= store->flat.size)
            return false;
        run = flat_map_find(&store->flat, (uint32_t)end); // gaps have no gaps behind them
    }
    run.start += store->units.start.index;
    *micronet = run;
    return true;
}

void store_warm(const struct store *store, const uint64_t *units, size_t count)
{
    if (store->tree != NULL)
        interval_map_warm(store->tree, units, count);
    for (size_t i = 0; i < count && store->tree == NULL; i++)
        flat_map_warm(&store->flat, place_of(store, units[i]));
}

void store_add(struct store *store, const struct interval *micronet)
{
    if (store->tree != NULL) {
        bool added = interval_map_insert(store->tree, micronet);
        assert(added);
        (void)added;
    } else {
        struct interval at = placed(store, micronet);
        flat_map_add(&store->flat, &at);
    }
}

void store_remove(struct store *store, const struct interval *micronet)
{
    if (store->tree != NULL) {
        bool removed = interval_map_remove(store->tree, micronet->start);
        assert(removed);
        (void)removed;
    } else {
        struct interval at = placed(store, micronet);
        flat_map_remove(&store->flat, &at);
    }
}

void store_set(struct store *store, const struct interval *micronet, uint32_t value)
{
    if (store->tree != NULL) {
        bool set = interval_map_set_value(store->tree, micronet->start, value);
        assert(set);
        (void)set;
    } else {
        struct interval at = placed(store, micronet);
        flat_map_set(&store->flat, &at, value);
    }
}

void store_append(struct store *store, const struct interval *micronets, size_t count)
{
    if (store->tree != NULL) {
        bool appended = interval_map_append(store->tree, micronets, count);
        assert(appended);
        (void)appended;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct interval at = placed(store, &micronets[i]);
        flat_map_add(&store->flat, &at);
    }
}

void store_end_bulk(struct store *store)
{
    if (store->tree != NULL)
        interval_map_settle(store->tree);
}

void store_expect(struct store *store, uint64_t micronets)
{
    if (store->tree == NULL && micronets >= store->flat.size / 4)
        flat_map_expect_dense(&store->flat);
}

size_t store_read(const struct store *store, uint64_t unit, struct interval *micronets, size_t size)
{
    if (store->tree != NULL)
        return interval_map_read(store->tree, unit, micronets, size);
    size_t count = 0;
    uint64_t last = range_last(&store->units).index;
    while (count < size && unit <= last && store_next(store, unit, &micronets[count])) {
        unit = micronets[count].start + micronets[count].length;
        count++;
    }
    return count;
}
