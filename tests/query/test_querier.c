// SPDX-License-Identifier: BSD-2-Clause
// The asking side, rule by rule (docs/protocol.md, "Rules"). The test plays the servers A and B.
#include "query/querier.h"
#include "query/upstream.h"
#include "wire_tap.h"

#define A "192.0.2.1:4746"
#define B "192.0.2.2:4746"

struct fixture {
    struct querier *querier;
    struct instant now;
};

static struct querier_config config_of(size_t upstreams)
{
    struct querier_config config = {.upstream_count = upstreams, .open_max = 3, .cached_max = 4};
    config.upstreams[0] = endpoint_of(A);
    config.upstreams[1] = endpoint_of(B);
    return config;
}

static struct fixture start(size_t upstreams)
{
    struct querier_config config = config_of(upstreams);
    struct fixture fixture = {.now = at_ms(0)};
    fixture.querier = querier_new(&config, random_seed_from_number(7), fixture.now);
    return fixture;
}

static void advance(struct fixture *f, uint64_t ms)
{
    f->now = instant_add(f->now, duration_ms(ms));
    querier_tick(f->querier, f->now);
}

// Time passes as in a daemon: the querier is called at each of its deadlines.
static void pass(struct fixture *f, uint64_t ms)
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

static bool sent(struct fixture *f, struct query_message *message, struct endpoint *to)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = querier_next_output(f->querier, f->now, to, bytes);
    if (length > 0)
        *message = message_of(bytes, length);
    return length > 0;
}

// The next message, which must be of that type and go to that server.
static struct query_message expect(struct fixture *f, enum message_type type, const char *to_text)
{
    struct query_message message = {0};
    struct endpoint to = {0};
    if (!sent(f, &message, &to))
        fail_msg("nothing sent, not type %d to %s", type, to_text);
    assert_int_equal(message.type, type);
    assert_endpoint(to, to_text);
    return message;
}

static void expect_silence(struct fixture *f)
{
    struct query_message message = {0};
    struct endpoint to;
    if (sent(f, &message, &to))
        fail_msg("unexpected message of type %d", message.type);
}

static struct querier_event event(struct fixture *f, enum querier_event_kind kind)
{
    struct querier_event event;
    assert_true(querier_next_event(f->querier, &event));
    assert_int_equal(event.kind, kind);
    return event;
}

static void no_event(struct fixture *f)
{
    struct querier_event event;
    assert_false(querier_next_event(f->querier, &event));
}

static void give(struct fixture *f, const char *from, const struct query_message *message)
{
    struct endpoint endpoint = endpoint_of(from);
    struct datagram datagram = datagram_of(message);
    querier_input(f->querier, f->now, &endpoint, datagram.bytes, datagram.length);
}

// A Map Reply to a request: "mapped" to `etr`, or zero.
static struct query_message reply_to(const struct query_message *request, const char *range,
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

static struct query_message update_of(const struct query_message *reply, const char *etr,
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

static struct query_message flush_of(const struct query_message *reply, uint32_t sequence)
{
    struct query_message update = update_of(reply, "zero", sequence);
    update.status = QUERY_FLUSH;
    return update;
}

static void ask(struct fixture *f, const char *address)
{
    struct address question = address_of(address);
    assert_true(querier_ask(f->querier, f->now, &question));
}

// Asks A and has it answered; returns the reply.
static struct query_message learn(struct fixture *f, const char *address, const char *range,
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

static bool cached(struct fixture *f, const char *address)
{
    struct address question = address_of(address);
    struct querier_event found;
    return querier_find(f->querier, &question, &found);
}

static const char *cached_etr(struct fixture *f, const char *address)
{
    static char text[ADDRESS_TEXT_MAX];
    struct address question = address_of(address);
    struct querier_event found;
    assert_true(querier_find(f->querier, &question, &found));
    return address_print(&found.etr, text);
}

// Rules 1 to 3

static void test_asks_and_learns(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_address(request.question, "20.1.0.20");
    assert_int_equal(request.token, 0);
    expect_silence(&f);
    advance(&f, 30);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, A, &reply);
    struct query_message ack = expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(ack.nonce, request.nonce);
    assert_int_equal(ack.token, 0x70);
    assert_int_equal(ack.server_sequence, 1);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_address(learned.question, "20.1.0.20");
    assert_range(learned.range, "20.1.0.16/28");
    assert_address(learned.etr, "198.18.3.1");
    assert_endpoint(learned.upstream, A);
    assert_int_equal(learned.waited.ns, duration_ms(30).ns);
    assert_int_equal(learned.expires.ns, at_ms(600000).ns); // from the request on
    assert_true(cached(&f, "20.1.0.31"));
    assert_false(cached(&f, "20.1.0.32"));
    ask(&f, "20.2.0.1");
    request = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(request.token, 0x70); // proves our address
    querier_free(f.querier);
}

static void test_asks_the_next_after_the_retry_time(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message first = expect(&f, MESSAGE_MAP_REQUEST, A);
    advance(&f, RETRY_MS_DEFAULT - 1);
    expect_silence(&f);
    advance(&f, 1);
    struct query_message second = expect(&f, MESSAGE_MAP_REQUEST, B);
    assert_int_not_equal(first.nonce, second.nonce);
    // The first may still answer.
    struct query_message reply = reply_to(&first, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    (void)event(&f, QUERIER_LEARNED);
    // The answer to the second comes too late, and its range is not taken over.
    reply = reply_to(&second, "20.1.0.0/24", "198.18.3.2", 1);
    give(&f, B, &reply);
    struct query_message release = expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    assert_int_equal(release.released_count, 1);
    assert_int_equal(release.released[0], second.nonce);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.1");
    assert_int_equal(querier_counters(f.querier)->dropped_nonce, 1);
    querier_free(f.querier);
}

static void test_retry_time_follows_the_server(void **state)
{
    (void)state;
    struct fixture f = start(2);
    for (uint32_t i = 1; i <= 30; i++) {
        ask(&f, "20.1.0.20");
        struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
        advance(&f, 2);
        struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", i);
        give(&f, A, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
        (void)event(&f, QUERIER_LEARNED);
    }
    ask(&f, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    advance(&f, RETRY_MS_MIN - 1);
    expect_silence(&f);
    advance(&f, 1);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);
    querier_free(f.querier);
}

static void test_gives_up(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    pass(&f, 75 + 75 + 150);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);
    expect_silence(&f);
    no_event(&f);
    pass(&f, 1000);
    struct querier_event failed = event(&f, QUERIER_FAILED);
    assert_address(failed.question, "20.1.0.20");
    expect_silence(&f);
    assert_int_equal(querier_open(f.querier), 0);
    querier_free(f.querier);
}

static void test_merges_identical_questions(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    ask(&f, "20.1.0.20");
    ask(&f, "2001:db8::1");
    ask(&f, "2001:db8::2"); // the same /64
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    expect_silence(&f);
    assert_int_equal(querier_open(f.querier), 2);
    querier_free(f.querier);
}

static void test_limits_open_questions(void **state)
{
    (void)state;
    struct fixture f = start(1);
    struct address more = address_of("20.1.0.4");
    ask(&f, "20.1.0.1");
    ask(&f, "20.1.0.2");
    ask(&f, "20.1.0.3");
    assert_false(querier_ask(f.querier, f.now, &more));
    assert_int_equal(querier_counters(f.querier)->refused_full, 1);
    querier_free(f.querier);
}

static void test_accepts_only_true_answers(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, "192.0.2.66:4746", &reply); // nobody we asked
    give(&f, "192.0.2.1:4747", &reply);  // another port
    give(&f, B, &reply);                 // a server of ours, but not the one asked
    struct query_message forged = reply;
    forged.nonce++;
    give(&f, A, &forged);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A); // "I hold nothing under that nonce"
    forged = reply_to(&request, "20.1.0.32/28", "198.18.3.1", 1); // not what was asked
    give(&f, A, &forged);
    expect_silence(&f);
    no_event(&f);
    const struct querier_counters *counters = querier_counters(f.querier);
    assert_int_equal(counters->dropped_source, 3);
    assert_int_equal(counters->dropped_nonce, 1);
    assert_int_equal(counters->dropped_range, 1);
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    querier_free(f.querier);
}

static void test_expires(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    reply.caching_ms = 5000;
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    pass(&f, 4999);
    assert_true(cached(&f, "20.1.0.20"));
    pass(&f, 1);
    assert_false(cached(&f, "20.1.0.20"));
    struct querier_event forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.16/28");
    querier_free(f.querier);
}

static void test_evicts_the_least_recently_used(void **state)
{
    (void)state;
    struct fixture f = start(1);
    (void)learn(&f, "20.1.0.1", "20.1.0.1", "198.18.3.1", 1);
    (void)learn(&f, "20.1.0.2", "20.1.0.2", "198.18.3.1", 2);
    (void)learn(&f, "20.1.0.3", "20.1.0.3", "198.18.3.1", 3);
    (void)learn(&f, "20.1.0.4", "20.1.0.4", "198.18.3.1", 4);
    assert_true(cached(&f, "20.1.0.1")); // used: now 2 is the oldest
    ask(&f, "20.1.0.5");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.5", "198.18.3.1", 5);
    give(&f, A, &reply);
    struct querier_event forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.2");
    (void)event(&f, QUERIER_LEARNED);
    assert_int_equal(querier_cached(f.querier), 4);
    querier_free(f.querier);
}

// Statuses that send the querier elsewhere

static void test_try_another_and_busy_go_to_the_next_at_once(void **state)
{
    (void)state;
    struct fixture f = start(2);
    for (int round = 0; round < 2; round++) {
        ask(&f, "20.1.0.20");
        struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
        struct query_message reply = reply_to(&request, "20.1.0.20", "zero", 1);
        reply.status = round == 0 ? QUERY_TRY_ANOTHER : QUERY_BUSY;
        give(&f, A, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
        request = expect(&f, MESSAGE_MAP_REQUEST, B);
        reply = reply_to(&request, "20.1.0.20", "zero", 1);
        give(&f, B, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
        (void)event(&f, QUERIER_LEARNED);
        no_event(&f);
    }
    // A server that said it is busy is spared for a while.
    ask(&f, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, B);
    querier_free(f.querier);
}

static void test_fails_when_all_decline(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    for (int i = 0; i < QUERY_TRIES_MAX; i++) {
        struct query_message request = {0};
        struct endpoint to;
        while (!sent(&f, &request, &to) || request.type != MESSAGE_MAP_REQUEST)
            pass(&f, 1);
        struct query_message reply = reply_to(&request, "20.1.0.20", "zero", 1);
        char from[ENDPOINT_TEXT_MAX];
        reply.status = QUERY_TRY_ANOTHER;
        give(&f, endpoint_print(&to, from), &reply);
    }
    (void)event(&f, QUERIER_FAILED);
    assert_int_equal(querier_open(f.querier), 0);
    querier_free(f.querier);
}

static void test_proves_its_address_when_told_to(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message prove = {
        .type = MESSAGE_MAP_REQUEST_ACK, .nonce = request.nonce, .token = 0x99, .instance = 0xf};
    give(&f, A, &prove);
    struct query_message again = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(again.token, 0x99);
    assert_int_not_equal(again.nonce, request.nonce);
    prove.nonce = again.nonce; // a server that asks for it for ever
    give(&f, A, &prove);
    expect_silence(&f);
    struct query_message reply = reply_to(&again, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    querier_free(f.querier);
}

// Rule 6

static void test_takes_updates(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message update = update_of(&reply, "198.18.3.2", 2);
    advance(&f, 1000);
    give(&f, A, &update);
    struct query_message ack = expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    assert_int_equal(ack.server_sequence, 2);
    assert_int_equal(ack.token, 0x70);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_int_equal(learned.question.family, FAMILY_NONE);
    assert_address(learned.etr, "198.18.3.2");
    assert_int_equal(learned.expires.ns, at_ms(600000).ns); // not lengthened
    // Repeated: acknowledged, nothing else.
    give(&f, A, &update);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    no_event(&f);
    // An older one that was overtaken.
    struct query_message newer = update_of(&reply, "zero", 4);
    struct query_message older = update_of(&reply, "198.18.3.3", 3);
    give(&f, A, &newer);
    give(&f, A, &older);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "zero");
    assert_int_equal(querier_counters(f.querier)->repeated, 2);
    querier_free(f.querier);
}

static void test_update_may_shorten_caching(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message update = update_of(&reply, "198.18.3.2", 2);
    update.caching_ms = 1000;
    give(&f, A, &update);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_int_equal(learned.expires.ns, at_ms(1000).ns);
    querier_free(f.querier);
}

static void test_flush(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message flush = flush_of(&reply, 2);
    give(&f, A, &flush);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    (void)event(&f, QUERIER_FORGET);
    assert_false(cached(&f, "20.1.0.20"));
    give(&f, A, &flush); // repeated: acknowledged though nothing is cached
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    no_event(&f);
    querier_free(f.querier);
}

static void test_refuses_forged_updates(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message reply = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message update = update_of(&reply, "198.18.3.66", 2);
    give(&f, "192.0.2.66:4746", &update);
    expect_silence(&f);
    give(&f, B, &update); // not the server that gave the range
    update.nonce++;
    give(&f, A, &update);
    no_event(&f);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.1");
    querier_free(f.querier);
}

static void test_update_that_overtakes_its_reply(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message update = update_of(&reply, "198.18.3.2", 2);
    give(&f, A, &update);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_address(learned.question, "20.1.0.20");
    assert_address(learned.etr, "198.18.3.2");
    give(&f, A, &reply); // the old mapping comes late
    no_event(&f);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.2");
    querier_free(f.querier);
}

static void test_flush_that_overtakes_its_reply(void **state)
{
    (void)state;
    struct fixture f = start(2);
    ask(&f, "20.1.0.20");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message flush = flush_of(&reply, 2);
    give(&f, A, &flush);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    (void)expect(&f, MESSAGE_MAP_REQUEST, B); // asked again at once
    give(&f, A, &reply);
    no_event(&f);
    assert_false(cached(&f, "20.1.0.20"));
    querier_free(f.querier);
}

static void test_answers_in_the_wrong_order(void **state)
{
    (void)state;
    struct fixture f = start(1);
    ask(&f, "20.1.0.20");
    struct query_message first = expect(&f, MESSAGE_MAP_REQUEST, A);
    ask(&f, "20.1.0.21");
    struct query_message second = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message old = reply_to(&first, "20.1.0.16/28", "198.18.3.1", 1);
    struct query_message new = reply_to(&second, "20.1.0.16/28", "198.18.3.2", 2);
    give(&f, A, &new);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    (void)event(&f, QUERIER_LEARNED);
    give(&f, A, &old);
    struct query_message ack = expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(ack.released_count, 1); // not taken over
    assert_int_equal(ack.released[0], first.nonce);
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_address(learned.question, "20.1.0.20");
    assert_address(learned.etr, "198.18.3.2");
    // The server's update for the nonce that was taken over counts, the other does not.
    struct query_message update = update_of(&old, "198.18.3.4", 3);
    give(&f, A, &update);
    no_event(&f);
    update = update_of(&new, "198.18.3.5", 4);
    give(&f, A, &update);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.5");
    querier_free(f.querier);
}

static void test_releases_what_it_replaces(void **state)
{
    (void)state;
    struct fixture f = start(2);
    struct query_message first = learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    ask(&f, "20.1.0.21");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 2);
    give(&f, A, &reply);
    struct query_message ack = expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(ack.released_count, 1);
    assert_int_equal(ack.released[0], first.nonce);
    // Another server's answer releases nothing of A, and A's late answer is taken over again: A
    // must still tell us, although B told us in between.
    ask(&f, "20.1.0.22");
    struct query_message late = expect(&f, MESSAGE_MAP_REQUEST, A);
    ask(&f, "20.1.0.23");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    pass(&f, 75);
    request = expect(&f, MESSAGE_MAP_REQUEST, B);
    reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    give(&f, B, &reply);
    ack = expect(&f, MESSAGE_MAP_REQUEST, B); // for .23
    ack = expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    assert_int_equal(ack.released_count, 0);
    (void)late;
    querier_free(f.querier);
}

static void test_a_server_behind_does_not_bring_back_the_past(void **state)
{
    (void)state;
    struct fixture f = start(2);
    (void)learn(&f, "20.1.0.20", "20.1.0.16/29", "198.18.3.1", 1); // sequence 10 of the MAB
    ask(&f, "20.1.0.30");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    pass(&f, 100);
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, B);
    struct query_message reply = reply_to(&request, "20.1.0.16/28", "198.18.3.9", 1);
    reply.mab_sequence = 9;
    give(&f, B, &reply);
    no_event(&f);
    assert_string_equal(cached_etr(&f, "20.1.0.20"), "198.18.3.1");
    assert_int_equal(querier_counters(f.querier)->dropped_stale, 1);
    querier_free(f.querier);
}

static void test_new_boundaries_replace_old_ones(void **state)
{
    (void)state;
    struct fixture f = start(1);
    (void)learn(&f, "20.1.0.16", "20.1.0.16/29", "198.18.3.1", 1);
    (void)learn(&f, "20.1.0.24", "20.1.0.24/29", "198.18.3.1", 2);
    ask(&f, "20.1.0.40");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&request, "20.1.0.0/24", "198.18.3.2", 3);
    give(&f, A, &reply);
    struct querier_event forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.16/29");
    forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.24/29");
    struct querier_event learned = event(&f, QUERIER_LEARNED);
    assert_range(learned.range, "20.1.0.0/24");
    assert_int_equal(querier_cached(f.querier), 1);
    querier_free(f.querier);
}

// Rule 8

static struct query_message alive_reply(const struct query_message *request, uint64_t instance)
{
    return (struct query_message){.type = MESSAGE_ALIVE_REPLY,
                                  .nonce = request->nonce,
                                  .token = 0x71,
                                  .querier_sequence = request->querier_sequence,
                                  .instance = instance};
}

static void test_silence_is_checked(void **state)
{
    (void)state;
    struct fixture f = start(2);
    pass(&f, 60000);
    expect_silence(&f); // nothing is held, so nobody is asked
    (void)learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    pass(&f, ALIVE_SILENCE_MS - 1);
    expect_silence(&f);
    pass(&f, 1);
    struct query_message request = expect(&f, MESSAGE_ALIVE_REQUEST, A);
    struct query_message reply = alive_reply(&request, 0xa);
    give(&f, B, &reply); // does not count
    pass(&f, 500);
    give(&f, A, &reply);
    pass(&f, ALIVE_SILENCE_MS - 1);
    expect_silence(&f);
    assert_true(cached(&f, "20.1.0.20"));
    querier_free(f.querier);
}

static void test_dead_server_is_forgotten(void **state)
{
    (void)state;
    struct fixture f = start(2);
    (void)learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    pass(&f, ALIVE_SILENCE_MS + 2 * ALIVE_RETRY_MS);
    (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    assert_true(cached(&f, "20.1.0.20"));
    pass(&f, ALIVE_RETRY_MS);
    (void)event(&f, QUERIER_FORGET);
    assert_false(cached(&f, "20.1.0.20"));
    assert_int_equal(querier_counters(f.querier)->upstreams_lost, 1);
    ask(&f, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, B); // the dead one is no longer preferred
    querier_free(f.querier);
}

static void test_restart_is_noticed(void **state)
{
    (void)state;
    struct fixture f = start(1);
    (void)learn(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1", 1);
    pass(&f, ALIVE_SILENCE_MS);
    struct query_message request = expect(&f, MESSAGE_ALIVE_REQUEST, A);
    struct query_message reply = alive_reply(&request, 0xb);
    give(&f, A, &reply);
    (void)event(&f, QUERIER_FORGET);
    // In a Map Reply too: what it brings is kept, the rest is forgotten.
    ask(&f, "20.1.0.20");
    request = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = reply_to(&request, "20.1.0.16/28", "198.18.3.1", 1);
    reply.instance = 0xb;
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    ask(&f, "20.2.0.1");
    request = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = reply_to(&request, "20.2.0.1", "198.18.3.1", 1);
    reply.instance = 0xc;
    give(&f, A, &reply);
    struct querier_event forget = event(&f, QUERIER_FORGET);
    assert_range(forget.range, "20.1.0.16/28");
    (void)event(&f, QUERIER_LEARNED);
    assert_true(cached(&f, "20.2.0.1"));
    querier_free(f.querier);
}

static void test_a_late_answer_is_no_restart(void **state)
{
    (void)state;
    struct fixture f = start(1);
    ask(&f, "20.1.0.1");
    struct query_message early = expect(&f, MESSAGE_MAP_REQUEST, A);
    ask(&f, "20.1.0.2");
    struct query_message later = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = reply_to(&later, "20.1.0.2", "198.18.3.1", 1);
    reply.instance = 0xb;
    give(&f, A, &reply);
    (void)event(&f, QUERIER_LEARNED);
    reply = reply_to(&early, "20.1.0.1", "198.18.3.1", 7); // from before it restarted
    give(&f, A, &reply);
    no_event(&f);
    assert_true(cached(&f, "20.1.0.2"));
    assert_int_equal(querier_counters(f.querier)->dropped_stale, 1);
    querier_free(f.querier);
}

static void test_comes_back_to_its_first_choice(void **state)
{
    (void)state;
    struct fixture f = start(2);
    for (int i = 0; i < 3; i++) { // A is silent three times
        ask(&f, "20.1.0.20");
        (void)expect(&f, MESSAGE_MAP_REQUEST, A);
        pass(&f, 75);
        struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, B);
        struct query_message reply = reply_to(&request, "20.1.0.20", "198.18.3.1", (uint32_t)i + 1);
        give(&f, B, &reply);
        (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
        (void)event(&f, QUERIER_LEARNED);
    }
    ask(&f, "20.1.0.21");
    struct query_message request = expect(&f, MESSAGE_MAP_REQUEST, B);
    struct query_message reply = reply_to(&request, "20.1.0.21", "198.18.3.1", 9);
    give(&f, B, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, B);
    (void)event(&f, QUERIER_LEARNED);
    pass(&f, UPSTREAM_PENALTY_MS);
    request = expect(&f, MESSAGE_ALIVE_REQUEST, A); // probed after the penalty
    reply = alive_reply(&request, 0xa);
    give(&f, A, &reply);
    ask(&f, "20.1.0.22");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    querier_free(f.querier);
}

static void test_penalty_doubles_for_a_flapping_server(void **state)
{
    (void)state;
    struct upstream upstream;
    struct endpoint endpoint = endpoint_of(A);
    struct instant now = at_ms(0);
    upstream_init(&upstream, &endpoint, now);
    uint64_t expected = UPSTREAM_PENALTY_MS;
    for (int i = 0; i < 10; i++) {
        upstream_failed(&upstream, now);
        assert_int_equal(upstream.penalty.ns, duration_ms(expected).ns);
        assert_int_equal(upstream_rank(&upstream, now), 2);
        now = upstream.avoided_until;
        upstream_answered(&upstream, now, duration_ms(5));
        assert_int_equal(upstream_rank(&upstream, now), 0);
        now = instant_add(now, duration_s(5));
        expected = expected < UPSTREAM_PENALTY_MS_MAX ? expected * 2 : expected;
    }
    now = instant_add(now, duration_ms(UPSTREAM_GOOD_MS));
    upstream_failed(&upstream, now);
    assert_int_equal(upstream.penalty.ns, duration_ms(UPSTREAM_PENALTY_MS).ns);
}

static void test_malformed_is_counted(void **state)
{
    (void)state;
    struct fixture f = start(1);
    struct endpoint from = endpoint_of(A);
    uint8_t junk[40] = {0x49, 0x76, 9};
    querier_input(f.querier, f.now, &from, junk, sizeof(junk));
    assert_int_equal(querier_counters(f.querier)->dropped_malformed, 1);
    expect_silence(&f);
    querier_free(f.querier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_and_learns),
        cmocka_unit_test(test_asks_the_next_after_the_retry_time),
        cmocka_unit_test(test_retry_time_follows_the_server),
        cmocka_unit_test(test_gives_up),
        cmocka_unit_test(test_merges_identical_questions),
        cmocka_unit_test(test_limits_open_questions),
        cmocka_unit_test(test_accepts_only_true_answers),
        cmocka_unit_test(test_expires),
        cmocka_unit_test(test_evicts_the_least_recently_used),
        cmocka_unit_test(test_try_another_and_busy_go_to_the_next_at_once),
        cmocka_unit_test(test_fails_when_all_decline),
        cmocka_unit_test(test_proves_its_address_when_told_to),
        cmocka_unit_test(test_takes_updates),
        cmocka_unit_test(test_update_may_shorten_caching),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_refuses_forged_updates),
        cmocka_unit_test(test_update_that_overtakes_its_reply),
        cmocka_unit_test(test_flush_that_overtakes_its_reply),
        cmocka_unit_test(test_answers_in_the_wrong_order),
        cmocka_unit_test(test_releases_what_it_replaces),
        cmocka_unit_test(test_a_server_behind_does_not_bring_back_the_past),
        cmocka_unit_test(test_new_boundaries_replace_old_ones),
        cmocka_unit_test(test_silence_is_checked),
        cmocka_unit_test(test_dead_server_is_forgotten),
        cmocka_unit_test(test_restart_is_noticed),
        cmocka_unit_test(test_a_late_answer_is_no_restart),
        cmocka_unit_test(test_comes_back_to_its_first_choice),
        cmocka_unit_test(test_penalty_doubles_for_a_flapping_server),
        cmocka_unit_test(test_malformed_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
