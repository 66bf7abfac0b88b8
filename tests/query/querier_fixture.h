// SPDX-License-Identifier: BSD-2-Clause
// A querier, with a test that plays its servers A and B.
#ifndef IVIP_TESTS_QUERY_QUERIER_FIXTURE_H
#define IVIP_TESTS_QUERY_QUERIER_FIXTURE_H

#include "query/querier.h"
#include "query/upstream.h"
#include "wire_tap.h"

#define A "192.0.2.1:4746"
#define B "192.0.2.2:4746"

struct fixture {
    struct querier *querier;
    struct instant now;
};

static inline struct querier_config config_of(size_t upstreams)
{
    struct querier_config config = {.upstream_count = upstreams, .open_max = 3, .cached_max = 4};
    config.upstreams[0] = endpoint_of(A);
    config.upstreams[1] = endpoint_of(B);
    return config;
}

static inline struct fixture start(size_t upstreams)
{
    struct querier_config config = config_of(upstreams);
    struct fixture fixture = {.now = at_ms(0)};
    fixture.querier = querier_new(&config, random_seed_from_number(7), fixture.now);
    return fixture;
}

static inline void advance(struct fixture *f, uint64_t ms)
{
    f->now = instant_add(f->now, duration_ms(ms));
    querier_tick(f->querier, f->now);
}

// Time passes as in a daemon: the querier is called at each of its deadlines.
static inline void pass(struct fixture *f, uint64_t ms)
{
    struct instant end = instant_add(f->now, duration_ms(ms));
    for (struct instant next = querier_next_deadline(f->querier);
         !instant_before(end, next) && next.ns != INSTANT_NEVER.ns;
         next = querier_next_deadline(f->querier)) {
        f->now = next;
        querier_tick(f->querier, next);
    }
    f->now = end;
}

static inline bool sent(struct fixture *f, struct query_message *message, struct endpoint *to)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = querier_next_output(f->querier, f->now, to, bytes);
    if (length > 0)
        *message = message_of(bytes, length);
    return length > 0;
}

// The next message, which must be of that type and go to that server.
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

static inline struct querier_event event(struct fixture *f, enum querier_event_kind kind)
{
    struct querier_event event;
    assert_true(querier_next_event(f->querier, &event));
    assert_int_equal(event.kind, kind);
    return event;
}

static inline void no_event(struct fixture *f)
{
    struct querier_event event;
    assert_false(querier_next_event(f->querier, &event));
}

static inline void give(struct fixture *f, const char *from, const struct query_message *message)
{
    struct endpoint endpoint = endpoint_of(from);
    struct datagram datagram = datagram_of(message);
    querier_input(f->querier, f->now, &endpoint, datagram.bytes, datagram.length);
}

// A Map Reply to a request: "mapped" to `etr`, or zero.
static inline struct query_message reply_to(const struct query_message *request, const char *range,
                                            const char *etr, uint32_t sequence)
{
    return (struct query_message){
        .type = MESSAGE_MAP_REPLY,
        .nonce = request->nonce,
        .token = 0x70,
        .querier_sequence = request->querier_sequence,
        .server_sequence = sequence,
        .instance = 0xa,
        .status = strcmp(etr, "zero") == 0 ? QUERY_ZERO : QUERY_MAPPED,
        .caching_ms = 600000,
        .range = range_of(range),
        .etr = address_of(etr),
        .mab_sequence = 10,
    };
}

static inline struct query_message update_of(const struct query_message *reply, const char *etr,
                                             uint32_t sequence)
{
    struct query_message update = *reply;
    update.type = MESSAGE_CACHE_UPDATE;
    update.server_sequence = sequence;
    update.etr = address_of(etr);
    update.status = strcmp(etr, "zero") == 0 ? QUERY_ZERO : QUERY_MAPPED;
    update.mab_sequence++;
    return update;
}

static inline struct query_message flush_of(const struct query_message *reply, uint32_t sequence)
{
    struct query_message update = update_of(reply, "zero", sequence);
    update.status = QUERY_FLUSH;
    return update;
}

static inline void ask(struct fixture *f, const char *address)
{
    struct address question = address_of(address);
    assert_true(querier_ask(f->querier, f->now, &question));
}

// Asks A and has it answered; returns the reply.
static inline struct query_message learn(struct fixture *f, const char *address, const char *range,
                                         const char *etr, uint32_t sequence)
{
    ask(f, address);
    struct query_message request = expect(f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, range, etr, sequence);
    give(f, A, &reply);
    (void)expect(f, MESSAGE_MAP_REPLY_ACK, A);
    (void)event(f, QUERIER_LEARNED);
    return reply;
}

static inline bool cached(struct fixture *f, const char *address)
{
    struct address question = address_of(address);
    struct querier_event found;
    return querier_find(f->querier, &question, &found);
}

static inline const char *cached_etr(struct fixture *f, const char *address)
{
    static char text[ADDRESS_TEXT_MAX];
    struct address question = address_of(address);
    struct querier_event found;
    assert_true(querier_find(f->querier, &question, &found));
    return address_print(&found.etr, text);
}

#endif
