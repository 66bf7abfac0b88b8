// SPDX-License-Identifier: BSD-2-Clause
#include "mapping/database.h"

#include "base/memory.h"
#include "mapping/mab_table.h"

#include <assert.h>

// Addresses looked up side by side.
#define BATCH 64

struct database {
    struct mab_table *mabs; // MAB -> place in `mappings`
    struct mapping **mappings;
    size_t count;
    size_t capacity;
};

struct database *database_new(void)
{
    struct database *database = memory_new(sizeof(*database));
    database->mabs = mab_table_new();
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

// Looks up those of a batch that are in the mapping of the first open one, and closes them.
static void answer_mapping(const struct mapping *mapping, struct mapping **mappings,
                           const struct address *addresses, size_t count, struct address *etrs)
{
    struct unit units[BATCH];
    size_t places[BATCH];
    struct address found[BATCH];
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

static void answer_batch(const struct database *database, const struct address *addresses,
                         size_t count, struct address *etrs)
{
    struct mapping *mappings[BATCH];
    for (size_t i = 0; i < count; i++) {
        mappings[i] = database_find(database, &addresses[i]);
        etrs[i] = ADDRESS_ZERO;
    }
    for (size_t i = 0; i < count; i++)
        if (mappings[i] != NULL)
            answer_mapping(mappings[i], mappings, addresses, count, etrs);
}

void database_etr_many(const struct database *database, const struct address *addresses,
                       size_t count, struct address *etrs)
{
    for (size_t done = 0; done < count; done += BATCH) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        answer_batch(database, addresses + done, batch, etrs + done);
    }
}
