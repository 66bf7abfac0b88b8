// SPDX-License-Identifier: BSD-2-Clause
#include "model.h"

#include "../check.h"

#include <sodium.h>
#include <string.h>

void model_init(struct model *model, const char *mab)
{
    memset(model, 0, sizeof(*model));
    assert_true(prefix_parse(mab, &model->mab, NULL));
    assert_true(mab_check(&model->mab, &model->units, NULL));
    model->scale = model->units.length.units / MODEL_CELLS;
    assert_true(model->scale > 0);
    model->cells[0].first = true;
}

struct range model_range(const struct model *model, size_t cell, size_t count)
{
    return (struct range){model->units.family,
                          {model->units.start.index + cell * model->scale},
                          {count * model->scale}};
}

// First and last cell of the run (micronet or gap) that a cell is in.
static size_t run_first(const struct model *model, size_t cell)
{
    while (cell > 0 &&
           (model->cells[cell].used ? !model->cells[cell].first : !model->cells[cell - 1].used))
        cell--;
    return cell;
}

static size_t run_last(const struct model *model, size_t cell)
{
    while (cell + 1 < MODEL_CELLS &&
           (model->cells[cell].used ? model->cells[cell + 1].used && !model->cells[cell + 1].first
                                    : !model->cells[cell + 1].used))
        cell++;
    return cell;
}

static bool mapped(const struct cell *cell)
{
    return cell->used && !address_is_zero(&cell->etr);
}

// A range in cells; false where it is not whole cells (then no micronet can be exactly it).
static bool cells_of(const struct model *model, const struct range *range, size_t *first,
                     size_t *last)
{
    uint64_t offset = range->start.index - model->units.start.index;
    *first = offset / model->scale;
    *last = (offset + (range->length.units - 1)) / model->scale;
    return offset % model->scale == 0 && range->length.units % model->scale == 0;
}

static void put(struct model *model, size_t first, size_t last, struct address etr)
{
    for (size_t i = first; i <= last; i++)
        model->cells[i] = (struct cell){.used = true, .first = i == first, .etr = etr};
}

static const char *model_define(struct model *model, size_t first, size_t last, struct address etr)
{
    for (size_t i = first; i <= last; i++)
        if (mapped(&model->cells[i]))
            return "overlaps-mapped";
    put(model, first, last, etr);
    if (last + 1 < MODEL_CELLS && model->cells[last + 1].used)
        model->cells[last + 1].first = true;
    return NULL;
}

static const char *model_join(struct model *model, size_t first, size_t last)
{
    size_t parts = 0;
    for (size_t i = first; i <= last; i = run_last(model, i) + 1) {
        if (mapped(&model->cells[i]))
            return "not-zero";
        if (!model->cells[i].used || run_first(model, i) < first || run_last(model, i) > last)
            return "bad-join";
        parts++;
    }
    if (parts < 2)
        return "bad-join";
    put(model, first, last, ADDRESS_ZERO);
    return NULL;
}

const char *model_apply(struct model *model, const struct update *update)
{
    size_t first = 0;
    size_t last = 0;
    if (!range_valid(&update->range))
        return "bad-range";
    if (!range_contains(&model->units, &update->range))
        return "outside-mab";
    bool whole = cells_of(model, &update->range, &first, &last);
    assert_true(whole);
    if (update->kind == UPDATE_DEFINE)
        return model_define(model, first, last, update->etr);
    if (update->kind == UPDATE_JOIN)
        return model_join(model, first, last);
    if (!model->cells[first].used || run_first(model, first) != first ||
        run_last(model, first) != last)
        return "not-a-micronet";
    if (update->kind == UPDATE_MAP) {
        put(model, first, last, update->etr);
        return NULL;
    }
    if (mapped(&model->cells[first]))
        return "not-zero";
    if (update->kind == UPDATE_DELETE) {
        memset(&model->cells[first], 0, (last - first + 1) * sizeof(struct cell));
        return NULL;
    }
    uint64_t at = update->at.index - model->units.start.index;
    if (at / model->scale <= first || at / model->scale > last)
        return "bad-split";
    model->cells[at / model->scale].first = true;
    return NULL;
}

enum mapping_state model_lookup(const struct model *model, size_t cell, struct micronet *found)
{
    size_t first = run_first(model, cell);
    size_t last = run_last(model, cell);
    found->range = model_range(model, first, last - first + 1);
    found->etr = model->cells[cell].etr;
    if (!model->cells[cell].used)
        return MAPPING_GAP;
    return mapped(&model->cells[cell]) ? MAPPING_MAPPED : MAPPING_ZERO;
}

uint64_t model_count(const struct model *model)
{
    uint64_t count = 0;
    for (size_t i = 0; i < MODEL_CELLS; i++)
        count += model->cells[i].used && model->cells[i].first;
    return count;
}

struct mapping_hash model_hash(const struct model *model)
{
    struct mapping_hash hash = {{0, 0}};
    struct micronet micronet;
    for (size_t i = 0; i < MODEL_CELLS; i++) {
        if (!model->cells[i].used || !model->cells[i].first)
            continue;
        (void)model_lookup(model, i, &micronet);
        uint8_t record[33];
        for (unsigned octet = 0; octet < 8; octet++) {
            record[octet] = (uint8_t)(micronet.range.start.index >> (56 - 8 * octet));
            record[8 + octet] = (uint8_t)(micronet.range.length.units >> (56 - 8 * octet));
        }
        record[16] = micronet.etr.family;
        memcpy(record + 17, micronet.etr.octets, 16);
        uint8_t digest[crypto_shorthash_siphashx24_BYTES];
        (void)crypto_shorthash_siphashx24(digest, record, sizeof(record),
                                          (const uint8_t *)"ivip mapping v1");
        for (unsigned lane = 0; lane < 2; lane++) {
            uint64_t value = 0;
            for (unsigned octet = 0; octet < 8; octet++)
                value |= (uint64_t)digest[8 * lane + octet] << 8 * octet;
            hash.lanes[lane] += value;
        }
    }
    return hash;
}

static struct address random_etr(struct random_source *random)
{
    uint8_t octets[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)random_below(random, 40)};
    switch (random_below(random, 3)) {
    case 0:
        return ADDRESS_ZERO;
    case 1:
        return address_from_ipv4(0xc6120000 + (uint32_t)random_below(random, 40));
    default:
        return address_from_octets(FAMILY_IPV6, octets);
    }
}

struct update model_random_update(const struct model *model, struct random_source *random)
{
    size_t cell = random_below(random, MODEL_CELLS);
    size_t first = run_first(model, cell);
    size_t last = run_last(model, cell);
    struct update update = {.kind = (enum update_kind)(1 + random_below(random, 5)),
                            .etr = random_etr(random)};
    uint64_t choice = random_below(random, 8);
    if (update.kind == UPDATE_DEFINE && last - first > 12) {
        first = cell;
        last = first + random_below(random, 12);
    } else if (update.kind == UPDATE_JOIN && last + 1 < MODEL_CELLS && choice > 0) {
        last = run_last(model, last + 1);
    } else if (choice == 0) {
        first = random_below(random, MODEL_CELLS);
        last = first + random_below(random, 20);
    } else if (choice == 1 && last - first > 0) {
        first++;
    } else if (choice == 2) {
        last++;
    } else if (update.kind == UPDATE_MAP && choice < 5) {
        update.etr = ADDRESS_ZERO; // so that splits, joins and deletes find something
    }
    update.range = model_range(model, first, last - first + 1);
    update.at.index =
        update.range.start.index + model->scale * random_below(random, last - first + 2);
    return update;
}

// A number says what state a unit is in, and stands for its ETR.
static void compare_number(const struct mapping *mapping, uint32_t number, enum mapping_state state,
                           const struct address *expected)
{
    assert_int_equal(number == MAPPING_NUMBER_GAP, state == MAPPING_GAP);
    assert_int_equal(number == MAPPING_NUMBER_ZERO, state == MAPPING_ZERO);
    struct address etr = mapping_numbered_etr(mapping, number);
    assert_true(address_equal(&etr, expected));
}

static void compare_unit(const struct model *model, const struct mapping *mapping, size_t cell,
                         struct unit unit)
{
    struct micronet expected;
    struct micronet found;
    enum mapping_state state = model_lookup(model, cell, &expected);
    assert_int_equal(mapping_lookup(mapping, unit, &found), state);
    assert_true(range_equal(&found.range, &expected.range));
    assert_true(address_equal(&found.etr, &expected.etr));
    struct address etr = mapping_etr(mapping, unit);
    assert_true(address_equal(&etr, &expected.etr));

    uint32_t number = mapping_etr_number(mapping, unit);
    uint32_t again = UINT32_MAX;
    assert_int_equal(mapping_lookup_numbered(mapping, unit, &found, &again), state);
    assert_int_equal(again, number);
    assert_true(range_equal(&found.range, &expected.range));
    compare_number(mapping, number, state, &expected.etr);
}

static void compare_walk(const struct model *model, const struct mapping *mapping)
{
    struct unit from = model->units.start;
    struct micronet expected;
    struct micronet found;
    uint64_t count = 0;
    for (size_t i = 0; i < MODEL_CELLS; i++) {
        if (!model->cells[i].used || !model->cells[i].first)
            continue;
        (void)model_lookup(model, i, &expected);
        assert_true(mapping_next(mapping, from, &found));
        assert_true(range_equal(&found.range, &expected.range));
        assert_true(address_equal(&found.etr, &expected.etr));
        from.index = range_last(&found.range).index + 1;
        count++;
    }
    if (from.index != 0 && from.index <= range_last(&model->units).index)
        assert_false(mapping_next(mapping, from, &found));
    assert_int_equal(mapping_count(mapping), count);
}

void model_compare(const struct model *model, const struct mapping *mapping)
{
    struct unit units[MODEL_CELLS];
    struct address etrs[MODEL_CELLS];
    uint32_t numbers[MODEL_CELLS];
    for (size_t i = 0; i < MODEL_CELLS; i++) {
        struct range range = model_range(model, i, 1);
        compare_unit(model, mapping, i, range.start);
        compare_unit(model, mapping, i, range_last(&range));
        units[i] = range_last(&range);
    }
    mapping_etr_many(mapping, units, MODEL_CELLS, etrs);
    mapping_etr_number_many(mapping, units, MODEL_CELLS, numbers);
    for (size_t i = 0; i < MODEL_CELLS; i++) {
        assert_true(address_equal(&etrs[i], &model->cells[i].etr));
        assert_int_equal(numbers[i], mapping_etr_number(mapping, units[i]));
    }
    compare_walk(model, mapping);
    struct mapping_hash expected = model_hash(model);
    struct mapping_hash hash = mapping_hash(mapping);
    assert_true(mapping_hash_equal(&hash, &expected));
}
