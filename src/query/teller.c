// SPDX-License-Identifier: BSD-2-Clause
// What was told is remembered in told.c; here is what follows from it.
//
// Three promises shape this file:
//   - Everyone who was told gets told. Nothing is dropped from memory while its querier may still
//     believe it: memory that runs full is freed by flushes, which count as used until they are
//     acknowledged, and meanwhile new questions get "busy".
//   - A querier that cannot be reached is forgotten whole, and with it the instance that it knows
//     us by. When it comes back it sees another instance and drops all it had from us (rule 8).
//   - An address that is not proven never gets more octets than came from it. An update that has to
//     wait for that is sent when the proof comes.
#include "query/teller.h"

#include "base/counters.h"
#include "base/memory.h"
#include "query/teller_state.h"

#include <assert.h>
#include <string.h>

#define CREDIT_MAX 65536 // octets; more is not kept for an address that is not proven

struct teller *teller_new(const struct teller_config *config, struct random_seed seed,
                          struct instant now)
{
    (void)now;
    assert(config->told_max > 0 && config->told_per_querier_max > 0 && config->queriers_max > 0);
    struct teller *teller = memory_new(sizeof(*teller));
    struct hash_key key;
    teller->config = *config;
    random_init(&teller->random, seed);
    random_bytes(&teller->random, teller->token_maker.key.bytes,
                 sizeof(teller->token_maker.key.bytes));
    random_bytes(&teller->random, key.bytes, sizeof(key.bytes));
    teller->instance = random_nonzero(&teller->random);
    told_init(&teller->memory, key, config->queriers_max, teller_told_most(config->told_max));
    outbox_init(&teller->outbox);
    page_teller_init(&teller->pages);
    return teller;
}

void teller_free(struct teller *teller)
{
    if (teller == NULL)
        return;
    outbox_release(&teller->outbox);
    page_teller_release(&teller->pages);
    told_release(&teller->memory);
    memory_free(teller);
}

// Proof of address and credit

static bool is_proven(const struct account *account, struct instant now)
{
    return account->ever_proven && instant_before(now, account->proven_until);
}

static uint32_t add_credit(uint32_t credit, size_t octets)
{
    size_t sum = credit + octets;
    return sum < CREDIT_MAX ? (uint32_t)sum : CREDIT_MAX;
}

// Takes the octets of one message off the credit; false where the address is not proven and they
// are more than came from it.
bool teller_spend(struct account *account, struct instant now, size_t octets)
{
    bool enough = account->credit >= octets;
    if (!enough && !is_proven(account, now))
        return false;
    account->credit -= enough ? (uint32_t)octets : account->credit;
    return true;
}

static void prove(struct teller *teller, struct instant now, struct account *account)
{
    if (!account->ever_proven) {
        account->ever_proven = true;
        teller->memory.unproven_count--;
        teller->counters.proven++;
    }
    account->proven_until = instant_add(now, duration_s(PROOF_SECONDS));
}

// Books a message that came from a querier: its octets, and its token when it is good.
void teller_book(struct teller *teller, struct instant now, struct account *account, bool proven,
                 size_t length)
{
    account->credit = add_credit(account->credit, length);
    account->heard = now;
    if (proven)
        prove(teller, now, account);
    if (!list_empty(&account->waiting))
        teller_release_waiting(teller, now, account);
}

// Messages

// The header of a message to a querier; `account` may be NULL.
struct query_message teller_message_to(struct teller *teller, struct instant now,
                                       const struct endpoint *to, struct account *account,
                                       enum message_type type)
{
    return (struct query_message){
        .type = type,
        .token = address_token_make(&teller->token_maker, now, to),
        .server_sequence = account == NULL ? 0 : ++account->server_sequence,
        .instance = account == NULL ? teller->instance : account->instance,
        .load = teller->load,
    };
}

uint32_t teller_milliseconds_left(struct instant now, struct instant expires)
{
    uint64_t ms = instant_since(expires, now).ns / duration_ms(1).ns;
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

// Octets that a reply may have: without an account, as many as the request.
static size_t room_for_reply(const struct asker *asker, const struct account *account,
                             struct instant now)
{
    if (account == NULL)
        return asker->credit;
    return is_proven(account, now) ? QUERY_MESSAGE_BYTES_MAX : account->credit;
}

// Names other servers, beginning with another one each time, as many as there is room for.
static void name_alternatives(struct teller *teller, struct query_message *message, size_t room)
{
    size_t most = teller->alternative_count < QUERY_ALTERNATIVES_MAX ? teller->alternative_count
                                                                     : QUERY_ALTERNATIVES_MAX;
    room -= QUERY_ANSWER_BYTES < room ? QUERY_ANSWER_BYTES : room;
    while (message->alternative_count < most && room >= QUERY_ALTERNATIVE_BYTES) {
        size_t place =
            (teller->alternative_next + message->alternative_count) % teller->alternative_count;
        message->alternatives[message->alternative_count++] = teller->alternatives[place];
        room -= QUERY_ALTERNATIVE_BYTES;
    }
    teller->alternative_next++;
    teller->counters.alternatives += message->alternative_count;
}

// Whether others are named. Where something is remembered, the credit of an address that is not
// proven is kept for the Cache Update.
static bool sends_away(const struct teller *teller, const struct account *account,
                       struct instant now, enum query_status status)
{
    if (status == QUERY_BUSY || status == QUERY_TRY_ANOTHER)
        return true;
    return teller->load >= QUERY_LOAD_SHED && account != NULL && is_proven(account, now);
}

// Sends an answer. Without an account its length is covered by the request itself.
static void send_answer(struct teller *teller, struct instant now, const struct asker *asker,
                        struct account *account, const struct answer *answer)
{
    struct query_message message =
        teller_message_to(teller, now, &asker->endpoint, account, MESSAGE_MAP_REPLY);
    message.nonce = asker->nonce;
    message.querier_sequence = asker->querier_sequence;
    message.status = answer->status;
    message.range = answer->range;
    message.etr = answer->etr;
    message.mab_sequence = answer->mab_sequence;
    message.caching_ms = teller_milliseconds_left(now, answer->expires);
    if (sends_away(teller, account, now, answer->status))
        name_alternatives(teller, &message, room_for_reply(asker, account, now));
    teller->counters.answers[answer->status]++;
    size_t length = QUERY_ANSWER_BYTES + message.alternative_count * QUERY_ALTERNATIVE_BYTES;
    if (account != NULL && !teller_spend(account, now, length)) {
        teller->counters.dropped_credit++;
        return;
    }
    if (outbox_put(&teller->outbox, &asker->endpoint, &message) == 0)
        teller->counters.dropped_full++;
}

// Requests

// Whether someone at an address that is not proven must prove it before more state is kept.
static bool must_prove(const struct teller *teller, const struct account *account,
                       struct instant now)
{
    if (account != NULL && is_proven(account, now))
        return false;
    if (teller->strict)
        return true;
    return account == NULL ? teller->memory.unproven_count >= teller->config.unproven_max
                           : account->told_count >= TELLER_UNPROVEN_TOLD_MAX;
}

static void demand_proof(struct teller *teller, struct instant now, const struct endpoint *to,
                         struct account *account, const struct query_message *request)
{
    struct query_message message =
        teller_message_to(teller, now, to, account, MESSAGE_MAP_REQUEST_ACK);
    message.nonce = request->nonce;
    message.querier_sequence = request->querier_sequence;
    teller->counters.told_to_prove++;
    if (account != NULL && !teller_spend(account, now, QUERY_HEADER_BYTES)) {
        teller->counters.dropped_credit++;
        return;
    }
    if (outbox_put(&teller->outbox, to, &message) == 0)
        teller->counters.dropped_full++;
}

enum teller_verdict teller_admit(struct teller *teller, struct instant now,
                                 const struct endpoint *from, const struct query_message *request,
                                 size_t length, struct asker *asker)
{
    struct account *account = told_find_account(&teller->memory, from);
    bool proven = address_token_valid(&teller->token_maker, now, from, request->token);
    teller->counters.requests++;
    // The octets stay with the request until it is answered: by then the account may be another.
    if (account != NULL)
        teller_book(teller, now, account, proven, 0);
    if (!proven && must_prove(teller, account, now)) {
        if (account != NULL)
            teller_book(teller, now, account, false, length);
        demand_proof(teller, now, from, account, request);
        return TELLER_DROPPED;
    }
    *asker = (struct asker){
        .endpoint = *from,
        .nonce = request->nonce,
        .querier_sequence = request->querier_sequence,
        .unit = unit_of_address(&request->question),
        .credit = (uint32_t)length,
        .proven = proven,
    };
    return TELLER_ANSWER;
}

// Memory

// The account of who asks; a new one where there is none yet. NULL where no more are taken.
static struct account *open_account(struct teller *teller, struct instant now,
                                    const struct asker *asker)
{
    struct account *account = told_find_account(&teller->memory, &asker->endpoint);
    if (account == NULL) {
        if (!teller_make_place(teller, now))
            return NULL;
        account =
            told_add_account(&teller->memory, &asker->endpoint, random_nonzero(&teller->random),
                             teller->config.update_interval_ns);
    }
    teller_book(teller, now, account, asker->proven, asker->credit);
    return account;
}

// The subject of exactly that range, with what is true of it now. Others that overlap it are
// flushed: two answers that overlap cannot both be true.
static struct subject *current_subject(struct teller *teller, struct instant now,
                                       const struct answer *answer)
{
    struct subject *subject = told_find_exactly(&teller->memory, &answer->range);
    if (subject != NULL) {
        teller_change_subject(teller, now, subject, answer);
        return subject;
    }
    while ((subject = told_first_in(&teller->memory, &answer->range)) != NULL)
        teller_flush_subject(teller, now, subject);
    subject = told_add_subject(&teller->memory, &answer->range);
    teller_set_subject(subject, answer);
    return subject;
}

// Remembers that the asker is told this. `told` is what it was told under that nonce before, or
// NULL.
static void remember(struct teller *teller, struct instant now, struct account *account,
                     struct told *told, const struct asker *asker, const struct answer *answer)
{
    struct subject *subject = current_subject(teller, now, answer);
    if (told == NULL) {
        (void)told_add(&teller->memory, account, subject, asker->nonce, answer->expires);
        return;
    }
    assert(!told->flush && told->subject == subject);
    told_again(&teller->memory, told);
    // Its querier may use either answer.
    if (instant_before(told->expires, answer->expires))
        told->expires = answer->expires;
}

// A request that came twice, and the first answer is no longer good: its querier is being told.
static bool repeats_in_vain(const struct told *told, const struct answer *answer)
{
    return told != NULL && (told->flush || !range_equal(&told->subject->range, &answer->range));
}

static void answer_busy(struct teller *teller, struct instant now, const struct asker *asker,
                        const struct answer *answer)
{
    struct answer busy = {
        .status = QUERY_BUSY,
        .range = {answer->range.family, asker->unit, {1}},
        .expires = now,
    };
    send_answer(teller, now, asker, told_find_account(&teller->memory, &asker->endpoint), &busy);
}

void teller_answer(struct teller *teller, struct instant now, const struct asker *asker,
                   const struct answer *answer)
{
    assert(answer->status != QUERY_FLUSH && range_valid(&answer->range));
    teller->answered++;
    if (answer->status != QUERY_MAPPED && answer->status != QUERY_ZERO) {
        struct account *account = told_find_account(&teller->memory, &asker->endpoint);
        if (account != NULL)
            teller_book(teller, now, account, asker->proven, asker->credit);
        send_answer(teller, now, asker, account, answer);
        return;
    }
    struct account *account = open_account(teller, now, asker);
    struct told *told = account == NULL ? NULL : told_find(&teller->memory, account, asker->nonce);
    if (repeats_in_vain(told, answer)) {
        teller->counters.dropped_repeated++;
        return;
    }
    // What was told under the nonce before needs no more room.
    if (account == NULL || (told == NULL && !teller_make_room(teller, now, account))) {
        answer_busy(teller, now, asker, answer);
        if (account != NULL)
            told_drop_idle_account(&teller->memory, account);
        return;
    }
    remember(teller, now, account, told, asker, answer);
    send_answer(teller, now, asker, account, answer);
}

void teller_foresee(struct teller *teller, const struct foresight *foresight)
{
    told_foresee(&teller->memory, foresight);
}

void teller_set_strict(struct teller *teller, bool strict)
{
    teller->strict = strict;
}

// The part of its memory that is taken, of 255: at 255 it answers "busy".
static uint8_t fullness(const struct teller *teller)
{
    const struct teller_config *config = &teller->config;
    size_t told =
        told_count(&teller->memory) * QUERY_LOAD_FULL / (config->told_max + config->told_max / 4);
    size_t queriers = told_accounts(&teller->memory) * QUERY_LOAD_FULL / config->queriers_max;
    size_t most = told > queriers ? told : queriers;
    return most < QUERY_LOAD_FULL ? (uint8_t)most : QUERY_LOAD_FULL;
}

void teller_set_load(struct teller *teller, uint8_t load)
{
    uint8_t full = fullness(teller);
    teller->load = load > full ? load : full;
}

uint8_t teller_load(const struct teller *teller)
{
    return teller->load;
}

void teller_set_alternatives(struct teller *teller, const struct endpoint *alternatives,
                             size_t count)
{
    assert(count <= TELLER_ALTERNATIVES_MAX);
    for (size_t i = 0; i < count; i++)
        teller->alternatives[i] = alternatives[i];
    teller->alternative_count = count;
    // Not all servers begin with the same.
    teller->alternative_next = (size_t)random_below(&teller->random, TELLER_ALTERNATIVES_MAX);
}

size_t teller_queriers(const struct teller *teller)
{
    return told_accounts(&teller->memory);
}

size_t teller_told(const struct teller *teller)
{
    return told_count(&teller->memory);
}

size_t teller_memory(const struct teller *teller)
{
    return told_bytes(&teller->memory);
}

const struct teller_counters *teller_counters(const struct teller *teller)
{
    return &teller->counters;
}

struct teller_report teller_report(const struct teller *teller)
{
    return (struct teller_report){
        .counters = teller->counters,
        .pages = teller->pages.counters,
        .queriers = teller_queriers(teller),
        .paced = told_paced(&teller->memory),
        .told = teller_told(teller),
        .told_max = teller->config.told_max,
        .memory = teller_memory(teller),
    };
}

void teller_report_add(struct teller_report *sum, const struct teller_report *part)
{
    static_assert(sizeof(struct teller_counters) % sizeof(uint64_t) == 0, "numbers only");
    counters_add(&sum->counters, &part->counters, sizeof(sum->counters));
    counters_add(&sum->pages, &part->pages, sizeof(sum->pages));
    sum->queriers += part->queriers;
    sum->paced += part->paced;
    sum->told += part->told;
    sum->told_max += part->told_max;
    sum->memory += part->memory;
}
