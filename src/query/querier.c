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

#include "base/memory.h"
#include "query/cache.h"
#include "query/outbox.h"
#include "query/question.h"
#include "query/upstream.h"

#include <assert.h>
#include <string.h>

// How long the last of its requests is waited for before a question has failed.
#define LAST_WAIT_MS RETRY_MS_MAX

static_assert(QUERIER_UPSTREAMS_MAX <= 8, "question.declined has a bit for each upstream");

struct querier {
    struct querier_config config;
    struct random_source random;
    uint64_t instance; // ours
    uint32_t sequence; // of our last request
    struct upstream upstreams[QUERIER_UPSTREAMS_MAX];
    struct questions questions;
    struct cache cache;
    struct list_node events; // of struct event_link.node, in order
    struct outbox outbox;
    struct querier_counters counters;
};

static uint64_t random_nonzero(struct random_source *random)
{
    uint64_t value = random_u64(random);
    while (value == 0)
        value = random_u64(random);
    return value;
}

static struct hash_key random_key(struct random_source *random)
{
    struct hash_key key;
    random_bytes(random, key.bytes, sizeof(key.bytes));
    return key;
}

struct querier *querier_new(const struct querier_config *config, struct random_seed seed,
                            struct instant now)
{
    assert(config->upstream_count >= 1 && config->upstream_count <= QUERIER_UPSTREAMS_MAX);
    assert(config->open_max > 0 && config->cached_max > 0);
    struct querier *querier = memory_new(sizeof(*querier));
    querier->config = *config;
    random_init(&querier->random, seed);
    querier->instance = random_nonzero(&querier->random);
    for (size_t i = 0; i < config->upstream_count; i++)
        upstream_init(&querier->upstreams[i], &config->upstreams[i], now);
    questions_init(&querier->questions, random_key(&querier->random));
    cache_init(&querier->cache, random_key(&querier->random));
    list_init(&querier->events);
    outbox_init(&querier->outbox);
    return querier;
}

void querier_free(struct querier *querier)
{
    if (querier == NULL)
        return;
    outbox_release(&querier->outbox);
    cache_release(&querier->cache);
    questions_release(&querier->questions);
    memory_free(querier);
}

// Events

// Puts a changed entry or closed question at the end of the queue. An entry that waits there
// already moves: its event must come after all that happened before its last change.
static void announce(struct querier *querier, struct event_link *event)
{
    list_remove(&event->node);
    list_append(&querier->events, &event->node);
}

static void forget(struct querier *querier, struct learned *learned)
{
    cache_doom(&querier->cache, learned);
    announce(querier, &learned->event);
}

static void forget_all_of(struct querier *querier, struct upstream *upstream)
{
    for (struct list_node *node = list_first(&upstream->learned); node != NULL;
         node = list_first(&upstream->learned))
        forget(querier, container_of(node, struct learned, of_upstream));
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
        .upstream = querier->upstreams[learned->upstream].endpoint,
    };
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
    describe_learned(querier, learned, event);
    if (learned->doomed)
        cache_free_doomed(&querier->cache, learned);
    return true;
}

// Asking

static void send_request(struct querier *querier, struct instant now, struct request *request)
{
    struct upstream *upstream = &querier->upstreams[request->upstream];
    struct query_message message = {
        .type = MESSAGE_MAP_REQUEST,
        .nonce = random_u64(&querier->random),
        .token = upstream->token,
        .querier_sequence = ++querier->sequence,
        .instance = querier->instance,
        .question = request->question->address,
    };
    questions_open_request(&querier->questions, request, message.nonce);
    request->sequence = message.querier_sequence;
    request->sent = now;
    (void)outbox_put(&querier->outbox, &upstream->endpoint, &message);
}

// The upstream to ask next: few tries of this question before, not declined, not known bad. A
// server that failed is asked again before one that is known to be down, but only once.
static size_t choose_upstream(const struct querier *querier, struct instant now,
                              const struct question *question)
{
    size_t best = 0;
    unsigned best_score = UINT32_MAX;
    for (size_t i = 0; i < querier->config.upstream_count; i++) {
        unsigned declined = (question->declined >> i & 1) * 100;
        unsigned score = declined + 3 * question_tries(question, i) +
                         2 * upstream_rank(&querier->upstreams[i], now);
        if (score < best_score) {
            best = i;
            best_score = score;
        }
    }
    return best;
}

// How long to wait for the request just sent: the retry time of its upstream, doubled for each
// earlier try there.
static struct duration patience(const struct querier *querier, const struct question *question)
{
    if (question->request_count == QUERY_TRIES_MAX)
        return duration_ms(LAST_WAIT_MS);
    size_t upstream = question->requests[question->request_count - 1].upstream;
    uint64_t ns = upstream_retry_time(&querier->upstreams[upstream]).ns
                  << (question_tries(question, upstream) - 1);
    uint64_t most = duration_ms(RETRY_MS_MAX).ns;
    return (struct duration){ns < most ? ns : most};
}

static void ask_next(struct querier *querier, struct instant now, struct question *question)
{
    assert(question->request_count < QUERY_TRIES_MAX);
    size_t upstream = choose_upstream(querier, now, question);
    struct request *request = &question->requests[question->request_count++];
    request->upstream = (uint8_t)upstream;
    send_request(querier, now, request);
    if (question->request_count > 1)
        querier->counters.retried++;
    heap_set(&querier->questions.deadlines, &question->deadline,
             instant_add(now, patience(querier, question)));
}

bool querier_ask(struct querier *querier, struct instant now, const struct address *address)
{
    assert(address->family == FAMILY_IPV4 || address->family == FAMILY_IPV6);
    if (questions_find(&querier->questions, address) != NULL)
        return true;
    if (querier->questions.count >= querier->config.open_max) {
        querier->counters.refused_full++;
        return false;
    }
    querier->counters.asked++;
    ask_next(querier, now, questions_open(&querier->questions, now, address));
    return true;
}

static void fail(struct querier *querier, struct instant now, struct question *question)
{
    questions_close(&querier->questions, question);
    question->result = (struct querier_event){
        .kind = QUERIER_FAILED,
        .question = question->address,
        .waited = instant_since(now, question->asked),
    };
    querier->counters.failed++;
    announce(querier, &question->event);
}

// The question is answered by what is cached for it now.
static void answer(struct querier *querier, struct instant now, struct question *question,
                   const struct learned *learned)
{
    questions_close(&querier->questions, question);
    describe_learned(querier, learned, &question->result);
    question->result.question = question->address;
    question->result.waited = instant_since(now, question->asked);
    querier->counters.answered++;
    announce(querier, &question->event);
}

// A request ended without an answer that can be used. Ask another server at once; where all have
// declined, wait a retry time first.
static void request_in_vain(struct querier *querier, struct instant now, struct request *request)
{
    struct question *question = request->question;
    questions_close_request(&querier->questions, request);
    if (question_waits(question))
        return;
    if (question->request_count == QUERY_TRIES_MAX) {
        fail(querier, now, question);
        return;
    }
    size_t next = choose_upstream(querier, now, question);
    if (question->declined >> next & 1)
        heap_set(&querier->questions.deadlines, &question->deadline,
                 instant_add(now, patience(querier, question)));
    else
        ask_next(querier, now, question);
}

// The deadline of a question came: its last request was not answered in time.
static void question_due(struct querier *querier, struct instant now, struct question *question)
{
    const struct request *last = &question->requests[question->request_count - 1];
    if (last->open)
        upstream_timed_out(&querier->upstreams[last->upstream], now);
    if (question->request_count == QUERY_TRIES_MAX)
        fail(querier, now, question);
    else
        ask_next(querier, now, question);
}

// Learning

static bool same_mapping(const struct learned *learned, const struct query_message *message)
{
    return range_equal(&learned->range, &message->range) && learned->status == message->status &&
           address_equal(&learned->etr, &message->etr);
}

// Something cached that is later than the message, or NULL. Of two answers of one server, its own
// numbering says which is later. Between servers the number of the MAB does, but only where they
// contradict each other: it also grows for changes elsewhere in the MAB.
static struct learned *find_later(const struct querier *querier, size_t upstream,
                                  const struct query_message *message)
{
    struct range rest = message->range;
    for (struct learned *learned = cache_first_in(&querier->cache, &rest); learned != NULL;
         learned = cache_first_in(&querier->cache, &rest)) {
        bool later =
            learned->upstream == upstream
                ? serial_after(learned->server_sequence, message->server_sequence)
                : learned->mab_sequence > message->mab_sequence && !same_mapping(learned, message);
        if (later)
            return learned;
        struct unit last = range_last(&learned->range);
        struct unit end = range_last(&message->range);
        if (last.index >= end.index)
            break;
        rest = range_between(rest.family, (struct unit){last.index + 1}, end);
    }
    return NULL;
}

static void apply(struct learned *learned, const struct query_message *message)
{
    learned->status = message->status;
    learned->etr = message->etr;
    learned->server_sequence = message->server_sequence;
    if (message->mab_sequence > learned->mab_sequence)
        learned->mab_sequence = message->mab_sequence;
}

// The time at which what was asked at `sent` must be forgotten. Counting from the request, not
// from the answer, makes it never later than the server's own idea of it.
static struct instant expiry_of(struct instant sent, const struct query_message *message)
{
    uint32_t ms = message->caching_ms < CACHING_MS_MAX ? message->caching_ms : CACHING_MS_MAX;
    return instant_add(sent, duration_ms(ms));
}

// Caches the mapping; whatever else overlaps it is forgotten.
static struct learned *learn(struct querier *querier, size_t upstream,
                             const struct request *request, const struct query_message *message)
{
    struct instant expires = expiry_of(request->sent, message);
    struct learned *learned = cache_first_in(&querier->cache, &message->range);
    if (learned != NULL && range_equal(&learned->range, &message->range)) {
        cache_renew(&querier->cache, learned, message->nonce, expires);
        cache_touch(&querier->cache, learned);
    } else {
        for (; learned != NULL; learned = cache_first_in(&querier->cache, &message->range)) {
            querier->counters.flushed++;
            forget(querier, learned);
        }
        if (querier->cache.count >= querier->config.cached_max) {
            querier->counters.evicted++;
            forget(querier, cache_oldest(&querier->cache));
        }
        learned = cache_add(&querier->cache, &message->range, message->nonce, expires);
    }
    learned->upstream = (uint8_t)upstream;
    list_remove(&learned->of_upstream);
    list_append(&querier->upstreams[upstream].learned, &learned->of_upstream);
    apply(learned, message);
    return learned;
}

// Acknowledges a message. `released`, where not NULL, is a nonce of that server under which nothing
// is held any more, and will not be again.
static void acknowledge(struct querier *querier, const struct upstream *upstream,
                        enum message_type type, const struct query_message *message,
                        const uint64_t *released)
{
    struct query_message ack = {
        .type = type,
        .nonce = message->nonce,
        .token = message->token,
        .querier_sequence = message->querier_sequence,
        .server_sequence = message->server_sequence,
        .instance = querier->instance,
    };
    if (released != NULL)
        ack.released[ack.released_count++] = *released;
    (void)outbox_put(&querier->outbox, &upstream->endpoint, &ack);
}

// The ack type that answers a message.
static enum message_type ack_for(const struct query_message *message)
{
    return message->type == MESSAGE_MAP_REPLY ? MESSAGE_MAP_REPLY_ACK : MESSAGE_CACHE_UPDATE_ACK;
}

// A mapping that answers an open request is taken over, and what was held of exactly that range
// from the same server under an earlier nonce released.
static void take_over(struct querier *querier, struct instant now, struct request *request,
                      const struct query_message *message)
{
    size_t index = request->upstream;
    const struct learned *before = cache_first_in(&querier->cache, &message->range);
    bool replaces =
        before != NULL && before->upstream == index && range_equal(&before->range, &message->range);
    uint64_t released = replaces ? before->nonce : 0;
    struct learned *learned = learn(querier, index, request, message);
    answer(querier, now, request->question, learned);
    acknowledge(querier, &querier->upstreams[index], ack_for(message), message,
                replaces ? &released : NULL);
}

// A message that answers an open request with a mapping.
static void take_answer(struct querier *querier, struct instant now, struct request *request,
                        const struct query_message *message)
{
    struct learned *later = find_later(querier, request->upstream, message);
    if (later == NULL) {
        take_over(querier, now, request, message);
        return;
    }
    querier->counters.dropped_stale++;
    acknowledge(querier, &querier->upstreams[request->upstream], ack_for(message), message,
                &message->nonce);
    if (range_contains_address(&later->range, &request->question->address))
        answer(querier, now, request->question, later);
    else
        request_in_vain(querier, now, request);
}

// Receiving

static struct upstream *find_upstream(struct querier *querier, const struct endpoint *from)
{
    for (size_t i = 0; i < querier->config.upstream_count; i++)
        if (endpoint_equal(&querier->upstreams[i].endpoint, from))
            return &querier->upstreams[i];
    return NULL;
}

static size_t upstream_index(const struct querier *querier, const struct upstream *upstream)
{
    return (size_t)(upstream - querier->upstreams);
}

// An open request was answered by its upstream. False where the answer is from before a restart
// of which a later answer told already.
static bool hear_answer(struct querier *querier, struct instant now, const struct request *request,
                        const struct query_message *message)
{
    struct upstream *upstream = &querier->upstreams[request->upstream];
    switch (upstream_instance(upstream, message->instance, request->sequence)) {
    case INSTANCE_STALE:
        querier->counters.dropped_stale++;
        return false;
    case INSTANCE_NEW:
        querier->counters.upstreams_restarted++;
        forget_all_of(querier, upstream);
        break;
    case INSTANCE_SAME:
        break;
    }
    upstream_answered(upstream, now, instant_since(now, request->sent));
    upstream->token = message->token;
    return true;
}

// The request that a message from this upstream may answer, or NULL, which is counted.
static struct request *find_request(struct querier *querier, const struct upstream *upstream,
                                    const struct query_message *message)
{
    struct request *request = questions_find_request(&querier->questions, message->nonce);
    if (request == NULL) {
        if (cache_find_nonce(&querier->cache, message->nonce) != NULL)
            querier->counters.repeated++;
        else
            querier->counters.dropped_nonce++;
        return NULL;
    }
    if (request->upstream != upstream_index(querier, upstream)) {
        querier->counters.dropped_source++;
        return NULL;
    }
    return request;
}

// A reply to a request that is no longer open: unless it only came twice, the server need not
// remember it.
static void release_late(struct querier *querier, const struct upstream *upstream,
                         const struct query_message *message)
{
    if (cache_find_nonce(&querier->cache, message->nonce) == NULL &&
        questions_find_request(&querier->questions, message->nonce) == NULL)
        acknowledge(querier, upstream, MESSAGE_MAP_REPLY_ACK, message, &message->nonce);
}

static void receive_reply(struct querier *querier, struct instant now, struct upstream *upstream,
                          const struct query_message *message)
{
    struct request *request = find_request(querier, upstream, message);
    if (request == NULL) {
        release_late(querier, upstream, message);
        return;
    }
    if (!range_contains_address(&message->range, &request->question->address)) {
        querier->counters.dropped_range++;
        return;
    }
    if (!hear_answer(querier, now, request, message))
        return;
    upstream->load = message->load;
    switch (message->status) {
    case QUERY_MAPPED:
    case QUERY_ZERO:
    case QUERY_NOT_IN_MAB:
        take_answer(querier, now, request, message);
        return;
    case QUERY_BUSY:
        querier->counters.told_busy++;
        upstream_busy(upstream, now);
        break;
    case QUERY_TRY_ANOTHER:
        querier->counters.told_another++;
        break;
    case QUERY_FLUSH:
        return; // cannot be: query_decode refuses it in a reply
    }
    acknowledge(querier, upstream, MESSAGE_MAP_REPLY_ACK, message, NULL);
    request->question->declined |= (uint8_t)(1u << request->upstream);
    request_in_vain(querier, now, request);
}

// The server wants our address proven before it keeps state for us: ask it again, with its token.
static void receive_request_ack(struct querier *querier, struct instant now,
                                struct upstream *upstream, const struct query_message *message)
{
    struct request *request = find_request(querier, upstream, message);
    if (request == NULL || request->proving)
        return;
    querier->counters.told_to_prove++;
    upstream->token = message->token;
    questions_close_request(&querier->questions, request);
    request->proving = true;
    send_request(querier, now, request);
}

static void update_learned(struct querier *querier, struct instant now, struct learned *learned,
                           const struct query_message *message)
{
    if (!serial_after(message->server_sequence, learned->server_sequence)) {
        querier->counters.repeated++;
        return;
    }
    querier->counters.updates++;
    if (message->status == QUERY_FLUSH || !range_equal(&learned->range, &message->range)) {
        querier->counters.flushed++;
        forget(querier, learned);
        return;
    }
    apply(learned, message);
    struct instant expires = instant_earlier(learned->expiry.deadline, expiry_of(now, message));
    cache_renew(&querier->cache, learned, learned->nonce, expires);
    announce(querier, &learned->event);
}

// A Cache Update that overtook the Map Reply for the same request: it is the answer itself.
static void update_before_reply(struct querier *querier, struct instant now,
                                struct request *request, const struct query_message *message)
{
    struct upstream *upstream = &querier->upstreams[request->upstream];
    if (!hear_answer(querier, now, request, message))
        return;
    querier->counters.updates++;
    if (message->status != QUERY_FLUSH &&
        range_contains_address(&message->range, &request->question->address)) {
        take_answer(querier, now, request, message);
    } else {
        acknowledge(querier, upstream, MESSAGE_CACHE_UPDATE_ACK, message, &message->nonce);
        request_in_vain(querier, now, request);
    }
}

static void receive_update(struct querier *querier, struct instant now, struct upstream *upstream,
                           const struct query_message *message)
{
    size_t index = upstream_index(querier, upstream);
    struct learned *learned = cache_find_nonce(&querier->cache, message->nonce);
    struct request *request = questions_find_request(&querier->questions, message->nonce);
    if (learned != NULL && learned->upstream == index) {
        upstream_heard(upstream, now);
        upstream->load = message->load;
        acknowledge(querier, upstream, MESSAGE_CACHE_UPDATE_ACK, message, NULL);
        update_learned(querier, now, learned, message);
    } else if (request != NULL && request->upstream == index) {
        update_before_reply(querier, now, request, message);
    } else {
        querier->counters.repeated++;
        acknowledge(querier, upstream, MESSAGE_CACHE_UPDATE_ACK, message, &message->nonce);
    }
}

static void receive_alive(struct querier *querier, struct instant now, struct upstream *upstream,
                          const struct query_message *message)
{
    const struct alive_request *alive = upstream_alive_find(upstream, message->nonce);
    if (alive == NULL) {
        querier->counters.dropped_nonce++;
        return;
    }
    struct instant sent = alive->sent;
    switch (upstream_instance(upstream, message->instance, alive->sequence)) {
    case INSTANCE_STALE:
        querier->counters.dropped_stale++;
        return;
    case INSTANCE_NEW:
        querier->counters.upstreams_restarted++;
        forget_all_of(querier, upstream);
        break;
    case INSTANCE_SAME:
        break;
    }
    upstream->token = message->token;
    upstream_answered(upstream, now, instant_since(now, sent));
}

void querier_input(struct querier *querier, struct instant now, const struct endpoint *from,
                   const uint8_t *bytes, size_t length)
{
    struct query_message message;
    if (query_decode(bytes, length, &message) != DECODE_OK) {
        querier->counters.dropped_malformed++;
        return;
    }
    struct upstream *upstream = find_upstream(querier, from);
    if (upstream == NULL) {
        querier->counters.dropped_source++;
        return;
    }
    if (message.type == MESSAGE_MAP_REPLY)
        receive_reply(querier, now, upstream, &message);
    else if (message.type == MESSAGE_CACHE_UPDATE)
        receive_update(querier, now, upstream, &message);
    else if (message.type == MESSAGE_ALIVE_REPLY)
        receive_alive(querier, now, upstream, &message);
    else if (message.type == MESSAGE_MAP_REQUEST_ACK)
        receive_request_ack(querier, now, upstream, &message);
    else
        querier->counters.dropped_malformed++;
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
        .querier_sequence = ++querier->sequence,
        .instance = querier->instance,
    };
    querier->counters.alive_sent++;
    upstream_alive_asked(upstream, now, message.nonce, message.querier_sequence);
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
        forget_all_of(querier, upstream);
        break;
    }
}

void querier_tick(struct querier *querier, struct instant now)
{
    for (struct learned *learned = cache_first_to_expire(&querier->cache);
         learned != NULL && instant_reached(now, learned->expiry.deadline);
         learned = cache_first_to_expire(&querier->cache)) {
        querier->counters.expired++;
        forget(querier, learned);
    }
    for (size_t i = 0; i < querier->config.upstream_count; i++)
        check_upstream(querier, now, &querier->upstreams[i]);
    for (struct question *question = questions_first_due(&querier->questions);
         question != NULL && instant_reached(now, question->deadline.deadline);
         question = questions_first_due(&querier->questions))
        question_due(querier, now, question);
}

struct instant querier_next_deadline(const struct querier *querier)
{
    struct instant deadline = instant_earlier(heap_deadline(&querier->cache.expiries),
                                              heap_deadline(&querier->questions.deadlines));
    for (size_t i = 0; i < querier->config.upstream_count; i++)
        deadline = instant_earlier(deadline, upstream_deadline(&querier->upstreams[i]));
    return deadline;
}

// Looking

bool querier_find(struct querier *querier, const struct address *address,
                  struct querier_event *learned)
{
    struct learned *found =
        cache_find(&querier->cache, (enum family)address->family, unit_of_address(address));
    if (found == NULL)
        return false;
    cache_touch(&querier->cache, found);
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

size_t querier_memory(const struct querier *querier)
{
    return cache_memory(&querier->cache);
}

void querier_upstream(const struct querier *querier, size_t index,
                      struct querier_upstream *upstream)
{
    assert(index < querier->config.upstream_count);
    const struct upstream *from = &querier->upstreams[index];
    *upstream = (struct querier_upstream){
        .endpoint = from->endpoint,
        .avoided = from->avoided,
        .load = from->load,
        .retry_time = upstream_retry_time(from),
        .heard = from->heard,
    };
    for (const struct list_node *node = from->learned.next; node != &from->learned;
         node = node->next)
        upstream->learned++;
}

const struct querier_counters *querier_counters(const struct querier *querier)
{
    return &querier->counters;
}
