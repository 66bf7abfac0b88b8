// SPDX-License-Identifier: BSD-2-Clause
#include "sim/truth/master.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define MICRONET_UNITS_MAX 24
#define ATTEMPTS           20
#define MISTAKES           40 // two of so many ETRs are such as no RUAS should allow

static const char *const prefix_texts[MASTER_MABS] = {"20.1.0.0/24", "2001:db8:20::/48"};

void master_init(struct master *master, struct instant now)
{
    memset(master, 0, sizeof(*master));
    for (size_t i = 0; i < MASTER_MABS; i++) {
        bool good = prefix_parse(prefix_texts[i], &master->prefixes[i], NULL);
        assert(good);
        (void)good;
        master->mappings[i] = mapping_new(&master->prefixes[i], NULL);
        master->histories[i] = mapping_history_new(master->mappings[i], MASTER_UNITS, now);
    }
}

void master_release(struct master *master)
{
    for (size_t i = 0; i < MASTER_MABS; i++) {
        mapping_free(master->mappings[i]);
        mapping_history_free(master->histories[i]);
        memory_free(master->numbers[i]);
    }
    memory_free(master->sets);
}

static struct address pick_etr(struct random_source *random)
{
    uint32_t number = (uint32_t)random_below(random, MASTER_ETR_COUNT + 1);
    uint64_t mistake = random_below(random, MISTAKES);
    if (mistake == 0)
        return address_from_ipv4(0x1401004d); // 20.1.0.77, in a MAB
    if (mistake == 1)
        return address_from_ipv4(0xc0000209); // 192.0.2.9, which all ITRs refuse
    return number == 0 ? ADDRESS_ZERO : address_from_ipv4(0xc6120300 + number); // 198.18.3.x
}

static struct unit pick_unit(const struct mapping *mapping, struct random_source *random)
{
    return (struct unit){mapping_units(mapping)->start.index + random_below(random, MASTER_UNITS)};
}

static void add(struct master_set *set, enum update_kind kind, struct range range,
                struct address etr, struct unit at)
{
    assert(set->count < MASTER_SET_MAX);
    set->updates[set->count++] = (struct update){kind, range, etr, at};
}

// A new micronet from `unit` on, inside a gap.
static void define(struct master_set *set, struct random_source *random, struct unit unit,
                   const struct range *gap, struct unit end)
{
    struct unit last = range_last(gap);
    uint64_t room = (last.index < end.index ? last.index : end.index) - unit.index + 1;
    uint64_t most = room < MICRONET_UNITS_MAX ? room : MICRONET_UNITS_MAX;
    struct range range = {gap->family, unit, {1 + random_below(random, most)}};
    add(set, UPDATE_DEFINE, range, pick_etr(random), unit);
}

// The micronet in two, each with an ETR of its own.
static void divide(struct master_set *set, struct random_source *random, const struct range *range)
{
    struct unit at = {range->start.index + 1 + random_below(random, range->length.units - 1)};
    struct range first = range_between(range->family, range->start, (struct unit){at.index - 1});
    struct range second = range_between(range->family, at, range_last(range));
    add(set, UPDATE_MAP, *range, ADDRESS_ZERO, at);
    add(set, UPDATE_SPLIT, *range, ADDRESS_ZERO, at);
    add(set, UPDATE_MAP, first, pick_etr(random), at);
    add(set, UPDATE_MAP, second, pick_etr(random), at);
}

// The micronet and the next one become one.
static void unite(struct master_set *set, struct random_source *random,
                  const struct mapping *mapping, const struct range *range)
{
    struct micronet next;
    struct unit behind = {range_last(range).index + 1};
    if (mapping_lookup(mapping, behind, &next) == MAPPING_GAP)
        return;
    struct range both = range_between(range->family, range->start, range_last(&next.range));
    add(set, UPDATE_MAP, *range, ADDRESS_ZERO, behind);
    add(set, UPDATE_MAP, next.range, ADDRESS_ZERO, behind);
    add(set, UPDATE_JOIN, both, ADDRESS_ZERO, behind);
    add(set, UPDATE_MAP, both, pick_etr(random), behind);
}

// One thing that an owner may do with what covers a unit.
static void compose(struct master_set *set, struct random_source *random,
                    const struct mapping *mapping)
{
    struct unit unit = pick_unit(mapping, random);
    struct unit end = {mapping_units(mapping)->start.index + MASTER_UNITS - 1};
    struct micronet found;
    enum mapping_state state = mapping_lookup(mapping, unit, &found);
    uint64_t choice = random_below(random, 10);
    if (state == MAPPING_GAP)
        define(set, random, unit, &found.range, end);
    else if (choice < 6)
        add(set, UPDATE_MAP, found.range, pick_etr(random), unit);
    else if (choice == 6 && found.range.length.units > 1)
        divide(set, random, &found.range);
    else if (choice == 7 && range_last(&found.range).index < end.index)
        unite(set, random, mapping, &found.range);
    else if (choice == 8) {
        add(set, UPDATE_MAP, found.range, ADDRESS_ZERO, unit);
        add(set, UPDATE_DELETE, found.range, ADDRESS_ZERO, unit);
    }
}

// Applies the set, where the rules allow it, and puts it in the log.
static bool apply(struct master *master, struct master_set *set)
{
    size_t mab = set->mab;
    struct mapping *mapping = master->mappings[mab];
    if (set->count == 0 || !mapping_apply(mapping, set->updates, set->count, NULL, NULL))
        return false;
    set->sequence = ++master->sequences[mab];
    set->hash = mapping_hash(mapping);
    master->sets = memory_resize(master->sets, (master->set_count + 1) * sizeof(*set));
    master->numbers[mab] = memory_resize(master->numbers[mab], set->sequence * sizeof(size_t));
    master->numbers[mab][set->sequence - 1] = master->set_count;
    master->sets[master->set_count++] = *set;
    mapping_history_record(master->histories[mab], mapping, set->at);
    return true;
}

bool master_change(struct master *master, uint64_t number, struct instant now)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(number));
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct master_set set = {.at = now, .mab = random_below(&random, MASTER_MABS)};
        const struct mapping *mapping = master->mappings[set.mab];
        compose(&set, &random, mapping);
        if (set.count + 4 <= MASTER_SET_MAX && random_below(&random, 4) == 0)
            compose(&set, &random, mapping);
        if (apply(master, &set))
            return true;
    }
    return false;
}

bool master_map(struct master *master, const struct range *range, const struct address *etr,
                struct instant now)
{
    struct micronet found;
    struct master_set set = {.at = now, .count = 1, .mab = range->family == FAMILY_IPV6};
    const struct mapping *mapping = master->mappings[set.mab];
    if (!range_contains(mapping_units(mapping), range))
        return false;
    enum mapping_state state = mapping_lookup(mapping, range->start, &found);
    enum update_kind kind = state == MAPPING_GAP ? UPDATE_DEFINE : UPDATE_MAP;
    set.updates[0] = (struct update){kind, *range, *etr, range->start};
    return apply(master, &set);
}

const struct master_set *master_set_at(const struct master *master, size_t mab, uint64_t sequence)
{
    assert(sequence > 0 && sequence <= master->sequences[mab]);
    return &master->sets[master->numbers[mab][sequence - 1]];
}

struct address master_pick_address(const struct master *master, struct random_source *random)
{
    const struct mapping *mapping = master->mappings[random_below(random, MASTER_MABS)];
    struct unit unit = pick_unit(mapping, random);
    return unit_address((enum family)mapping_mab(mapping)->address.family, unit);
}
