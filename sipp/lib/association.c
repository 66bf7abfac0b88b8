// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/association.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"

#include <assert.h>

struct entry {
    struct association association; // first, so that a pointer to it is one to the entry
    struct table_node by_identity;
    struct list_node by_age; // least recently used first
};

struct identities {
    struct sipp_address local;
    struct sipp_address remote;
};

struct associations {
    struct table table;
    struct list_node ages;
    struct hash_key key;
};

struct associations *associations_new(const struct random_source *random)
{
    struct associations *associations = memory_new(sizeof(*associations));
    struct random_source copy = *random;
    table_init(&associations->table);
    list_init(&associations->ages);
    random_bytes(&copy, associations->key.bytes, sizeof(associations->key.bytes));
    return associations;
}

void associations_free(struct associations *associations)
{
    if (associations == NULL)
        return;
    struct list_node *node;
    while ((node = list_first(&associations->ages)) != NULL) {
        list_remove(node);
        memory_free(container_of(node, struct entry, by_age));
    }
    table_release(&associations->table);
    memory_free(associations);
}

size_t associations_count(const struct associations *associations)
{
    return associations->table.count;
}

static bool same_identities(const struct table_node *node, const void *key)
{
    const struct identities *wanted = key;
    const struct entry *entry = container_of(node, const struct entry, by_identity);
    return sipp_address_equal(entry->association.local, wanted->local) &&
           sipp_address_equal(entry->association.remote, wanted->remote);
}

struct association *associations_find(struct associations *associations, struct sipp_address local,
                                      struct sipp_address remote)
{
    struct identities wanted = {local, remote};
    uint64_t hash = hash_bytes(&associations->key, &wanted, sizeof(wanted));
    struct table_node *node = table_find(&associations->table, hash, same_identities, &wanted);
    return node == NULL ? NULL : &container_of(node, struct entry, by_identity)->association;
}

static void drop_oldest(struct associations *associations)
{
    struct entry *oldest = container_of(list_first(&associations->ages), struct entry, by_age);
    list_remove(&oldest->by_age);
    table_remove(&associations->table, &oldest->by_identity);
    memory_free(oldest);
}

static struct entry *entry_new(struct associations *associations, struct identities identities)
{
    if (associations->table.count == ASSOCIATIONS_MAX)
        drop_oldest(associations);
    struct entry *entry = memory_new(sizeof(*entry));
    entry->association.local = identities.local;
    entry->association.remote = identities.remote;
    list_init(&entry->by_age);
    table_insert(&associations->table, &entry->by_identity,
                 hash_bytes(&associations->key, &identities, sizeof(identities)));
    return entry;
}

struct association *associations_set(struct associations *associations, struct instant now,
                                     struct sipp_address local, const struct path *path, bool heard)
{
    struct identities identities = {local, path_identity(path)};
    struct association *found = associations_find(associations, local, identities.remote);
    struct entry *entry = found != NULL ? container_of(found, struct entry, association)
                                        : entry_new(associations, identities);
    list_remove(&entry->by_age);
    list_append(&associations->ages, &entry->by_age);
    entry->association.path = *path;
    entry->association.heard = heard;
    entry->association.last_used = now;
    assert(associations->table.count <= ASSOCIATIONS_MAX);
    return &entry->association;
}

struct association *associations_next(const struct associations *associations,
                                      const struct association *after)
{
    const struct table_node *node =
        after == NULL ? NULL : &container_of(after, const struct entry, association)->by_identity;
    struct table_node *next = table_next(&associations->table, node);
    return next == NULL ? NULL : &container_of(next, struct entry, by_identity)->association;
}
