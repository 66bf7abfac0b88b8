// SPDX-License-Identifier: BSD-2-Clause
#include "query/foresight.h"

#include "mapping/interval_map.h"
#include "wire/query.h"

#define CACHE_LINE 64

void foresight_init(struct foresight *foresight)
{
    foresight->count = 0;
    foresight->unit_counts[0] = 0;
    foresight->unit_counts[1] = 0;
}

void foresight_add(struct foresight *foresight, const struct endpoint *from, const uint8_t *bytes,
                   size_t length)
{
    struct address question;
    uint64_t nonce = 0;
    if (foresight->count == FORESIGHT_MAX || !query_peek(bytes, length, &nonce, &question))
        return;
    size_t family = question.family == FAMILY_IPV6;
    foresight->questions[foresight->count++] = (struct foreseen){*from, nonce};
    foresight->units[family][foresight->unit_counts[family]++] = unit_of_address(&question).index;
}

size_t foresight_ranges(const struct foresight *foresight, const struct range_map *map,
                        const struct slab *slab, const void *objects[FORESIGHT_MAX])
{
    uint32_t numbers[FORESIGHT_MAX];
    size_t found = 0;
    if (slab->used == 0)
        return 0;
    for (size_t family = 0; family < 2; family++) {
        size_t count = foresight->unit_counts[family];
        interval_map_value_many(map->families[family], foresight->units[family], count, numbers);
        for (size_t i = 0; i < count; i++) { // where there is none, 0: that of some other object
            const char *object = slab_at(slab, numbers[i]);
            __builtin_prefetch(object);
            __builtin_prefetch(object + CACHE_LINE);
            objects[found++] = object;
        }
    }
    return found;
}
