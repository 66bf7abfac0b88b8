// SPDX-License-Identifier: BSD-2-Clause
#include "node/push/set_log.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

struct logged_set {
    struct list_node node;
    size_t count;
    struct update updates[];
};

void set_log_init(struct set_log *log)
{
    list_init(&log->sets);
    log->bytes = 0;
}

void set_log_clear(struct set_log *log)
{
    struct list_node *node;
    while ((node = list_first(&log->sets)) != NULL) {
        list_remove(node);
        memory_free(container_of(node, struct logged_set, node));
    }
    log->bytes = 0;
}

void set_log_add(struct set_log *log, const struct update *updates, size_t count)
{
    size_t bytes = count * sizeof(*updates);
    struct logged_set *set = memory_new(sizeof(*set) + bytes);
    set->count = count;
    memcpy(set->updates, updates, bytes);
    list_append(&log->sets, &set->node);
    log->bytes += sizeof(*set) + bytes;
}

void set_log_move(struct set_log *to, struct set_log *from)
{
    assert(list_empty(&to->sets));
    struct list_node *node;
    while ((node = list_first(&from->sets)) != NULL) {
        list_remove(node);
        list_append(&to->sets, node);
    }
    to->bytes = from->bytes;
    from->bytes = 0;
}

bool set_log_apply(const struct set_log *log, struct mapping *mapping, struct error *error)
{
    for (struct list_node *node = log->sets.next; node != &log->sets; node = node->next) {
        const struct logged_set *set = container_of(node, struct logged_set, node);
        if (!mapping_apply(mapping, set->updates, set->count, NULL, error))
            return false;
    }
    return true;
}
