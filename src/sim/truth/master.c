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
        master->histories[i] = mapping_history_new(master->mappings[i], MASTER_UNITS, now);
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

static void look_up_all(const struct mapping *mapping, struct micronet found[MASTER_UNITS])
{
    uint64_t first = mapping_units(mapping)->start.index;
    memset(found, 0, MASTER_UNITS * sizeof(found[0]));
    for (size_t i = 0; i < MASTER_UNITS; i++)
        if (mapping_lookup(mapping, (struct unit){first + i}, &found[i]) == MAPPING_GAP)
            found[i].range = (struct range){0}; // how far a gap reaches says nothing
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
    struct micronet before[MASTER_UNITS];
    struct micronet after[MASTER_UNITS];
    struct mapping *mapping = master->mappings[mab];
    assert(count <= MASTER_SET_MAX);
    if (sequence != master->sequences[mab] + 1)
        return false;
    look_up_all(mapping, before);
    if (!mapping_apply(mapping, updates, count, NULL, NULL))
        return false;
    look_up_all(mapping, after);
    for (size_t i = 0; i < MASTER_UNITS; i++)
        changed[i] = !range_equal(&before[i].range, &after[i].range) ||
                     !address_equal(&before[i].etr, &after[i].etr);
    struct master_set set = {
        .at = now, .mab = mab, .sequence = sequence, .count = count, .hash = mapping_hash(mapping)};
    memcpy(set.updates, updates, count * sizeof(*updates));
    log_set(master, &set);
    mapping_history_record(master->histories[mab], mapping, now);
    return true;
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
