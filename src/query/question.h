// SPDX-License-Identifier: BSD-2-Clause
// Questions a querier has open: each with up to QUERY_TRIES_MAX Map Requests, sent one after the
// other, any of which may still be answered (docs/protocol.md, rules 1 and 2).
//
//     question 20.1.0.7 --- request nonce 1 to upstream A, unanswered for its retry time
//                       \-- request nonce 2 to upstream B, open
#ifndef IVIP_QUERY_QUESTION_H
#define IVIP_QUERY_QUESTION_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/table.h"
#include "query/cache.h"
#include "query/querier.h"

#define UPSTREAM_GONE UINT16_MAX // asked of a server that is no longer an upstream

struct question;

struct request {
    struct table_node by_nonce;
    struct question *question;
    uint64_t nonce;
    uint64_t sequence; // of all requests to all servers
    uint16_t upstream; // index, or UPSTREAM_GONE
    bool open;         // an answer to it is accepted
    bool proving;      // sent again with the token the server asked for
    bool declined;     // its server cannot answer it now
    struct instant sent;
};

struct question {
    struct address address;
    struct instant asked;
    struct table_node by_unit;
    struct heap_node deadline; // then the next request is sent, or it has failed
    struct request requests[QUERY_TRIES_MAX];
    uint8_t request_count;
    uint16_t group;   // of the servers that can answer it
    uint16_t advised; // the server that another advised; UPSTREAM_GONE: none
    bool outside;     // a server said that it is in no MAB
    bool bounded;     // an answer must lie in `mab`
    struct range mab;
    bool closed;
    struct event_link event;     // once closed
    struct querier_event result; // once closed
};

struct questions {
    struct hash_key key;
    struct slab slab;
    struct table units;
    struct table nonces;
    struct heap deadlines;
    size_t count; // open ones
};

void questions_init(struct questions *questions, struct hash_key key);
void questions_release(struct questions *questions);

// The open question for the unit of that address, or NULL.
struct question *questions_find(const struct questions *questions, const struct address *address);
// The open request with that nonce, or NULL.
struct request *questions_find_request(const struct questions *questions, uint64_t nonce);
// The question whose deadline comes first, or NULL.
struct question *questions_first_due(const struct questions *questions);

struct question *questions_open(struct questions *questions, struct instant now,
                                const struct address *address);
// Takes a question and its requests out; it stays allocated until questions_free.
void questions_close(struct questions *questions, struct question *question);
void questions_free(struct questions *questions, struct question *question);

// Makes a request of the question open under a nonce; `request` is a free one of its requests.
void questions_open_request(struct questions *questions, struct request *request, uint64_t nonce);
void questions_close_request(struct questions *questions, struct request *request);

// The next open question in no particular order; start with NULL.
struct question *questions_next(const struct questions *questions, struct question *question);

// How many requests of the question went to that upstream.
unsigned question_tries(const struct question *question, size_t upstream);
// Whether a range can be the answer.
bool question_takes(const struct question *question, const struct range *range);
// Whether that upstream said that it cannot answer it now.
bool question_declined(const struct question *question, size_t upstream);
bool question_waits(const struct question *question);

#endif
