// SPDX-License-Identifier: BSD-2-Clause
#include "query/choice.h"

#include <assert.h>

// What a member counts with: its response time, longer the more it is loaded.
static uint64_t cost_of(const struct choice_member *member)
{
    uint64_t time = member->time.ns;
    return time + time / CHOICE_LOAD_DOUBLE * member->load;
}

// The same, with the bonus of one that is in use.
static uint64_t cost_in_use(const struct choice_member *member)
{
    uint64_t cost = cost_of(member);
    uint64_t bonus = cost / CHOICE_STAY_PART + duration_ms(CHOICE_STAY_MS).ns;
    return cost > bonus ? cost - bonus : 0;
}

struct ranked {
    struct choice_member member;
    uint64_t cost;
};

// Those that answer before those that do not; then by priority; then those measured; by cost.
static bool better(const struct ranked *a, const struct ranked *b)
{
    if (a->member.avoided != b->member.avoided)
        return b->member.avoided;
    if (a->member.priority != b->member.priority)
        return a->member.priority < b->member.priority;
    if (a->member.measured != b->member.measured)
        return a->member.measured;
    return a->member.measured && a->cost < b->cost;
}

static size_t count_near(const struct choice *choice)
{
    const struct choice_member *best = &choice->members[0];
    if (choice->count == 0 || best->avoided || !best->measured)
        return choice->count > 0 ? 1 : 0;
    uint64_t cost = cost_of(best);
    // An incumbent may stand first though it is not the fastest.
    uint64_t limit = cost + cost / CHOICE_NEAR_PART + duration_ms(CHOICE_NEAR_MS).ns;
    size_t near = 1;
    while (near < choice->count && near < CHOICE_NEAREST) {
        const struct choice_member *member = &choice->members[near];
        if (member->avoided || !member->measured || member->priority != best->priority ||
            cost_of(member) > limit)
            break;
        near++;
    }
    return near;
}

void choice_rank(struct choice *choice)
{
    assert(choice->count <= CHOICE_MEMBERS_MAX);
    struct ranked ranked[CHOICE_MEMBERS_MAX];
    for (size_t i = 0; i < choice->count; i++) {
        bool in_use = choice->ranked && i < CHOICE_NEAREST;
        const struct choice_member *member = &choice->members[i];
        struct ranked next = {*member, in_use ? cost_in_use(member) : cost_of(member)};
        size_t place = i;
        for (; place > 0 && better(&next, &ranked[place - 1]); place--)
            ranked[place] = ranked[place - 1];
        ranked[place] = next;
    }
    bool measured = false;
    for (size_t i = 0; i < choice->count; i++) {
        choice->members[i] = ranked[i].member;
        measured = measured || ranked[i].member.measured;
    }
    choice->ranked = measured;
    choice->near = count_near(choice);
}

size_t choice_start(const struct choice *choice, uint64_t hash)
{
    return choice->near > 1 ? (size_t)(hash % choice->near) : 0;
}
