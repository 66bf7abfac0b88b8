// SPDX-License-Identifier: BSD-2-Clause
#include "query/qsr.h"

#include "base/memory.h"
#include "query/waiting_room.h"

struct qsr {
    struct qsr_config config;
    struct querier *querier;
    struct teller *teller;
    const struct mab_table *mabs; // borrowed; NULL: not known here
    struct waiting_room waiting;
    struct latency latency;
    struct qsr_counters counters;
};

struct qsr *qsr_new(const struct qsr_config *config, struct random_seed seed, struct instant now)
{
    struct qsr *qsr = memory_new(sizeof(*qsr));
    struct random_source random;
    struct random_seed querier_seed;
    struct random_seed teller_seed;
    struct hash_key key;
    random_init(&random, seed);
    random_bytes(&random, querier_seed.bytes, sizeof(querier_seed.bytes));
    random_bytes(&random, teller_seed.bytes, sizeof(teller_seed.bytes));
    random_bytes(&random, key.bytes, sizeof(key.bytes));
    qsr->config = *config;
    qsr->querier = querier_new(&config->querier, querier_seed, now);
    qsr->teller = teller_new(&config->teller, teller_seed, now);
    waiting_room_init(&qsr->waiting, key, config->waiting_max);
    return qsr;
}

void qsr_free(struct qsr *qsr)
{
    if (qsr == NULL)
        return;
    querier_free(qsr->querier);
    teller_free(qsr->teller);
    waiting_room_release(&qsr->waiting);
    memory_free(qsr);
}

// Waiting

// Gives the answer to all who wait for that address.
static void answer_queue(struct qsr *qsr, struct instant now, const struct address *address,
                         const struct answer *answer)
{
    struct asker asker;
    while (waiting_room_leave(&qsr->waiting, address, &asker))
        teller_answer(qsr->teller, now, &asker, answer);
}

// The more that wait, the less is done for those who may not be who they say.
static void watch_pressure(struct qsr *qsr)
{
    teller_set_strict(qsr->teller, qsr_waiting(qsr) >= qsr->config.waiting_max / 2);
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
    bool awaited = waiting_room_awaits(&qsr->waiting, question);
    if (!waiting_room_admits(&qsr->waiting, &asker->endpoint) ||
        (!awaited && !querier_ask_group(qsr->querier, now, group, mab, question))) {
        struct answer busy = refusal(now, QUERY_BUSY, question);
        qsr->counters.refused_full++;
        teller_answer(qsr->teller, now, asker, &busy);
        return;
    }
    qsr->counters.misses += !awaited;
    qsr->counters.merged += awaited;
    waiting_room_enter(&qsr->waiting, question, asker);
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
        answer.expires = instant_add(now, duration_ms(QUERY_NOT_IN_MAB_MS));
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
    return waiting_room_count(&qsr->waiting);
}

const struct latency *qsr_latency(const struct qsr *qsr)
{
    return &qsr->latency;
}

const struct qsr_counters *qsr_counters(const struct qsr *qsr)
{
    return &qsr->counters;
}
