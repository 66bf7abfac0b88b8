// SPDX-License-Identifier: BSD-2-Clause
// Two interval maps, one a family, of MABs and their numbers; and in front of the IPv4 one, since
// every packet asks it, a table by the upper 16 and then the next 8 bits:
//
//     first[65536]    none | number | block    ->    blocks[i][256]    none | number
#include "mapping/mab_table.h"

#include "base/memory.h"
#include "mapping/interval_map.h"

#include <assert.h>
#include <string.h>

#define FIRST_ENTRIES 65536
#define BLOCK_ENTRIES 256 // one for each /24

// Entries: 0 none; ENTRY_MAB and the number; ENTRY_BLOCK and the block's place.
#define ENTRY_MAB   ((uint64_t)1 << 32)
#define ENTRY_BLOCK ((uint64_t)1 << 33)

struct mab_table {
    struct interval_map *ipv4; // by unit: what is there, exactly
    struct interval_map *ipv6;
    uint64_t *first;
    uint64_t (*blocks)[BLOCK_ENTRIES]; // never given back: at most 65536
    uint32_t block_count;
};

struct mab_table *mab_table_new(void)
{
    struct mab_table *table = memory_new(sizeof(*table));
    table->ipv4 = interval_map_new();
    table->ipv6 = interval_map_new();
    table->first = memory_new_array(FIRST_ENTRIES, sizeof(*table->first));
    return table;
}

void mab_table_free(struct mab_table *table)
{
    if (table == NULL)
        return;
    interval_map_free(table->ipv4);
    interval_map_free(table->ipv6);
    memory_free(table->first);
    memory_free(table->blocks);
    memory_free(table);
}

uint32_t mab_table_count(const struct mab_table *table)
{
    return (uint32_t)(interval_map_count(table->ipv4) + interval_map_count(table->ipv6));
}

static struct interval_map *map_of(const struct mab_table *table, enum family family)
{
    return family == FAMILY_IPV4 ? table->ipv4 : table->ipv6;
}

static uint64_t *block_of(struct mab_table *table, uint64_t first)
{
    uint64_t *entry = &table->first[first];
    if (*entry == 0) {
        table->blocks =
            memory_resize(table->blocks, (table->block_count + 1) * sizeof(*table->blocks));
        memset(table->blocks[table->block_count], 0, sizeof(*table->blocks));
        *entry = ENTRY_BLOCK | table->block_count++;
    }
    assert((*entry & ENTRY_BLOCK) != 0);
    return table->blocks[(uint32_t)*entry];
}

// Writes an entry for each /16 (or /24) of an IPv4 MAB.
static void fill(struct mab_table *table, const struct range *units, uint64_t entry)
{
    uint64_t start = units->start.index >> 8;
    uint64_t count = units->length.units >> 8;
    for (uint64_t i = 0; i < count; i += count < BLOCK_ENTRIES ? 1 : BLOCK_ENTRIES) {
        uint64_t at = start + i;
        if (count >= BLOCK_ENTRIES && (table->first[at >> 8] & ENTRY_BLOCK) == 0)
            table->first[at >> 8] = entry;
        else if (count >= BLOCK_ENTRIES)
            for (uint64_t j = 0; j < BLOCK_ENTRIES; j++)
                block_of(table, at >> 8)[j] = entry;
        else
            block_of(table, at >> 8)[at & (BLOCK_ENTRIES - 1)] = entry;
    }
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
    if (units.family == FAMILY_IPV4)
        fill(table, &units, ENTRY_MAB | number);
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
    if (units.family == FAMILY_IPV4)
        fill(table, &units, 0);
    return true;
}

bool mab_table_find(const struct mab_table *table, const struct address *address, uint32_t *number)
{
    if (address->family == FAMILY_IPV4) {
        uint32_t place = address_to_ipv4(address) >> 8;
        uint64_t entry = table->first[place >> 8];
        if ((entry & ENTRY_BLOCK) != 0)
            entry = table->blocks[(uint32_t)entry][place & (BLOCK_ENTRIES - 1)];
        *number = (uint32_t)entry;
        return entry != 0;
    }
    struct interval found;
    if (address->family != FAMILY_IPV6 ||
        !interval_map_find(table->ipv6, unit_of_address(address).index, &found))
        return false;
    *number = found.value;
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
