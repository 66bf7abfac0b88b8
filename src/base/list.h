// SPDX-License-Identifier: BSD-2-Clause
// Intrusive doubly linked list: a `struct list_node` inside each element, no allocation.
//
//     head <-> a <-> b <-> c <-> head      (an empty head points at itself)
#ifndef IVIP_BASE_LIST_H
#define IVIP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list_node {
    struct list_node *previous;
    struct list_node *next;
};

// The struct that holds `member` at `pointer`.
#define container_of(pointer, type, member) ((type *)((uintptr_t)(pointer)-offsetof(type, member)))

static inline void list_init(struct list_node *head)
{
    head->previous = head;
    head->next = head;
}

static inline bool list_empty(const struct list_node *head)
{
    return head->next == head;
}

static inline void list_append(struct list_node *head, struct list_node *node)
{
    node->previous = head->previous;
    node->next = head;
    head->previous->next = node;
    head->previous = node;
}

// Takes the node out of its list; it then points at itself, so removing twice is harmless.
static inline void list_remove(struct list_node *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_init(node);
}

// Moves all nodes of `from` to the end of another list, in their order.
static inline void list_append_all(struct list_node *head, struct list_node *from)
{
    if (list_empty(from))
        return;
    from->next->previous = head->previous;
    from->previous->next = head;
    head->previous->next = from->next;
    head->previous = from->previous;
    list_init(from);
}

// The first node, or NULL.
static inline struct list_node *list_first(const struct list_node *head)
{
    return list_empty(head) ? NULL : head->next;
}

#endif
