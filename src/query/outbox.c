// SPDX-License-Identifier: BSD-2-Clause
#include "query/outbox.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define CAPACITY_FIRST 16

// Whatever is sent here is at most as long as a request (rule 7).
struct outbox_message {
    struct endpoint to;
    uint16_t length;
    uint8_t bytes[QUERY_REQUEST_BYTES];
};

void outbox_init(struct outbox *outbox)
{
    memset(outbox, 0, sizeof(*outbox));
}

void outbox_release(struct outbox *outbox)
{
    memory_free(outbox->messages);
    outbox_init(outbox);
}

// Doubles the ring and lays the messages out from its start again.
static void grow(struct outbox *outbox)
{
    size_t capacity = outbox->capacity == 0 ? CAPACITY_FIRST : outbox->capacity * 2;
    struct outbox_message *messages = memory_new_array(capacity, sizeof(*messages));
    for (size_t i = 0; i < outbox->count; i++)
        messages[i] = outbox->messages[(outbox->first + i) & (outbox->capacity - 1)];
    memory_free(outbox->messages);
    outbox->messages = messages;
    outbox->capacity = capacity;
    outbox->first = 0;
}

size_t outbox_put(struct outbox *outbox, const struct endpoint *to,
                  const struct query_message *message)
{
    if (outbox->count == OUTBOX_MESSAGES_MAX)
        return 0;
    if (outbox->count == outbox->capacity)
        grow(outbox);
    struct outbox_message *slot =
        &outbox->messages[(outbox->first + outbox->count) & (outbox->capacity - 1)];
    size_t length = query_encode(message, slot->bytes, sizeof(slot->bytes));
    assert(length > 0);
    slot->to = *to;
    slot->length = (uint16_t)length;
    outbox->count++;
    return length;
}

size_t outbox_take(struct outbox *outbox, struct endpoint *to, uint8_t *buffer)
{
    if (outbox->count == 0)
        return 0;
    const struct outbox_message *slot = &outbox->messages[outbox->first];
    outbox->first = (outbox->first + 1) & (outbox->capacity - 1);
    outbox->count--;
    *to = slot->to;
    memcpy(buffer, slot->bytes, slot->length);
    return slot->length;
}
