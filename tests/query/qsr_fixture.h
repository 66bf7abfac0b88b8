// SPDX-License-Identifier: BSD-2-Clause
// A caching server, with a test that plays its upstream A and its queriers X and Y.
#ifndef IVIP_TESTS_QUERY_QSR_FIXTURE_H
#define IVIP_TESTS_QUERY_QSR_FIXTURE_H

#include "query/qsr.h"
#include "query/upstream.h"
#include "wire_tap.h"

#define A "192.0.2.1:4746"
#define X "192.0.2.9:4746"
#define Y "192.0.2.8:4746"

struct fixture {
    struct qsr *qsr;
    struct instant now;
    uint64_t nonce;
    uint32_t sequence; // A's
    uint64_t instance; // A's
};

static inline struct qsr_config config_of(void)
{
    struct qsr_config config = {
        .querier = {.upstream_count = 1, .open_max = 3, .cached_max = 4},
        .teller = {.queriers_max = 100,
                   .unproven_max = 100,
                   .told_max = 1000,
                   .told_per_querier_max = 100},
        .waiting_max = 10,
    };
    config.querier.upstreams[0] = endpoint_of(A);
    return config;
}

static inline struct fixture start(void)
{
    struct qsr_config config = config_of();
    struct fixture f = {.now = at_ms(0), .nonce = 100, .instance = 0xa};
    f.qsr = qsr_new(&config, random_seed_from_number(5), f.now);
    return f;
}

static inline bool sent(struct fixture *f, struct query_message *message, struct endpoint *to)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = qsr_next_output(f->qsr, f->now, to, bytes);
    if (length > 0)
        *message = message_of(bytes, length);
    return length > 0;
}

static inline struct query_message expect(struct fixture *f, enum message_type type,
                                          const char *to_text)
{
    struct query_message message = {0};
    struct endpoint to = {0};
    assert_sent(sent(f, &message, &to), &message, &to, type, to_text);
    return message;
}

static inline void expect_silence(struct fixture *f)
{
    struct query_message message = {0};
    struct endpoint to;
    assert_not_sent(sent(f, &message, &to), &message);
}

static inline void give(struct fixture *f, const char *from, const struct query_message *message)
{
    struct endpoint endpoint = endpoint_of(from);
    struct datagram datagram = datagram_of(message);
    struct foresight foresight;
    foresight_init(&foresight);
    foresight_add(&foresight, &endpoint, datagram.bytes, datagram.length);
    qsr_foresee(f->qsr, &foresight);
    qsr_input(f->qsr, f->now, &endpoint, datagram.bytes, datagram.length);
}

// Time passes; the server is called at each of its deadlines.
static inline void pass(struct fixture *f, uint64_t ms)
{
    struct instant end = instant_add(f->now, duration_ms(ms));
    for (struct instant next = qsr_next_deadline(f->qsr); !instant_before(end, next);
         next = qsr_next_deadline(f->qsr)) {
        f->now = next;
        qsr_tick(f->qsr, next);
        if (qsr_next_deadline(f->qsr).ns <= next.ns)
            break; // an update is due: the test takes it
    }
    f->now = end;
}

static inline void request(struct fixture *f, const char *from, const char *address)
{
    struct query_message message = {.type = MESSAGE_MAP_REQUEST,
                                    .nonce = ++f->nonce,
                                    .querier_sequence = 1,
                                    .instance = 0xe,
                                    .question = address_of(address)};
    give(f, from, &message);
}

static inline struct query_message answer(struct fixture *f, const struct query_message *asked,
                                          const char *range, const char *etr)
{
    struct query_message reply = {
        .type = MESSAGE_MAP_REPLY,
        .nonce = asked->nonce,
        .token = 0x70,
        .server_sequence = ++f->sequence,
        .instance = f->instance,
        .status = strcmp(etr, "zero") == 0 ? QUERY_ZERO : QUERY_MAPPED,
        .caching_ms = 600000,
        .range = range_of(range),
        .etr = address_of(etr),
        .mab_sequence = 10,
    };
    give(f, A, &reply);
    return reply;
}

// "Not in a MAB".
static inline struct query_message outside(const struct query_message *asked, const char *address)
{
    return (struct query_message){.type = MESSAGE_MAP_REPLY,
                                  .nonce = asked->nonce,
                                  .instance = 0xa,
                                  .status = QUERY_NOT_IN_MAB,
                                  .caching_ms = 10000,
                                  .range = range_of(address)};
}

static inline void acknowledge(struct fixture *f, const char *from,
                               const struct query_message *message)
{
    struct query_message ack = acknowledgement_of(message);
    give(f, from, &ack);
}

// X asks, A answers, X gets the reply and acknowledges it; returns A's reply.
static inline struct query_message fill(struct fixture *f, const char *address, const char *range,
                                        const char *etr)
{
    request(f, X, address);
    struct query_message asked = expect(f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = answer(f, &asked, range, etr);
    (void)expect(f, MESSAGE_MAP_REPLY_ACK, A);
    struct query_message passed = expect(f, MESSAGE_MAP_REPLY, X);
    acknowledge(f, X, &passed);
    return reply;
}

#endif
