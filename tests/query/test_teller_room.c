// SPDX-License-Identifier: BSD-2-Clause
// What a teller does when its memory is full: who is flushed, who is forgotten, and who is not
// (docs/query.md, "Limits"; docs/protocol.md, rules 4, 7 and 8).
#include "qsa_fixture.h"
#include "query/pace.h"
#include "query/teller_state.h"

#include <stdio.h>

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

// So many ranges may be told, to one querier as to all.
static struct fixture start_with_room(size_t ranges)
{
    struct qsa_config config = config_of();
    config.teller.told_max = config.teller.told_per_querier_max = ranges;
    return start_with(&config);
}

// 200 ranges may be told, and X was; what Y is told beside them takes the place of the oldest of X.
// `told`, if not NULL, is filled with what X was told.
static struct fixture start_full(struct query_message *told)
{
    struct fixture f = start_with_room(200);
    for (int i = 0; i < 200; i++) {
        struct query_message reply = tell(&f, X, "20.1.0.20");
        if (told != NULL)
            told[i] = reply;
    }
    (void)tell(&f, Y, "20.1.0.70");
    return f;
}

// X acknowledges the flush of what makes room, with what went with it. As nobody knew whether it
// would, these were sent by themselves, too. Returns the first flush.
static struct query_message confirm_together(struct fixture *f)
{
    struct query_message flush = expect(f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.flushed_count, QUERY_FLUSHED_MAX);
    for (size_t i = 0; i < QUERY_FLUSHED_MAX; i++) {
        struct query_message alone = expect(f, MESSAGE_CACHE_UPDATE, X);
        assert_true(alone.nonce == flush.flushed[i]);
    }
    acknowledge(f, X, &flush);
    expect_silence(f);
    assert_int_equal(teller_told(qsa_teller(f->qsa)), 192);
    return flush;
}

// Room for several is made with one message.
static void test_eviction_flushes_together(void **state)
{
    (void)state;
    struct query_message told[200];
    struct fixture f = start_full(told);
    (void)confirm_together(&f);
    for (size_t i = 0; i < 1 + QUERY_FLUSHED_MAX; i++) // the last is one too many
        (void)tell(&f, Y, "20.1.0.70");
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_true(flush.nonce == told[9].nonce);
    assert_int_equal(flush.flushed_count, QUERY_FLUSHED_MAX);
    for (size_t i = 0; i < QUERY_FLUSHED_MAX; i++)
        assert_true(flush.flushed[i] == told[i + 10].nonce);
    for (size_t i = 0; i < QUERY_FLUSHED_MAX; i++) // there is room for as many now
        (void)tell(&f, Y, "20.1.0.70");
    expect_silence(&f);
    acknowledge(&f, X, &flush);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 200);
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->acknowledged, 2 + 2 * QUERY_FLUSHED_MAX);
    (void)tell(&f, Y, "20.1.0.70"); // once more, and this is lost
    flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    pass(&f, PACE_PATIENCE_MS_MAX);
    flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_int_equal(flush.flushed_count, QUERY_FLUSHED_MAX);
    stop(&f);
}

// X acknowledges a flush, but not the others that went with it: it does not know of them.
static struct query_message ignore_others(struct fixture *f)
{
    struct query_message first = expect(f, MESSAGE_CACHE_UPDATE, X);
    struct query_message known = first;
    assert_int_equal(first.flushed_count, QUERY_FLUSHED_MAX);
    known.flushed_count = 0;
    acknowledge(f, X, &known);
    return first;
}

// So many flushes go to X one by one.
static void expect_alone(struct fixture *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct query_message flush = expect(f, MESSAGE_CACHE_UPDATE, X);
        assert_int_equal(flush.flushed_count, 0);
        acknowledge(f, X, &flush);
    }
    expect_silence(f);
}

// Who does not know of others that go with a flush is sent them at once, one by one, and from then
// on all.
static void test_who_knows_only_one_flush(void **state)
{
    (void)state;
    struct fixture f = start_full(NULL);
    (void)ignore_others(&f);
    expect_alone(&f, QUERY_FLUSHED_MAX);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 192);
    for (size_t i = 0; i < 1 + QUERY_FLUSHED_MAX; i++)
        (void)tell(&f, Y, "20.1.0.70");
    expect_alone(&f, 1 + QUERY_FLUSHED_MAX);
    stop(&f);
}

// Nor does it know of them because it releases one of them for another reason, such as that it was
// told the same once more.
static void test_a_release_is_no_sign_of_that(void **state)
{
    (void)state;
    struct fixture f = start_full(NULL);
    struct query_message first = ignore_others(&f);
    struct query_message reply = {
        .type = MESSAGE_MAP_REPLY_ACK,
        .nonce = f.nonce,
        .token = first.token,
        .instance = 0xe,
        .released = {first.flushed[3]},
        .released_count = 1,
    };
    give(&f, X, &reply);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 199);
    expect_alone(&f, QUERY_FLUSHED_MAX - 1);
    stop(&f);
}

// What was told long after the oldest is not flushed with it.
static void test_eviction_spares_what_is_younger(void **state)
{
    (void)state;
    struct fixture f = start_with_room(200);
    struct query_message oldest = tell(&f, X, "20.1.0.20");
    pass(&f, 5000);
    for (int i = 1; i < 200; i++)
        (void)tell(&f, i < 150 ? Y : X, "20.1.0.20");
    (void)tell(&f, Y, "20.1.0.70");
    struct query_message flush = expect(&f, MESSAGE_CACHE_UPDATE, X);
    assert_true(flush.nonce == oldest.nonce);
    assert_int_equal(flush.flushed_count, 0);
    stop(&f);
}

// Who was told of a change is not flushed for that of all that it was told before: the oldest goes,
// and then the oldest of another.
static void test_eviction_begins_with_the_oldest(void **state)
{
    (void)state;
    struct fixture f = start_with_room(200);
    struct query_message of_x = tell(&f, X, "20.1.0.70");
    struct query_message of_y = tell(&f, Y, "20.1.0.20");
    for (int i = 2; i < 200; i++)
        (void)tell(&f, i % 2 == 0 ? X : Y, "20.1.0.20");
    change(&f, UPDATE_MAP, "20.1.0.64/28", "198.18.3.7");
    struct query_message update = expect(&f, MESSAGE_CACHE_UPDATE, X);
    acknowledge(&f, X, &update);
    (void)tell(&f, Y, "20.1.0.20");
    assert_true(confirm_together(&f).nonce == of_x.nonce);
    for (size_t i = 0; i < 1 + QUERY_FLUSHED_MAX; i++)
        (void)tell(&f, X, "20.1.0.20");
    assert_true(expect(&f, MESSAGE_CACHE_UPDATE, Y).nonce == of_y.nonce);
    stop(&f);
}

#define ORDER_QUERIERS  5
#define ORDER_MICRONETS 64
#define ORDER_TURNS     4000

// What was told has the numbers of the requests, so the oldest is the first that was not flushed.
struct order {
    struct fixture f;
    struct random_source random;
    bool flushed[ORDER_TURNS + 1];
    uint64_t first, oldest;
    size_t leading; // flushes with which others went, if any did
};

static void take_flush(struct order *order, const struct query_message *flush)
{
    if (order->flushed[flush->nonce - order->first])
        return; // by itself, as nobody knew yet whether it may go with another
    assert_int_equal(flush->nonce, order->oldest);
    order->leading++;
    order->flushed[flush->nonce - order->first] = true;
    for (size_t i = 0; i < flush->flushed_count; i++)
        order->flushed[flush->flushed[i] - order->first] = true;
    while (order->oldest <= order->f.nonce && order->flushed[order->oldest - order->first])
        order->oldest++;
}

// Everyone acknowledges what comes.
static void take_updates(struct order *order)
{
    struct query_message message;
    struct endpoint to;
    char text[ENDPOINT_TEXT_MAX];
    while (sent(&order->f, &message, &to)) {
        assert_int_equal(message.type, MESSAGE_CACHE_UPDATE);
        acknowledge(&order->f, endpoint_print(&to, text), &message);
        if (message.status == QUERY_FLUSH)
            take_flush(order, &message);
    }
}

// However much changes, and whoever asks, what is flushed first was told longest ago.
static void test_eviction_keeps_the_order(void **state)
{
    (void)state;
    struct order order = {.f = start_with_room(800)};
    random_init(&order.random, random_seed_from_number(1));
    order.first = order.oldest = order.f.nonce + 1;
    define_many(&order.f, ORDER_MICRONETS);
    for (int i = 0; i < ORDER_TURNS; i++) {
        char querier[ENDPOINT_TEXT_MAX];
        (void)snprintf(querier, sizeof(querier), "192.0.2.%u:4746",
                       1 + (unsigned)random_below(&order.random, ORDER_QUERIERS));
        (void)tell(&order.f, querier, many((int)random_below(&order.random, ORDER_MICRONETS)));
        take_updates(&order);
        struct update update = update_of(UPDATE_MAP, "20.2.0.0", i % 8 < 4 ? "zero" : "198.18.3.1");
        update.range.start.index += (uint64_t)random_below(&order.random, ORDER_MICRONETS);
        if (i % 4 == 0)
            apply(&order.f, &update, 1);
        take_updates(&order);
        pass(&order.f, 20); // so what is flushed together was told with 50 others at most
    }
    assert_in_range(order.oldest - order.first, ORDER_TURNS - 900, ORDER_TURNS);
    assert_in_range(order.leading, 1, ORDER_TURNS * 3 / 4); // and others went with it
    stop(&order.f);
}

// X, which was told of 20.1.0.16/28, answers no update: it is gone.
static void lose_x(struct fixture *f)
{
    change(f, UPDATE_MAP, "20.1.0.16/28", "198.18.3.7");
    for (int i = 0; i < UPDATE_TRIES_MAX; i++) {
        (void)expect(f, MESSAGE_CACHE_UPDATE, X);
        pass(f, PACE_PATIENCE_MS_MAX);
    }
    expect_silence(f);
}

// What a querier that is gone was told makes room before anybody is flushed.
static void test_eviction_begins_with_those_gone(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = 40;
    struct fixture f = start_with(&config);
    define_many(&f, 60);
    (void)tell(&f, Y, many(0)); // the least recent of all
    (void)tell(&f, X, "20.1.0.20");
    for (int i = 1; i < 38; i++)
        (void)tell(&f, X, many(i));
    lose_x(&f);
    assert_true(teller_told(qsa_teller(f.qsa)) > 20);
    for (int i = 38; i < 58; i++)
        (void)tell(&f, "192.0.2.7:4746", many(i));
    expect_silence(&f);
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->evicted, 0);
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
    f.nonce = 103;
    (void)tell(&f, Y, many(0)); // whose place is that of the second
    assert_int_equal(expect(&f, MESSAGE_CACHE_UPDATE, X).nonce, 102);
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

// A querier that lives is heard at least every ALIVE_SILENCE_MS, or has dropped all it had.
static void test_silent_queriers_give_way(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.queriers_max = 2;
    struct fixture f = start_with(&config);
    struct query_message x = tell(&f, X, "20.1.0.20");
    (void)tell(&f, "192.0.2.7:4746", "20.1.0.20");
    for (int i = 0; i < 3; i++) {
        pass(&f, TELLER_SILENCE_MS / 3 - 1);
        assert_true(instance_seen_by(&f, X) == x.instance);
        assert_int_equal(ask(&f, Y, "20.1.0.20").status, QUERY_BUSY);
    }
    pass(&f, 3);
    assert_int_equal(tell(&f, Y, "20.1.0.20").status, QUERY_MAPPED);
    assert_int_equal(teller_counters(qsa_teller(f.qsa))->queriers_lost, 1);
    assert_true(instance_seen_by(&f, X) == x.instance);
    assert_true(instance_seen_by(&f, "192.0.2.7:4746") != x.instance);
    stop(&f);
}

// One that was told very much, and gives way, goes little by little.
static void test_much_gives_way_slowly(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = 40;
    config.caching_time = duration_s(3600);
    struct fixture f = start_with(&config);
    define_many(&f, 60);
    (void)tell(&f, X, "20.1.0.20");
    for (int i = 1; i < 40; i++)
        (void)tell(&f, X, many(i));
    pass(&f, 700000); // the proof has ended, and an update waits for another
    exhaust_credit(&f);
    request(&f, Y, many(50), 0);
    assert_in_range(teller_told(qsa_teller(f.qsa)), 35, 40);
    assert_int_equal(expect(&f, MESSAGE_MAP_REPLY, Y).status, QUERY_MAPPED);
    for (int i = 0; i < 10; i++)
        expect_silence(&f);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), 1);
    stop(&f);
}

// What a querier that is gone was told goes in the time that answers leave.
static void test_those_gone_go_in_spare_time(void **state)
{
    (void)state;
    struct fixture f = start();
    define_many(&f, 100);
    (void)tell(&f, X, "20.1.0.20");
    (void)tell(&f, Y, many(0));
    for (int i = 1; i < 80; i++)
        (void)tell(&f, X, many(i));
    lose_x(&f);
    const size_t before = teller_told(qsa_teller(f.qsa));
    assert_in_range(before, 2, 80); // it is gone, and most of that is left
    for (int i = 0; i < 10; i++)
        request(&f, Y, many(i + 10), 0);
    ignore(&f); // answers to Y; one makes room
    assert_int_equal(teller_told(qsa_teller(f.qsa)), before + 10 - 1);
    for (int i = 0; i < 5; i++)
        request(&f, Y, many(i + 20), 0);
    ignore(&f);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), before + 10 - 1 + 5 - (8 - 5));
    expect_silence(&f);
    assert_int_equal(teller_told(qsa_teller(f.qsa)), before + 10 - 1 + 5 - (8 - 5) - 8);
    stop(&f);
}

// To make more room moves all that was told, which for millions takes longer than a server may
// stand still: so there is room from the start for as much as there can ever be.
static void test_room_is_there_from_the_start(void **state)
{
    (void)state;
    struct qsa_config config = config_of();
    config.teller.told_max = config.teller.told_per_querier_max = 64;
    struct fixture f = start_with(&config);
    const struct told_memory *memory = &qsa_teller(f.qsa)->memory;
    const size_t buckets = memory->by_nonce.bucket_count;
    const size_t deadlines = memory->deadlines.capacity;
    define_many(&f, 100);
    for (int i = 0; i < 100; i++) {
        (void)tell(&f, i % 2 ? X : Y, many(i));
        ignore(&f); // flushes, which nobody confirms
    }
    assert_int_equal(teller_told(qsa_teller(f.qsa)),
                     80); // a quarter more, with what is being flushed
    assert_int_equal(memory->by_nonce.bucket_count, buckets);
    assert_int_equal(memory->deadlines.capacity, deadlines);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eviction_flushes_first),
        cmocka_unit_test(test_eviction_flushes_together),
        cmocka_unit_test(test_who_knows_only_one_flush),
        cmocka_unit_test(test_a_release_is_no_sign_of_that),
        cmocka_unit_test(test_eviction_spares_what_is_younger),
        cmocka_unit_test(test_eviction_begins_with_the_oldest),
        cmocka_unit_test(test_eviction_keeps_the_order),
        cmocka_unit_test(test_eviction_begins_with_those_gone),
        cmocka_unit_test(test_eviction_spares_what_is_told_again),
        cmocka_unit_test(test_strangers_cannot_fill_memory_for_long),
        cmocka_unit_test(test_one_querier_cannot_crowd_out_others),
        cmocka_unit_test(test_queriers_max),
        cmocka_unit_test(test_silent_queriers_give_way),
        cmocka_unit_test(test_much_gives_way_slowly),
        cmocka_unit_test(test_those_gone_go_in_spare_time),
        cmocka_unit_test(test_room_is_there_from_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
