// SPDX-License-Identifier: BSD-2-Clause
// For each family an interval map of MABs and their numbers, which knows what is there exactly, and
// in front of it, since every packet asks, a direct table.
#include "mapping/mab_table.h"

#include "base/memory.h"
#include "mapping/direct_table.h"
#include "mapping/interval_map.h"

#include <assert.h>

struct mab_table {
    struct interval_map *ipv4; // by unit
    struct interval_map *ipv6;
    struct direct_table direct[2]; // IPv4, IPv6
};

struct mab_table *mab_table_new(void)
{
    struct mab_table *table = memory_new(sizeof(*table));
    table->ipv4 = interval_map_new();
    table->ipv6 = interval_map_new();
    direct_table_init(&table->direct[0]);
    direct_table_init(&table->direct[1]);
    return table;
}

void mab_table_free(struct mab_table *table)
{
    if (table == NULL)
        return;
    interval_map_free(table->ipv4);
    interval_map_free(table->ipv6);
    direct_table_release(&table->direct[0]);
    direct_table_release(&table->direct[1]);
    memory_free(table);
}

// The prefix that was added as these units, which lie in a family of units of `bits` bits.
static struct prefix prefix_of(enum family family, const struct interval *units)
{
    struct prefix prefix = {.length = family == FAMILY_IPV4 ? 32 : 64};
    for (uint64_t rest = units->length; rest > 1; rest /= 2)
        prefix.length--;
    prefix.address = unit_address(family, (struct unit){units->start});
    return prefix;
}

static void copy_family(struct mab_table *copy, const struct mab_table *table, enum family family)
{
    const struct interval_map *map = family == FAMILY_IPV4 ? table->ipv4 : table->ipv6;
    struct interval mab;
    uint64_t next = 0;
    while (interval_map_next(map, next, &mab)) {
        struct prefix prefix = prefix_of(family, &mab);
        bool added = mab_table_add(copy, &prefix, mab.value, NULL);
        assert(added);
        (void)added;
        next = mab.start + mab.length;
        if (next == 0) // the last of its family
            return;
    }
}

struct mab_table *mab_table_copy(const struct mab_table *table)
{
    struct mab_table *copy = mab_table_new();
    copy_family(copy, table, FAMILY_IPV4);
    copy_family(copy, table, FAMILY_IPV6);
    return copy;
}

uint32_t mab_table_count(const struct mab_table *table)
{
    return (uint32_t)(interval_map_count(table->ipv4) + interval_map_count(table->ipv6));
}

static struct interval_map *map_of(const struct mab_table *table, enum family family)
{
    return family == FAMILY_IPV4 ? table->ipv4 : table->ipv6;
}

static struct direct_table *direct_of(struct mab_table *table, enum family family)
{
    return &table->direct[family == FAMILY_IPV6];
}

static bool find_overlap(const struct mab_table *table, const struct range *units,
                         struct interval *found)
{
    return interval_map_next(map_of(table, units->family), units->start.index, found) &&
           found->start <= range_last(units).index;
}

// The prefix that a MAB's units make.
static const char *print_mab(enum family family, const struct interval *mab,
                             char text[RANGE_TEXT_MAX])
{
    struct range range = {family, {mab->start}, {mab->length}};
    return range_print(&range, text);
}

bool mab_table_add(struct mab_table *table, const struct prefix *mab, uint32_t number,
                   struct error *error)
{
    struct range units;
    struct interval found;
    char text[PREFIX_TEXT_MAX];
    char other[RANGE_TEXT_MAX];
    if (!mab_check(mab, &units, error))
        return false;
    if (find_overlap(table, &units, &found))
        return error_set(error, ERROR_CONFLICT, "mab-overlap",
                         "the MAB %s overlaps the MAB %s, which is known already",
                         prefix_print(mab, text), print_mab(units.family, &found, other));
    struct interval added = {units.start.index, units.length.units, number};
    (void)interval_map_insert(map_of(table, units.family), &added);
    direct_table_set(direct_of(table, units.family), address_bits(&mab->address), mab->length,
                     number);
    return true;
}

bool mab_table_remove(struct mab_table *table, const struct prefix *mab)
{
    struct range units;
    struct interval found;
    if (!mab_check(mab, &units, NULL))
        return false;
    struct interval_map *map = map_of(table, units.family);
    if (!interval_map_find(map, units.start.index, &found) || found.start != units.start.index ||
        found.length != units.length.units)
        return false;
    (void)interval_map_remove(map, found.start);
    direct_table_clear(direct_of(table, units.family), address_bits(&mab->address), mab->length);
    return true;
}

bool mab_table_find(const struct mab_table *table, const struct address *address, uint32_t *number)
{
    if (address->family == FAMILY_NONE)
        return false;
    uint32_t entry = direct_table_entry(mab_table_direct(table, (enum family)address->family),
                                        address_bits(address));
    *number = direct_table_number(entry);
    return entry != 0;
}

bool mab_table_units(const struct mab_table *table, const struct address *address,
                     struct range *units)
{
    if (address->family == FAMILY_NONE)
        return false;
    enum family family = (enum family)address->family;
    struct interval mab;
    if (!interval_map_find(map_of(table, family), unit_of_address(address).index, &mab))
        return false;
    *units = (struct range){family, {mab.start}, {mab.length}};
    return true;
}

bool mab_table_overlaps(const struct mab_table *table, const struct prefix *prefix)
{
    struct range units;
    struct interval found;
    uint32_t number = 0;
    if (prefix->length == 0)
        return interval_map_count(map_of(table, (enum family)prefix->address.family)) > 0;
    if (!range_of_prefix(prefix, &units, NULL)) // finer than a unit: the /64 that it is in
        return mab_table_find(table, &prefix->address, &number);
    return find_overlap(table, &units, &found);
}

const struct direct_table *mab_table_direct(const struct mab_table *table, enum family family)
{
    return &table->direct[family == FAMILY_IPV6];
}
