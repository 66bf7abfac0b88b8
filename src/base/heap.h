// SPDX-License-Identifier: BSD-2-Clause
// Deadlines in order: an intrusive binary min-heap keyed by instant.
//
// A core keeps one heap, puts a `struct heap_node` in everything that waits, and answers
// "next deadline" with heap_first. Insert, move and remove cost O(log n).
#ifndef IVIP_BASE_HEAP_H
#define IVIP_BASE_HEAP_H

#include "base/instant.h"

#include <stdbool.h>
#include <stddef.h>

struct heap_node {
    struct instant deadline;
    size_t place; // 1-based position in the heap; 0 when in none
};

// The deadline stands beside the pointer, so that comparing touches no node: they lie all over
// memory.
struct heap_slot {
    struct instant deadline;
    struct heap_node *node;
};

struct heap {
    struct heap_slot *slots; // owned; the nodes themselves belong to the caller
    size_t count;
    size_t capacity;
};

void heap_init(struct heap *heap);
void heap_release(struct heap *heap);

// Makes room for that many at once, so that it need not move when it grows. Memory is used as it is
// filled.
void heap_reserve(struct heap *heap, size_t count);

// Puts the node in, or moves it when it is in already.
void heap_set(struct heap *heap, struct heap_node *node, struct instant deadline);
// Takes the node out; nothing happens when it is in none.
void heap_remove(struct heap *heap, struct heap_node *node);
// The node with the earliest deadline, or NULL.
struct heap_node *heap_first(const struct heap *heap);
// Its deadline, or INSTANT_NEVER.
struct instant heap_deadline(const struct heap *heap);

#endif
