// SPDX-License-Identifier: BSD-2-Clause
#include "authority/schedule.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

// A user who has sets.
struct planner {
    struct table_node node;
    char user[USER_NAME_MAX];
    struct list_node sets; // oldest first
};

void schedule_init(struct schedule *schedule, struct random_source *random)
{
    heap_init(&schedule->waiting);
    list_init(&schedule->all);
    table_init(&schedule->by_id);
    table_init(&schedule->planners);
    random_bytes(random, schedule->key.bytes, sizeof(schedule->key.bytes));
    schedule->next_id = 1;
}

void schedule_release(struct schedule *schedule)
{
    for (struct scheduled *each = schedule_next(schedule, NULL); each != NULL;
         each = schedule_next(schedule, NULL))
        schedule_remove(schedule, each);
    heap_release(&schedule->waiting);
    table_release(&schedule->by_id);
    table_release(&schedule->planners);
}

// --- users ---------------------------------------------------------------------------------------

static bool match_planner(const struct table_node *node, const void *user)
{
    return strcmp(container_of(node, struct planner, node)->user, user) == 0;
}

static uint64_t hash_user(const struct schedule *schedule, const char *user)
{
    return hash_bytes(&schedule->key, user, strlen(user));
}

static struct planner *find_planner(const struct schedule *schedule, const char *user)
{
    struct table_node *node =
        table_find(&schedule->planners, hash_user(schedule, user), match_planner, user);
    return node == NULL ? NULL : container_of(node, struct planner, node);
}

static void link_to_planner(struct schedule *schedule, struct scheduled *scheduled)
{
    struct planner *planner = find_planner(schedule, scheduled->user);
    if (planner == NULL) {
        planner = memory_new(sizeof(*planner));
        memcpy(planner->user, scheduled->user, sizeof(planner->user));
        list_init(&planner->sets);
        table_insert(&schedule->planners, &planner->node, hash_user(schedule, planner->user));
    }
    list_append(&planner->sets, &scheduled->of_user);
}

static void unlink_from_planner(struct schedule *schedule, struct scheduled *scheduled)
{
    struct planner *planner = find_planner(schedule, scheduled->user);
    list_remove(&scheduled->of_user);
    if (list_empty(&planner->sets)) {
        table_remove(&schedule->planners, &planner->node);
        memory_free(planner);
    }
}

struct scheduled *schedule_next_of(const struct schedule *schedule, const char *user,
                                   const struct scheduled *scheduled)
{
    const struct planner *planner = find_planner(schedule, user);
    if (planner == NULL)
        return NULL;
    const struct list_node *next = scheduled == NULL ? planner->sets.next : scheduled->of_user.next;
    return next == &planner->sets ? NULL : container_of(next, struct scheduled, of_user);
}

// --- sets ----------------------------------------------------------------------------------------

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
    link_to_planner(schedule, added);
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
    unlink_from_planner(schedule, scheduled);
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
