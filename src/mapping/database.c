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

// The mapping of an address and the unit in it, or NULL. For IPv4, the line of the array is on its
// way when this returns.
static inline const struct mapping *locate(const struct database *database,
                                           const struct address *address, struct unit *unit)
{
    uint64_t bits = address_bits(address);
    bool ipv6 = address->family == FAMILY_IPV6;
    uint64_t entry = direct_table_entry(database->direct[ipv6], bits);
    if (entry == 0 || address->family == FAMILY_NONE)
        return NULL;
    const struct mapping *mapping = database->mappings[(uint32_t)entry];
    unit->index = ipv6 ? bits : bits >> 32;
    if (!ipv6)
        __builtin_prefetch(&mapping->store.flat.values[mapping_flat_place(mapping, *unit)]);
    return mapping;
}

bool database_etr(const struct database *database, const struct address *address,
                  struct address *etr)
{
    struct unit unit;
    const struct mapping *mapping = locate(database, address, &unit);
    if (mapping == NULL)
        *etr = ADDRESS_ZERO;
    else if (mapping->store.tree == NULL)
        mapping_flat_etr(mapping, unit, etr);
    else
        mapping_tree_etr(mapping, unit, etr);
    return mapping != NULL;
}

// What one batch of addresses is about.
struct batch {
    const struct mapping *mappings[MAPPING_BATCH];
    struct unit units[MAPPING_BATCH];
};

// Looks up those of a batch that are in one IPv6 MAB, together; their mapping becomes NULL.
static void answer_tree(struct batch *batch, size_t first, size_t count, struct address *etrs)
{
    const struct mapping *mapping = batch->mappings[first];
    struct unit units[MAPPING_BATCH];
    size_t places[MAPPING_BATCH];
    struct address found[MAPPING_BATCH];
    size_t wanted = 0;
    for (size_t i = first; i < count; i++) {
        if (batch->mappings[i] != mapping)
            continue;
        units[wanted] = batch->units[i];
        places[wanted++] = i;
        batch->mappings[i] = NULL;
    }
    mapping_etr_many(mapping, units, wanted, found);
    for (size_t i = 0; i < wanted; i++)
        etrs[places[i]] = found[i];
}

// The end of the run of addresses in the same mapping that begins at `start`.
static size_t run_end(const struct batch *batch, size_t start, size_t count)
{
    size_t end = start + 1;
    while (end < count && batch->mappings[end] == batch->mappings[start])
        end++;
    return end;
}

// The usual batch: all of one family and MAB. Gives the units and the mapping, or NULL where it is
// not such a batch (or its MAB not known).
static const struct mapping *locate_all(const struct database *database,
                                        const struct address *addresses, size_t count,
                                        struct unit *units)
{
    uint8_t family = addresses[0].family;
    const struct direct_table *direct = database->direct[family == FAMILY_IPV6];
    uint64_t all = direct_table_entry(direct, address_bits(&addresses[0]));
    unsigned shift = family == FAMILY_IPV6 ? 0 : 32;
    uint64_t others = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = address_bits(&addresses[i]);
        others |= (all ^ direct_table_entry(direct, bits)) | (family ^ addresses[i].family);
        units[i].index = bits >> shift;
    }
    return others == 0 && all != 0 && family != FAMILY_NONE ? database->mappings[(uint32_t)all]
                                                            : NULL;
}

static void answer_batch(const struct database *database, const struct address *addresses,
                         size_t count, struct address *etrs)
{
    struct batch batch;
    const struct mapping *only = locate_all(database, addresses, count, batch.units);
    if (only != NULL) {
        mapping_etr_many(only, batch.units, count, etrs);
        return;
    }
    for (size_t i = 0; i < count; i++)
        batch.mappings[i] = locate(database, &addresses[i], &batch.units[i]);
    memset(etrs, 0, count * sizeof(*etrs));
    for (size_t start = 0, end = 0; start < count; start = end) {
        end = run_end(&batch, start, count);
        const struct mapping *mapping = batch.mappings[start];
        if (mapping == NULL)
            continue;
        // A tree is searched for many at a time; in the flat array each is on its way already.
        if (mapping->store.tree != NULL)
            answer_tree(&batch, start, count, etrs);
        else
            mapping_etr_many(mapping, batch.units + start, end - start, etrs + start);
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
