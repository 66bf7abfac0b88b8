// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/database.h"

#include "base/memory.h"
#include "mapping/direct_table.h"
#include "mapping/mab_table.h"
#include "mapping/mapping_state.h"

#include <assert.h>
#include <string.h>

struct database {
    struct mab_table *mabs;               // MAB -> place in `mappings`
    const struct direct_table *direct[2]; // of `mabs`: IPv4, IPv6
    struct mapping **mappings;
    size_t count;
    size_t capacity;
    bool keep;                 // what is replaced or removed
    struct mapping **replaced; // ... here
    size_t replaced_count;
};

struct database *database_new(void)
{
    struct database *database = memory_new(sizeof(*database));
    database->mabs = mab_table_new();
    database->direct[0] = mab_table_direct(database->mabs, FAMILY_IPV4);
    database->direct[1] = mab_table_direct(database->mabs, FAMILY_IPV6);
    return database;
}

void database_free(struct database *database)
{
    if (database == NULL)
        return;
    for (size_t i = 0; i < database->count; i++)
        mapping_free(database->mappings[i]);
    for (size_t i = 0; i < database->replaced_count; i++)
        mapping_free(database->replaced[i]);
    memory_free(database->replaced);
    memory_free(database->mappings);
    mab_table_free(database->mabs);
    memory_free(database);
}

// The place of exactly that MAB; false where it is not there.
static bool place_of(const struct database *database, const struct prefix *mab, uint32_t *place)
{
    return mab_table_find(database->mabs, &mab->address, place) &&
           prefix_equal(mapping_mab(database->mappings[*place]), mab);
}

void database_keep_replaced(struct database *database)
{
    database->keep = true;
}

struct mapping *database_take_replaced(struct database *database, const struct prefix *mab)
{
    for (size_t i = 0; i < database->replaced_count; i++) {
        struct mapping *mapping = database->replaced[i];
        if (!prefix_equal(mapping_mab(mapping), mab))
            continue;
        database->replaced[i] = database->replaced[--database->replaced_count];
        return mapping;
    }
    return NULL;
}

// The mapping is no longer in the database.
static void end_mapping(struct database *database, struct mapping *mapping)
{
    if (!database->keep) {
        mapping_free(mapping);
        return;
    }
    database->replaced = memory_resize(database->replaced, (database->replaced_count + 1) *
                                                               sizeof(*database->replaced));
    database->replaced[database->replaced_count++] = mapping;
}

bool database_put(struct database *database, struct mapping *mapping, struct error *error)
{
    uint32_t place = 0;
    if (place_of(database, mapping_mab(mapping), &place)) {
        if (database->mappings[place] != mapping)
            end_mapping(database, database->mappings[place]);
        database->mappings[place] = mapping;
        return true;
    }
    if (!mab_table_add(database->mabs, mapping_mab(mapping), (uint32_t)database->count, error))
        return false;
    if (database->count == database->capacity) {
        database->capacity = database->capacity == 0 ? 16 : database->capacity * 2;
        database->mappings =
            memory_resize(database->mappings, database->capacity * sizeof(*database->mappings));
    }
    database->mappings[database->count++] = mapping;
    return true;
}

bool database_remove(struct database *database, const struct prefix *mab)
{
    uint32_t place = 0;
    if (!place_of(database, mab, &place))
        return false;
    (void)mab_table_remove(database->mabs, mab);
    end_mapping(database, database->mappings[place]);
    struct mapping *last = database->mappings[--database->count];
    database->mappings[database->count] = NULL;
    if (place == database->count)
        return true;
    // The last one moves into the place that became free.
    database->mappings[place] = last;
    (void)mab_table_remove(database->mabs, mapping_mab(last));
    bool added = mab_table_add(database->mabs, mapping_mab(last), place, NULL);
    assert(added);
    (void)added;
    return true;
}

struct mapping *database_find(const struct database *database, const struct address *address)
{
    uint32_t place = 0;
    return mab_table_find(database->mabs, address, &place) ? database->mappings[place] : NULL;
}

struct mapping *database_get(const struct database *database, const struct prefix *mab)
{
    uint32_t place = 0;
    return place_of(database, mab, &place) ? database->mappings[place] : NULL;
}

size_t database_count(const struct database *database)
{
    return database->count;
}

struct mapping *database_at(const struct database *database, size_t i)
{
    assert(i < database->count);
    return database->mappings[i];
}

// Where an address lies: the place of its mapping, or DATABASE_NO_MAB, and the unit in it.
static inline uint32_t locate(const struct database *database, const struct address *address,
                              struct unit *unit)
{
    uint64_t bits = address_bits(address);
    bool ipv6 = address->family == FAMILY_IPV6;
    uint32_t entry = direct_table_entry(database->direct[ipv6], bits);
    unit->index = ipv6 ? bits : bits >> 32;
    return entry == 0 || address->family == FAMILY_NONE ? DATABASE_NO_MAB
                                                        : direct_table_number(entry);
}

bool database_etr(const struct database *database, const struct address *address,
                  struct address *etr)
{
    struct unit unit;
    uint32_t mab = locate(database, address, &unit);
    if (mab == DATABASE_NO_MAB) {
        *etr = ADDRESS_ZERO;
        return false;
    }
    const struct mapping *mapping = database->mappings[mab];
    if (mapping->store.tree == NULL)
        mapping_flat_etr(mapping, unit, etr);
    else
        mapping_tree_etr(mapping, unit, etr);
    return true;
}

bool database_etr_number(const struct database *database, const struct address *address,
                         struct etr_number *etr)
{
    struct unit unit;
    etr->mab = locate(database, address, &unit);
    etr->number = MAPPING_NUMBER_GAP;
    if (etr->mab == DATABASE_NO_MAB)
        return false;
    const struct mapping *mapping = database->mappings[etr->mab];
    etr->number = mapping->store.tree == NULL ? mapping_flat_value(mapping, unit)
                                              : mapping_tree_value(mapping, unit);
    return true;
}

// The usual batch: all of one MAB. Gives the units and the place of the mapping, or DATABASE_NO_MAB
// where it is not such a batch (or its MAB not known).
static uint32_t locate_all(const struct database *database, const struct address *addresses,
                           size_t count, struct unit *units)
{
    struct unit first;
    uint32_t mab = locate(database, &addresses[0], &first);
    if (mab == DATABASE_NO_MAB)
        return mab;
    const struct range *range = mapping_units(database->mappings[mab]);
    uint8_t family = addresses[0].family;
    unsigned shift = family == FAMILY_IPV6 ? 0 : 32;
    unsigned others = 0;
    for (size_t i = 0; i < count; i++) {
        units[i].index = address_bits(&addresses[i]) >> shift;
        bool outside = units[i].index - range->start.index >= range->length.units;
        others |= outside | (unsigned)(family ^ addresses[i].family);
    }
    return others == 0 ? mab : DATABASE_NO_MAB;
}

// A batch of addresses in several MABs. Those of IPv4 are looked up one by one, since each is one
// access that is on its way already; those of IPv6 are taken apart by MAB, and each part is looked
// up together.
struct parts {
    uint32_t mabs[MAPPING_BATCH]; // DATABASE_NO_MAB of those that were gathered
    struct unit units[MAPPING_BATCH];
    size_t count;
    // The part that is looked up next: all those in one IPv6 MAB.
    uint32_t mab;
    struct unit part[MAPPING_BATCH];
    size_t places[MAPPING_BATCH]; // in the batch
    size_t part_count;
};

static void take_apart(struct parts *parts, const struct database *database,
                       const struct address *addresses, size_t count)
{
    parts->count = count;
    for (size_t i = 0; i < count; i++) {
        uint32_t mab = locate(database, &addresses[i], &parts->units[i]);
        parts->mabs[i] = mab;
        if (mab == DATABASE_NO_MAB)
            continue;
        const struct mapping *mapping = database->mappings[mab];
        if (mapping->store.tree == NULL)
            __builtin_prefetch(
                &mapping->store.flat.values[mapping_flat_place(mapping, parts->units[i])]);
    }
}

// The IPv4 mapping that the i-th address is in, or NULL where there is none.
static const struct mapping *flat_at(const struct parts *parts, const struct database *database,
                                     size_t i)
{
    if (parts->mabs[i] == DATABASE_NO_MAB)
        return NULL;
    const struct mapping *mapping = database->mappings[parts->mabs[i]];
    return mapping->store.tree == NULL ? mapping : NULL;
}

// Gathers the next part; false where none is left.
static bool next_part(struct parts *parts)
{
    parts->mab = DATABASE_NO_MAB;
    parts->part_count = 0;
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->mab == DATABASE_NO_MAB)
            parts->mab = parts->mabs[i];
        if (parts->mabs[i] == DATABASE_NO_MAB || parts->mabs[i] != parts->mab)
            continue;
        parts->part[parts->part_count] = parts->units[i];
        parts->places[parts->part_count++] = i;
        parts->mabs[i] = DATABASE_NO_MAB;
    }
    return parts->part_count > 0;
}

static void answer_batch(const struct database *database, const struct address *addresses,
                         size_t count, struct address *etrs)
{
    struct parts parts;
    uint32_t only = locate_all(database, addresses, count, parts.units);
    if (only != DATABASE_NO_MAB) {
        mapping_etr_many(database->mappings[only], parts.units, count, etrs);
        return;
    }
    memset(etrs, 0, count * sizeof(*etrs));
    take_apart(&parts, database, addresses, count);
    for (size_t i = 0; i < count; i++) {
        const struct mapping *flat = flat_at(&parts, database, i);
        if (flat == NULL)
            continue;
        mapping_flat_etr(flat, parts.units[i], &etrs[i]);
        parts.mabs[i] = DATABASE_NO_MAB;
    }
    while (next_part(&parts)) {
        struct address found[MAPPING_BATCH];
        mapping_etr_many(database->mappings[parts.mab], parts.part, parts.part_count, found);
        for (size_t i = 0; i < parts.part_count; i++)
            etrs[parts.places[i]] = found[i];
    }
}

// The usual batch of IPv4 addresses: independent loads, whose misses the machine overlaps by
// itself. False where not all are of one IPv4 MAB.
SEQUENCE_READER static bool number_flat_batch(const struct database *database,
                                              const struct address *addresses, size_t count,
                                              struct etr_number *etrs)
{
    struct unit first;
    uint32_t places[MAPPING_BATCH];
    uint32_t mab = locate(database, &addresses[0], &first);
    if (mab == DATABASE_NO_MAB || addresses[0].family != FAMILY_IPV4)
        return false;
    const struct mapping *mapping = database->mappings[mab];
    uint32_t start = (uint32_t)mapping->store.units.start.index;
    unsigned others = 0;
    for (size_t i = 0; i < count; i++) {
        places[i] = (uint32_t)(address_bits(&addresses[i]) >> 32) - start;
        others |= places[i] >= mapping->store.flat.size;
        others |= (unsigned)(addresses[i].family ^ FAMILY_IPV4);
    }
    if (others != 0)
        return false;
    uint64_t begun = 0;
    do {
        begun = sequence_begin(&mapping->sequence);
        for (size_t i = 0; i < count; i++)
            etrs[i] = (struct etr_number){mab, flat_map_value(&mapping->store.flat, places[i])};
    } while (sequence_retry(&mapping->sequence, begun));
    return true;
}

static void number_batch(const struct database *database, const struct address *addresses,
                         size_t count, struct etr_number *etrs)
{
    struct parts parts;
    uint32_t numbers[MAPPING_BATCH];
    if (number_flat_batch(database, addresses, count, etrs))
        return;
    uint32_t only = locate_all(database, addresses, count, parts.units);
    if (only != DATABASE_NO_MAB) {
        mapping_etr_number_many(database->mappings[only], parts.units, count, numbers);
        for (size_t i = 0; i < count; i++)
            etrs[i] = (struct etr_number){only, numbers[i]};
        return;
    }
    take_apart(&parts, database, addresses, count);
    for (size_t i = 0; i < count; i++) {
        const struct mapping *flat = flat_at(&parts, database, i);
        etrs[i] = (struct etr_number){parts.mabs[i], MAPPING_NUMBER_GAP};
        if (flat == NULL)
            continue;
        etrs[i].number = mapping_flat_value(flat, parts.units[i]);
        parts.mabs[i] = DATABASE_NO_MAB;
    }
    while (next_part(&parts)) {
        mapping_etr_number_many(database->mappings[parts.mab], parts.part, parts.part_count,
                                numbers);
        for (size_t i = 0; i < parts.part_count; i++)
            etrs[parts.places[i]] = (struct etr_number){parts.mab, numbers[i]};
    }
}

void database_etr_many(const struct database *database, const struct address *addresses,
                       size_t count, struct address *etrs)
{
    for (size_t done = 0; done < count; done += MAPPING_BATCH) {
        size_t left = count - done;
        answer_batch(database, addresses + done, left < MAPPING_BATCH ? left : MAPPING_BATCH,
                     etrs + done);
    }
}

void database_etr_number_many(const struct database *database, const struct address *addresses,
                              size_t count, struct etr_number *etrs)
{
    for (size_t done = 0; done < count; done += MAPPING_BATCH) {
        size_t left = count - done;
        number_batch(database, addresses + done, left < MAPPING_BATCH ? left : MAPPING_BATCH,
                     etrs + done);
    }
}
