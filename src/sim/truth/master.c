// SPDX-License-Identifier: BSD-2-Clause
#include "sim/truth/master.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

static const char *const prefix_texts[MASTER_MABS] = {"20.1.0.0/24", "2001:db8:20::/48"};

void master_init(struct master *master, struct instant now)
{
    memset(master, 0, sizeof(*master));
    for (size_t i = 0; i < MASTER_MABS; i++) {
        bool good = prefix_parse(prefix_texts[i], &master->prefixes[i], NULL);
        assert(good);
        (void)good;
        master->mappings[i] = mapping_new(&master->prefixes[i], NULL);
        master->cells[i].first = mapping_units(master->mappings[i])->start;
        master->histories[i] = mapping_history_new(&master->cells[i], now);
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

static void log_set(struct master *master, const struct master_set *set)
{
    size_t mab = set->mab;
    master->sequences[mab] = set->sequence;
    master->sets = memory_resize(master->sets, (master->set_count + 1) * sizeof(*set));
    master->numbers[mab] = memory_resize(master->numbers[mab], set->sequence * sizeof(size_t));
    master->numbers[mab][set->sequence - 1] = master->set_count;
    master->sets[master->set_count++] = *set;
}

bool master_take(struct master *master, size_t mab, uint64_t sequence, const struct update *updates,
                 size_t count, struct instant now, bool changed[MASTER_UNITS])
{
    struct cells after = master->cells[mab];
    struct mapping *mapping = master->mappings[mab];
    assert(count <= MASTER_SET_MAX);
    if (sequence != master->sequences[mab] + 1)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!cells_apply(&after, &updates[i]))
            return false;
    if (!mapping_apply(mapping, updates, count, NULL, NULL))
        return false;
    for (size_t i = 0; i < MASTER_UNITS; i++)
        changed[i] = !cells_same(&master->cells[mab], &after, i);
    master->cells[mab] = after;
    struct master_set set = {
        .at = now, .mab = mab, .sequence = sequence, .count = count, .hash = mapping_hash(mapping)};
    memcpy(set.updates, updates, count * sizeof(*updates));
    log_set(master, &set);
    mapping_history_record(master->histories[mab], &master->cells[mab], now);
    return true;
}

bool master_agrees(const struct master *master, size_t mab)
{
    return cells_agree(&master->cells[mab], master->mappings[mab]);
}

const struct master_set *master_set_at(const struct master *master, size_t mab, uint64_t sequence)
{
    assert(sequence > 0 && sequence <= master->sequences[mab]);
    return &master->sets[master->numbers[mab][sequence - 1]];
}

struct address master_pick_address(const struct master *master, struct random_source *random)
{
    const struct mapping *mapping = master->mappings[random_below(random, MASTER_MABS)];
    struct unit unit = {mapping_units(mapping)->start.index + random_below(random, MASTER_UNITS)};
    return unit_address((enum family)mapping_mab(mapping)->address.family, unit);
}
