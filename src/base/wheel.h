// SPDX-License-Identifier: BSD-2-Clause
// Deadlines of very many things that hardly ever come: a ring of buckets, each a list of what is
// due in one tick of time.
//
//       now
//        |
//     [ tick ][ tick ][ tick ] ... [ tick ]     what is due later than all ticks waits in the last
//        |       |
//        a - b   c                              and is put again when that one comes
//
// A heap of millions keeps an order that nobody asks for, and touches memory all over to do so.
// Here an element is put in or taken out (by list_remove) in the same time, however many there are;
// what is due comes out up to WHEEL_TICK_NS late, and in any order within that.
#ifndef IVIP_BASE_WHEEL_H
#define IVIP_BASE_WHEEL_H

#include "base/instant.h"
#include "base/list.h"

#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_NS (UINT64_C(1) << 28) // 0.27 s
#define WHEEL_TICKS   4096                // 18 minutes

struct wheel {
    struct list_node *buckets; // WHEEL_TICKS, owned; the elements belong to the caller
    uint64_t *filled;          // a mark for each bucket, if it may hold something
    uint64_t next;             // the first tick that was not yet emptied
};

void wheel_init(struct wheel *wheel);
void wheel_release(struct wheel *wheel);

// Puts in what is in no list.
void wheel_put(struct wheel *wheel, struct list_node *node, struct instant due);
// An element that may be due, or NULL. It is still in: the caller takes it out, and puts it in
// again if it is not due.
struct list_node *wheel_first(struct wheel *wheel, struct instant now);
// When there may be such an element; INSTANT_NEVER where there is nothing.
struct instant wheel_deadline(const struct wheel *wheel);

#endif
