// SPDX-License-Identifier: BSD-2-Clause
// The querier's upstream servers and the groups they form: which there are, which is asked next.
//
//     group 0 (DSOC a):  [ 0 ][ 2 ]        places in `upstreams`; a server may be in several groups
//     group 1 (DSOC b):  [ 3 ][ 0 ]        and goes when it is in none
//
// A server keeps its place while it is in use, so requests and cached mappings refer to it by
// number.
#include "base/memory.h"
#include "query/querier_state.h"

#include <assert.h>
#include <string.h>

static_assert(QUERIER_UPSTREAMS_MAX <= CHOICE_MEMBERS_MAX, "they are a group");
static_assert(QUERIER_SERVERS_MAX < UPSTREAM_GONE, "numbers fit");

void querier_watch(struct querier *querier, const struct upstream *upstream)
{
    querier->check_at = instant_earlier(querier->check_at, upstream_deadline(upstream));
}

// Finding

static bool endpoint_matches(const struct table_node *node, const void *key)
{
    return endpoint_equal(&container_of(node, const struct upstream, by_endpoint)->endpoint, key);
}

struct upstream *querier_find_upstream(const struct querier *querier,
                                       const struct endpoint *endpoint)
{
    struct table_node *node =
        table_find(&querier->by_endpoint, hash_endpoint(&querier->endpoint_key, endpoint),
                   endpoint_matches, endpoint);
    return node == NULL ? NULL : container_of(node, struct upstream, by_endpoint);
}

// Coming and going

static struct upstream *add_upstream(struct querier *querier, struct instant now,
                                     const struct endpoint *endpoint)
{
    size_t index = 0;
    while (index < querier->upstream_slots && querier->upstreams[index] != NULL)
        index++;
    if (index == QUERIER_SERVERS_MAX)
        return NULL;
    if (index == querier->upstream_slots) {
        querier->upstreams = memory_resize(querier->upstreams, (index + 1) * sizeof(void *));
        querier->generations =
            memory_resize(querier->generations, (index + 1) * sizeof(*querier->generations));
        querier->generations[index] = 0;
        querier->upstream_slots++;
    }
    struct upstream *upstream = memory_new(sizeof(*upstream));
    upstream_init(upstream, endpoint, now);
    upstream->index = (uint16_t)index;
    table_insert(&querier->by_endpoint, &upstream->by_endpoint,
                 hash_endpoint(&querier->endpoint_key, endpoint));
    querier->upstreams[index] = upstream;
    return upstream;
}

// Ends what a question still expects of servers that are gone. Where it then expects nothing, the
// next request is due.
static void leave_requests(struct querier *querier, struct instant now, struct question *question)
{
    bool left = false;
    for (size_t i = 0; i < question->request_count; i++) {
        struct request *request = &question->requests[i];
        if (request->upstream == UPSTREAM_GONE || querier->upstreams[request->upstream]->named)
            continue;
        request->upstream = UPSTREAM_GONE;
        request->declined = false;
        questions_close_request(&querier->questions, request);
        left = true;
    }
    if (question->advised != UPSTREAM_GONE && !querier->upstreams[question->advised]->named)
        question->advised = UPSTREAM_GONE;
    if (left && !question_waits(question))
        heap_set(&querier->questions.deadlines, &question->deadline, now);
}

static bool mark_named(const struct querier *querier)
{
    size_t named = 0;
    for (size_t i = 0; i < querier->upstream_slots; i++)
        if (querier->upstreams[i] != NULL)
            querier->upstreams[i]->named = false;
    for (size_t g = 0; g < querier->group_count; g++) {
        const struct choice *choice = &querier->groups[g].choice;
        for (size_t i = 0; i < choice->count; i++) {
            struct upstream *upstream = querier->upstreams[choice->members[i].server];
            named += !upstream->named;
            upstream->named = true;
        }
    }
    return named == querier->by_endpoint.count;
}

// Servers that are in no group any more go, with all they told.
static void drop_unnamed(struct querier *querier, struct instant now)
{
    if (mark_named(querier))
        return;
    for (struct question *question = questions_next(&querier->questions, NULL); question != NULL;
         question = questions_next(&querier->questions, question))
        leave_requests(querier, now, question);
    for (size_t i = 0; i < querier->upstream_slots; i++) {
        struct upstream *upstream = querier->upstreams[i];
        if (upstream == NULL || upstream->named)
            continue;
        querier_forget_all_of(querier, now, upstream);
        table_remove(&querier->by_endpoint, &upstream->by_endpoint);
        querier->upstreams[i] = NULL;
        memory_free(upstream);
    }
}

// Groups

static void reach_group(struct querier *querier, size_t group)
{
    if (group < querier->group_count)
        return;
    querier->groups = memory_resize(querier->groups, (group + 1) * sizeof(*querier->groups));
    memset(querier->groups + querier->group_count, 0,
           (group + 1 - querier->group_count) * sizeof(*querier->groups));
    querier->group_count = group + 1;
}

// Makes the servers the members of the group. Those that were in it keep their order, before the
// new ones, so that being in use counts.
static void replace_members(struct querier *querier, struct instant now, struct group *group,
                            const struct querier_server *servers, size_t count)
{
    struct choice next = {.ranked = group->choice.ranked && group->measured};
    bool taken[CHOICE_MEMBERS_MAX] = {0};
    assert(count <= CHOICE_MEMBERS_MAX);
    for (size_t i = 0; group->measured && i < group->choice.count; i++) {
        struct choice_member member = group->choice.members[i];
        const struct endpoint *endpoint = &querier->upstreams[member.server]->endpoint;
        for (size_t n = 0; n < count; n++) {
            if (taken[n] || !endpoint_equal(&servers[n].endpoint, endpoint))
                continue;
            taken[n] = true;
            member.priority = servers[n].priority;
            next.members[next.count++] = member;
            break;
        }
    }
    for (size_t n = 0; n < count; n++) {
        struct upstream *upstream =
            taken[n] ? NULL : querier_find_upstream(querier, &servers[n].endpoint);
        if (!taken[n] && upstream == NULL)
            upstream = add_upstream(querier, now, &servers[n].endpoint);
        if (upstream == NULL)
            continue;
        upstream->probed = upstream->probed || group->measured;
        querier_watch(querier, upstream);
        next.members[next.count++] =
            (struct choice_member){.server = upstream->index, .priority = servers[n].priority};
    }
    next.near = next.count > 0;
    group->choice = next;
}

static void set_group(struct querier *querier, struct instant now, size_t number, bool measured,
                      const struct querier_server *servers, size_t count)
{
    reach_group(querier, number);
    struct group *group = &querier->groups[number];
    group->measured = measured;
    replace_members(querier, now, group, servers, count);
    drop_unnamed(querier, now);
}

void querier_set_group(struct querier *querier, struct instant now, size_t group,
                       const struct querier_server *servers, size_t count)
{
    assert(group < QUERIER_GROUPS_MAX);
    set_group(querier, now, group, true, servers,
              count < CHOICE_MEMBERS_MAX ? count : CHOICE_MEMBERS_MAX);
}

void querier_set_upstreams(struct querier *querier, struct instant now,
                           const struct endpoint *upstreams, size_t count)
{
    assert(count >= 1 && count <= QUERIER_UPSTREAMS_MAX);
    struct querier_server servers[QUERIER_UPSTREAMS_MAX];
    for (size_t i = 0; i < count; i++)
        servers[i] = (struct querier_server){upstreams[i], (uint16_t)i};
    set_group(querier, now, 0, false, servers, count);
}

size_t querier_group_size(const struct querier *querier, size_t group)
{
    return group < querier->group_count ? querier->groups[group].choice.count : 0;
}

void querier_groups_release(struct querier *querier)
{
    for (size_t i = 0; i < querier->upstream_slots; i++)
        memory_free(querier->upstreams[i]);
    memory_free(querier->upstreams);
    memory_free(querier->generations);
    memory_free(querier->groups);
    table_release(&querier->by_endpoint);
}

// Choosing

static void note_measures(const struct querier *querier, struct instant now, struct choice *choice)
{
    for (size_t i = 0; i < choice->count; i++) {
        struct choice_member *member = &choice->members[i];
        struct upstream *upstream = querier->upstreams[member->server];
        member->measured = upstream->measured;
        member->avoided = upstream->avoided;
        member->share = upstream_share(upstream, now);
        member->time = upstream->smoothed;
    }
}

static void rank_group(const struct querier *querier, struct instant now, struct group *group)
{
    note_measures(querier, now, &group->choice);
    if (group->measured)
        choice_rank(&group->choice);
}

void querier_rank(struct querier *querier, struct instant now)
{
    for (size_t i = 0; i < querier->group_count; i++)
        rank_group(querier, now, &querier->groups[i]);
}

// The best place at which there is not much against a server: few tries of this question before,
// not declined, not known bad. A server that failed is asked again before one that is known to be
// down, but only once. Where several are as good, the order of the choice decides.
static size_t best_place(const struct querier *querier, struct instant now,
                         const struct question *question, const struct choice *choice)
{
    size_t best = 0;
    unsigned best_score = UINT32_MAX;
    uint64_t unit = unit_of_address(&question->address).index;
    uint8_t order[CHOICE_MEMBERS_MAX];
    choice_order(choice, hash_bytes(&querier->endpoint_key, &unit, sizeof(unit)), order);
    for (size_t i = 0; i < choice->count; i++) {
        size_t place = order[i];
        size_t server = choice->members[place].server;
        unsigned declined = question_declined(question, server) ? 100 : 0;
        unsigned score = declined + 3 * question_tries(question, server) +
                         2 * upstream_rank(querier->upstreams[server], now);
        if (score < best_score) {
            best = place;
            best_score = score;
        }
    }
    return best;
}

static bool is_member(const struct choice *choice, size_t server)
{
    for (size_t i = 0; i < choice->count; i++)
        if (choice->members[i].server == server)
            return true;
    return false;
}

size_t querier_choose(struct querier *querier, struct instant now, const struct question *question)
{
    struct group *group = &querier->groups[question->group];
    assert(group->choice.count > 0);
    size_t advised = question->advised;
    // It was a member when it was advised, and may no longer be one.
    if (advised != UPSTREAM_GONE && is_member(&group->choice, advised) &&
        question_tries(question, advised) == 0)
        return advised;
    rank_group(querier, now, group);
    return group->choice.members[best_place(querier, now, question, &group->choice)].server;
}
