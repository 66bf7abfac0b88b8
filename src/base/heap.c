// SPDX-License-Identifier: BSD-2-Clause
#include "base/heap.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

void heap_init(struct heap *heap)
{
    memset(heap, 0, sizeof(*heap));
}

void heap_release(struct heap *heap)
{
    memory_free(heap->nodes);
    heap_init(heap);
}

static void put(struct heap *heap, size_t place, struct heap_node *node)
{
    heap->nodes[place - 1] = node;
    node->place = place;
}

// Moves the node up, then down, from `place` until the order holds again.
static void settle(struct heap *heap, size_t place, struct heap_node *node)
{
    while (place > 1 && instant_before(node->deadline, heap->nodes[place / 2 - 1]->deadline)) {
        put(heap, place, heap->nodes[place / 2 - 1]);
        place /= 2;
    }
    for (size_t child = place * 2; child <= heap->count; child = place * 2) {
        if (child < heap->count &&
            instant_before(heap->nodes[child]->deadline, heap->nodes[child - 1]->deadline))
            child++;
        if (!instant_before(heap->nodes[child - 1]->deadline, node->deadline))
            break;
        put(heap, place, heap->nodes[child - 1]);
        place = child;
    }
    put(heap, place, node);
}

void heap_set(struct heap *heap, struct heap_node *node, struct instant deadline)
{
    node->deadline = deadline;
    if (node->place == 0) {
        if (heap->count == heap->capacity) {
            heap->capacity = heap->capacity == 0 ? 64 : heap->capacity * 2;
            heap->nodes = memory_resize(heap->nodes, heap->capacity * sizeof(struct heap_node *));
        }
        heap->count++;
        node->place = heap->count;
    }
    assert(node->place <= heap->count);
    settle(heap, node->place, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->place == 0)
        return;
    size_t place = node->place;
    assert(place <= heap->count && heap->nodes[place - 1] == node);
    struct heap_node *last = heap->nodes[heap->count - 1];
    heap->count--;
    node->place = 0;
    if (last != node)
        settle(heap, place, last);
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}

struct instant heap_deadline(const struct heap *heap)
{
    return heap->count == 0 ? INSTANT_NEVER : heap->nodes[0]->deadline;
}
