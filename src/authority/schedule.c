// SPDX-License-Identifier: BSD-2-Clause
#include "authority/schedule.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

void schedule_init(struct schedule *schedule)
{
    heap_init(&schedule->waiting);
    list_init(&schedule->all);
    schedule->next_id = 1;
}

void schedule_release(struct schedule *schedule)
{
    for (struct scheduled *each = schedule_next(schedule, NULL); each != NULL;
         each = schedule_next(schedule, NULL))
        schedule_remove(schedule, each);
    heap_release(&schedule->waiting);
}

// The heap orders by nanoseconds; wall time in them fits until the year 2554.
static struct instant due_at(struct wall_time at)
{
    assert(at.ms < UINT64_MAX / 1000000);
    return (struct instant){at.ms * 1000000};
}

struct scheduled *schedule_add(struct schedule *schedule, const struct scheduled *scheduled)
{
    assert(schedule_find(schedule, scheduled->id) == NULL);
    struct scheduled *added = memory_copy(scheduled, sizeof(*scheduled));
    memset(&added->due, 0, sizeof(added->due));
    list_append(&schedule->all, &added->all);
    if (added->state == SCHEDULED_WAITING)
        heap_set(&schedule->waiting, &added->due, due_at(added->at));
    if (added->id >= schedule->next_id)
        schedule->next_id = added->id + 1;
    return added;
}

struct scheduled *schedule_find(const struct schedule *schedule, uint64_t id)
{
    struct scheduled *each = schedule_next(schedule, NULL);
    while (each != NULL && each->id != id)
        each = schedule_next(schedule, each);
    return each;
}

struct scheduled *schedule_first(const struct schedule *schedule)
{
    struct heap_node *node = heap_first(&schedule->waiting);
    return node == NULL ? NULL : container_of(node, struct scheduled, due);
}

struct scheduled *schedule_next(const struct schedule *schedule, const struct scheduled *scheduled)
{
    const struct list_node *node = scheduled == NULL ? schedule->all.next : scheduled->all.next;
    return node == &schedule->all ? NULL : container_of(node, struct scheduled, all);
}

void schedule_end(struct schedule *schedule, struct scheduled *scheduled,
                  const struct scheduled *outcome)
{
    assert(scheduled->state == SCHEDULED_WAITING && outcome->state != SCHEDULED_WAITING);
    heap_remove(&schedule->waiting, &scheduled->due);
    scheduled->state = outcome->state;
    scheduled->ended = outcome->ended;
    scheduled->sequence = outcome->sequence;
    memcpy(scheduled->reason, outcome->reason, sizeof(scheduled->reason));
    memcpy(scheduled->text, outcome->text, sizeof(scheduled->text));
}

void schedule_remove(struct schedule *schedule, struct scheduled *scheduled)
{
    if (scheduled->state == SCHEDULED_WAITING)
        heap_remove(&schedule->waiting, &scheduled->due);
    list_remove(&scheduled->all);
    command_set_free(scheduled->set);
    memory_free(scheduled);
}

struct scheduled *schedule_oldest_ended(const struct schedule *schedule, const char *user)
{
    size_t ended = 0;
    struct scheduled *oldest = NULL;
    for (struct scheduled *each = schedule_next(schedule, NULL); each != NULL;
         each = schedule_next(schedule, each)) {
        if (each->state == SCHEDULED_WAITING || strcmp(each->user, user) != 0)
            continue;
        ended++;
        if (oldest == NULL || each->ended.ms < oldest->ended.ms)
            oldest = each;
    }
    return ended < SCHEDULED_ENDED_MAX ? NULL : oldest;
}

const char *scheduled_state_name(enum scheduled_state state)
{
    switch (state) {
    case SCHEDULED_WAITING:
        return "waiting";
    case SCHEDULED_EXECUTED:
        return "executed";
    case SCHEDULED_REFUSED:
        return "refused";
    case SCHEDULED_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}
