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
    memory_free(heap->slots);
    heap_init(heap);
}

static void put(struct heap *heap, size_t place, struct heap_slot slot)
{
    heap->slots[place - 1] = slot;
    slot.node->place = place;
}

// Moves the node up, then down, from `place` until the order holds again.
static void settle(struct heap *heap, size_t place, struct heap_node *node)
{
    const struct heap_slot *slots = heap->slots;
    const struct heap_slot slot = {node->deadline, node};
    while (place > 1 && instant_before(slot.deadline, slots[place / 2 - 1].deadline)) {
        put(heap, place, slots[place / 2 - 1]);
        place /= 2;
    }
    for (size_t child = place * 2; child <= heap->count; child = place * 2) {
        if (child < heap->count && instant_before(slots[child].deadline, slots[child - 1].deadline))
            child++;
        if (!instant_before(slots[child - 1].deadline, slot.deadline))
            break;
        put(heap, place, slots[child - 1]);
        place = child;
    }
    put(heap, place, slot);
}

static void resize(struct heap *heap, size_t capacity)
{
    heap->slots = memory_resize(heap->slots, capacity * sizeof(struct heap_slot));
    heap->capacity = capacity;
}

void heap_reserve(struct heap *heap, size_t count)
{
    if (count > heap->capacity)
        resize(heap, count);
}

void heap_set(struct heap *heap, struct heap_node *node, struct instant deadline)
{
    node->deadline = deadline;
    if (node->place == 0) {
        if (heap->count == heap->capacity)
            resize(heap, heap->capacity == 0 ? 64 : heap->capacity * 2);
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
    assert(place <= heap->count && heap->slots[place - 1].node == node);
    struct heap_node *last = heap->slots[heap->count - 1].node;
    heap->count--;
    node->place = 0;
    if (last != node)
        settle(heap, place, last);
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count == 0 ? NULL : heap->slots[0].node;
}

struct instant heap_deadline(const struct heap *heap)
{
    return heap->count == 0 ? INSTANT_NEVER : heap->slots[0].deadline;
}
