// SPDX-License-Identifier: BSD-2-Clause
// What changes when the pages make up another set of MABs: which MABs and DSOCs come and go. A DSOC
// keeps its number, and its servers, as long as there are MABs of it.
#include "query/discovery_state.h"

#include "base/list.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

// DSOCs

static void free_dsoc(struct discovery *discovery, size_t number)
{
    table_remove(&discovery->labels, &discovery->dsocs[number]->by_label);
    service_free(discovery->dsocs[number]->service);
    memory_free(discovery->dsocs[number]);
    discovery->dsocs[number] = NULL;
    while (discovery->dsocs_end > 0 && discovery->dsocs[discovery->dsocs_end - 1] == NULL)
        discovery->dsocs_end--;
}

void discovery_release_dsocs(struct discovery *discovery)
{
    for (size_t i = 0; i < discovery->dsocs_end; i++)
        if (discovery->dsocs[i] != NULL)
            free_dsoc(discovery, i);
}

static bool label_matches(const struct table_node *node, const void *key)
{
    return strcmp(container_of(node, const struct dsoc, by_label)->label, key) == 0;
}

static uint64_t label_hash(const struct discovery *discovery, const char *label)
{
    return hash_bytes(&discovery->key, label, strlen(label));
}

static size_t find_dsoc(const struct discovery *discovery, const char *label)
{
    struct table_node *node =
        table_find(&discovery->labels, label_hash(discovery, label), label_matches, label);
    return node == NULL ? DISCOVERY_DSOCS_MAX : container_of(node, struct dsoc, by_label)->number;
}

static bool is_mab(const struct mab_entry *entry)
{
    return strcmp(entry->dsoc, "-") != 0;
}

static size_t add_dsoc(struct discovery *discovery, struct instant now, const char *label)
{
    char name[DNS_NAME_TEXT_MAX];
    size_t number = 0;
    while (number < DISCOVERY_DSOCS_MAX && discovery->dsocs[number] != NULL)
        number++;
    if (number == DISCOVERY_DSOCS_MAX)
        return number;
    (void)snprintf(name, sizeof(name), "_ivip-qsa._udp.%s.%s", label, discovery->domain);
    struct dsoc *dsoc = memory_new(sizeof(*dsoc));
    (void)snprintf(dsoc->label, sizeof(dsoc->label), "%s", label);
    dsoc->service = service_new(name, now);
    dsoc->number = (uint32_t)number;
    table_insert(&discovery->labels, &dsoc->by_label, label_hash(discovery, label));
    discovery->dsocs[number] = dsoc;
    if (discovery->dsocs_end <= number)
        discovery->dsocs_end = number + 1;
    return number;
}

// Marks the DSOCs that the entries name, and makes those that are new. False where there are too
// many.
static bool keep_dsocs(struct discovery *discovery, struct instant now, struct mab_entries *entries)
{
    for (size_t i = 0; i < discovery->dsocs_end; i++)
        if (discovery->dsocs[i] != NULL)
            discovery->dsocs[i]->kept = false;
    for (size_t i = 0; i < entries->count; i++) {
        const char *label = entries->items[i].dsoc;
        if (!is_mab(&entries->items[i]))
            continue;
        size_t number = find_dsoc(discovery, label);
        if (number == DISCOVERY_DSOCS_MAX)
            number = add_dsoc(discovery, now, label);
        if (number == DISCOVERY_DSOCS_MAX)
            return false;
        discovery->dsocs[number]->kept = true;
        entries->items[i].number = (uint32_t)number;
    }
    return true;
}

// Changes

static void note_change(struct discovery *discovery, enum discovery_event_kind kind,
                        const struct prefix *mab)
{
    struct discovery_event *event = &discovery->changes[discovery->change_count++];
    *event = (struct discovery_event){.kind = kind};
    if (mab != NULL)
        event->mab = *mab;
}

// Both are sorted: one pass tells what is only in `a`.
static void note_difference(struct discovery *discovery, enum discovery_event_kind kind,
                            const struct mab_entries *a, const struct mab_entries *b)
{
    size_t other = 0;
    for (size_t i = 0; i < a->count; i++) {
        const struct mab_entry *entry = &a->items[i];
        while (other < b->count && mab_entry_compare(&b->items[other], entry) < 0)
            other++;
        bool same = other < b->count && mab_entry_compare(&b->items[other], entry) == 0 &&
                    strcmp(b->items[other].dsoc, entry->dsoc) == 0;
        if (same || !is_mab(entry))
            continue;
        note_change(discovery, kind, &entry->prefix);
        if (kind == DISCOVERY_MAB_REMOVED)
            (void)mab_table_remove(discovery->mabs, &entry->prefix);
        else
            (void)mab_table_add(discovery->mabs, &entry->prefix, entry->number, NULL);
    }
}

static void list_refused(struct discovery *discovery)
{
    const struct mab_entries *entries = &discovery->entries;
    size_t count = 0;
    for (size_t i = 0; i < entries->count; i++)
        count += !is_mab(&entries->items[i]);
    discovery->refused = memory_resize(discovery->refused, (count + 1) * sizeof(struct prefix));
    discovery->refused_count = 0;
    for (size_t i = 0; i < entries->count; i++)
        if (!is_mab(&entries->items[i]))
            discovery->refused[discovery->refused_count++] = entries->items[i].prefix;
}

// DSOCs without MABs go.
static void drop_dsocs(struct discovery *discovery)
{
    for (size_t i = 0; i < discovery->dsocs_end; i++) {
        if (discovery->dsocs[i] == NULL || discovery->dsocs[i]->kept)
            continue;
        free_dsoc(discovery, i);
        note_change(discovery, DISCOVERY_SERVERS, NULL);
        discovery->changes[discovery->change_count - 1].dsoc = (uint32_t)i;
    }
}

// What was made for a version that is refused.
static void drop_new_dsocs(struct discovery *discovery, struct mab_entries *entries)
{
    (void)keep_dsocs(discovery, (struct instant){0}, entries);
    for (size_t i = 0; i < discovery->dsocs_end; i++)
        if (discovery->dsocs[i] != NULL && !discovery->dsocs[i]->kept)
            free_dsoc(discovery, i);
}

static void replace_version(struct discovery *discovery, struct mab_entries *entries)
{
    // Changes of an earlier version that nobody took yet stay in front.
    size_t left = discovery->change_count - discovery->change_next;
    size_t most = left + discovery->entries.count + entries->count + DISCOVERY_DSOCS_MAX + 1;
    struct discovery_event *changes = memory_new_array(most, sizeof(*changes));
    if (left > 0)
        memcpy(changes, discovery->changes + discovery->change_next, left * sizeof(*changes));
    memory_free(discovery->changes);
    discovery->changes = changes;
    discovery->change_count = left;
    discovery->change_next = 0;
    note_difference(discovery, DISCOVERY_MAB_REMOVED, &discovery->entries, entries);
    note_difference(discovery, DISCOVERY_MAB_ADDED, entries, &discovery->entries);
    memory_free(discovery->entries.items);
    discovery->entries = *entries;
    discovery->current = discovery->wanted;
    list_refused(discovery);
    drop_dsocs(discovery);
    note_change(discovery, DISCOVERY_VERSION, NULL);
    discovery->counters.versions++;
}

bool discovery_take_version(struct discovery *discovery, struct instant now,
                            struct mab_entries *entries)
{
    if (!keep_dsocs(discovery, now, entries)) {
        drop_new_dsocs(discovery, &discovery->entries);
        memory_free(entries->items);
        return false;
    }
    replace_version(discovery, entries);
    return true;
}
