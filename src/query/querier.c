// SPDX-License-Identifier: BSD-2-Clause
// The querier has three memories: its upstreams (upstream.c), its open questions (question.c) and
// what it learned (cache.c). This file moves between them:
//
//     ask -> question -> request -> Map Reply -> learned -> Cache Update -> learned, changed
//                 \-> next upstream ... failed       \-> flush, expiry, dead upstream -> forgotten
//
// What it guards against, besides loss:
//   - Messages overtake each other. A Cache Update may come before the Map Reply it corrects: then
//     it is itself the answer, and the reply finds its nonce closed. Two answers for one range may
//     come in the wrong order: the server's sequence number says which is later, and between
//     servers the sequence number of the MAB.
//   - A server restarts, or forgets whom it told. It then bears another instance, and all that the
//     old one told is forgotten. A message of the old one that comes late is not taken for a new
//     restart, because it answers an earlier request.
//   - Someone off path forges. Nothing counts without the 64-bit nonce of one of our requests.
#include "query/querier.h"

#include "base/counters.h"
#include "base/memory.h"
#include "query/querier_state.h"

#include <assert.h>
#include <string.h>

// How long the last of its requests is waited for before a question has failed.
#define LAST_WAIT_MS RETRY_MS_MAX

static struct hash_key random_key(struct random_source *random)
{
    struct hash_key key;
    random_bytes(random, key.bytes, sizeof(key.bytes));
    return key;
}

struct querier *querier_new(const struct querier_config *config, struct random_seed seed,
                            struct instant now)
{
    assert(config->upstream_count <= QUERIER_UPSTREAMS_MAX);
    assert(config->open_max > 0 && config->cached_max > 0);
    struct querier *querier = memory_new(sizeof(*querier));
    querier->config = *config;
    random_init(&querier->random, seed);
    querier->instance = random_nonzero(&querier->random);
    questions_init(&querier->questions, random_key(&querier->random));
    cache_init(&querier->cache, random_key(&querier->random), config->cached_max);
    list_init(&querier->leaving);
    list_init(&querier->events);
    outbox_init(&querier->outbox);
    querier->endpoint_key = random_key(&querier->random);
    querier->check_at = INSTANT_NEVER;
    table_init(&querier->by_endpoint);
    if (config->upstream_count > 0)
        querier_set_upstreams(querier, now, config->upstreams, config->upstream_count);
    return querier;
}

void querier_free(struct querier *querier)
{
    if (querier == NULL)
        return;
    outbox_release(&querier->outbox);
    cache_release(&querier->cache);
    questions_release(&querier->questions);
    querier_groups_release(querier);
    memory_free(querier);
}

// Events

// Puts a changed entry or closed question at the end of the queue. An entry that waits there
// already moves: its event must come after all that happened before its last change.
void querier_announce(struct querier *querier, struct event_link *event)
{
    list_remove(&event->node);
    list_append(&querier->events, &event->node);
}

bool querier_is_vouched(const struct querier *querier, const struct learned *learned)
{
    return learned->generation == querier->generations[learned->upstream];
}

static void doom(struct querier *querier, struct learned *learned)
{
    if (querier_is_vouched(querier, learned))
        querier->upstreams[learned->upstream]->learned_count--;
    cache_doom(&querier->cache, learned);
}

void querier_forget(struct querier *querier, struct learned *learned)
{
    doom(querier, learned);
    querier_announce(querier, &learned->event);
}

// Forgets the first entries of a list of struct learned.of_upstream.
static void forget_some(struct querier *querier, struct list_node *list)
{
    struct list_node *node = list_first(list);
    for (unsigned count = 0; node != NULL && count < FORGOTTEN_AT_ONCE; count++) {
        querier_forget(querier, container_of(node, struct learned, of_upstream));
        node = list_first(list);
    }
}

void querier_forget_all_of(struct querier *querier, struct instant now, struct upstream *upstream)
{
    forget_some(querier, &upstream->learned);
    if (list_empty(&upstream->learned))
        return;
    list_append_all(&querier->leaving, &upstream->learned);
    querier->generations[upstream->index]++;
    querier->left = now;
    upstream->learned_count = 0;
}

static void describe_learned(const struct querier *querier, const struct learned *learned,
                             struct querier_event *event)
{
    *event = (struct querier_event){
        .kind = learned->doomed ? QUERIER_FORGET : QUERIER_LEARNED,
        .status = learned->status,
        .range = learned->range,
        .etr = learned->etr,
        .mab_sequence = learned->mab_sequence,
        .expires = learned->expiry.deadline,
    };
    if (!learned->doomed) // its server may be gone
        event->upstream = querier->upstreams[learned->upstream]->endpoint;
}

bool querier_next_event(struct querier *querier, struct querier_event *event)
{
    struct list_node *node = list_first(&querier->events);
    if (node == NULL)
        return false;
    struct event_link *link = container_of(node, struct event_link, node);
    list_remove(node);
    if (link->of_question) {
        struct question *question = container_of(link, struct question, event);
        *event = question->result;
        questions_free(&querier->questions, question);
        return true;
    }
    struct learned *learned = container_of(link, struct learned, event);
    if (!learned->doomed && !querier_is_vouched(querier, learned))
        doom(querier, learned);
    describe_learned(querier, learned, event);
    if (learned->doomed)
        cache_free_doomed(&querier->cache, learned);
    return true;
}

// Asking

void querier_send_request(struct querier *querier, struct instant now, struct request *request)
{
    struct upstream *upstream = querier->upstreams[request->upstream];
    struct query_message message = {
        .type = MESSAGE_MAP_REQUEST,
        .nonce = random_u64(&querier->random),
        .token = upstream->token,
        .querier_sequence = (uint32_t)++querier->sequence,
        .instance = querier->instance,
        .question = request->question->address,
    };
    questions_open_request(&querier->questions, request, message.nonce);
    request->sequence = querier->sequence;
    request->sent = now;
    (void)outbox_put(&querier->outbox, &upstream->endpoint, &message);
}

// How long to wait for the request just sent: the retry time of its upstream, doubled for each
// earlier try there.
static struct duration patience(const struct querier *querier, const struct question *question)
{
    if (question->request_count == QUERY_TRIES_MAX)
        return duration_ms(LAST_WAIT_MS);
    size_t upstream = question->requests[question->request_count - 1].upstream;
    if (upstream == UPSTREAM_GONE)
        return duration_ms(RETRY_MS_DEFAULT);
    uint64_t ns = upstream_retry_time(querier->upstreams[upstream]).ns
                  << (question_tries(question, upstream) - 1);
    uint64_t most = duration_ms(RETRY_MS_MAX).ns;
    return (struct duration){ns < most ? ns : most};
}

static void ask_next(struct querier *querier, struct instant now, struct question *question)
{
    assert(question->request_count < QUERY_TRIES_MAX);
    size_t upstream = querier_choose(querier, now, question);
    struct request *request = &question->requests[question->request_count++];
    request->upstream = (uint16_t)upstream;
    querier_send_request(querier, now, request);
    if (question->request_count > 1)
        querier->counters.retried++;
    heap_set(&querier->questions.deadlines, &question->deadline,
             instant_add(now, patience(querier, question)));
}

bool querier_ask_group(struct querier *querier, struct instant now, size_t group,
                       const struct range *mab, const struct address *address)
{
    assert(address->family == FAMILY_IPV4 || address->family == FAMILY_IPV6);
    assert(querier_group_size(querier, group) > 0);
    if (questions_find(&querier->questions, address) != NULL)
        return true;
    if (querier->questions.count >= querier->config.open_max) {
        querier->counters.refused_full++;
        return false;
    }
    querier->counters.asked++;
    struct question *question = questions_open(&querier->questions, now, address);
    question->group = (uint16_t)group;
    question->bounded = mab != NULL;
    if (question->bounded)
        question->mab = *mab;
    ask_next(querier, now, question);
    return true;
}

bool querier_ask(struct querier *querier, struct instant now, const struct address *address)
{
    return querier_ask_group(querier, now, 0, NULL, address);
}

static void fail(struct querier *querier, struct instant now, struct question *question)
{
    questions_close(&querier->questions, question);
    question->result = (struct querier_event){
        .kind = QUERIER_FAILED,
        .question = question->address,
        .status = question->outside ? QUERY_NOT_IN_MAB : QUERY_MAPPED,
        .waited = instant_since(now, question->asked),
    };
    querier->counters.failed++;
    querier_announce(querier, &question->event);
}

void querier_forget_range(struct querier *querier, struct instant now, const struct range *range)
{
    for (struct learned *learned = cache_first_in(&querier->cache, range); learned != NULL;
         learned = cache_first_in(&querier->cache, range))
        querier_forget(querier, learned);
    struct question *question = questions_next(&querier->questions, NULL);
    while (question != NULL) {
        struct question *next = questions_next(&querier->questions, question);
        if (range_contains_address(range, &question->address))
            fail(querier, now, question);
        question = next;
    }
}

void querier_set_mabs_known(struct querier *querier, bool known)
{
    for (size_t i = 0; known && !querier->mabs_known && i < querier->upstream_slots; i++) {
        if (querier->upstreams[i] == NULL)
            continue;
        struct list_node *all = &querier->upstreams[i]->learned;
        for (struct list_node *node = all->next, *next; node != all; node = next) {
            struct learned *learned = container_of(node, struct learned, of_upstream);
            next = node->next;
            if (learned->status == QUERY_NOT_IN_MAB)
                querier_forget(querier, learned);
        }
    }
    querier->mabs_known = known;
}

// The question is answered by what is cached for it now.
void querier_answer(struct querier *querier, struct instant now, struct question *question,
                    const struct learned *learned)
{
    questions_close(&querier->questions, question);
    describe_learned(querier, learned, &question->result);
    question->result.question = question->address;
    question->result.waited = instant_since(now, question->asked);
    querier->counters.answered++;
    querier_announce(querier, &question->event);
}

// A request ended without an answer that can be used. Ask another server at once; where all have
// declined, wait a retry time first, unless it is not for being asked too soon.
void querier_request_in_vain(struct querier *querier, struct instant now, struct request *request)
{
    struct question *question = request->question;
    questions_close_request(&querier->questions, request);
    if (question_waits(question))
        return;
    if (question->request_count == QUERY_TRIES_MAX ||
        querier_group_size(querier, question->group) == 0) {
        fail(querier, now, question);
        return;
    }
    size_t next = querier_choose(querier, now, question);
    if (question_declined(question, next) && question->outside)
        fail(querier, now, question);
    else if (question_declined(question, next))
        heap_set(&querier->questions.deadlines, &question->deadline,
                 instant_add(now, patience(querier, question)));
    else
        ask_next(querier, now, question);
}

// The deadline of a question came: its last request was not answered in time.
static void question_due(struct querier *querier, struct instant now, struct question *question)
{
    const struct request *last = &question->requests[question->request_count - 1];
    if (last->open) {
        upstream_timed_out(querier->upstreams[last->upstream], now);
        querier_watch(querier, querier->upstreams[last->upstream]);
    }
    if (question->request_count == QUERY_TRIES_MAX ||
        querier_group_size(querier, question->group) == 0)
        fail(querier, now, question);
    else
        ask_next(querier, now, question);
}

size_t querier_next_output(struct querier *querier, struct instant now, struct endpoint *to,
                           uint8_t *buffer)
{
    (void)now;
    return outbox_take(&querier->outbox, to, buffer);
}

// Time

static void ask_alive(struct querier *querier, struct instant now, struct upstream *upstream)
{
    struct query_message message = {
        .type = MESSAGE_ALIVE_REQUEST,
        .nonce = random_u64(&querier->random),
        .token = upstream->token,
        .querier_sequence = (uint32_t)++querier->sequence,
        .instance = querier->instance,
    };
    querier->counters.alive_sent++;
    upstream_alive_asked(upstream, now, message.nonce, querier->sequence);
    (void)outbox_put(&querier->outbox, &upstream->endpoint, &message);
}

static void check_upstream(struct querier *querier, struct instant now, struct upstream *upstream)
{
    switch (upstream_due(upstream, now)) {
    case UPSTREAM_NOTHING:
        break;
    case UPSTREAM_ASK_ALIVE:
        ask_alive(querier, now, upstream);
        break;
    case UPSTREAM_LOST:
        if (!list_empty(&upstream->learned))
            querier->counters.upstreams_lost++;
        querier_forget_all_of(querier, now, upstream);
        break;
    }
}

static void check_upstreams(struct querier *querier, struct instant now)
{
    querier->check_at = INSTANT_NEVER;
    for (size_t i = 0; i < querier->upstream_slots; i++) {
        if (querier->upstreams[i] == NULL)
            continue;
        check_upstream(querier, now, querier->upstreams[i]);
        querier_watch(querier, querier->upstreams[i]);
    }
    querier_rank(querier, now);
}

void querier_tick(struct querier *querier, struct instant now)
{
    forget_some(querier, &querier->leaving);
    for (struct learned *learned = cache_first_to_expire(&querier->cache);
         learned != NULL && instant_reached(now, learned->expiry.deadline);
         learned = cache_first_to_expire(&querier->cache)) {
        querier->counters.expired++;
        querier_forget(querier, learned);
    }
    if (instant_reached(now, querier->check_at))
        check_upstreams(querier, now);
    for (struct question *question = questions_first_due(&querier->questions);
         question != NULL && instant_reached(now, question->deadline.deadline);
         question = questions_first_due(&querier->questions))
        question_due(querier, now, question);
}

struct instant querier_next_deadline(const struct querier *querier)
{
    struct instant deadline = instant_earlier(heap_deadline(&querier->cache.expiries),
                                              heap_deadline(&querier->questions.deadlines));
    if (!list_empty(&querier->leaving))
        deadline = instant_earlier(deadline, querier->left);
    return instant_earlier(deadline, querier->check_at);
}

// Looking

void querier_foresee(const struct querier *querier, const struct foresight *foresight)
{
    const void *cached[FORESIGHT_MAX];
    (void)foresight_ranges(foresight, &querier->cache.ranges, &querier->cache.slab, cached);
}

bool querier_find(struct querier *querier, const struct address *address,
                  struct querier_event *learned)
{
    struct learned *found =
        cache_find(&querier->cache, (enum family)address->family, unit_of_address(address));
    if (found == NULL || !querier_is_vouched(querier, found))
        return false;
    cache_touch(found);
    describe_learned(querier, found, learned);
    return true;
}

size_t querier_cached(const struct querier *querier)
{
    return querier->cache.count;
}

size_t querier_open(const struct querier *querier)
{
    return querier->questions.count;
}

void querier_upstream(const struct querier *querier, size_t group, size_t place,
                      struct querier_upstream *upstream)
{
    assert(place < querier_group_size(querier, group));
    const struct upstream *from =
        querier->upstreams[querier->groups[group].choice.members[place].server];
    *upstream = (struct querier_upstream){
        .endpoint = from->endpoint,
        .avoided = from->avoided,
        .load = from->load,
        .measured = from->measured,
        .response = from->smoothed,
        .retry_time = upstream_retry_time(from),
        .learned = from->learned_count,
        .heard = from->heard,
    };
}

const struct querier_counters *querier_counters(const struct querier *querier)
{
    return &querier->counters;
}

struct querier_report querier_report(const struct querier *querier)
{
    return (struct querier_report){
        .counters = querier->counters,
        .cached = querier_cached(querier),
        .cached_max = querier->config.cached_max,
        .open = querier_open(querier),
        .memory = cache_memory(&querier->cache),
    };
}

void querier_report_add(struct querier_report *sum, const struct querier_report *part)
{
    static_assert(sizeof(struct querier_counters) % sizeof(uint64_t) == 0, "numbers only");
    counters_add(&sum->counters, &part->counters, sizeof(sum->counters));
    sum->cached += part->cached;
    sum->cached_max += part->cached_max;
    sum->open += part->open;
    sum->memory += part->memory;
}
