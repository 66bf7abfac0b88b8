// SPDX-License-Identifier: BSD-2-Clause
// Telling those who were told: changes, their Cache Updates until each is acknowledged, alive
// checks (docs/protocol.md, rules 4, 5 and 8).
#include "query/teller_state.h"

#include <assert.h>

// Changes

// Lets the account send its first queued update when its pace allows it.
static void set_turn(struct teller *teller, struct instant now, struct account *account)
{
    struct told_memory *memory = &teller->memory;
    heap_remove(&memory->turns, &account->turn);
    list_remove(&account->ready);
    if (list_empty(&account->queued) || !list_empty(&account->waiting))
        return;
    struct instant next = pace_next(&account->pace, now, teller->config.update_burst);
    if (instant_reached(now, next))
        list_append(&memory->ready, &account->ready);
    else
        heap_set(&memory->turns, &account->turn, next);
}

// The update of `told` is to be sent, or sent again, behind those that its querier is to get first.
static void enqueue(struct teller *teller, struct instant now, struct told *told)
{
    told_await(&teller->memory, told, told->expires);
    if (told->queued)
        return;
    told_enqueue(told);
    if (told->account->turn.place == 0 && list_empty(&told->account->ready))
        set_turn(teller, now, told->account);
}

static void notify(struct teller *teller, struct instant now, struct told *told)
{
    assert(!told->account->forgotten);
    if (!told->pending)
        told->missed = now;
    told->unsent = true;
    told->tries = 0;
    enqueue(teller, now, told);
}

void teller_release_waiting(struct teller *teller, struct instant now, struct account *account)
{
    list_remove(&account->waiting);
    account->released = now;
    set_turn(teller, now, account);
}

void teller_notify_flush(struct teller *teller, struct instant now, struct told *told)
{
    if (told->flush || told->account->forgotten)
        return;
    told_mark_flush(&teller->memory, told);
    notify(teller, now, told);
}

static bool says_the_same(const struct subject *subject, const struct answer *answer)
{
    return subject->status == answer->status && address_equal(&subject->etr, &answer->etr);
}

void teller_set_subject(struct subject *subject, const struct answer *answer)
{
    subject->status = answer->status;
    subject->etr = answer->etr;
    subject->mab_sequence = answer->mab_sequence;
    subject->expires = answer->expires;
}

void teller_flush_subject(struct teller *teller, struct instant now, struct subject *subject)
{
    told_detach(&teller->memory, subject);
    for (struct list_node *node = subject->told.next; node != &subject->told; node = node->next)
        teller_notify_flush(teller, now, container_of(node, struct told, of_subject));
}

bool teller_next_told(const struct teller *teller, const struct range *range, struct range *told)
{
    const struct subject *subject = told_first_in(&teller->memory, range);
    if (subject == NULL)
        return false;
    *told = subject->range;
    return true;
}

// Everyone who may believe what was said of the subject for longer than that is told what is true.
static void notify_believers(struct teller *teller, struct instant now,
                             const struct subject *subject, struct instant until)
{
    for (struct list_node *node = subject->told.next; node != &subject->told; node = node->next) {
        struct told *told = container_of(node, struct told, of_subject);
        if (instant_before(until, told->expires) && !told->flush && !told->account->forgotten)
            notify(teller, now, told);
    }
}

void teller_change_subject(struct teller *teller, struct instant now, struct subject *subject,
                           const struct answer *answer)
{
    assert(subject->current && range_equal(&subject->range, &answer->range));
    bool same = says_the_same(subject, answer);
    struct instant expires = subject->expires;
    teller_set_subject(subject, answer);
    if (!same)
        notify_believers(teller, now, subject, now);
    else if (instant_before(answer->expires, expires)) // which some were told, and remains true
        subject->expires = expires;
}

void teller_change(struct teller *teller, struct instant now, const struct answer *answer)
{
    assert(answer->status == QUERY_MAPPED || answer->status == QUERY_ZERO);
    struct subject *subject = told_find_exactly(&teller->memory, &answer->range);
    if (subject == NULL)
        return;
    // What is not known for as long any more must not be believed for as long.
    if (says_the_same(subject, answer) && instant_before(answer->expires, subject->expires)) {
        notify_believers(teller, now, subject, answer->expires);
        teller_set_subject(subject, answer);
    } else {
        teller_change_subject(teller, now, subject, answer);
    }
}

void teller_flush(struct teller *teller, struct instant now, const struct range *range)
{
    struct subject *subject = told_find_exactly(&teller->memory, range);
    if (subject != NULL)
        teller_flush_subject(teller, now, subject);
}

// Acknowledgements and alive checks

// The querier holds nothing under these nonces.
static void release(struct teller *teller, struct instant now, const struct endpoint *from,
                    const struct query_message *message)
{
    for (size_t i = 0; i < message->released_count; i++) {
        // The account goes with the last that was told to it.
        struct account *account = told_find_account(&teller->memory, from);
        struct told *told =
            account == NULL ? NULL : told_find(&teller->memory, account, message->released[i]);
        if (told == NULL)
            continue;
        if (told->flush) {
            teller->counters.acknowledged++;
            account->confirmed = now;
        } else {
            teller->counters.released++;
        }
        told_remove(&teller->memory, told);
    }
}

// The lowest bits of the clock's, which are enough while an answer is waited for.
static uint16_t milliseconds(struct instant now)
{
    return (uint16_t)(now.ns / 1000000);
}

// How long ago the update was sent, rounded up, where it was sent once; else 0.
static struct duration since_sent(struct instant now, const struct told *told)
{
    uint16_t ms = (uint16_t)(milliseconds(now) - told->sent_ms);
    return duration_ms(told->tries == 1 ? ms + UINT64_C(1) : 0);
}

// The update, which others went with, is acknowledged: with them released, or by one that does not
// know of such; but where it was sent more often, that may be for the time when none went with it.
static void learn_flushing(const struct told *told, const struct query_message *ack)
{
    size_t others = 0;
    for (size_t i = 0; i < ack->released_count; i++)
        others += ack->released[i] != ack->nonce;
    enum flushing *flushing = &told->account->flushing;
    if (others > 0)
        *flushing = FLUSHING_TOGETHER;
    else if (*flushing == FLUSHING_UNKNOWN && told->tries == 1)
        *flushing = FLUSHING_ALONE;
}

static void receive_update_ack(struct teller *teller, struct instant now,
                               const struct query_message *message, struct told *told)
{
    if (!told->pending || told->unsent || message->server_sequence != told->update_sequence)
        return;
    teller->counters.acknowledged++;
    told->account->confirmed = now;
    if (told->leads)
        learn_flushing(told, message);
    if (told->queued) // to be sent again
        told_dequeue(told);
    pace_acknowledged(&told->account->pace, now, since_sent(now, told),
                      told->account->turn.place != 0);
    if (told->flush) {
        told_remove(&teller->memory, told);
        return;
    }
    told->expires = instant_earlier(told->expires, told->subject->expires);
    told_rest(&teller->memory, told);
}

static void receive_alive(struct teller *teller, struct instant now, const struct endpoint *from,
                          struct account *account, const struct query_message *request)
{
    struct query_message message =
        teller_message_to(teller, now, from, account, MESSAGE_ALIVE_REPLY);
    message.nonce = request->nonce;
    message.querier_sequence = request->querier_sequence;
    teller->counters.alive++;
    if (account != NULL && !teller_spend(account, now, QUERY_HEADER_BYTES)) {
        teller->counters.dropped_credit++;
        return;
    }
    if (outbox_put(&teller->outbox, from, &message) == 0)
        teller->counters.dropped_full++;
}

void teller_input(struct teller *teller, struct instant now, const struct endpoint *from,
                  const struct query_message *message, size_t length)
{
    struct account *account = told_find_account(&teller->memory, from);
    if (account != NULL) {
        told_foresee_nonces(&teller->memory, account, message->released, message->released_count);
        teller_book(teller, now, account,
                    address_token_valid(&teller->token_maker, now, from, message->token), length);
    }
    if (message->type == MESSAGE_ALIVE_REQUEST) {
        receive_alive(teller, now, from, account, message);
        return;
    }
    struct told *told =
        account == NULL ? NULL : told_find(&teller->memory, account, message->nonce);
    if (told == NULL)
        teller->counters.dropped_nonce++;
    else if (message->type == MESSAGE_CACHE_UPDATE_ACK)
        receive_update_ack(teller, now, message, told);
    release(teller, now, from, message);
}

// Sending

static struct query_message update_message(struct teller *teller, struct instant now,
                                           const struct told *told)
{
    const struct subject *subject = told->subject;
    bool mapped = !told->flush && subject->status == QUERY_MAPPED;
    return (struct query_message){
        .type = MESSAGE_CACHE_UPDATE,
        .nonce = told->nonce,
        .token = address_token_make(&teller->token_maker, now, &told->account->endpoint),
        .server_sequence = told->update_sequence,
        .instance = told->account->instance,
        .load = teller->load,
        .status = told->flush ? QUERY_FLUSH : subject->status,
        .range = subject->range,
        .etr = mapped ? subject->etr : ADDRESS_ZERO,
        .mab_sequence = subject->mab_sequence,
        .caching_ms =
            teller_milliseconds_left(now, instant_earlier(told->expires, subject->expires)),
    };
}

// How long an update may be unconfirmed, while memory is full, by a querier that confirms others.
static uint64_t patience_while_full_ms(const struct teller *teller)
{
    const uint64_t most = UPDATE_UNCONFIRMED_MS_MAX;
    size_t limit = teller->config.told_max;
    size_t spare = teller_told_most(limit) - limit;
    size_t taken = told_count(&teller->memory) - limit;
    return taken >= spare ? UPDATE_UNCONFIRMED_MS_FULL
                          : most - (most - UPDATE_UNCONFIRMED_MS_FULL) * taken / spare;
}

// Whether its querier is taken for gone. While memory is full, one that does not confirm must not
// keep the room of others for long.
static bool is_given_up(const struct teller *teller, struct instant now, const struct told *told)
{
    const struct account *account = told->account;
    bool full = told_count(&teller->memory) >= teller->config.told_max;
    bool silent = instant_before(account->confirmed, told->missed);
    struct instant since = told->missed;
    if (instant_before(since, account->released))
        since = account->released;
    uint64_t most_ms = UPDATE_UNCONFIRMED_MS_MAX;
    if (full)
        most_ms = silent ? UPDATE_UNCONFIRMED_MS_FULL : patience_while_full_ms(teller);
    return told->tries >= (full && silent ? UPDATE_TRIES_FULL : UPDATE_TRIES_MAX) ||
           instant_reached(now, instant_add(since, duration_ms(most_ms)));
}

static void expire(struct teller *teller, struct told *told)
{
    teller->counters.expired++;
    told_remove(&teller->memory, told);
}

static void give_up(struct teller *teller, struct account *account)
{
    teller->counters.queriers_lost++;
    told_give_up_account(&teller->memory, account);
}

// The update of `told` is being sent.
static void note_sent(struct teller *teller, struct instant now, struct told *told)
{
    struct account *account = told->account;
    if (told->unsent)
        told->update_sequence = ++account->server_sequence;
    else
        teller->counters.updates_repeated++;
    told_dequeue(told);
    told->unsent = false;
    told->leads = false;
    told->sent_ms = milliseconds(now);
    told->tries++;
    teller->counters.updates_sent++;
    teller->counters.flushes_sent += told->flush;
    struct instant again = instant_add(now, pace_patience(&account->pace, told->tries));
    told_await(&teller->memory, told, instant_earlier(again, told->expires));
}

// Whether a flush may go with another.
static bool goes_along(const struct teller *teller, struct instant now, const struct told *told)
{
    return told->flush && !instant_reached(now, told->expires) && !is_given_up(teller, now, told);
}

// Flushes that are queued right behind a flush go with it. Where its querier may not know of that,
// they are named all the same, as its acknowledgement will tell; but they remain queued, to go by
// themselves: none may come later because of that.
static void add_flushes(struct teller *teller, struct instant now, struct account *account,
                        struct query_message *message)
{
    struct list_node *node = account->queued.next;
    if (account->flushing == FLUSHING_ALONE)
        return;
    while (message->flushed_count < QUERY_FLUSHED_MAX && node != &account->queued) {
        struct told *told = container_of(node, struct told, of_account);
        node = node->next;
        if (!goes_along(teller, now, told) || !teller_spend(account, now, QUERY_FLUSHED_BYTES))
            return;
        if (account->flushing == FLUSHING_TOGETHER)
            note_sent(teller, now, told);
        message->flushed[message->flushed_count++] = told->nonce;
    }
}

static size_t send_update(struct teller *teller, struct instant now, struct told *told,
                          struct endpoint *to, uint8_t *buffer)
{
    struct account *account = told->account;
    note_sent(teller, now, told);
    struct query_message message = update_message(teller, now, told);
    if (told->flush)
        add_flushes(teller, now, account, &message);
    told->leads = message.flushed_count > 0;
    *to = account->endpoint;
    return query_encode(&message, buffer, QUERY_MESSAGE_BYTES_MAX);
}

// Sends the first update that is queued for an account whose turn it is, or lets all wait where the
// address must be proven first: then 0.
static size_t take_turn(struct teller *teller, struct instant now, struct account *account,
                        struct endpoint *to, uint8_t *buffer)
{
    size_t length = 0;
    struct list_node *first = list_first(&account->queued);
    struct told *told = first == NULL ? NULL : container_of(first, struct told, of_account);
    if (told != NULL && instant_reached(now, told->expires)) {
        expire(teller, told);
        return 0;
    }
    if (told != NULL && is_given_up(teller, now, told)) {
        give_up(teller, account);
        return 0;
    }
    if (told != NULL && !teller_spend(account, now, QUERY_ANSWER_BYTES)) {
        list_remove(&account->waiting);
        list_append(&teller->memory.waiting, &account->waiting);
    } else if (told != NULL) {
        pace_take(&account->pace, now, teller->config.update_burst);
        length = send_update(teller, now, told, to, buffer);
    }
    set_turn(teller, now, account);
    return length;
}

// The deadline of something that was told has come: it has expired, or was not acknowledged in
// time.
static void take_due(struct teller *teller, struct instant now, struct told *told)
{
    if (told->account->forgotten) {
        told_remove(&teller->memory, told);
    } else if (instant_reached(now, told->expires)) {
        expire(teller, told);
    } else if (is_given_up(teller, now, told)) {
        give_up(teller, told->account);
    } else {
        pace_missed(&told->account->pace, now);
        enqueue(teller, now, told);
    }
}

// The first of those that have something due now, or NULL.
static struct told *first_due(const struct teller *teller, struct instant now)
{
    struct heap_node *first = heap_first(&teller->memory.deadlines);
    if (first == NULL || !instant_reached(now, first->deadline))
        return NULL;
    return container_of(first, struct told, deadline);
}

// The account whose turn it is, or NULL.
static struct account *next_turn(struct teller *teller, struct instant now)
{
    struct told_memory *memory = &teller->memory;
    struct heap_node *first = heap_first(&memory->turns);
    if (first != NULL && instant_reached(now, first->deadline)) {
        heap_remove(&memory->turns, first);
        list_append(&memory->ready, &container_of(first, struct account, turn)->ready);
    }
    struct list_node *ready = list_first(&memory->ready);
    return ready == NULL ? NULL : container_of(ready, struct account, ready);
}

// All is sent: there may be time for what is left of those that were given up.
static void reap(struct teller *teller)
{
    bool busy = teller->answered >= TOLD_REAPED_AT_ONCE;
    told_reap(&teller->memory, busy ? 1 : TOLD_REAPED_AT_ONCE - teller->answered);
    teller->answered = 0;
}

size_t teller_next_output(struct teller *teller, struct instant now, struct endpoint *to,
                          uint8_t *buffer)
{
    size_t length = outbox_take(&teller->outbox, to, buffer);
    struct told *told = NULL;
    struct account *account = NULL;
    if (length > 0)
        return length;
    for (unsigned n = 0; n < TOLD_DUE_AT_ONCE && (told = first_due(teller, now)) != NULL; n++)
        take_due(teller, now, told);
    for (unsigned n = 0;
         n < TOLD_DUE_AT_ONCE && length == 0 && (account = next_turn(teller, now)) != NULL; n++)
        length = take_turn(teller, now, account, to, buffer);
    if (length == 0)
        length = page_teller_next_output(&teller->pages, to, buffer);
    if (length == 0)
        reap(teller);
    return length;
}

struct instant teller_next_deadline(const struct teller *teller)
{
    if (!list_empty(&teller->memory.ready))
        return (struct instant){0};
    return instant_earlier(wheel_deadline(&teller->memory.expiries),
                           instant_earlier(heap_deadline(&teller->memory.deadlines),
                                           heap_deadline(&teller->memory.turns)));
}

void teller_tick(struct teller *teller, struct instant now)
{
    for (unsigned n = 0; n < TOLD_DUE_AT_ONCE; n++) {
        struct told *told = told_first_expiring(&teller->memory, now);
        if (told == NULL)
            return;
        if (!instant_reached(now, told->expires)) {
            told_rest(&teller->memory, told);
            continue;
        }
        expire(teller, told);
    }
}
