// SPDX-License-Identifier: BSD-2-Clause
// Two prefixes are disjoint, or one lies in the other. In the order of their addresses, wider ones
// first, each that lies in another comes behind it; without those, the last that begins at or
// before an address is the only one that can cover it.
#include "tunnel/prefix_set.h"

#include "base/memory.h"

#include <stdlib.h>

struct prefix_set {
    struct prefix *prefixes; // disjoint, in order
    size_t count;
};

static int compare(const void *a, const void *b)
{
    const struct prefix *left = a;
    const struct prefix *right = b;
    int order = address_compare(&left->address, &right->address);
    return order != 0 ? order : (int)left->length - (int)right->length;
}

struct prefix_set *prefix_set_new(const struct prefix *prefixes, size_t count)
{
    struct prefix_set *set = memory_new(sizeof(*set));
    set->prefixes = memory_copy(prefixes, count * sizeof(*prefixes));
    qsort(set->prefixes, count, sizeof(*prefixes), compare);
    for (size_t i = 0; i < count; i++)
        if (set->count == 0 ||
            !prefix_contains(&set->prefixes[set->count - 1], &set->prefixes[i].address))
            set->prefixes[set->count++] = set->prefixes[i];
    return set;
}

void prefix_set_free(struct prefix_set *set)
{
    if (set == NULL)
        return;
    memory_free(set->prefixes);
    memory_free(set);
}

bool prefix_set_contains(const struct prefix_set *set, const struct address *address)
{
    size_t low = 0;
    size_t high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (address_compare(&set->prefixes[middle].address, address) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && prefix_contains(&set->prefixes[low - 1], address);
}

bool prefix_set_empty(const struct prefix_set *set)
{
    return set->count == 0;
}

bool prefix_set_has_family(const struct prefix_set *set, enum family family)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->prefixes[i].address.family == family)
            return true;
    return false;
}
