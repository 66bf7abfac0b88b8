// SPDX-License-Identifier: BSD-2-Clause
#include "push/replica.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

// A set that waits for the snapshot.
struct buffered_set {
    struct list_node node;
    uint64_t sequence;
    size_t count;
    struct update updates[];
};

struct replica *replica_new(const struct prefix *mab, size_t ruas)
{
    struct replica *replica = memory_new(sizeof(*replica));
    replica->mab = *mab;
    replica->ruas = ruas;
    list_init(&replica->of_ruas);
    list_init(&replica->changed);
    list_init(&replica->buffer);
    return replica;
}

static size_t set_memory(size_t count)
{
    return sizeof(struct buffered_set) + count * sizeof(struct update);
}

static void forget_buffer(struct replica *replica)
{
    struct list_node *node = list_first(&replica->buffer);
    for (; node != NULL; node = list_first(&replica->buffer)) {
        list_remove(node);
        memory_free(container_of(node, struct buffered_set, node));
    }
    replica->buffer_bytes = 0;
}

void replica_free(struct replica *replica)
{
    forget_buffer(replica);
    list_remove(&replica->of_ruas);
    list_remove(&replica->changed);
    memory_free(replica);
}

uint64_t replica_has(const struct replica *replica)
{
    if (replica->state != REPLICA_LOADING)
        return replica->sequence;
    return replica->floor_known ? replica->buffered : 0;
}

void replica_restart(struct replica *replica, uint64_t floor)
{
    forget_buffer(replica);
    replica->state = REPLICA_LOADING;
    replica->floor_known = true;
    replica->floor = floor;
    replica->buffered = floor;
}

void replica_doubt(struct replica *replica)
{
    forget_buffer(replica);
    replica->floor_known = false;
    if (replica->state == REPLICA_READY)
        replica->state = REPLICA_UNSURE;
}

static enum replica_outcome buffer_set(struct replica *replica, uint64_t sequence,
                                       const struct update *updates, size_t count, size_t room)
{
    assert(replica->state == REPLICA_LOADING);
    if (replica->floor_known && sequence <= replica->buffered)
        return REPLICA_PASSED;
    if (!replica->floor_known || sequence != replica->buffered + 1)
        replica_restart(replica, sequence - 1); // sets are missing: the snapshot must have them
    size_t memory = set_memory(count);
    if (memory > room) {
        replica_restart(replica, sequence);
        return REPLICA_PASSED;
    }
    struct buffered_set *set = memory_new(memory);
    set->sequence = sequence;
    set->count = count;
    memcpy(set->updates, updates, count * sizeof(*updates));
    list_append(&replica->buffer, &set->node);
    replica->buffer_bytes += memory;
    replica->buffered = sequence;
    return REPLICA_BUFFERED;
}

enum replica_outcome replica_set(struct replica *replica, uint64_t sequence,
                                 const struct update *updates, size_t count, size_t room)
{
    if (replica->state == REPLICA_LOADING)
        return buffer_set(replica, sequence, updates, count, room);
    if (replica->state == REPLICA_READY && sequence <= replica->sequence)
        return REPLICA_PASSED;
    // An epoch begins with states: a copy still in doubt when a set comes is not worth keeping.
    if (replica->state == REPLICA_UNSURE || sequence > replica->sequence + 1) {
        replica_restart(replica, sequence - 1);
        (void)buffer_set(replica, sequence, updates, count, room);
        return REPLICA_DIVERGED;
    }
    if (!mapping_apply(replica->mapping, updates, count, NULL, NULL)) {
        // The master took this set, so the copy is wrong, and only a snapshot with it will do.
        replica_restart(replica, sequence);
        return REPLICA_DIVERGED;
    }
    replica->sequence = sequence;
    return REPLICA_APPLIED;
}

// A state for a replica that waits for its snapshot: it may say that sets were missed.
static enum replica_outcome compare_loading(struct replica *replica, uint64_t sequence)
{
    if (!replica->floor_known || replica->buffered < sequence)
        replica_restart(replica, sequence);
    return REPLICA_PASSED;
}

enum replica_outcome replica_compare(struct replica *replica, uint64_t sequence,
                                     const struct mapping_hash *hash, bool exact)
{
    if (replica->state == REPLICA_LOADING)
        return compare_loading(replica, sequence);
    bool ahead = replica->sequence > sequence;
    if (ahead && (!exact || replica->state == REPLICA_READY))
        return REPLICA_PASSED; // by a snapshot that was taken later
    struct mapping_hash own = mapping_hash(replica->mapping);
    bool differs = hash != NULL && !mapping_hash_equal(&own, hash);
    if (replica->sequence != sequence || differs) {
        replica_restart(replica, sequence);
        return REPLICA_DIVERGED;
    }
    if (hash == NULL)
        return REPLICA_PASSED;
    replica->state = REPLICA_READY;
    return REPLICA_APPLIED;
}

// Applies what was buffered to the mapping of a snapshot, and moves `sequence` on with it.
static bool catch_up(struct replica *replica, struct mapping *mapping, uint64_t *sequence)
{
    for (struct list_node *node = replica->buffer.next; node != &replica->buffer;
         node = node->next) {
        const struct buffered_set *set = container_of(node, struct buffered_set, node);
        if (set->sequence <= *sequence)
            continue;
        assert(set->sequence == *sequence + 1);
        *sequence = set->sequence;
        if (!mapping_apply(mapping, set->updates, set->count, NULL, NULL)) {
            replica_restart(replica, *sequence);
            return false;
        }
    }
    return true;
}

enum replica_outcome replica_load(struct replica *replica, const struct snapshot_info *info,
                                  struct mapping *mapping, struct database *database,
                                  struct error *error)
{
    assert(prefix_equal(&info->mab, &replica->mab));
    if (replica->state != REPLICA_LOADING) {
        mapping_free(mapping);
        return REPLICA_PASSED;
    }
    if (!replica->floor_known || info->sequence < replica->floor) {
        mapping_free(mapping);
        return REPLICA_TOO_OLD;
    }
    uint64_t sequence = info->sequence;
    if (!catch_up(replica, mapping, &sequence) || !database_put(database, mapping, error)) {
        mapping_free(mapping);
        return REPLICA_DIVERGED;
    }
    forget_buffer(replica);
    replica->mapping = mapping;
    replica->sequence = sequence;
    replica->state = REPLICA_READY;
    return REPLICA_APPLIED;
}
