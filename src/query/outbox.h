// SPDX-License-Identifier: BSD-2-Clause
// Messages waiting to be pulled by the shell, in the order they were made.
#ifndef IVIP_QUERY_OUTBOX_H
#define IVIP_QUERY_OUTBOX_H

#include "base/address.h"
#include "wire/query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most messages that wait. A shell drains the outbox after each batch of input; one that does not
// loses what comes on top, as a full socket would.
#define OUTBOX_MESSAGES_MAX 16384

struct outbox_message;

// A ring that grows up to the limit.
struct outbox {
    struct outbox_message *messages; // owned
    size_t capacity;                 // a power of two, or 0
    size_t first;
    size_t count;
};

void outbox_init(struct outbox *outbox);
void outbox_release(struct outbox *outbox);

// Encodes the message and queues it. Returns its length, or 0 where the outbox was full.
size_t outbox_put(struct outbox *outbox, const struct endpoint *to,
                  const struct query_message *message);
// Takes the oldest message out: fills `to` and `buffer` (QUERY_MESSAGE_BYTES_MAX) and returns its
// length; 0 when there is none.
size_t outbox_take(struct outbox *outbox, struct endpoint *to, uint8_t *buffer);

#endif
