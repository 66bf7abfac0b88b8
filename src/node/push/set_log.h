// SPDX-License-Identifier: BSD-2-Clause
// Sets of updates of one MAB in their order, copied: those since its newest snapshot.
#ifndef IVIP_NODE_PUSH_SET_LOG_H
#define IVIP_NODE_PUSH_SET_LOG_H

#include "base/list.h"
#include "mapping/mapping.h"

#include <stdbool.h>
#include <stddef.h>

struct set_log {
    struct list_node sets; // owned
    size_t bytes;          // memory of the sets
};

void set_log_init(struct set_log *log);
// Forgets all sets.
void set_log_clear(struct set_log *log);
// Adds a copy of a set behind the others.
void set_log_add(struct set_log *log, const struct update *updates, size_t count);
// Takes all sets out of a log and puts them into one that is empty.
void set_log_move(struct set_log *to, struct set_log *from);
// Applies all sets in order; false, with a part of them applied, where one is refused.
bool set_log_apply(const struct set_log *log, struct mapping *mapping, struct error *error);

#endif
