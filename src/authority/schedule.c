// SPDX-License-Identifier: BSD-2-Clause
#include "authority/schedule.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

void schedule_init(struct schedule *schedule, struct random_source *random)
{
    heap_init(&schedule->waiting);
    list_init(&schedule->all);
    table_init(&schedule->by_id);
    user_lists_init(&schedule->of_users, random);
    schedule->next_id = 1;
}

void schedule_release(struct schedule *schedule)
{
    for (struct scheduled *each = schedule_next(schedule, NULL); each != NULL;
         each = schedule_next(schedule, NULL))
        schedule_remove(schedule, each);
    heap_release(&schedule->waiting);
    table_release(&schedule->by_id);
    user_lists_release(&schedule->of_users);
}

// --- sets ----------------------------------------------------------------------------------------

struct scheduled *schedule_next_of(const struct schedule *schedule, const char *user,
                                   const struct scheduled *scheduled)
{
    struct list_node *next =
        user_lists_next(&schedule->of_users, user, scheduled == NULL ? NULL : &scheduled->of_user);
    return next == NULL ? NULL : container_of(next, struct scheduled, of_user);
}

static bool match_id(const struct table_node *node, const void *id)
{
    return container_of(node, struct scheduled, numbered)->id == *(const uint64_t *)id;
}

// The heap orders by nanoseconds; wall time in them fits until the year 2554.
static struct instant due_at(struct wall_time at)
{
    assert(at.ms < SCHEDULED_MS_MAX);
    return (struct instant){at.ms * 1000000};
}

struct scheduled *schedule_add(struct schedule *schedule, const struct scheduled *scheduled)
{
    assert(schedule_find(schedule, scheduled->id) == NULL);
    struct scheduled *added = memory_copy(scheduled, sizeof(*scheduled));
    memset(&added->due, 0, sizeof(added->due));
    list_append(&schedule->all, &added->all);
    list_append(user_lists_open(&schedule->of_users, added->user), &added->of_user);
    table_insert(&schedule->by_id, &added->numbered, added->id); // ids count up: no two are alike
    if (added->state == SCHEDULED_WAITING)
        heap_set(&schedule->waiting, &added->due, due_at(added->at));
    if (added->id >= schedule->next_id)
        schedule->next_id = added->id + 1;
    return added;
}

struct scheduled *schedule_find(const struct schedule *schedule, uint64_t id)
{
    struct table_node *node = table_find(&schedule->by_id, id, match_id, &id);
    return node == NULL ? NULL : container_of(node, struct scheduled, numbered);
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
    user_lists_leave(&schedule->of_users, scheduled->user, &scheduled->of_user);
    table_remove(&schedule->by_id, &scheduled->numbered);
    command_set_free(scheduled->set);
    memory_free(scheduled);
}

struct scheduled *schedule_oldest_ended(const struct schedule *schedule, const char *user)
{
    size_t ended = 0;
    struct scheduled *oldest = NULL;
    for (struct scheduled *each = schedule_next_of(schedule, user, NULL); each != NULL;
         each = schedule_next_of(schedule, user, each)) {
        if (each->state == SCHEDULED_WAITING)
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
