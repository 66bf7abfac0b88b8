// SPDX-License-Identifier: BSD-2-Clause
#include "query/mab_set.h"

#include "base/memory.h"

#include <string.h>

struct mab_set mab_set_of_entries(const struct mab_entries *entries)
{
    struct mab_set set = {0};
    for (size_t i = 0; i < entries->count; i++)
        set.refused_count += strcmp(entries->items[i].dsoc, "-") == 0;
    set.mab_count = entries->count - set.refused_count;
    set.mabs = memory_new_array(set.mab_count + 1, sizeof(*set.mabs));
    set.refused = memory_new_array(set.refused_count + 1, sizeof(*set.refused));
    size_t mab = 0;
    size_t refused = 0;
    for (size_t i = 0; i < entries->count; i++) {
        const struct mab_entry *entry = &entries->items[i];
        if (strcmp(entry->dsoc, "-") == 0)
            set.refused[refused++] = entry->prefix;
        else
            set.mabs[mab++] = entry->prefix;
    }
    return set;
}

void mab_set_release(struct mab_set *set)
{
    memory_free(set->mabs);
    memory_free(set->refused);
    *set = (struct mab_set){0};
}

// Comparing

static int compare_prefixes(const struct prefix *a, const struct prefix *b)
{
    int order = address_compare(&a->address, &b->address);
    return order != 0 ? order : (int)a->length - (int)b->length;
}

static bool is_at(const struct mab_set *set, size_t place, const struct prefix *mab)
{
    return place < set->mab_count && compare_prefixes(&set->mabs[place], mab) == 0;
}

// The first place of a MAB that is not below that one.
static size_t find_place(const struct mab_set *set, const struct prefix *mab)
{
    size_t low = 0;
    size_t high = set->mab_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool before = compare_prefixes(&set->mabs[middle], mab) < 0;
        low = before ? middle + 1 : low;
        high = before ? high : middle;
    }
    return low;
}

const struct prefix *mab_set_next_only(const struct mab_set *a, const struct mab_set *b, size_t *at)
{
    size_t place = 0; // in b, most often behind the one found before
    for (; *at < a->mab_count; (*at)++, place++) {
        if (!is_at(b, place, &a->mabs[*at]))
            place = find_place(b, &a->mabs[*at]);
        if (!is_at(b, place, &a->mabs[*at]))
            return &a->mabs[(*at)++];
    }
    return NULL;
}
