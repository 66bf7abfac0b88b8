// SPDX-License-Identifier: BSD-2-Clause
#include "query/choice.h"

#include <assert.h>

// What a member that is in use counts with: its response time, less a bonus.
static uint64_t cost_in_use(const struct choice_member *member)
{
    uint64_t cost = member->time.ns;
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
    uint64_t cost = best->time.ns;
    // An incumbent may stand first though it is not the fastest.
    uint64_t limit = cost + cost / CHOICE_NEAR_PART + duration_ms(CHOICE_NEAR_MS).ns;
    size_t near = 1;
    while (near < choice->count && near < CHOICE_NEAREST) {
        const struct choice_member *member = &choice->members[near];
        if (member->avoided || !member->measured || member->priority != best->priority ||
            member->time.ns > limit)
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
        struct ranked next = {*member, in_use ? cost_in_use(member) : member->time.ns};
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

// A number for a server and a hash, as good as random; the last step of splitmix64.
static uint64_t draw(uint64_t hash, uint16_t server)
{
    uint64_t value = hash + (server + 1) * 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

void choice_order(const struct choice *choice, uint64_t hash, uint8_t order[CHOICE_MEMBERS_MAX])
{
    uint64_t draws[CHOICE_MEMBERS_MAX];
    uint8_t wished[CHOICE_MEMBERS_MAX];
    size_t count = 0;
    assert(choice->count <= CHOICE_MEMBERS_MAX);
    // The near ones by what was drawn, so that what one does not take is spread over the rest.
    for (size_t i = 0; i < choice->count; i++) {
        size_t place = i;
        draws[i] = draw(hash, choice->members[i].server);
        for (; i < choice->near && place > 0 && draws[i] << 8 > draws[wished[place - 1]] << 8;
             place--)
            wished[place] = wished[place - 1];
        wished[place] = (uint8_t)i;
    }
    for (int refused = 0; refused < 2; refused++)
        for (size_t i = 0; i < choice->count; i++) {
            uint8_t place = wished[i];
            // Of other bits than the order.
            bool takes = draws[place] >> 56 < choice->members[place].share;
            if (takes == (refused == 0))
                order[count++] = place;
        }
}
