// SPDX-License-Identifier: BSD-2-Clause
// The RUAS of the world: its databases, what changes them, its life and death.
#include "../check.h"
#include "base/memory.h"
#include "world_state.h"

#include <string.h>

struct mapping *world_copy_mapping(const struct mapping *mapping)
{
    struct mapping *copy = mapping_new(mapping_mab(mapping), NULL);
    struct micronet micronet;
    struct unit from = mapping_units(mapping)->start;
    uint64_t last = range_last(mapping_units(mapping)).index;
    while (mapping_next(mapping, from, &micronet)) {
        struct update update = {UPDATE_DEFINE, micronet.range, micronet.etr, {0}};
        assert_true(mapping_apply(copy, &update, 1, NULL, NULL));
        uint64_t end = range_last(&micronet.range).index;
        if (end == last)
            break;
        from.index = end + 1;
    }
    struct mapping_hash a = mapping_hash(mapping);
    struct mapping_hash b = mapping_hash(copy);
    assert_true(mapping_hash_equal(&a, &b));
    return copy;
}

void world_record_hash(struct world *world, size_t mab)
{
    const struct master *master = &world->masters[mab];
    assert_true(master->sequence < SEQUENCES_MAX && world->epoch < EPOCHS_MAX);
    world->hashes[world->epoch][mab][master->sequence] = mapping_hash(master->mapping);
}

void world_new_sender(struct world *world)
{
    world->epoch++;
    assert_true(world->epoch < EPOCHS_MAX);
    memcpy(world->hashes[world->epoch], world->hashes[world->epoch - 1],
           sizeof(world->hashes[world->epoch]));
    struct sender_config config = {.epoch = world->epoch, .secret = world->key};
    world->sender = sender_new(&config, world->now);
    for (size_t i = 0; i < WORLD_MABS; i++) {
        struct master *master = &world->masters[i];
        world_record_hash(world, i);
        for (uint64_t n = master->sequence + 1; n < SEQUENCES_MAX; n++) // not yet, or undone
            world->hashes[world->epoch][i][n] = (struct mapping_hash){{UINT64_MAX, UINT64_MAX}};
        mapping_free(master->snapshot);
        master->snapshot = NULL;
        struct mapping_hash hash = mapping_hash(master->mapping);
        if (master->listed)
            sender_add_mab(world->sender, &master->prefix, master->sequence, &hash);
    }
}

static struct address random_etr(struct world *world)
{
    struct address etr = ADDRESS_ZERO;
    if (world_chance(world, 200))
        return etr;
    etr.family = world_chance(world, 500) ? FAMILY_IPV4 : FAMILY_IPV6;
    etr.octets[0] = etr.family == FAMILY_IPV4 ? 198 : 0x20;
    etr.octets[3] = (uint8_t)random_below(&world->random, 8);
    return etr;
}

// One random update, which the rules may or may not allow.
static struct update random_update(struct world *world, const struct master *master)
{
    const struct range *units = mapping_units(master->mapping);
    uint64_t span = units->length.units < 600 ? units->length.units : 600;
    struct unit at = {units->start.index + random_below(&world->random, span)};
    struct micronet found;
    (void)mapping_lookup(master->mapping, at, &found);
    struct update update = {(enum update_kind)(1 + random_below(&world->random, 5)), found.range,
                            ADDRESS_ZERO, at};
    if (update.kind == UPDATE_DEFINE) {
        uint64_t most = range_last(units).index - at.index + 1;
        uint64_t want = 1 + random_below(&world->random, 5);
        update.range = (struct range){units->family, at, {want < most ? want : most}};
    }
    if (update.kind == UPDATE_MAP || update.kind == UPDATE_DEFINE)
        update.etr = random_etr(world);
    if (update.kind == UPDATE_SPLIT && at.index == update.range.start.index)
        update.kind = UPDATE_DELETE;
    return update;
}

// Maps as many micronets as there are, for sets that do not fit one payload.
static size_t remap_many(struct world *world, const struct master *master, struct update *updates,
                         size_t count)
{
    struct unit from = mapping_units(master->mapping)->start;
    uint64_t last = range_last(mapping_units(master->mapping)).index;
    struct micronet found;
    size_t used = 0;
    while (used < count && mapping_next(master->mapping, from, &found)) {
        updates[used++] = (struct update){UPDATE_MAP, found.range, random_etr(world), {0}};
        if (range_last(&found.range).index == last)
            break;
        from.index = range_last(&found.range).index + 1;
    }
    return used;
}

void world_change(struct world *world, size_t mab, size_t count)
{
    static struct update updates[UPDATE_SET_MAX];
    struct master *master = &world->masters[mab];
    if (!master->listed)
        return;
    size_t used = count > 20 ? remap_many(world, master, updates, count) : 0;
    for (; used == 0 || (count <= 20 && used < count); used++)
        updates[used] = random_update(world, master);
    while (!mapping_apply(master->mapping, updates, used, NULL, NULL)) {
        used = 1;
        updates[0] = random_update(world, master);
    }
    master->sequence++;
    world_record_hash(world, mab);
    struct mapping_hash hash = mapping_hash(master->mapping);
    bool hash_known = world_chance(world, 900);
    bool queued = sender_set(world->sender, world->now, &master->prefix, master->sequence, updates,
                             used, hash_known ? &hash : NULL);
    assert_true(queued);
}

void world_stop_ruas(struct world *world)
{
    sender_free(world->sender);
    world->sender = NULL;
}

void world_back_up(struct world *world)
{
    for (size_t i = 0; i < WORLD_MABS; i++) {
        struct master *master = &world->masters[i];
        mapping_free(master->backup);
        master->backup = world_copy_mapping(master->mapping);
        master->backup_sequence = master->sequence;
    }
}

void world_start_ruas(struct world *world, bool restored)
{
    assert_null(world->sender);
    for (size_t i = 0; restored && i < WORLD_MABS; i++) {
        struct master *master = &world->masters[i];
        mapping_free(master->mapping);
        master->mapping = world_copy_mapping(master->backup);
        master->sequence = master->backup_sequence;
    }
    world_new_sender(world);
}

void world_list_mab(struct world *world, size_t mab, bool listed)
{
    world_stop_ruas(world);
    world->masters[mab].listed = listed;
    world_new_sender(world);
}

// Unit by unit, so that a fault of the running hash could not hide one of the copy.
bool world_same_mapping(const struct mapping *a, const struct mapping *b)
{
    if (mapping_count(a) != mapping_count(b))
        return false;
    struct unit from = mapping_units(a)->start;
    uint64_t last = range_last(mapping_units(a)).index;
    struct micronet x;
    struct micronet y;
    while (mapping_next(a, from, &x)) {
        if (!mapping_next(b, from, &y) || !range_equal(&x.range, &y.range) ||
            !address_equal(&x.etr, &y.etr))
            return false;
        if (range_last(&x.range).index == last)
            break;
        from.index = range_last(&x.range).index + 1;
    }
    return true;
}
