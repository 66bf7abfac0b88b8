// SPDX-License-Identifier: BSD-2-Clause
// The answering side, rule by rule (docs/protocol.md, "Rules"): a QSA over a real database. The
// test plays its queriers X and Y.
#include "mapping/database.h"
#include "query/qsa.h"
#include "query/token.h"
#include "wire_tap.h"

#include <stdio.h>

#define X   "192.0.2.9:4746"
#define Y   "192.0.2.8:4746"
#define MAB "20.0.0.0/14"

struct fixture {
    struct database *database;
    struct qsa *qsa;
    struct instant now;
    uint64_t sequence;
    uint64_t nonce;
};

static struct qsa_config config_of(void)
{
    return (struct qsa_config){
        .teller = {.queriers_max = 100,
                   .unproven_max = 100,
                   .told_max = 1000,
                   .told_per_querier_max = 100},
        .caching_time = duration_s(600),
    };
}

static void apply(struct fixture *f, const struct update *updates, size_t count)
{
    struct prefix mab = prefix_of(MAB);
    struct error error;
    if (!mapping_apply(database_get(f->database, &mab), updates, count, NULL, &error))
        fail_msg("%s", error.text);
    f->sequence++;
    qsa_changed(f->qsa, f->now, &mab, f->sequence, updates, count);
}

static struct update update_of(enum update_kind kind, const char *range, const char *etr)
{
    return (struct update){.kind = kind, .range = range_of(range), .etr = address_of(etr)};
}

static void change(struct fixture *f, enum update_kind kind, const char *range, const char *etr)
{
    struct update update = update_of(kind, range, etr);
    apply(f, &update, 1);
}

static struct fixture start_with(const struct qsa_config *config)
{
    struct fixture f = {.now = at_ms(0), .nonce = 100};
    struct prefix mab = prefix_of(MAB);
    struct error error;
    f.database = database_new();
    f.qsa = qsa_new(config, random_seed_from_number(3), f.now, f.database);
    assert_true(qsa_mab_add(f.qsa, &mab, &error));
    assert_true(database_put(f.database, mapping_new(&mab, &error), &error));
    qsa_mab_reloaded(f.qsa, f.now, &mab, 0);
    qsa_mab_ready(f.qsa, &mab);
    qsa_set_complete(f.qsa, true);
    change(&f, UPDATE_DEFINE, "20.1.0.16/28", "198.18.3.1");
    change(&f, UPDATE_DEFINE, "20.1.0.64/28", "198.18.3.2");
    change(&f, UPDATE_DEFINE, "20.1.0.80/28", "zero");
    return f;
}

static struct fixture start(void)
{
    struct qsa_config config = config_of();
    return start_with(&config);
}

static void stop(struct fixture *f)
{
    qsa_free(f->qsa);
    database_free(f->database);
}

static bool sent(struct fixture *f, struct query_message *message, struct endpoint *to)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = qsa_next_output(f->qsa, f->now, to, bytes);
    if (length > 0)
        *message = message_of(bytes, length);
    return length > 0;
}

static struct query_message expect(struct fixture *f, enum message_type type, const char *to_text)
{
    struct query_message message = {0};
    struct endpoint to = {0};
    if (!sent(f, &message, &to))
        fail_msg("nothing sent, not type %d to %s", type, to_text);
    assert_int_equal(message.type, type);
    assert_endpoint(to, to_text);
    assert_int_not_equal(message.token, 0);
    return message;
}

static void expect_silence(struct fixture *f)
{
    struct query_message message = {0};
    struct endpoint to;
    if (sent(f, &message, &to))
        fail_msg("unexpected message of type %d", message.type);
}

static void pass(struct fixture *f, uint64_t ms)
{
    f->now = instant_add(f->now, duration_ms(ms));
    qsa_tick(f->qsa, f->now);
}

static void give(struct fixture *f, const char *from, const struct query_message *message)
{
    struct endpoint endpoint = endpoint_of(from);
    struct datagram datagram = datagram_of(message);
    qsa_input(f->qsa, f->now, &endpoint, datagram.bytes, datagram.length);
}

static void request(struct fixture *f, const char *from, const char *address, uint64_t token)
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

static void acknowledge(struct fixture *f, const char *from, const struct query_message *message)
{
    struct query_message ack = {
        .type =
            message->type == MESSAGE_MAP_REPLY ? MESSAGE_MAP_REPLY_ACK : MESSAGE_CACHE_UPDATE_ACK,
        .nonce = message->nonce,
        .token = message->token,
        .querier_sequence = message->querier_sequence,
        .server_sequence = message->server_sequence,
        .instance = 0xe,
    };
    give(f, from, &ack);
}

static struct query_message ask(struct fixture *f, const char *from, const char *address)
{
    request(f, from, address, 0);
    struct query_message reply = expect(f, MESSAGE_MAP_REPLY, from);
    assert_int_equal(reply.nonce, f->nonce);
    assert_int_equal(reply.querier_sequence, f->nonce);
    return reply;
}

// Asks, and acknowledges: the querier's address is then proven.
static struct query_message tell(struct fixture *f, const char *from, const char *address)
{
    struct query_message reply = ask(f, from, address);
    acknowledge(f, from, &reply);
    return reply;
}

static uint64_t instance_seen_by(struct fixture *f, const char *from)
{
    struct query_message alive = {.type = MESSAGE_ALIVE_REQUEST, .nonce = 1, .instance = 0xe};
    give(f, from, &alive);
    return expect(f, MESSAGE_ALIVE_REPLY, from).instance;
}

// Rule 3 and statuses

static void test_answers(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = ask(&f, X, "20.1.0.20");
    assert_int_equal(reply.status, QUERY_MAPPED);
    assert_range(reply.range, "20.1.0.16/28");
    assert_address(reply.etr, "198.18.3.1");
    assert_int_equal(reply.caching_ms, 600000);
    assert_int_equal(reply.mab_sequence, 3);
    reply = ask(&f, X, "20.1.0.81");
    assert_int_equal(reply.status, QUERY_ZERO);
    assert_range(reply.range, "20.1.0.80/28");
    reply = ask(&f, X, "20.1.0.40"); // a gap, whole
    assert_int_equal(reply.status, QUERY_ZERO);
    assert_range(reply.range, "20.1.0.32/27");
    stop(&f);
}

static void test_answers_outside_its_mabs(void **state)
{
    (void)state;
    struct fixture f = start();
    struct prefix other = prefix_of("2001:db8::/32");
    struct query_message reply = ask(&f, X, "192.0.2.1");
    assert_int_equal(reply.status, QUERY_NOT_IN_MAB);
    assert_range(reply.range, "192.0.2.1");
    assert_int_equal(reply.caching_ms, NOT_IN_MAB_CACHING_MS);
    assert_true(qsa_mab_add(f.qsa, &other, NULL));
    reply = ask(&f, X, "2001:db8::1");
    assert_int_equal(reply.status, QUERY_TRY_ANOTHER);
    qsa_set_complete(f.qsa, false);
    reply = ask(&f, X, "192.0.2.1");
    assert_int_equal(reply.status, QUERY_TRY_ANOTHER);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0); // none of this needs remembering
    stop(&f);
}

// Rule 4

static void test_tells_those_who_were_told(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message told = tell(&f, X, "20.1.0.20");
    (void)tell(&f, Y, "20.1.0.70");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(update.nonce, told.nonce);
    assert_int_equal(update.status, QUERY_MAPPED);
    assert_range(update.range, "20.1.0.16/28");
    assert_address(update.etr, "198.18.3.7");
    assert_int_equal(update.mab_sequence, 4);
    assert_int_equal(update.instance, told.instance);
    assert_true(update.server_sequence > told.server_sequence);
    expect_silence(&f); // nobody else is woken
    acknowledge(&f, X, &update);
    pass(&f, 100000);
    expect_silence(&f);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "zero"); // still remembered after an update
    update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(update.status, QUERY_ZERO);
    assert_int_equal(update.caching_ms, 500000); // what is left
    stop(&f);
}

static void test_forgets_when_the_caching_time_ends(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    pass(&f, 599999);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1);
    pass(&f, 1);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 0);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    expect_silence(&f);
    stop(&f);
}

static void test_flushes_when_boundaries_change(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message told = tell(&f, X, "20.1.0.20");
    struct update updates[3] = {
        update_of(UPDATE_MAP, "20.1.0.16/28", "zero"),
        {.kind = UPDATE_SPLIT, .range = range_of("20.1.0.16/28"), .at = {0x14010018}},
        update_of(UPDATE_MAP, "20.1.0.16/29", "198.18.3.8"),
    };
    apply(&f, updates, 3);
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X); // one for the set
    assert_int_equal(update.status, QUERY_FLUSH);
    assert_range(update.range, "20.1.0.16/28");
    assert_int_equal(update.nonce, told.nonce);
    expect_silence(&f);
    acknowledge(&f, X, &update);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0);
    struct query_message reply = ask(&f, X, "20.1.0.20");
    assert_range(reply.range, "20.1.0.16/29");
    stop(&f);
}

static void test_gap_beside_a_change_is_flushed(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.100");                   // the gap from .96 on
    (void)tell(&f, Y, "20.1.0.70");                    // the micronet before
    change(&f, UPDATE_DELETE, "20.1.0.80/28", "zero"); // the gap grows
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(update.status, QUERY_FLUSH);
    expect_silence(&f);
    stop(&f);
}

static void test_gap_that_is_divided_is_flushed(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.40");
    change(&f, UPDATE_DEFINE, "20.1.0.33", "198.18.3.7");
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).status, QUERY_FLUSH);
    stop(&f);
}

static void test_set_without_effect_wakes_nobody(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    struct update updates[2] = {
        update_of(UPDATE_MAP, "20.1.0.16/28", "zero"),
        update_of(UPDATE_MAP, "20.1.0.16/28", "198.18.3.1"),
    };
    apply(&f, updates, 2);
    expect_silence(&f);
    stop(&f);
}

static void test_cost_is_that_of_those_told(void **state)
{
    (void)state;
    struct fixture f = start();
    for (int i = 0; i < 200; i++) {
        struct update update = update_of(UPDATE_DEFINE, "20.2.0.0", "198.18.3.1");
        update.range.start.index += 2 * i;
        apply(&f, &update, 1);
        if (i >= 50)
            continue;
        char address[ADDRESS_TEXT_MAX];
        struct address unit = unit_address(FAMILY_IPV4, update.range.start);
        (void)tell(&f, X, address_print(&unit, address));
    }
    uint64_t before = qsa_counters(f.qsa)->ranges_checked;
    change(&f, UPDATE_MAP, "20.2.0.2", "198.18.3.7");
    assert_int_equal(qsa_counters(f.qsa)->ranges_checked - before, 1);
    change(&f, UPDATE_MAP, "20.2.0.200", "198.18.3.7"); // nobody was told
    assert_int_equal(qsa_counters(f.qsa)->ranges_checked - before, 1);
    stop(&f);
}

static void test_reload_checks_all_that_was_told(void **state)
{
    (void)state;
    struct fixture f = start();
    struct prefix mab = prefix_of(MAB);
    struct update update = update_of(UPDATE_DEFINE, "20.1.0.16/28", "198.18.3.1");
    (void)tell(&f, X, "20.1.0.20"); // will be the same
    (void)tell(&f, X, "20.1.0.70"); // will be gone
    struct mapping *fresh = mapping_new(&mab, NULL);
    assert_true(mapping_apply(fresh, &update, 1, NULL, NULL));
    assert_true(database_put(f.database, fresh, NULL));
    qsa_mab_reloaded(f.qsa, f.now, &mab, 9);
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH);
    assert_range(flush.range, "20.1.0.64/28");
    expect_silence(&f);
    assert_int_equal(ask(&f, Y, "20.1.0.20").mab_sequence, 9);
    stop(&f);
}

static void test_mabs_that_are_lost_or_removed(void **state)
{
    (void)state;
    struct fixture f = start();
    struct prefix mab = prefix_of(MAB);
    struct prefix other = prefix_of("2001:db8::/32");
    struct prefix at = {0};
    (void)tell(&f, X, "20.1.0.20");
    qsa_mab_lost(f.qsa, f.now, &mab);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).status, QUERY_FLUSH);
    assert_int_equal(ask(&f, Y, "20.1.0.20").status, QUERY_TRY_ANOTHER);
    qsa_mab_ready(f.qsa, &mab);
    (void)tell(&f, Y, "20.1.0.20");
    assert_true(qsa_mab_add(f.qsa, &other, NULL));
    assert_int_equal(qsa_mab_count(f.qsa), 2);
    qsa_mab_remove(f.qsa, f.now, &mab);
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, Y).status, QUERY_FLUSH);
    assert_int_equal(ask(&f, Y, "20.1.0.20").status, QUERY_NOT_IN_MAB);
    assert_int_equal(ask(&f, Y, "2001:db8::1").status, QUERY_TRY_ANOTHER);
    assert_int_equal(qsa_mab_count(f.qsa), 1);
    assert_false(qsa_mab(f.qsa, 0, &at));
    assert_true(prefix_equal(&at, &other));
    stop(&f);
}

static void test_same_request_twice(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    f.nonce--; // the network duplicated it
    (void)tell(&f, X, "20.1.0.20");
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
    expect_silence(&f);
    stop(&f);
}

static void test_released_nonces_are_forgotten(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message first = tell(&f, X, "20.1.0.20");
    struct query_message second = tell(&f, X, "20.1.0.21");
    struct query_message third = ask(&f, X, "20.1.0.22");
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 3);
    struct query_message ack = {.type = MESSAGE_MAP_REPLY_ACK,
                                .nonce = third.nonce,
                                .token = third.token,
                                .server_sequence = third.server_sequence,
                                .instance = 0xe,
                                .released_count = 2,
                                .released = {first.nonce, second.nonce}};
    give(&f, Y, &ack); // not Y's to release
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 3);
    give(&f, X, &ack);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).nonce, third.nonce);
    expect_silence(&f);
    ack.released_count = 1;
    ack.released[0] = third.nonce;
    give(&f, X, &ack);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 0);
    stop(&f);
}

// Rule 5

static void test_repeats_updates(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    static const uint64_t waits[] = {50, 100, 200, 400, 800, 1000, 1000};
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        pass(&f, waits[i] - 1);
        expect_silence(&f);
        pass(&f, 1);
        struct query_message again = expect(&f, MESSAGE_CACHE_UPDATE, X);
        assert_int_equal(again.server_sequence, update.server_sequence);
        assert_address(again.etr, "198.18.3.7");
    }
    acknowledge(&f, X, &update);
    pass(&f, 60000);
    expect_silence(&f);
    stop(&f);
}

static void test_newer_update_replaces_older(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    struct query_message older = expect(&f, MESSAGE_CACHE_UPDATE, X);
    pass(&f, 10);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.8");
    acknowledge(&f, X, &older); // for the older: the newer still has to be sent
    struct query_message newer = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_address(newer.etr, "198.18.3.8");
    assert_true(newer.server_sequence > older.server_sequence);
    acknowledge(&f, X, &older);
    pass(&f, 50);
    assert_address(expect(&f, MESSAGE_CACHE_UPDATE, X).etr, "198.18.3.8");
    acknowledge(&f, X, &newer);
    pass(&f, 10000);
    expect_silence(&f);
    stop(&f);
}

static void test_forgets_a_querier_that_is_gone(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)tell(&f, X, "20.1.0.20");
    (void)tell(&f, X, "20.1.0.70");
    uint64_t before = instance_seen_by(&f, X);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    for (int i = 0; i < UPDATE_TRIES_MAX; i++) {
        (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
        pass(&f, UPDATE_RETRY_MS_MAX);
    }
    expect_silence(&f);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 0);
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->queriers_lost, 1);
    assert_true(instance_seen_by(&f, X) != before); // it must drop what it holds
    stop(&f);
}

static void test_instances(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message x = tell(&f, X, "20.1.0.20");
    struct query_message y = tell(&f, Y, "20.1.0.20");
    assert_true(x.instance != y.instance);
    assert_true(instance_seen_by(&f, X) == x.instance);
    assert_true(instance_seen_by(&f, Y) == y.instance);
    uint64_t stranger = instance_seen_by(&f, "192.0.2.7:4746");
    assert_true(stranger == instance_seen_by(&f, "192.0.2.6:4746"));
    assert_true(stranger != x.instance && stranger != 0);
    stop(&f);
}

// Rule 7

static void test_unproven_address_gets_no_more_than_it_sent(void **state)
{
    (void)state;
    struct fixture f = start();
    (void)ask(&f, X, "20.1.0.20"); // 192 octets in, 88 out, never acknowledged
    for (int i = 0; i < 20; i++) {
        change(&f, UPDATE_MAP, "20.1.0.16/28", i % 2 ? "198.18.3.7" : "198.18.3.8");
        if (i == 0)
            (void)expect(&f, MESSAGE_CACHE_UPDATE, X); // another 88: 16 are left
        expect_silence(&f);
        pass(&f, 1000);
        expect_silence(&f);
    }
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1); // not given up: it waits
    stop(&f);
}

static void test_update_waits_for_proof(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = ask(&f, X, "20.1.0.20");
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
    pass(&f, 50);
    expect_silence(&f);
    struct query_message forged = reply;
    forged.token++;
    acknowledge(&f, X, &forged); // 40 octets without proof do not pay for 88
    expect_silence(&f);
    acknowledge(&f, X, &reply);
    assert_address(expect(&f, MESSAGE_CACHE_UPDATE, X).etr, "198.18.3.7");
    stop(&f);
}

static void test_proof_ends(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = tell(&f, X, "20.1.0.20");
    struct hash_key key = {{1}};
    struct endpoint x = endpoint_of(X);
    struct endpoint y = endpoint_of(Y);
    uint64_t token = address_token_make(&key, f.now, &x);
    assert_true(address_token_valid(&key, f.now, &x, token));
    assert_false(address_token_valid(&key, f.now, &y, token));
    assert_false(address_token_valid(&key, f.now, &x, 0));
    struct instant later = instant_add(f.now, duration_s(2 * TOKEN_PERIOD_SECONDS));
    assert_false(address_token_valid(&key, later, &x, token));
    pass(&f, 700000);
    request(&f, X, "20.1.0.20", reply.token); // too old to prove anything
    (void)expect(&f, MESSAGE_MAP_REPLY, X);
    change(&f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    (void)expect(&f, MESSAGE_CACHE_UPDATE, X);
    pass(&f, 50);
    expect_silence(&f);
    stop(&f);
}

static void test_strangers_must_prove_under_pressure(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.unproven_max = 2;
    struct fixture f = start_with(&config);
    (void)ask(&f, "192.0.2.101:1", "20.1.0.20");
    (void)ask(&f, "192.0.2.102:1", "20.1.0.20");
    request(&f, X, "20.1.0.20", 0);
    struct query_message prove = expect(&f, MESSAGE_MAP_REQUEST_ACK, X);
    assert_int_equal(prove.nonce, f.nonce);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 2);
    request(&f, X, "20.1.0.20", prove.token);
    (void)expect(&f, MESSAGE_MAP_REPLY, X);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 3);
    request(&f, Y, "20.1.0.20", prove.token); // the token is X's
    (void)expect(&f, MESSAGE_MAP_REQUEST_ACK, Y);
    stop(&f);
}

static void test_unproven_cannot_fill_memory(void **state)
{
    (void)state;
    struct fixture f = start();
    for (int i = 0; i < TELLER_UNPROVEN_TOLD_MAX; i++)
        (void)ask(&f, X, "20.1.0.20");
    request(&f, X, "20.1.0.20", 0);
    (void)expect(&f, MESSAGE_MAP_REQUEST_ACK, X);
    stop(&f);
}

// Memory

static void define_many(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        struct update update = update_of(UPDATE_DEFINE, "20.2.0.0", "198.18.3.1");
        update.range.start.index += i;
        apply(f, &update, 1);
    }
}

static const char *many(int i)
{
    static char text[ADDRESS_TEXT_MAX];
    struct address address = address_from_ipv4(0x14020000 + (uint32_t)i);
    return address_print(&address, text);
}

static void test_eviction_flushes_first(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = 8;
    struct fixture f = start_with(&config);
    define_many(&f, 20);
    struct query_message first = tell(&f, X, many(0));
    for (int i = 1; i < 8; i++)
        (void)tell(&f, Y, many(i));
    (void)tell(&f, Y, many(8));
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.status, QUERY_FLUSH);
    assert_int_equal(flush.nonce, first.nonce);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 9); // it counts until it is confirmed
    (void)tell(&f, Y, many(9));
    (void)expect(&f, MESSAGE_CACHE_UPDATE, Y);
    assert_int_equal(ask(&f, Y, many(10)).status, QUERY_BUSY); // no room until then
    acknowledge(&f, X, &flush);
    assert_int_equal(ask(&f, Y, many(11)).status, QUERY_MAPPED);
    stop(&f);
}

static void test_eviction_spares_what_is_told_again(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = 4;
    struct fixture f = start_with(&config);
    define_many(&f, 4);
    for (int i = 0; i < 4; i++)
        (void)tell(&f, X, many(i));
    f.nonce = 103; // the first of these requests comes a second time, with memory full
    f.nonce -= 3;
    (void)ask(&f, X, many(0));
    expect_silence(&f);
    stop(&f);
}

static void test_strangers_cannot_fill_memory_for_long(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = 8;
    struct fixture f = start_with(&config);
    define_many(&f, 40);
    (void)tell(&f, X, "20.1.0.20");
    for (int i = 0; i < 20; i++) { // in the names of others, who never acknowledge
        char from[ENDPOINT_TEXT_MAX];
        (void)snprintf(from, sizeof(from), "203.0.113.%d:1", i / 2 + 1);
        request(&f, from, many(i), 0);
        struct query_message message = {0};
        struct endpoint to;
        while (sent(&f, &message, &to))
            pass(&f, 100);
    }
    assert_int_equal(ask(&f, Y, many(30)).status, QUERY_MAPPED);
    stop(&f);
}

static void test_one_querier_cannot_crowd_out_others(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_per_querier_max = 8;
    struct fixture f = start_with(&config);
    define_many(&f, 40);
    (void)tell(&f, X, "20.1.0.20");
    size_t busy = 0;
    for (int i = 0; i < 40; i++) {
        request(&f, Y, many(i), 0);
        struct query_message message = {0};
        struct endpoint to;
        while (sent(&f, &message, &to)) {
            assert_endpoint(to, Y); // its own ranges make room
            busy += message.type == MESSAGE_MAP_REPLY && message.status == QUERY_BUSY;
            if (message.type == MESSAGE_MAP_REPLY)
                acknowledge(&f, Y, &message);
        }
    }
    assert_int_equal(busy, 30); // it confirms no flush, so 8 and a quarter is all it gets
    stop(&f);
}

static void test_queriers_max(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.queriers_max = 1;
    struct fixture f = start_with(&config);
    (void)tell(&f, X, "20.1.0.20");
    assert_int_equal(ask(&f, Y, "20.1.0.20").status, QUERY_BUSY);
    assert_int_equal(teller_queriers(qsa_teller(f.qsa)), 1);
    stop(&f);
}

static void test_drops_what_is_not_for_a_server(void **state)
{
    (void)state;
    struct fixture f = start();
    struct query_message reply = ask(&f, X, "20.1.0.20");
    give(&f, X, &reply);
    struct endpoint from = endpoint_of(X);
    qsa_input(f.qsa, f.now, &from, (const uint8_t *)"Iv", 2);
    expect_silence(&f);
    assert_int_equal(qsa_counters(f.qsa)->dropped_type, 1);
    assert_int_equal(qsa_counters(f.qsa)->dropped[DECODE_SHORT], 1);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_outside_its_mabs),
        cmocka_unit_test(test_tells_those_who_were_told),
        cmocka_unit_test(test_forgets_when_the_caching_time_ends),
        cmocka_unit_test(test_flushes_when_boundaries_change),
        cmocka_unit_test(test_gap_beside_a_change_is_flushed),
        cmocka_unit_test(test_gap_that_is_divided_is_flushed),
        cmocka_unit_test(test_set_without_effect_wakes_nobody),
        cmocka_unit_test(test_cost_is_that_of_those_told),
        cmocka_unit_test(test_reload_checks_all_that_was_told),
        cmocka_unit_test(test_mabs_that_are_lost_or_removed),
        cmocka_unit_test(test_same_request_twice),
        cmocka_unit_test(test_released_nonces_are_forgotten),
        cmocka_unit_test(test_repeats_updates),
        cmocka_unit_test(test_newer_update_replaces_older),
        cmocka_unit_test(test_forgets_a_querier_that_is_gone),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_unproven_address_gets_no_more_than_it_sent),
        cmocka_unit_test(test_update_waits_for_proof),
        cmocka_unit_test(test_proof_ends),
        cmocka_unit_test(test_strangers_must_prove_under_pressure),
        cmocka_unit_test(test_unproven_cannot_fill_memory),
        cmocka_unit_test(test_eviction_flushes_first),
        cmocka_unit_test(test_eviction_spares_what_is_told_again),
        cmocka_unit_test(test_strangers_cannot_fill_memory_for_long),
        cmocka_unit_test(test_one_querier_cannot_crowd_out_others),
        cmocka_unit_test(test_queriers_max),
        cmocka_unit_test(test_drops_what_is_not_for_a_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
