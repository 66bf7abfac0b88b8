// SPDX-License-Identifier: BSD-2-Clause
// What waits to be pulled out of the node: packets and events, in the order they were made.
#include "sipp/lib/node_internal.h"

#include "base/memory.h"

#include <string.h>

void queue_init(struct queue *queue, size_t size)
{
    memset(queue, 0, sizeof(*queue));
    queue->size = size;
    queue->slots = memory_new_array(size, sizeof(struct queued *));
}

static struct queued *queue_take(struct queue *queue)
{
    memory_free(queue->pulled);
    queue->pulled = NULL;
    if (queue->count == 0)
        return NULL;
    queue->pulled = queue->slots[queue->first];
    queue->first = (queue->first + 1) % queue->size;
    queue->count--;
    return queue->pulled;
}

void queue_release(struct queue *queue)
{
    while (queue_take(queue) != NULL)
        ;
    memory_free(queue->slots);
}

struct queued *queue_add(struct node *node, struct queue *queue, const uint8_t *bytes,
                         size_t length)
{
    if (queue->count == queue->size) {
        node_count(node, DROP_QUEUE_FULL);
        return NULL;
    }
    struct queued *queued = memory_new(sizeof(*queued) + length);
    if (length > 0)
        memcpy(queued->bytes, bytes, length);
    queue->slots[(queue->first + queue->count) % queue->size] = queued;
    queue->count++;
    return queued;
}

void node_output(struct node *node, uint16_t interface, const struct link_address *link,
                 const uint8_t *bytes, size_t length)
{
    struct queued *queued = queue_add(node, &node->outputs, bytes, length);
    if (queued != NULL)
        queued->output = (struct node_output){interface, *link, queued->bytes, length};
}

void node_event(struct node *node, enum node_event_kind kind, const struct sequence *sequence)
{
    struct queued *queued = queue_add(node, &node->events, NULL, 0);
    if (queued == NULL)
        return;
    queued->event.kind = kind;
    queued->event.sequence = *sequence;
}

bool node_next_output(struct node *node, struct node_output *output)
{
    const struct queued *queued = queue_take(&node->outputs);
    if (queued == NULL)
        return false;
    *output = queued->output;
    return true;
}

bool node_next_event(struct node *node, struct node_event *event)
{
    const struct queued *queued = queue_take(&node->events);
    if (queued == NULL)
        return false;
    *event = queued->event;
    return true;
}
