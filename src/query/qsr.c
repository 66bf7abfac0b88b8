// SPDX-License-Identifier: BSD-2-Clause
#include "query/qsr.h"

#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/table.h"
#include "query/slab.h"

#include <assert.h>
#include <string.h>

// Requests for one unit that wait for the same answer.
struct queue {
    struct table_node by_unit;
    struct unit_key {
        uint64_t family;
        uint64_t unit;
    } key;
    struct list_node waiting;
};

struct waiting {
    struct list_node node;
    struct asker asker;
};

struct qsr {
    struct qsr_config config;
    struct querier *querier;
    struct teller *teller;
    const struct mab_table *mabs; // borrowed; NULL: not known here
    struct hash_key key;
    struct table queues;
    struct slab queues_slab;
    struct slab waiting_slab;
    struct latency latency;
    struct qsr_counters counters;
};

struct qsr *qsr_new(const struct qsr_config *config, struct random_seed seed, struct instant now)
{
    struct qsr *qsr = memory_new(sizeof(*qsr));
    struct random_source random;
    struct random_seed querier_seed;
    struct random_seed teller_seed;
    random_init(&random, seed);
    random_bytes(&random, querier_seed.bytes, sizeof(querier_seed.bytes));
    random_bytes(&random, teller_seed.bytes, sizeof(teller_seed.bytes));
    random_bytes(&random, qsr->key.bytes, sizeof(qsr->key.bytes));
    qsr->config = *config;
    qsr->querier = querier_new(&config->querier, querier_seed, now);
    qsr->teller = teller_new(&config->teller, teller_seed, now);
    table_init(&qsr->queues);
    slab_init(&qsr->queues_slab, sizeof(struct queue));
    slab_init(&qsr->waiting_slab, sizeof(struct waiting));
    return qsr;
}

void qsr_free(struct qsr *qsr)
{
    if (qsr == NULL)
        return;
    querier_free(qsr->querier);
    teller_free(qsr->teller);
    table_release(&qsr->queues);
    slab_release(&qsr->queues_slab);
    slab_release(&qsr->waiting_slab);
    memory_free(qsr);
}

// Waiting

static bool unit_matches(const struct table_node *node, const void *key)
{
    const struct queue *queue = container_of(node, const struct queue, by_unit);
    return memcmp(&queue->key, key, sizeof(queue->key)) == 0;
}

static struct unit_key key_of(const struct address *address)
{
    return (struct unit_key){address->family, unit_of_address(address).index};
}

static struct queue *find_queue(const struct qsr *qsr, const struct address *address)
{
    struct unit_key key = key_of(address);
    struct table_node *node =
        table_find(&qsr->queues, hash_bytes(&qsr->key, &key, sizeof(key)), unit_matches, &key);
    return node == NULL ? NULL : container_of(node, struct queue, by_unit);
}

static struct queue *open_queue(struct qsr *qsr, const struct address *address)
{
    struct queue *queue = slab_take(&qsr->queues_slab);
    queue->key = key_of(address);
    list_init(&queue->waiting);
    table_insert(&qsr->queues, &queue->by_unit,
                 hash_bytes(&qsr->key, &queue->key, sizeof(queue->key)));
    return queue;
}

// Gives the answer to all who wait for that address.
static void answer_queue(struct qsr *qsr, struct instant now, const struct address *address,
                         const struct answer *answer)
{
    struct queue *queue = find_queue(qsr, address);
    if (queue == NULL)
        return;
    table_remove(&qsr->queues, &queue->by_unit);
    for (struct list_node *node = list_first(&queue->waiting); node != NULL;
         node = list_first(&queue->waiting)) {
        struct waiting *waiting = container_of(node, struct waiting, node);
        teller_answer(qsr->teller, now, &waiting->asker, answer);
        list_remove(node);
        slab_give(&qsr->waiting_slab, waiting);
    }
    slab_give(&qsr->queues_slab, queue);
}

// The more that wait, the less is done for those who may not be who they say.
static void watch_pressure(struct qsr *qsr)
{
    teller_set_strict(qsr->teller, qsr->waiting_slab.used >= qsr->config.waiting_max / 2);
}

// Events of the querier

static struct answer answer_of(const struct querier_event *event)
{
    return (struct answer){
        .status = event->status,
        .range = event->range,
        .etr = event->etr,
        .mab_sequence = event->mab_sequence,
        .expires = event->expires,
    };
}

// An answer that holds for one unit only, and not for any time.
static struct answer refusal(struct instant now, enum query_status status,
                             const struct address *question)
{
    return (struct answer){
        .status = status,
        .range = {(enum family)question->family, unit_of_address(question), {1}},
        .expires = now,
    };
}

static void take_event(struct qsr *qsr, struct instant now, const struct querier_event *event)
{
    struct answer answer = answer_of(event);
    switch (event->kind) {
    case QUERIER_LEARNED:
        if (event->status == QUERY_NOT_IN_MAB)
            teller_flush(qsr->teller, now, &event->range);
        else
            teller_change(qsr->teller, now, &answer);
        if (event->question.family != FAMILY_NONE) {
            latency_add(&qsr->latency, event->waited);
            answer_queue(qsr, now, &event->question, &answer);
        }
        break;
    case QUERIER_FORGET:
        teller_flush(qsr->teller, now, &event->range);
        break;
    case QUERIER_FAILED:
        answer = refusal(now, QUERY_TRY_ANOTHER, &event->question);
        answer_queue(qsr, now, &event->question, &answer);
        break;
    }
}

static void take_events(struct qsr *qsr, struct instant now)
{
    struct querier_event event;
    while (querier_next_event(qsr->querier, &event))
        take_event(qsr, now, &event);
    watch_pressure(qsr);
}

// Requests

static void wait_for_answer(struct qsr *qsr, struct instant now, const struct asker *asker,
                            size_t group, const struct range *mab, const struct address *question)
{
    struct queue *queue = find_queue(qsr, question);
    bool full = qsr->waiting_slab.used >= qsr->config.waiting_max;
    if (full || (queue == NULL && !querier_ask_group(qsr->querier, now, group, mab, question))) {
        struct answer busy = refusal(now, QUERY_BUSY, question);
        qsr->counters.refused_full++;
        teller_answer(qsr->teller, now, asker, &busy);
        return;
    }
    if (queue == NULL) {
        queue = open_queue(qsr, question);
        qsr->counters.misses++;
    } else {
        qsr->counters.merged++;
    }
    struct waiting *waiting = slab_take(&qsr->waiting_slab);
    waiting->asker = *asker;
    list_append(&queue->waiting, &waiting->node);
    watch_pressure(qsr);
}

// Asks the servers of the MAB, where there is one and its servers are known.
static void ask_servers(struct qsr *qsr, struct instant now, const struct asker *asker,
                        const struct address *question)
{
    uint32_t group = 0;
    struct range mab;
    bool known = qsr->mabs != NULL;
    if (known && !(mab_table_find(qsr->mabs, question, &group) &&
                   mab_table_units(qsr->mabs, question, &mab))) {
        struct answer answer = refusal(now, QUERY_NOT_IN_MAB, question);
        answer.expires = instant_add(now, duration_ms(QSR_NOT_IN_MAB_MS));
        qsr->counters.outside++;
        teller_answer(qsr->teller, now, asker, &answer);
    } else if (querier_group_size(qsr->querier, group) == 0) {
        struct answer answer = refusal(now, QUERY_TRY_ANOTHER, question);
        qsr->counters.serverless++;
        teller_answer(qsr->teller, now, asker, &answer);
    } else {
        wait_for_answer(qsr, now, asker, group, known ? &mab : NULL, question);
    }
}

static void receive_request(struct qsr *qsr, struct instant now, const struct endpoint *from,
                            const struct query_message *request, size_t length)
{
    struct asker asker;
    if (teller_admit(qsr->teller, now, from, request, length, &asker) != TELLER_ANSWER)
        return;
    struct querier_event cached;
    struct instant soon = instant_add(now, duration_ms(QSR_CACHING_LEFT_MS_MIN));
    if (querier_find(qsr->querier, &request->question, &cached) &&
        instant_before(soon, cached.expires)) {
        struct answer answer = answer_of(&cached);
        qsr->counters.hits++;
        teller_answer(qsr->teller, now, &asker, &answer);
    } else {
        ask_servers(qsr, now, &asker, &request->question);
    }
}

void qsr_foresee(struct qsr *qsr, const struct foresight *foresight)
{
    querier_foresee(qsr->querier, foresight);
    teller_foresee(qsr->teller, foresight);
}

void qsr_input(struct qsr *qsr, struct instant now, const struct endpoint *from,
               const uint8_t *bytes, size_t length)
{
    if (query_is_for_querier(bytes, length)) {
        querier_input(qsr->querier, now, from, bytes, length);
        take_events(qsr, now);
        return;
    }
    struct query_message message;
    bool of_pages = page_message_claimed(bytes, length);
    enum decode_reason reason = of_pages ? teller_page_input(qsr->teller, from, bytes, length)
                                         : query_decode(bytes, length, &message);
    if (reason != DECODE_OK)
        qsr->counters.dropped[reason]++;
    else if (of_pages)
        return;
    else if (message.type == MESSAGE_MAP_REQUEST)
        receive_request(qsr, now, from, &message, length);
    else
        teller_input(qsr->teller, now, from, &message, length);
}

// The core's other ends

size_t qsr_next_output(struct qsr *qsr, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    size_t length = querier_next_output(qsr->querier, now, to, buffer);
    return length > 0 ? length : teller_next_output(qsr->teller, now, to, buffer);
}

struct instant qsr_next_deadline(const struct qsr *qsr)
{
    return instant_earlier(querier_next_deadline(qsr->querier), teller_next_deadline(qsr->teller));
}

void qsr_tick(struct qsr *qsr, struct instant now)
{
    teller_tick(qsr->teller, now);
    querier_tick(qsr->querier, now);
    take_events(qsr, now);
}

void qsr_set_mabs(struct qsr *qsr, const struct mab_table *mabs)
{
    qsr->mabs = mabs;
    querier_set_mabs_known(qsr->querier, mabs != NULL);
}

void qsr_set_pages(struct qsr *qsr, struct page_shelf *shelf)
{
    teller_set_pages(qsr->teller, shelf);
}

void qsr_set_group(struct qsr *qsr, struct instant now, size_t group,
                   const struct querier_server *servers, size_t count)
{
    querier_set_group(qsr->querier, now, group, servers, count);
    take_events(qsr, now);
}

void qsr_forget(struct qsr *qsr, struct instant now, const struct range *range)
{
    querier_forget_range(qsr->querier, now, range);
    take_events(qsr, now);
}

void qsr_set_upstreams(struct qsr *qsr, struct instant now, const struct endpoint *upstreams,
                       size_t count)
{
    querier_set_upstreams(qsr->querier, now, upstreams, count);
    take_events(qsr, now);
}

static uint8_t part_of(size_t count, size_t most)
{
    size_t part = count * QUERY_LOAD_FULL / most;
    return part < QUERY_LOAD_FULL ? (uint8_t)part : QUERY_LOAD_FULL;
}

void qsr_set_load(struct qsr *qsr, uint8_t load)
{
    uint8_t waiting = part_of(qsr_waiting(qsr), qsr->config.waiting_max);
    uint8_t open = part_of(querier_open(qsr->querier), qsr->config.querier.open_max);
    uint8_t pressed = waiting > open ? waiting : open;
    teller_set_load(qsr->teller, load > pressed ? load : pressed);
}

void qsr_set_alternatives(struct qsr *qsr, const struct endpoint *alternatives, size_t count)
{
    teller_set_alternatives(qsr->teller, alternatives, count);
}

const struct querier *qsr_querier(const struct qsr *qsr)
{
    return qsr->querier;
}

const struct teller *qsr_teller(const struct qsr *qsr)
{
    return qsr->teller;
}

size_t qsr_waiting(const struct qsr *qsr)
{
    return qsr->waiting_slab.used;
}

const struct latency *qsr_latency(const struct qsr *qsr)
{
    return &qsr->latency;
}

const struct qsr_counters *qsr_counters(const struct qsr *qsr)
{
    return &qsr->counters;
}
