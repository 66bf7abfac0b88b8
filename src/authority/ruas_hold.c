// SPDX-License-Identifier: BSD-2-Clause
// Group commit: sets that are applied, and taken back together where they cannot be stored.
//
//     held -> set 9 -> set 8 -> set 7 -> NULL      each with the micronets from before it
//
// Taking one back empties its touched ranges and defines those micronets again. It needs no rules
// beyond those of any set, and costs what the set cost.
#include "authority/ruas_state.h"

#include "base/memory.h"

#include <assert.h>

static void free_last(struct ruas *ruas)
{
    struct held *held = ruas->held;
    ruas->held = held->before;
    ruas->held_count--;
    memory_free(held->touched);
    memory_free(held->micronets);
    memory_free(held);
}

static void *copy_array(const void *items, size_t count, size_t size)
{
    return count == 0 ? NULL : memory_copy(items, count * size);
}

void ruas_hold(struct ruas *ruas, const struct change *change)
{
    assert(ruas->pending == change);
    assert(change->kind == CHANGE_SET && change->scheduled.id == 0);
    struct held *held = memory_new(sizeof(*held));
    held->before = ruas->held;
    held->mab = change->mab;
    held->changed = ruas->mabs[change->mab].changed;
    held->touched_count = ruas->touched_count;
    held->touched = copy_array(ruas->touched, ruas->touched_count, sizeof(struct range));
    held->micronet_count = ruas->old_count;
    held->micronets = copy_array(ruas->old, ruas->old_count, sizeof(struct micronet));
    ruas->held = held;
    ruas->held_count++;
    ruas->pending = NULL;
    ruas_commit_set(ruas, change);
}

size_t ruas_held(const struct ruas *ruas)
{
    return ruas->held_count;
}

void ruas_settle(struct ruas *ruas)
{
    while (ruas->held != NULL)
        free_last(ruas);
}

// --- taking back ---------------------------------------------------------------------------------

// Updates collected until they fill a set.
static void flush(struct ruas *ruas, struct mapping *mapping)
{
    if (ruas->updates.count == 0)
        return;
    struct error error = {0};
    bool applied = mapping_apply(mapping, ruas->updates.updates, ruas->updates.count, NULL, &error);
    assert(applied);
    (void)applied;
    ruas->updates.count = 0;
}

static void collect(struct ruas *ruas, struct mapping *mapping, enum update_kind kind,
                    const struct micronet *micronet)
{
    if (ruas->updates.count == UPDATE_SET_MAX)
        flush(ruas, mapping);
    ruas->updates.updates[ruas->updates.count++] =
        (struct update){.kind = kind,
                        .range = micronet->range,
                        .etr = kind == UPDATE_DEFINE ? micronet->etr : ADDRESS_ZERO};
}

static void count_in_uab(struct ruas *ruas, const struct micronet *micronet, bool gone)
{
    struct uab *uab =
        delegation_find(ruas->delegation, micronet->range.family, micronet->range.start);
    if (uab != NULL)
        uab->micronets = gone ? uab->micronets - 1 : uab->micronets + 1;
}

static void empty_range(struct ruas *ruas, struct mapping *mapping, const struct range *touched)
{
    uint64_t from = touched->start.index;
    struct micronet found;
    while (ruas_next_micronet(mapping, touched, &from, &found)) {
        if (!address_is_zero(&found.etr))
            collect(ruas, mapping, UPDATE_MAP, &found);
        collect(ruas, mapping, UPDATE_DELETE, &found);
        count_in_uab(ruas, &found, true);
    }
}

static void take_back_last(struct ruas *ruas)
{
    const struct held *held = ruas->held;
    struct master_mab *mab = &ruas->mabs[held->mab];
    ruas->updates.count = 0;
    for (size_t i = 0; i < held->touched_count; i++)
        empty_range(ruas, mab->mapping, &held->touched[i]);
    for (size_t i = 0; i < held->micronet_count; i++) {
        collect(ruas, mab->mapping, UPDATE_DEFINE, &held->micronets[i]);
        count_in_uab(ruas, &held->micronets[i], false);
    }
    flush(ruas, mab->mapping);
    mab->sequence--;
    mab->changed = held->changed;
    free_last(ruas);
}

void ruas_take_back(struct ruas *ruas)
{
    assert(ruas->pending == NULL);
    while (ruas->held != NULL)
        take_back_last(ruas);
}
