// SPDX-License-Identifier: BSD-2-Clause
// What a querier makes of the messages of its servers (docs/protocol.md, rules 2, 6, 7 and 8).
#include "query/querier_state.h"

// Learning

// True for serial numbers that wrap around: `a` was counted after `b` (RFC 1982).
static bool serial_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

// What is held under a nonce, or NULL.
static struct learned *find_held(const struct querier *querier, uint64_t nonce)
{
    struct learned *learned = cache_find_nonce(&querier->cache, nonce);
    return learned != NULL && querier_is_vouched(querier, learned) ? learned : NULL;
}

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
        if (later && querier_is_vouched(querier, learned))
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
    uint32_t most = message->status == QUERY_NOT_IN_MAB ? QUERY_NOT_IN_MAB_MS : CACHING_MS_MAX;
    return instant_add(sent, duration_ms(message->caching_ms < most ? message->caching_ms : most));
}

// Caches the mapping; whatever else overlaps it is forgotten.
static struct learned *learn(struct querier *querier, size_t upstream,
                             const struct request *request, const struct query_message *message)
{
    struct instant expires = expiry_of(request->sent, message);
    struct learned *learned = cache_first_in(&querier->cache, &message->range);
    if (learned != NULL && range_equal(&learned->range, &message->range) &&
        querier_is_vouched(querier, learned)) {
        querier->upstreams[learned->upstream]->learned_count--;
        cache_renew(&querier->cache, learned, message->nonce, expires);
        cache_touch(learned);
    } else {
        for (; learned != NULL; learned = cache_first_in(&querier->cache, &message->range)) {
            querier->counters.flushed++;
            querier_forget(querier, learned);
        }
        if (querier->cache.count >= querier->config.cached_max) {
            querier->counters.evicted++;
            querier_forget(querier, cache_oldest(&querier->cache));
        }
        learned = cache_add(&querier->cache, &message->range, message->nonce, expires);
    }
    learned->upstream = (uint16_t)upstream;
    learned->generation = querier->generations[upstream];
    list_remove(&learned->of_upstream);
    list_append(&querier->upstreams[upstream]->learned, &learned->of_upstream);
    querier->upstreams[upstream]->learned_count++;
    apply(learned, message);
    return learned;
}

// Nonces of one server under which nothing is held any more, and will not be again.
struct released {
    size_t count;
    uint64_t nonces[QUERY_RELEASED_MAX];
};

static struct released released_one(uint64_t nonce)
{
    return (struct released){1, {nonce}};
}

static const struct released released_none = {0};

// Acknowledges a message.
static void acknowledge(struct querier *querier, const struct upstream *upstream,
                        enum message_type type, const struct query_message *message,
                        const struct released *released)
{
    struct query_message ack = {
        .type = type,
        .nonce = message->nonce,
        .token = message->token,
        .querier_sequence = message->querier_sequence,
        .server_sequence = message->server_sequence,
        .instance = querier->instance,
    };
    for (; ack.released_count < released->count; ack.released_count++)
        ack.released[ack.released_count] = released->nonces[ack.released_count];
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
    bool replaces = before != NULL && before->upstream == index &&
                    querier_is_vouched(querier, before) &&
                    range_equal(&before->range, &message->range);
    struct released released = replaces ? released_one(before->nonce) : released_none;
    struct learned *learned = learn(querier, index, request, message);
    querier_answer(querier, now, request->question, learned);
    acknowledge(querier, querier->upstreams[index], ack_for(message), message, &released);
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
    struct released released = released_one(message->nonce);
    querier->counters.dropped_stale++;
    acknowledge(querier, querier->upstreams[request->upstream], ack_for(message), message,
                &released);
    if (range_contains_address(&later->range, &request->question->address))
        querier_answer(querier, now, request->question, later);
    else
        querier_request_in_vain(querier, now, request);
}

// Receiving

// An open request was answered by its upstream. False where the answer is from before a restart
// of which a later answer told already.
static bool hear_answer(struct querier *querier, struct instant now, const struct request *request,
                        const struct query_message *message)
{
    struct upstream *upstream = querier->upstreams[request->upstream];
    switch (upstream_instance(upstream, message->instance, request->sequence)) {
    case INSTANCE_STALE:
        querier->counters.dropped_stale++;
        return false;
    case INSTANCE_NEW:
        querier->counters.upstreams_restarted++;
        querier_forget_all_of(querier, now, upstream);
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
        if (find_held(querier, message->nonce) != NULL)
            querier->counters.repeated++;
        else
            querier->counters.dropped_nonce++;
        return NULL;
    }
    if (request->upstream != upstream->index) {
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
    struct released released = released_one(message->nonce);
    if (find_held(querier, message->nonce) == NULL &&
        questions_find_request(&querier->questions, message->nonce) == NULL)
        acknowledge(querier, upstream, MESSAGE_MAP_REPLY_ACK, message, &released);
}

// A server that cannot answer may name another that can. Only one that is in the group counts: who
// may answer for a MAB is not for a server to say.
static void take_advice(struct querier *querier, struct question *question,
                        const struct query_message *message)
{
    const struct choice *choice = &querier->groups[question->group].choice;
    for (size_t i = 0; i < message->alternative_count; i++) {
        const struct upstream *advised = querier_find_upstream(querier, &message->alternatives[i]);
        for (size_t n = 0; advised != NULL && n < choice->count; n++) {
            if (choice->members[n].server != advised->index ||
                question_tries(question, advised->index) > 0)
                continue;
            question->advised = advised->index;
            querier->counters.advised++;
            return;
        }
    }
}

static void receive_reply(struct querier *querier, struct instant now, struct upstream *upstream,
                          const struct query_message *message)
{
    struct request *request = find_request(querier, upstream, message);
    if (request == NULL) {
        release_late(querier, upstream, message);
        return;
    }
    if (!question_takes(request->question, &message->range)) {
        querier->counters.dropped_range++;
        return;
    }
    if (!hear_answer(querier, now, request, message))
        return;
    upstream_told_load(upstream, message->load);
    switch (message->status) {
    case QUERY_MAPPED:
    case QUERY_ZERO:
        take_answer(querier, now, request, message);
        return;
    case QUERY_NOT_IN_MAB:
        if (!querier->mabs_known) {
            take_answer(querier, now, request, message);
            return;
        }
        querier->counters.told_outside++;
        request->question->outside = true;
        break;
    case QUERY_BUSY:
        querier->counters.told_busy++;
        upstream_busy(upstream, now);
        break;
    case QUERY_TRY_ANOTHER:
        querier->counters.told_another++;
        upstream_busy(upstream, now);
        break;
    case QUERY_FLUSH:
        return; // cannot be: query_decode refuses it in a reply
    }
    acknowledge(querier, upstream, MESSAGE_MAP_REPLY_ACK, message, &released_none);
    request->declined = true;
    take_advice(querier, request->question, message);
    querier_request_in_vain(querier, now, request);
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
    querier_send_request(querier, now, request);
}

static void update_learned(struct querier *querier, struct instant now, struct learned *learned,
                           const struct query_message *message)
{
    if (!serial_after(message->server_sequence, learned->server_sequence)) {
        querier->counters.repeated++;
        return;
    }
    querier->counters.updates++;
    upstream_told_load(querier->upstreams[learned->upstream], message->load);
    if (message->status == QUERY_FLUSH || !range_equal(&learned->range, &message->range)) {
        querier->counters.flushed++;
        querier_forget(querier, learned);
        return;
    }
    apply(learned, message);
    struct instant expires = instant_earlier(learned->expiry.deadline, expiry_of(now, message));
    cache_renew(&querier->cache, learned, learned->nonce, expires);
    querier_announce(querier, &learned->event);
}

// A Cache Update that overtook the Map Reply for the same request: it is the answer itself.
static void update_before_reply(struct querier *querier, struct instant now,
                                struct request *request, const struct query_message *message,
                                struct released *released)
{
    struct upstream *upstream = querier->upstreams[request->upstream];
    if (!question_takes(request->question, &message->range)) {
        querier->counters.dropped_range++;
        return;
    }
    if (!hear_answer(querier, now, request, message))
        return;
    querier->counters.updates++;
    if (message->status != QUERY_FLUSH) {
        take_answer(querier, now, request, message);
    } else {
        released->nonces[released->count++] = message->nonce;
        acknowledge(querier, upstream, MESSAGE_CACHE_UPDATE_ACK, message, released);
        querier_request_in_vain(querier, now, request);
    }
}

// Forgets what a flush names besides its own nonce. The same as if each came by itself, but for
// their sequence, which they need not have: a flush is the last word under its nonce.
static struct released flush_others(struct querier *querier, struct instant now,
                                    const struct upstream *upstream,
                                    const struct query_message *message)
{
    struct released released = released_none;
    for (size_t i = 0; i < message->flushed_count; i++) {
        uint64_t nonce = message->flushed[i];
        struct learned *learned = find_held(querier, nonce);
        struct request *request = questions_find_request(&querier->questions, nonce);
        if (learned != NULL && learned->upstream == upstream->index) {
            querier->counters.updates++;
            querier->counters.flushed++;
            querier_forget(querier, learned);
        } else if (request != NULL && request->upstream == upstream->index) {
            if (!hear_answer(querier, now, request, message))
                continue;
            querier->counters.updates++;
            querier_request_in_vain(querier, now, request);
        }
        released.nonces[released.count++] = nonce;
    }
    return released;
}

// An update is no sign that its server lives: who is on the path may have kept it back, or repeat
// it, while all else is cut off.
static void receive_update(struct querier *querier, struct instant now, struct upstream *upstream,
                           const struct query_message *message)
{
    size_t index = upstream->index;
    struct released released = flush_others(querier, now, upstream, message);
    struct learned *learned = find_held(querier, message->nonce);
    struct request *request = questions_find_request(&querier->questions, message->nonce);
    if (learned != NULL && learned->upstream == index) {
        acknowledge(querier, upstream, MESSAGE_CACHE_UPDATE_ACK, message, &released);
        update_learned(querier, now, learned, message);
    } else if (request != NULL && request->upstream == index) {
        update_before_reply(querier, now, request, message, &released);
    } else {
        querier->counters.repeated++;
        released.nonces[released.count++] = message->nonce;
        acknowledge(querier, upstream, MESSAGE_CACHE_UPDATE_ACK, message, &released);
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
        querier_forget_all_of(querier, now, upstream);
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
    struct upstream *upstream = querier_find_upstream(querier, from);
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
    querier_watch(querier, upstream);
}
