// SPDX-License-Identifier: BSD-2-Clause
#include "sim/engine/network.h"

#include "base/memory.h"

#include <assert.h>

#define MILLION 1000000

struct path {
    struct path_conditions conditions;
    bool cut;
    struct instant free_at; // when the last datagram has left, on a path with a rate
};

struct network {
    size_t nodes;
    struct path *paths; // nodes * nodes, by source, then destination
};

struct network *network_new(size_t nodes)
{
    struct network *network = memory_new(sizeof(*network));
    network->nodes = nodes;
    network->paths = memory_new_array(nodes * nodes, sizeof(struct path));
    return network;
}

void network_free(struct network *network)
{
    if (network == NULL)
        return;
    memory_free(network->paths);
    memory_free(network);
}

static struct path *path_between(const struct network *network, size_t from, size_t to)
{
    assert(from < network->nodes && to < network->nodes);
    return &network->paths[from * network->nodes + to];
}

void network_set_all(struct network *network, const struct path_conditions *conditions)
{
    for (size_t i = 0; i < network->nodes * network->nodes; i++)
        network->paths[i].conditions = *conditions;
}

void network_set(struct network *network, size_t from, size_t to,
                 const struct path_conditions *conditions)
{
    path_between(network, from, to)->conditions = *conditions;
}

void network_cut(struct network *network, size_t from, size_t to, bool cut)
{
    path_between(network, from, to)->cut = cut;
}

bool network_is_cut(const struct network *network, size_t from, size_t to)
{
    return path_between(network, from, to)->cut;
}

void network_mend(struct network *network)
{
    for (size_t i = 0; i < network->nodes * network->nodes; i++)
        network->paths[i].cut = false;
}

static bool happens(struct random_source *random, uint32_t probability)
{
    return probability > 0 && random_below(random, MILLION) < probability;
}

static struct duration up_to(struct random_source *random, struct duration most)
{
    return (struct duration){most.ns == 0 ? 0 : random_below(random, most.ns + 1)};
}

// Waits for those before it; false where the queue is full.
static bool queue_up(struct path *path, struct instant now, size_t length, struct instant *leaves)
{
    *leaves = now;
    if (path->conditions.rate == 0)
        return true;
    if (instant_before(*leaves, path->free_at))
        *leaves = path->free_at;
    if (instant_since(*leaves, now).ns > duration_s(1).ns)
        return false;
    uint64_t ns = length * duration_s(1).ns / path->conditions.rate;
    *leaves = instant_add(*leaves, (struct duration){ns});
    path->free_at = *leaves;
    return true;
}

size_t network_carry(struct network *network, struct random_source *random, struct instant now,
                     size_t from, size_t to, size_t length,
                     struct instant arrivals[NETWORK_COPIES_MAX])
{
    struct path *path = path_between(network, from, to);
    const struct path_conditions *conditions = &path->conditions;
    struct instant leaves;
    if (path->cut || happens(random, conditions->loss) || !queue_up(path, now, length, &leaves))
        return 0;
    size_t count = happens(random, conditions->duplicated) ? 2 : 1;
    for (size_t i = 0; i < count; i++) {
        arrivals[i] = instant_add(leaves, conditions->delay);
        arrivals[i] = instant_add(arrivals[i], up_to(random, conditions->jitter));
    }
    if (happens(random, conditions->delayed))
        arrivals[0] = instant_add(arrivals[0], up_to(random, conditions->delayed_by));
    if (happens(random, conditions->replayed)) {
        arrivals[count] = instant_add(arrivals[0], up_to(random, conditions->replayed_by));
        count++;
    }
    return count;
}
