// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/database.h"

#include "base/memory.h"
#include "mapping/direct_table.h"
#include "mapping/mab_table.h"
#include "mapping/mapping_state.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

struct database {
    struct mab_table *mabs;            // MAB -> place in `mappings`
    const struct direct_table *direct; // of `mabs`
    struct mapping **mappings;
    size_t count;
    size_t capacity;
};

struct database *database_new(void)
{
    struct database *database = memory_new(sizeof(*database));
    database->mabs = mab_table_new();
    database->direct = mab_table_direct(database->mabs);
    return database;
}

void database_free(struct database *database)
{
    if (database == NULL)
        return;
    for (size_t i = 0; i < database->count; i++)
        mapping_free(database->mappings[i]);
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

bool database_put(struct database *database, struct mapping *mapping, struct error *error)
{
    uint32_t place = 0;
    if (place_of(database, mapping_mab(mapping), &place)) {
        if (database->mappings[place] != mapping)
            mapping_free(database->mappings[place]);
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
    mapping_free(database->mappings[place]);
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

// Looks up those of a batch that are in one mapping, and closes them: their mapping becomes NULL.
static void answer_mapping(const struct mapping *mapping, struct mapping **mappings,
                           const struct address *addresses, size_t count, struct address *etrs)
{
    struct unit units[MAPPING_BATCH];
    size_t places[MAPPING_BATCH];
    struct address found[MAPPING_BATCH];
    size_t units_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (mappings[i] != mapping)
            continue;
        units[units_count] = unit_of_address(&addresses[i]);
        places[units_count++] = i;
        mappings[i] = NULL;
    }
    mapping_etr_many(mapping, units, units_count, found);
    for (size_t i = 0; i < units_count; i++)
        etrs[places[i]] = found[i];
}

// A batch of any families and MABs: one MAB after the other.
static void answer_mixed(const struct database *database, const struct address *addresses,
                         size_t count, struct address *etrs)
{
    struct mapping *mappings[MAPPING_BATCH];
    for (size_t i = 0; i < count; i++) {
        mappings[i] = database_find(database, &addresses[i]);
        etrs[i] = ADDRESS_ZERO;
    }
    for (size_t i = 0; i < count; i++)
        if (mappings[i] != NULL)
            answer_mapping(mappings[i], mappings, addresses, count, etrs);
}

// The mapping of an IPv4 address, and the address's place in it; the array's line is on its way
// when this returns.
static inline const struct mapping *locate(const struct database *database,
                                           const struct address *address, uint32_t *place)
{
    uint32_t octets = 0;
    memcpy(&octets, address->octets, sizeof(octets));
    uint32_t number = be32toh(octets);
    uint64_t entry = direct_table_entry(database->direct, number);
    if (entry == 0)
        return NULL;
    const struct mapping *mapping = database->mappings[(uint32_t)entry];
    *place = number - (uint32_t)mapping->store.units.start.index;
    __builtin_prefetch(&mapping->store.flat.values[*place]);
    return mapping;
}

// A batch of IPv4 addresses, by runs of the same MAB. Returns how many it answered: it stops at an
// address of another family.
static size_t answer_ipv4(const struct database *database, const struct address *addresses,
                          size_t count, struct address *etrs)
{
    const struct mapping *mappings[MAPPING_BATCH];
    uint32_t places[MAPPING_BATCH];
    size_t answered = 0;
    for (; answered < count && addresses[answered].family == FAMILY_IPV4; answered++)
        mappings[answered] = locate(database, &addresses[answered], &places[answered]);
    for (size_t start = 0; start < answered;) {
        size_t end = start + 1;
        while (end < answered && mappings[end] == mappings[start])
            end++;
        if (mappings[start] != NULL)
            mapping_flat_etrs(mappings[start], places + start, end - start, etrs + start);
        else
            memset(etrs + start, 0, (end - start) * sizeof(*etrs));
        start = end;
    }
    return answered;
}

struct address database_etr(const struct database *database, const struct address *address)
{
    struct address etr = ADDRESS_ZERO;
    if (address->family == FAMILY_IPV4) {
        uint32_t place = 0;
        const struct mapping *mapping = locate(database, address, &place);
        if (mapping != NULL)
            mapping_flat_etr(mapping, place, &etr);
        return etr;
    }
    const struct mapping *mapping = database_find(database, address);
    if (mapping != NULL)
        etr = mapping_etr(mapping, unit_of_address(address));
    return etr;
}

void database_etr_many(const struct database *database, const struct address *addresses,
                       size_t count, struct address *etrs)
{
    for (size_t done = 0; done < count;) {
        size_t batch = count - done < MAPPING_BATCH ? count - done : MAPPING_BATCH;
        size_t answered = answer_ipv4(database, addresses + done, batch, etrs + done);
        if (answered == 0) {
            answer_mixed(database, addresses + done, batch, etrs + done);
            answered = batch;
        }
        done += answered;
    }
}
