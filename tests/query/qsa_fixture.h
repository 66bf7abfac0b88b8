// SPDX-License-Identifier: BSD-2-Clause
// A QSA over a real database, with a test that plays its queriers X and Y.
#ifndef IVIP_TESTS_QUERY_QSA_FIXTURE_H
#define IVIP_TESTS_QUERY_QSA_FIXTURE_H

#include "base/wheel.h"
#include "mapping/database.h"
#include "query/qsa.h"
#include "query/token.h"
#include "wire_tap.h"
#include <stdio.h>

#define X   "192.0.2.9:4746"
#define Y   "192.0.2.8:4746"
#define MAB "20.0.0.0/14"

// What has expired is removed so much later at most.
#define TICK_MS (WHEEL_TICK_NS / 1000000 + 1)

struct fixture {
    struct database *database;
    struct qsa *qsa;
    struct instant now;
    uint64_t sequence;
    uint64_t nonce;
};

static inline struct qsa_config config_of(void)
{
    return (struct qsa_config){
        .teller = {.queriers_max = 100,
                   .unproven_max = 100,
                   .told_max = 1000,
                   .told_per_querier_max = 100},
        .caching_time = duration_s(600),
    };
}

static inline void apply(struct fixture *f, const struct update *updates, size_t count)
{
    struct prefix mab = prefix_of(MAB);
    struct error error;
    if (!mapping_apply(database_get(f->database, &mab), updates, count, NULL, &error))
        fail_msg("%s", error.text);
    f->sequence++;
    qsa_changed(f->qsa, f->now, &mab, f->sequence, updates, count);
}

static inline struct update update_of(enum update_kind kind, const char *range, const char *etr)
{
    return (struct update){.kind = kind, .range = range_of(range), .etr = address_of(etr)};
}

static inline void change(struct fixture *f, enum update_kind kind, const char *range,
                          const char *etr)
{
    struct update update = update_of(kind, range, etr);
    apply(f, &update, 1);
}

static inline struct fixture start_with(const struct qsa_config *config)
{
    struct fixture f = {.now = at_ms(0), .nonce = 100};
    struct prefix mab = prefix_of(MAB);
    struct error error;
    f.database = database_new();
    f.qsa = qsa_new(config, random_seed_from_number(3), f.now);
    assert_true(qsa_mab_add(f.qsa, &mab, &error));
    assert_true(database_put(f.database, mapping_new(&mab, &error), &error));
    qsa_mab_reloaded(f.qsa, f.now, &mab, database_get(f.database, &mab), 0);
    qsa_mab_ready(f.qsa, &mab);
    qsa_set_complete(f.qsa, true);
    change(&f, UPDATE_DEFINE, "20.1.0.16/28", "198.18.3.1");
    change(&f, UPDATE_DEFINE, "20.1.0.64/28", "198.18.3.2");
    change(&f, UPDATE_DEFINE, "20.1.0.80/28", "zero");
    return f;
}

static inline struct fixture start(void)
{
    struct qsa_config config = config_of();
    return start_with(&config);
}

static inline void stop(struct fixture *f)
{
    qsa_free(f->qsa);
    database_free(f->database);
}

static inline bool sent(struct fixture *f, struct query_message *message, struct endpoint *to)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = qsa_next_output(f->qsa, f->now, to, bytes);
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
    assert_int_not_equal(message.token, 0);
    return message;
}

static inline void expect_silence(struct fixture *f)
{
    struct query_message message = {0};
    struct endpoint to;
    assert_not_sent(sent(f, &message, &to), &message);
}

static inline void pass(struct fixture *f, uint64_t ms)
{
    f->now = instant_add(f->now, duration_ms(ms));
    qsa_tick(f->qsa, f->now);
}

static inline void give(struct fixture *f, const char *from, const struct query_message *message)
{
    struct endpoint endpoint = endpoint_of(from);
    struct datagram datagram = datagram_of(message);
    struct foresight foresight;
    foresight_init(&foresight);
    foresight_add(&foresight, &endpoint, datagram.bytes, datagram.length);
    teller_foresee(qsa_teller(f->qsa), &foresight);
    qsa_input(f->qsa, f->now, &endpoint, datagram.bytes, datagram.length);
}

static inline void request(struct fixture *f, const char *from, const char *address, uint64_t token)
{
    struct query_message message = {
        .type = MESSAGE_MAP_REQUEST,
        .nonce = ++f->nonce,
        .token = token,
        .querier_sequence = (uint32_t)f->nonce,
        .instance = 0xe,
        .question = address_of(address),
    };
    give(f, from, &message);
}

static inline void acknowledge(struct fixture *f, const char *from,
                               const struct query_message *message)
{
    struct query_message ack = acknowledgement_of(message);
    give(f, from, &ack);
}

static inline struct query_message ask(struct fixture *f, const char *from, const char *address)
{
    request(f, from, address, 0);
    struct query_message reply = expect(f, MESSAGE_MAP_REPLY, from);
    assert_int_equal(reply.nonce, f->nonce);
    assert_int_equal(reply.querier_sequence, f->nonce);
    return reply;
}

// Takes all that is sent, and acknowledges nothing.
static inline void ignore(struct fixture *f)
{
    struct query_message message = {0};
    struct endpoint to;
    while (sent(f, &message, &to))
        continue;
}

// The mapping of 20.1.0.16/28 changes until those who were told have no octets left that they may
// be sent without proof.
static inline void exhaust_credit(struct fixture *f)
{
    for (int i = 0; i < 200; i++) {
        change(f, UPDATE_MAP, "20.1.0.16/28", i % 2 ? "198.18.3.7" : "198.18.3.8");
        ignore(f);
    }
}

// Asks, and acknowledges: the querier's address is then proven.
static inline struct query_message tell(struct fixture *f, const char *from, const char *address)
{
    struct query_message reply = ask(f, from, address);
    acknowledge(f, from, &reply);
    return reply;
}

static inline uint64_t instance_seen_by(struct fixture *f, const char *from)
{
    struct query_message alive = {.type = MESSAGE_ALIVE_REQUEST, .nonce = 1, .instance = 0xe};
    give(f, from, &alive);
    return expect(f, MESSAGE_ALIVE_REPLY, from).instance;
}

#endif
