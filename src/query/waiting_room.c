// SPDX-License-Identifier: BSD-2-Clause
#include "query/waiting_room.h"

#include "base/list.h"

#include <assert.h>
#include <string.h>

struct unit_key {
    uint64_t family;
    uint64_t unit;
};

// Requests for one unit.
struct waiting_queue {
    struct table_node by_unit;
    struct unit_key key;
    struct list_node requests;
};

// A host of which requests wait.
struct waiting_host {
    struct table_node by_unit;
    struct unit_key key;
    size_t count;
};

struct waiting_request {
    struct list_node node;
    struct asker asker;
};

void waiting_room_init(struct waiting_room *room, struct hash_key key, size_t places)
{
    *room = (struct waiting_room){.key = key, .places = places};
    table_init(&room->units);
    table_init(&room->hosts);
    slab_init(&room->queues, sizeof(struct waiting_queue));
    slab_init(&room->requests, sizeof(struct waiting_request));
    slab_init(&room->host_slab, sizeof(struct waiting_host));
}

void waiting_room_release(struct waiting_room *room)
{
    table_release(&room->units);
    table_release(&room->hosts);
    slab_release(&room->queues);
    slab_release(&room->requests);
    slab_release(&room->host_slab);
}

static struct unit_key key_of(const struct address *address)
{
    return (struct unit_key){address->family, unit_of_address(address).index};
}

static uint64_t hash_of(const struct waiting_room *room, const struct unit_key *key)
{
    return hash_bytes(&room->key, key, sizeof(*key));
}

static bool queue_matches(const struct table_node *node, const void *key)
{
    return memcmp(&container_of(node, const struct waiting_queue, by_unit)->key, key,
                  sizeof(struct unit_key)) == 0;
}

static bool host_matches(const struct table_node *node, const void *key)
{
    return memcmp(&container_of(node, const struct waiting_host, by_unit)->key, key,
                  sizeof(struct unit_key)) == 0;
}

static struct waiting_queue *find_queue(const struct waiting_room *room,
                                        const struct address *address)
{
    struct unit_key key = key_of(address);
    struct table_node *node = table_find(&room->units, hash_of(room, &key), queue_matches, &key);
    return node == NULL ? NULL : container_of(node, struct waiting_queue, by_unit);
}

static struct waiting_host *find_host(const struct waiting_room *room,
                                      const struct address *address)
{
    struct unit_key key = key_of(address);
    struct table_node *node = table_find(&room->hosts, hash_of(room, &key), host_matches, &key);
    return node == NULL ? NULL : container_of(node, struct waiting_host, by_unit);
}

size_t waiting_room_count(const struct waiting_room *room)
{
    return room->requests.used;
}

bool waiting_room_admits(const struct waiting_room *room, const struct endpoint *from)
{
    const struct waiting_host *host = find_host(room, &from->address);
    size_t taken = host == NULL ? 0 : host->count;
    return waiting_room_count(room) < room->places &&
           taken < room->places - waiting_room_count(room);
}

bool waiting_room_awaits(const struct waiting_room *room, const struct address *address)
{
    return find_queue(room, address) != NULL;
}

static void count_in(struct waiting_room *room, const struct address *from)
{
    struct waiting_host *host = find_host(room, from);
    if (host == NULL) {
        host = slab_take(&room->host_slab);
        host->key = key_of(from);
        table_insert(&room->hosts, &host->by_unit, hash_of(room, &host->key));
    }
    host->count++;
}

static void count_out(struct waiting_room *room, const struct address *from)
{
    struct waiting_host *host = find_host(room, from);
    assert(host != NULL && host->count > 0);
    if (--host->count > 0)
        return;
    table_remove(&room->hosts, &host->by_unit);
    slab_give(&room->host_slab, host);
}

void waiting_room_enter(struct waiting_room *room, const struct address *address,
                        const struct asker *asker)
{
    struct waiting_queue *queue = find_queue(room, address);
    assert(waiting_room_admits(room, &asker->endpoint));
    if (queue == NULL) {
        queue = slab_take(&room->queues);
        queue->key = key_of(address);
        list_init(&queue->requests);
        table_insert(&room->units, &queue->by_unit, hash_of(room, &queue->key));
    }
    struct waiting_request *request = slab_take(&room->requests);
    request->asker = *asker;
    list_append(&queue->requests, &request->node);
    count_in(room, &asker->endpoint.address);
}

bool waiting_room_leave(struct waiting_room *room, const struct address *address,
                        struct asker *asker)
{
    struct waiting_queue *queue = find_queue(room, address);
    if (queue == NULL)
        return false;
    struct waiting_request *request =
        container_of(queue->requests.next, struct waiting_request, node);
    assert(!list_empty(&queue->requests)); // the queue ends with its last
    *asker = request->asker;
    list_remove(&request->node);
    slab_give(&room->requests, request);
    count_out(room, &asker->endpoint.address);
    if (list_empty(&queue->requests)) {
        table_remove(&room->units, &queue->by_unit);
        slab_give(&room->queues, queue);
    }
    return true;
}
