// SPDX-License-Identifier: BSD-2-Clause
// The caching server: the test plays its upstream A and its queriers X and Y.
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

static struct qsr_config config_of(void)
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

static struct fixture start(void)
{
    struct qsr_config config = config_of();
    struct fixture f = {.now = at_ms(0), .nonce = 100, .instance = 0xa};
    f.qsr = qsr_new(&config, random_seed_from_number(5), f.now);
    return f;
}

static bool sent(struct fixture *f, struct query_message *message, struct endpoint *to)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = qsr_next_output(f->qsr, f->now, to, bytes);
    if (length > 0)
        *message = message_of(bytes, length);
    return length > 0;
}

static struct query_message expect(struct fixture *f, enum message_type type, const char *to_text)
{
    struct query_message message = {0};
    struct endpoint to = {0};
    assert_sent(sent(f, &message, &to), &message, &to, type, to_text);
    return message;
}

static void expect_silence(struct fixture *f)
{
    struct query_message message = {0};
    struct endpoint to;
    assert_not_sent(sent(f, &message, &to), &message);
}

static void give(struct fixture *f, const char *from, const struct query_message *message)
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
static void pass(struct fixture *f, uint64_t ms)
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

static void request(struct fixture *f, const char *from, const char *address)
{
    struct query_message message = {.type = MESSAGE_MAP_REQUEST,
                                    .nonce = ++f->nonce,
                                    .querier_sequence = 1,
                                    .instance = 0xe,
                                    .question = address_of(address)};
    give(f, from, &message);
}

static struct query_message answer(struct fixture *f, const struct query_message *asked,
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
static struct query_message outside(const struct query_message *asked, const char *address)
{
    return (struct query_message){.type = MESSAGE_MAP_REPLY,
                                  .nonce = asked->nonce,
                                  .instance = 0xa,
                                  .status = QUERY_NOT_IN_MAB,
                                  .caching_ms = 10000,
                                  .range = range_of(address)};
}

static void acknowledge(struct fixture *f, const char *from, const struct query_message *message)
{
    struct query_message ack = acknowledgement_of(message);
    give(f, from, &ack);
}

// X asks, A answers, X gets the reply and acknowledges it; returns A's reply.
static struct query_message fill(struct fixture *f, const char *address, const char *range,
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

static void test_asks_once_and_answers_all(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.20");
    uint64_t x_nonce = f.nonce;
    request(&f, Y, "20.1.0.20");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_true(asked.nonce != x_nonce && asked.nonce != f.nonce); // its own
    expect_silence(&f);
    (void)answer(&f, &asked, "20.1.0.16/28", "198.18.3.1");
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    struct query_message reply = expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(reply.nonce, x_nonce);
    assert_range(reply.range, "20.1.0.16/28");
    assert_address(reply.etr, "198.18.3.1");
    assert_int_equal(reply.mab_sequence, 10);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).nonce, f.nonce);
    assert_int_equal(qsr_counters(f.qsr)->misses, 1);
    assert_int_equal(qsr_counters(f.qsr)->merged, 1);
    assert_int_equal(qsr_waiting(f.qsr), 0);
    qsr_free(f.qsr);
}

static void test_answers_from_cache_with_the_time_left(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    pass(&f, 5000);
    request(&f, Y, "20.1.0.31"); // another address of the same micronet
    struct query_message reply = expect(&f, MESSAGE_MAP_REPLY, Y);
    assert_int_equal(reply.caching_ms, 595000);
    expect_silence(&f);
    assert_int_equal(qsr_counters(f.qsr)->hits, 1);
    qsr_free(f.qsr);
}

static void test_negative_answers_are_cached(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.40", "20.1.0.32/27", "zero");
    request(&f, Y, "20.1.0.50");
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).status, QUERY_ZERO);
    request(&f, X, "192.0.2.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = outside(&asked, "192.0.2.1");
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_NOT_IN_MAB);
    request(&f, Y, "192.0.2.1");
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).status, QUERY_NOT_IN_MAB);
    qsr_free(f.qsr);
}

// Seconds pass in which nobody asks, and the upstream answers alive checks.
static void pass_quietly(struct fixture *f, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        pass(f, 1000);
        struct query_message message = {0};
        struct endpoint to;
        while (sent(f, &message, &to)) {
            assert_int_equal(message.type, MESSAGE_ALIVE_REQUEST);
            struct query_message alive = {
                .type = MESSAGE_ALIVE_REPLY, .nonce = message.nonce, .instance = f->instance};
            give(f, A, &alive);
        }
    }
}

// Before the set of MABs is known, "not in a MAB" is believed. It has no place in a Cache Update:
// who was told that the address is mapped is flushed.
static void test_what_is_in_no_mab_any_more_is_flushed(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.1", "20.1.0.1", "198.18.3.1");
    pass_quietly(&f, 599);
    request(&f, Y, "20.1.0.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = outside(&asked, "20.1.0.1");
    reply.server_sequence = ++f.sequence;
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).status, QUERY_NOT_IN_MAB);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).status, QUERY_FLUSH);
    qsr_free(f.qsr);
}

static void test_asks_again_when_little_time_is_left(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    pass_quietly(&f, 599);
    request(&f, Y, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    qsr_free(f.qsr);
}

static void test_passes_updates_on(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    (void)fill(&f, "20.1.0.70", "20.1.0.64/28", "198.18.3.2");
    struct query_message update = reply;
    update.type = MESSAGE_CACHE_UPDATE;
    update.server_sequence = ++f.sequence;
    update.etr = address_of("198.18.3.7");
    give(&f, A, &update);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    struct query_message passed = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_range(passed.range, "20.1.0.16/28");
    assert_address(passed.etr, "198.18.3.7");
    expect_silence(&f); // Y was told nothing
    acknowledge(&f, X, &passed);
    request(&f, Y, "20.1.0.20");
    assert_address(expect(&f, MESSAGE_MAP_REPLY, Y).etr, "198.18.3.7");
    update.status = QUERY_FLUSH;
    update.etr = ADDRESS_ZERO;
    update.server_sequence = ++f.sequence;
    give(&f, A, &update);
    (void)expect(&f, MESSAGE_CACHE_UPDATE_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).status, QUERY_FLUSH);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, Y).status, QUERY_FLUSH);
    request(&f, X, "20.1.0.20");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A); // no longer cached
    qsr_free(f.qsr);
}

static void test_new_boundaries_flush_the_old(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    request(&f, Y, "20.1.0.40");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    (void)answer(&f, &asked, "20.1.0.0/24", "198.18.3.2");
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_range(expect(&f, MESSAGE_MAP_REPLY, Y).range, "20.1.0.0/24");
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH);
    assert_range(flush.range, "20.1.0.16/28");
    qsr_free(f.qsr);
}

static void test_eviction_from_the_cache_is_told(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.1", "20.1.0.1", "198.18.3.1");
    (void)fill(&f, "20.1.0.2", "20.1.0.2", "198.18.3.1");
    (void)fill(&f, "20.1.0.3", "20.1.0.3", "198.18.3.1");
    (void)fill(&f, "20.1.0.4", "20.1.0.4", "198.18.3.1");
    (void)fill(&f, "20.1.0.5", "20.1.0.5", "198.18.3.1");
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH); // updates for it would no longer come
    assert_range(flush.range, "20.1.0.1");
    qsr_free(f.qsr);
}

static void test_lost_upstream_is_told(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)fill(&f, "20.1.0.20", "20.1.0.16/28", "198.18.3.1");
    pass(&f, ALIVE_SILENCE_MS + ALIVE_TRIES_MAX * ALIVE_RETRY_MS);
    for (int i = 0; i < ALIVE_TRIES_MAX; i++)
        (void)expect(&f, MESSAGE_ALIVE_REQUEST, A);
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH);
    qsr_free(f.qsr);
}

static void test_expiry_wakes_nobody(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.20");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = {.type = MESSAGE_MAP_REPLY,
                                  .nonce = asked.nonce,
                                  .server_sequence = 1,
                                  .instance = f.instance,
                                  .status = QUERY_MAPPED,
                                  .caching_ms = 5000,
                                  .range = range_of("20.1.0.16/28"),
                                  .etr = address_of("198.18.3.1")};
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    struct query_message passed = expect(&f, MESSAGE_MAP_REPLY, X);
    acknowledge(&f, X, &passed);
    pass(&f, 6000);
    expect_silence(&f);
    assert_int_equal(querier_cached(qsr_querier(f.qsr)), 0);
    assert_int_equal(teller_told(qsr_teller(f.qsr)), 0);
    qsr_free(f.qsr);
}

static void test_failure_sends_the_querier_elsewhere(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.20");
    pass(&f, 10000);
    for (int i = 0; i < QUERY_TRIES_MAX; i++)
        (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message alive = {0};
    struct endpoint to;
    struct query_message reply = {0};
    while (sent(&f, &alive, &to)) // the silent upstream is probed meanwhile
        if (alive.type != MESSAGE_ALIVE_REQUEST)
            reply = alive;
    assert_int_equal(reply.type, MESSAGE_MAP_REPLY);
    assert_int_equal(reply.status, QUERY_TRY_ANOTHER);
    assert_int_equal(qsr_waiting(f.qsr), 0);
    qsr_free(f.qsr);
}

static void test_busy_when_too_many_wait(void **state)
{
    (void)state;
    struct fixture f = start();
    request(&f, X, "20.1.0.1");
    request(&f, X, "20.1.0.2");
    request(&f, X, "20.1.0.3");
    request(&f, X, "20.1.0.4"); // a fourth question is over the limit of open ones
    for (int i = 0; i < 3; i++)
        (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_BUSY);
    request(&f, X, "20.1.0.1");
    request(&f, X, "20.1.0.1");
    expect_silence(&f);
    request(&f, Y, "20.1.0.1"); // half of the room is taken: strangers must prove themselves
    request(&f, Y, "20.1.0.1");
    (void)expect(&f, MESSAGE_MAP_REQUEST_ACK, Y);
    qsr_free(f.qsr);
}

// Each MAB has its own servers, one has none yet, and some addresses are in no MAB.
static void test_servers_by_mab(void **state)
{
    (void)state;
    static const char b[] = "192.0.2.2:4746";
    static const char *const mabs[] = {"20.0.0.0/14", "20.4.0.0/16", "20.8.0.0/16"};
    struct fixture f = start();
    struct mab_table *table = mab_table_new();
    for (uint32_t i = 0; i < 3; i++) {
        struct prefix mab = prefix_of(mabs[i]);
        assert_true(mab_table_add(table, &mab, i, NULL));
    }
    struct querier_server other = {endpoint_of(b), 0};
    qsr_set_group(f.qsr, f.now, 1, &other, 1);
    qsr_set_mabs(f.qsr, table);
    request(&f, X, "20.1.0.1");
    (void)expect(&f, MESSAGE_MAP_REQUEST, A);
    request(&f, X, "20.4.0.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, b);
    request(&f, X, "20.8.0.1");
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_TRY_ANOTHER);
    request(&f, X, "30.0.0.1");
    struct query_message outside = expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(outside.status, QUERY_NOT_IN_MAB);
    assert_in_range(outside.caching_ms, 1, QSR_NOT_IN_MAB_MS);
    // What was learned of a MAB that goes is flushed at those who were told.
    struct query_message reply = answer(&f, &asked, "20.4.0.0/28", "198.18.3.1");
    expect_silence(&f); // A is not who was asked
    give(&f, b, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, b);
    struct query_message told = expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(told.status, QUERY_MAPPED);
    acknowledge(&f, X, &told);
    struct range gone = range_of("20.4.0.0/16");
    qsr_forget(f.qsr, f.now, &gone);
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(update.status, QUERY_FLUSH);
    assert_range(update.range, "20.4.0.0/28");
    qsr_free(f.qsr);
    mab_table_free(table);
}

// A MAB that is in the set of this server and not (yet, or any more) in that of its upstream: "not
// in a MAB" is neither passed on nor kept, so it ends when the upstream has heard of the MAB.
static void test_upstream_lacks_a_mab(void **state)
{
    (void)state;
    struct fixture f = start();
    struct mab_table *table = mab_table_new();
    struct prefix mab = prefix_of("20.0.0.0/14");
    // What was believed before the set was known is forgotten with it.
    request(&f, X, "20.1.0.1");
    struct query_message asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    struct query_message reply = outside(&asked, "20.1.0.1");
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_NOT_IN_MAB);
    assert_true(mab_table_add(table, &mab, 0, NULL));
    qsr_set_mabs(f.qsr, table);
    request(&f, X, "20.1.0.1");
    asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = outside(&asked, "20.1.0.1");
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_TRY_ANOTHER);
    request(&f, X, "20.1.0.1");
    asked = expect(&f, MESSAGE_MAP_REQUEST, A);
    reply = answer(&f, &asked, "20.1.0.0/28", "198.18.3.1");
    give(&f, A, &reply);
    (void)expect(&f, MESSAGE_MAP_REPLY_ACK, A);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, X).status, QUERY_MAPPED);
    qsr_free(f.qsr);
    mab_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upstream_lacks_a_mab),
        cmocka_unit_test(test_what_is_in_no_mab_any_more_is_flushed),
        cmocka_unit_test(test_servers_by_mab),
        cmocka_unit_test(test_asks_once_and_answers_all),
        cmocka_unit_test(test_answers_from_cache_with_the_time_left),
        cmocka_unit_test(test_negative_answers_are_cached),
        cmocka_unit_test(test_asks_again_when_little_time_is_left),
        cmocka_unit_test(test_passes_updates_on),
        cmocka_unit_test(test_new_boundaries_flush_the_old),
        cmocka_unit_test(test_eviction_from_the_cache_is_told),
        cmocka_unit_test(test_lost_upstream_is_told),
        cmocka_unit_test(test_expiry_wakes_nobody),
        cmocka_unit_test(test_failure_sends_the_querier_elsewhere),
        cmocka_unit_test(test_busy_when_too_many_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
