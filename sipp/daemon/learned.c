// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/daemon/learned.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/table.h"

#include <assert.h>
#include <string.h>

struct choice {
    uint32_t metric;
    struct next_hop next_hop;
    uint64_t round; // in which it was last heard of
};

struct destination {
    struct table_node by_prefix;
    struct sipp_prefix prefix;
    struct choice choices[LEARNED_CHOICES_MAX]; // oldest first
    size_t count;
};

struct learned {
    struct forwarding *table;
    struct table destinations;
    struct hash_key key;
    uint64_t round;
};

struct learned *learned_new(struct forwarding *table)
{
    struct learned *learned = memory_new(sizeof(*learned));
    struct random_source random;
    random_init(&random, random_seed_from_system());
    random_bytes(&random, learned->key.bytes, sizeof(learned->key.bytes));
    learned->table = table;
    table_init(&learned->destinations);
    return learned;
}

static uint64_t prefix_hash(const struct learned *learned, const struct sipp_prefix *prefix)
{
    const uint64_t words[2] = {prefix->address.bits, prefix->length};
    return hash_bytes(&learned->key, words, sizeof(words));
}

static bool same_prefix(const struct table_node *node, const void *key)
{
    return sipp_prefix_equal(&container_of(node, const struct destination, by_prefix)->prefix, key);
}

static struct destination *destination_find(const struct learned *learned,
                                            const struct sipp_prefix *prefix)
{
    struct table_node *found =
        table_find(&learned->destinations, prefix_hash(learned, prefix), same_prefix, prefix);
    return found == NULL ? NULL : container_of(found, struct destination, by_prefix);
}

static struct destination *destination_new(struct learned *learned,
                                           const struct sipp_prefix *prefix)
{
    struct destination *destination = memory_new(sizeof(*destination));
    destination->prefix = *prefix;
    table_insert(&learned->destinations, &destination->by_prefix, prefix_hash(learned, prefix));
    return destination;
}

static void choice_remove(struct destination *destination, size_t i)
{
    assert(i < destination->count);
    destination->count--;
    memmove(&destination->choices[i], &destination->choices[i + 1],
            (destination->count - i) * sizeof(destination->choices[0]));
}

static bool same_hop(struct next_hop a, struct next_hop b)
{
    return a.interface == b.interface && sipp_address_equal(a.gateway, b.gateway);
}

// Puts the best choice into use; a destination without any is forgotten.
static void choose(struct learned *learned, struct destination *destination)
{
    const struct choice *best = NULL;
    for (size_t i = 0; i < destination->count; i++) {
        if (best == NULL || destination->choices[i].metric <= best->metric)
            best = &destination->choices[i];
    }
    if (best != NULL) {
        forwarding_set(learned->table, &destination->prefix, best->next_hop);
        return;
    }
    (void)forwarding_remove(learned->table, &destination->prefix);
    table_remove(&learned->destinations, &destination->by_prefix);
    memory_free(destination);
}

void learned_add(struct learned *learned, const struct sipp_prefix *prefix, uint32_t metric,
                 struct next_hop next_hop, bool replace)
{
    struct destination *destination = destination_find(learned, prefix);
    if (destination == NULL)
        destination = destination_new(learned, prefix);
    for (size_t i = 0; i < destination->count;) {
        const struct choice *choice = &destination->choices[i];
        if (choice->metric == metric && (replace || same_hop(choice->next_hop, next_hop)))
            choice_remove(destination, i);
        else
            i++;
    }
    if (destination->count == LEARNED_CHOICES_MAX)
        choice_remove(destination, 0);
    destination->choices[destination->count++] = (struct choice){metric, next_hop, learned->round};
    choose(learned, destination);
}

void learned_remove(struct learned *learned, const struct sipp_prefix *prefix, uint32_t metric,
                    struct next_hop next_hop)
{
    struct destination *destination = destination_find(learned, prefix);
    for (size_t i = 0; destination != NULL && i < destination->count; i++) {
        if (destination->choices[i].metric != metric ||
            !same_hop(destination->choices[i].next_hop, next_hop))
            continue;
        choice_remove(destination, i);
        choose(learned, destination);
        return;
    }
}

void learned_begin(struct learned *learned)
{
    learned->round++;
}

void learned_end(struct learned *learned)
{
    struct table_node *node = table_next(&learned->destinations, NULL);
    while (node != NULL) {
        struct destination *destination = container_of(node, struct destination, by_prefix);
        node = table_next(&learned->destinations, node);
        size_t before = destination->count;
        for (size_t i = 0; i < destination->count;) {
            if (destination->choices[i].round == learned->round)
                i++;
            else
                choice_remove(destination, i);
        }
        if (destination->count < before)
            choose(learned, destination);
    }
}

void learned_free(struct learned *learned)
{
    if (learned == NULL)
        return;
    struct table_node *node = table_next(&learned->destinations, NULL);
    while (node != NULL) {
        struct destination *destination = container_of(node, struct destination, by_prefix);
        node = table_next(&learned->destinations, node);
        memory_free(destination);
    }
    table_release(&learned->destinations);
    memory_free(learned);
}
