// SPDX-License-Identifier: BSD-2-Clause
// Who was told what: the memory behind Cache Updates (arch §2.21, §2.22; docs/protocol.md,
// rule 4).
//
//     subject 20.1.0.16/28 -- told -- told -- told         a range, as it was last told
//                               |       |       |
//     account 192.0.2.9 --------+-------|-------+          a querier
//     account 192.0.2.8 ----------------+
//
// A subject is current while answers may still be given for it: current subjects never overlap and
// are found by unit, so a change costs in proportion to those who were told. Once its boundaries
// changed it is detached, and lives on until each querier has confirmed the flush.
//
// This file keeps the structure whole; teller.c decides what is sent.
#ifndef IVIP_QUERY_TOLD_H
#define IVIP_QUERY_TOLD_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "base/wheel.h"
#include "query/foresight.h"
#include "query/pace.h"
#include "query/range_map.h"
#include "query/slab.h"
#include "wire/query.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether a querier knows of flushes that go with another (extension "flushed"): whether it
// released the others when it acknowledged that one.
enum flushing { FLUSHING_UNKNOWN, FLUSHING_TOGETHER, FLUSHING_ALONE };

// A querier to which something was told. It is made with the first such answer and ends with the
// last range told: so a querier that meets another instance than before knows that nothing it
// holds from here is remembered.
struct account {
    struct endpoint endpoint;
    struct table_node by_endpoint;
    uint64_t instance;        // random; what this querier knows us by
    uint32_t server_sequence; // of the last message sent to it
    bool ever_proven;         // it has returned a token at least once
    struct instant proven_until;
    uint32_t credit;      // octets it may still be sent while its address is not proven
    struct instant heard; // when the last message came from it
    enum flushing flushing;
    bool forgotten;           // found by nobody any more; what it was told goes little by little
    struct list_node waiting; // in told_memory.waiting: an update waits for proof or credit; or
                              // in told_memory.forgotten
    struct list_node round;   // in told_memory.round, unless forgotten
    size_t told_count;
    size_t flush_count;      // of these, flushes not yet confirmed
    struct list_node told;   // in the order told, but for
    struct list_node queued; // those with an update to be sent, which are here in the order of that
    struct instant released; // when updates last had waited for proof or credit, and could go on
    struct instant confirmed; // when it last acknowledged an update
    struct pace pace;         // of updates
    // While updates are queued that may be sent, it is in one of these of told_memory:
    struct heap_node turn;  // in turns, until the pace allows the next
    struct list_node ready; // in ready, when it does
};

// A range and what those who were told it believe.
struct subject {
    struct range range;
    enum query_status status; // mapped or zero
    struct address etr;
    uint64_t mab_sequence;
    struct instant expires; // until then this may be said of it
    bool current;
    struct list_node told;
};

// One answer to one request.
struct told {
    struct subject *subject;
    struct account *account;
    uint64_t nonce;
    struct instant expires;
    struct instant missed; // since when updates, each newer than the one before, are due and none
                           // was acknowledged; see account.released for those that wait for proof
    uint32_t update_sequence; // of the Cache Update last sent
    uint16_t sent_ms;         // when that was: the clock's milliseconds, modulo 2^16
    bool pending : 1;         // an update is not yet acknowledged
    bool unsent : 1;          // ... nor sent
    bool queued : 1;          // to be sent, or sent again, when its turn comes
    bool flush : 1;           // the update says: forget the range
    bool leads : 1;           // others went with it when it was last sent
    uint8_t tries;            // how often it was sent
    union {
        struct list_node expiry;   // in told_memory.expiries, unless
        struct heap_node deadline; // ... pending: in told_memory.deadlines
    };
    struct list_node of_subject;
    struct list_node of_account; // in told or queued of the account
    struct list_node use;        // in told_memory.uses; only while not flushed
    struct table_node by_nonce;
};

static_assert(sizeof(struct told) <= 128, "two cache lines: there are millions, far apart");

struct told_memory {
    struct hash_key key;
    struct slab accounts, subjects, tellings;
    struct table by_endpoint, by_nonce;
    struct range_map current;
    struct wheel expiries;
    struct heap deadlines;      // ends of waiting for acknowledgements
    struct heap turns;          // accounts, by when their next update may be sent
    struct list_node ready;     // accounts whose next update may be sent, in turn
    struct list_node uses;      // those not flushed, least recently told first
    size_t use_count;           // so many
    struct list_node waiting;   // accounts that cannot be told before they prove their address
    struct list_node forgotten; // accounts of which something is left to be removed
    struct list_node round;     // accounts not forgotten, looked at in turn for one that is gone
    size_t unproven_count;      // accounts that never returned a token
    struct account *recent;     // found last: a message is looked up more than once; may be NULL
};

// For so many queriers and so many ranges told: with more, it would stand still while it grows.
void told_init(struct told_memory *memory, struct hash_key key, size_t accounts, size_t tellings);
void told_release(struct told_memory *memory);

size_t told_count(const struct told_memory *memory);
size_t told_accounts(const struct told_memory *memory);
// Accounts for which updates wait until their pace allows the next.
size_t told_paced(const struct told_memory *memory);
size_t told_bytes(const struct told_memory *memory);

struct account *told_find_account(struct told_memory *memory, const struct endpoint *endpoint);
// Its pace begins with that interval (pace.h).
struct account *told_add_account(struct told_memory *memory, const struct endpoint *endpoint,
                                 uint64_t instance, uint32_t interval_ns);
// Removes an account to which nothing is told.
void told_drop_idle_account(struct told_memory *memory, struct account *account);
// Forgets an account and all it was told.
void told_forget_account(struct told_memory *memory, struct account *account);
// The same, but what it was told, which may be very much, stays in memory until told_reap has
// removed it: it is told nothing more, and who comes from its endpoint is someone new.
void told_give_up_account(struct told_memory *memory, struct account *account);
// Removes up to `count` of what accounts that were given up were told.
void told_reap(struct told_memory *memory, size_t count);

// These questions come next; see foresight.h.
void told_foresee(struct told_memory *memory, const struct foresight *foresight);

// The current subject of exactly that range, or NULL.
struct subject *told_find_exactly(const struct told_memory *memory, const struct range *range);
// The first current subject that overlaps the range, or NULL.
struct subject *told_first_in(const struct told_memory *memory, const struct range *range);
// A new current subject; none may overlap it. It lives until the last told of it goes, so one must
// be added.
struct subject *told_add_subject(struct told_memory *memory, const struct range *range);
// No more answers are given for it.
void told_detach(struct told_memory *memory, struct subject *subject);

// What was told under that nonce, or NULL.
struct told *told_find(const struct told_memory *memory, const struct account *account,
                       uint64_t nonce);
// These will be looked for next.
void told_foresee_nonces(const struct told_memory *memory, const struct account *account,
                         const uint64_t *nonces, size_t count);
struct told *told_add(struct told_memory *memory, struct account *account, struct subject *subject,
                      uint64_t nonce, struct instant expires);
// Takes it out; subject and account end with their last.
void told_remove(struct told_memory *memory, struct told *told);
// Puts it behind all that is queued for its account, or back among what is not.
void told_enqueue(struct told *told);
void told_dequeue(struct told *told);
// An update of it is to be acknowledged by that time.
void told_await(struct told_memory *memory, struct told *told, struct instant deadline);
// None is any more: it waits for its end.
void told_rest(struct told_memory *memory, struct told *told);
// One that expires about now, if its time was not made longer, or NULL.
struct told *told_first_expiring(struct told_memory *memory, struct instant now);
// The same request was answered again.
void told_again(struct told_memory *memory, struct told *told);
// What it was told is to be flushed: it is no longer among the uses.
void told_mark_flush(struct told_memory *memory, struct told *told);

#endif
