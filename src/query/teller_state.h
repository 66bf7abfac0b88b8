// SPDX-License-Identifier: BSD-2-Clause
// The teller's insides, shared by its files: teller.c admits requests, answers and remembers;
// teller_room.c makes room for that, teller_update.c tells what changed, teller_pages.c which MABs
// there are.
#ifndef IVIP_QUERY_TELLER_STATE_H
#define IVIP_QUERY_TELLER_STATE_H

#include "query/outbox.h"
#include "query/teller.h"
#include "query/token.h"
#include "query/told.h"

// What queriers that were given up were told is removed little by little: so much each time that
// all is sent, less one for each answer since the last time, but one at least. A querier may have
// been told hundreds of thousands of ranges, and to remove one takes a fifth of the time of an
// answer or a third. So it is done in the time that answers leave.
#define TOLD_REAPED_AT_ONCE 8
// So many deadlines are looked at before each datagram, and so many turns: a range that many asked
// for expires for all of them at the same time.
#define TOLD_DUE_AT_ONCE 64
// While memory is full, so much goes with an answer besides: others need not be flushed then.
#define TOLD_REAPED_FULL 2

struct teller {
    struct teller_config config;
    struct random_source random;
    struct token_maker token_maker;
    uint64_t instance; // what queriers without an account know us by
    uint8_t load;
    struct endpoint alternatives[TELLER_ALTERNATIVES_MAX];
    size_t alternative_count;
    size_t alternative_next; // the one to be named first
    bool strict;
    struct told_memory memory;
    struct outbox outbox;
    struct page_teller pages;
    size_t answered; // since all was sent
    struct teller_counters counters;
};

// teller.c

// Takes the octets of one message off the credit; false where the address is not proven and they
// are more than came from it.
bool teller_spend(struct account *account, struct instant now, size_t octets);
// Books a message that came from a querier: its octets, and its token when it is good.
void teller_book(struct teller *teller, struct instant now, struct account *account, bool proven,
                 size_t length);
// The header of a message to a querier; `account` may be NULL.
struct query_message teller_message_to(struct teller *teller, struct instant now,
                                       const struct endpoint *to, struct account *account,
                                       enum message_type type);
uint32_t teller_milliseconds_left(struct instant now, struct instant expires);

// teller_room.c

// How many can ever be told, with a limit of so many: a quarter more, with what is being flushed.
size_t teller_told_most(size_t told_max);
// Makes room for one more to be told to that account. False where all room is taken by what is not
// yet confirmed.
bool teller_make_room(struct teller *teller, struct instant now, struct account *account);
// Makes room for one more account. False where all belong to queriers that were heard lately.
bool teller_make_place(struct teller *teller, struct instant now);

// teller_update.c

// The range is no longer what some were told: it is detached, and they get a flush.
void teller_flush_subject(struct teller *teller, struct instant now, struct subject *subject);
// As teller_change, of a subject that was found already.
void teller_change_subject(struct teller *teller, struct instant now, struct subject *subject,
                           const struct answer *answer);
// Flushes one thing that was told.
void teller_notify_flush(struct teller *teller, struct instant now, struct told *told);
// Updates that waited for proof or credit may be sent, if there is enough of it now.
void teller_release_waiting(struct teller *teller, struct instant now, struct account *account);
// Sets what is true of a subject.
void teller_set_subject(struct subject *subject, const struct answer *answer);

#endif
