// SPDX-License-Identifier: BSD-2-Clause
// The querier's insides, shared by its two files: querier.c asks, keeps time and tells its owner;
// querier_input.c takes what servers send.
#ifndef IVIP_QUERY_QUERIER_STATE_H
#define IVIP_QUERY_QUERIER_STATE_H

#include "query/cache.h"
#include "query/choice.h"
#include "query/outbox.h"
#include "query/querier.h"
#include "query/question.h"
#include "query/upstream.h"

// Forgetting a million entries of a server that restarted takes most of a second, in which nobody
// would be answered. So no more than FORGOTTEN_AT_ONCE are forgotten in one turn. The place of the
// server then gets another *generation*: what was learned before is not vouched for any more, and
// as good as gone for whoever looks, until its turn comes.
#define FORGOTTEN_AT_ONCE 1000

// A group of upstreams; see querier_set_group.
struct group {
    bool measured; // ordered by measurement; otherwise as they were given
    struct choice choice;
};

struct querier {
    struct querier_config config;
    struct random_source random;
    uint64_t instance;           // ours
    uint64_t sequence;           // of our last request; messages have the low 32 bits
    bool mabs_known;             // see querier_set_mabs_known
    struct upstream **upstreams; // owned; upstream_slots of them, NULL where one is free
    uint32_t *generations;       // owned; of each of these places
    size_t upstream_slots;
    struct table by_endpoint;
    struct hash_key endpoint_key;
    struct group *groups; // owned
    size_t group_count;
    struct instant check_at; // no upstream has anything to do before
    struct questions questions;
    struct cache cache;
    struct list_node leaving; // entries of earlier generations, which are still to be forgotten
    struct instant left;      // when the last of them came there
    struct list_node events;  // of struct event_link.node, in order
    struct outbox outbox;
    struct querier_counters counters;
};

// groups.c

// The upstream at that address, or NULL.
struct upstream *querier_find_upstream(const struct querier *querier,
                                       const struct endpoint *endpoint);
// Something happened to an upstream: it may be due earlier than was known.
void querier_watch(struct querier *querier, const struct upstream *upstream);
// The upstream to ask next; the question's group must have one.
size_t querier_choose(struct querier *querier, struct instant now, const struct question *question);
// Puts the servers of every measured group into order; each question does so for its own.
void querier_rank(struct querier *querier, struct instant now);
void querier_groups_release(struct querier *querier);

// querier.c

// Takes an entry out of the cache; its owner is told.
void querier_forget(struct querier *querier, struct learned *learned);
// All that a server told.
void querier_forget_all_of(struct querier *querier, struct instant now, struct upstream *upstream);
// Whether the server that told it still stands by it, as far as is known; otherwise it must not be
// used, and its server may be no more.
bool querier_is_vouched(const struct querier *querier, const struct learned *learned);
// Tells the owner that an entry changed.
void querier_announce(struct querier *querier, struct event_link *event);
// The question is answered by what is cached for it now.
void querier_answer(struct querier *querier, struct instant now, struct question *question,
                    const struct learned *learned);
// A request ended without an answer that can be used: another server is asked at once; where all
// have declined, after a retry time; or the question has failed.
void querier_request_in_vain(struct querier *querier, struct instant now, struct request *request);
// Sends a Map Request under a fresh nonce.
void querier_send_request(struct querier *querier, struct instant now, struct request *request);

#endif
