// SPDX-License-Identifier: BSD-2-Clause
// QSAs in several threads, asked and told of changes at the same time: in the end, everyone who was
// told something knows what is true. Also meant to be run under the thread sanitizer.
#include "../check.h"
#include "base/memory.h"
#include "mapping/database.h"
#include "node/query/qsa_threads.h"
#include "node/socket_address.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS      3
#define QUERIERS     12
#define MICRONETS    64
#define ROUNDS       600
#define RELOAD_EVERY 50
#define CHANGES      4 // a round
#define PATIENCE_MS  20000
#define BASE         0x14000000u // 20.0.0.0
#define NONCES       (ROUNDS * QUERIERS + 100000)

// What a querier believes under a nonce.
struct belief {
    enum { NOTHING, TOLD, FLUSHED } state;
    uint32_t micronet;
    struct address etr;
};

struct fixture {
    struct prefix mab;
    struct database *database;
    struct qsa_threads *threads;
    struct random_source random;
    uint64_t sequence;
    int sockets[QUERIERS];
    uint64_t tokens[QUERIERS];
    uint64_t nonce;
    struct belief *beliefs; // by nonce
    uint64_t replies, refused, updates;
};

static struct range range_of(uint32_t micronet)
{
    return (struct range){FAMILY_IPV4, {BASE + micronet}, {1}};
}

static struct address some_etr(struct fixture *f)
{
    return address_from_ipv4(0xc6120000u + (uint32_t)random_below(&f->random, 60000) + 1);
}

static struct address true_etr(struct fixture *f, uint32_t micronet)
{
    return mapping_etr(database_get(f->database, &f->mab), (struct unit){BASE + micronet});
}

static struct mapping *mapping_with(struct fixture *f, const struct mapping *like)
{
    struct mapping *mapping = mapping_new(&f->mab, NULL);
    for (uint32_t i = 0; i < MICRONETS; i++) {
        struct unit unit = {BASE + i};
        struct update update = {
            UPDATE_DEFINE, range_of(i), like == NULL ? some_etr(f) : mapping_etr(like, unit), {0}};
        assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
    }
    return mapping;
}

// Another mapping takes the place of the one that the threads look at.
static void reload(struct fixture *f)
{
    struct mapping *mapping = mapping_with(f, database_get(f->database, &f->mab));
    assert_true(database_put(f->database, mapping, NULL));
    struct qsa_news *news =
        qsa_news_new(QSA_NEWS_RELOADED, &f->mab, ++f->sequence, mapping, NULL, 0);
    struct mapping *replaced = NULL;
    while ((replaced = database_take_replaced(f->database, &f->mab)) != NULL)
        qsa_news_bury(news, replaced);
    qsa_threads_tell(f->threads, news);
    qsa_threads_tell(f->threads, qsa_news_new(QSA_NEWS_READY, &f->mab, 0, NULL, NULL, 0));
}

static void change(struct fixture *f)
{
    uint32_t micronet = (uint32_t)random_below(&f->random, MICRONETS);
    struct update update = {UPDATE_MAP, range_of(micronet), some_etr(f), {0}};
    assert_true(mapping_apply(database_get(f->database, &f->mab), &update, 1, NULL, NULL));
    qsa_threads_tell(f->threads,
                     qsa_news_new(QSA_NEWS_CHANGED, &f->mab, ++f->sequence, NULL, &update, 1));
}

static void open_sockets(struct fixture *f)
{
    struct endpoint server = qsa_threads_local(f->threads);
    struct sockaddr_storage address;
    socklen_t length = socket_address_of_endpoint(&server, &address);
    for (size_t i = 0; i < QUERIERS; i++) {
        f->sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(f->sockets[i], (struct sockaddr *)&address, length), 0);
    }
}

static struct fixture start(void)
{
    struct qsa_config config = {
        .teller = {TELLER_QUERIERS_MAX, TELLER_UNPROVEN_MAX, TELLER_TOLD_MAX,
                   TELLER_TOLD_PER_QUERIER_MAX},
        .caching_time = duration_s(600),
    };
    struct endpoint listen = {address_from_ipv4(INADDR_LOOPBACK), 0};
    struct error error;
    struct fixture f = {.database = database_new()};
    assert_true(prefix_parse("20.0.0.0/8", &f.mab, NULL));
    random_init(&f.random, random_seed_from_number(1));
    f.beliefs = memory_new_array(NONCES, sizeof(*f.beliefs));
    f.threads = qsa_threads_open(&listen, &config, THREADS, &error);
    if (f.threads == NULL)
        fail_msg("%s", error.text);
    assert_int_equal(qsa_threads_count(f.threads), THREADS);
    database_keep_replaced(f.database);
    assert_true(database_put(f.database, mapping_with(&f, NULL), NULL));
    reload(&f);
    qsa_threads_tell(f.threads, qsa_news_new(QSA_NEWS_COMPLETE, NULL, 0, NULL, NULL, 0));
    open_sockets(&f);
    return f;
}

static void stop(struct fixture *f)
{
    qsa_threads_close(f->threads);
    database_free(f->database);
    for (size_t i = 0; i < QUERIERS; i++)
        (void)close(f->sockets[i]);
    memory_free(f->beliefs);
}

static void send_message(const struct fixture *f, size_t querier,
                         const struct query_message *message)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = query_encode(message, bytes, sizeof(bytes));
    assert_int_equal(send(f->sockets[querier], bytes, length, 0), length);
}

static void ask(struct fixture *f, size_t querier)
{
    uint64_t nonce = ++f->nonce;
    uint32_t micronet = (uint32_t)random_below(&f->random, MICRONETS);
    assert_true(nonce < NONCES);
    f->beliefs[nonce].micronet = micronet;
    struct query_message request = {.type = MESSAGE_MAP_REQUEST,
                                    .nonce = nonce,
                                    .token = f->tokens[querier],
                                    .instance = 1,
                                    .question = address_from_ipv4(BASE + micronet)};
    send_message(f, querier, &request);
}

static void believe(struct fixture *f, size_t querier, const struct query_message *message)
{
    assert_true(message->nonce > 0 && message->nonce <= f->nonce);
    struct belief *belief = &f->beliefs[message->nonce];
    f->tokens[querier] = message->token;
    if (message->status == QUERY_TRY_ANOTHER) { // that thread has not heard of the MAB yet
        f->refused++;
        (void)poll(NULL, 0, 1);
        ask(f, querier);
        return;
    }
    belief->state = message->status == QUERY_FLUSH ? FLUSHED : TOLD;
    belief->etr = message->etr;
    assert_int_equal(message->range.start.index, BASE + belief->micronet);
    if (message->type == MESSAGE_MAP_REPLY) {
        f->replies++;
        return;
    }
    assert_int_equal(message->type, MESSAGE_CACHE_UPDATE);
    struct query_message ack = {.type = MESSAGE_CACHE_UPDATE_ACK,
                                .nonce = message->nonce,
                                .token = message->token,
                                .server_sequence = message->server_sequence,
                                .instance = 1};
    f->updates++;
    send_message(f, querier, &ack);
}

static void hear_all(struct fixture *f)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    for (size_t i = 0; i < QUERIERS; i++) {
        ssize_t length = 0;
        while ((length = recv(f->sockets[i], bytes, sizeof(bytes), 0)) > 0) {
            struct query_message message;
            assert_int_equal(query_decode(bytes, (size_t)length, &message), DECODE_OK);
            believe(f, i, &message);
        }
    }
}

// Whether all that was ever told is what is true, or was flushed.
static bool all_know(struct fixture *f)
{
    for (uint64_t nonce = 1; nonce <= f->nonce; nonce++) {
        const struct belief *belief = &f->beliefs[nonce];
        struct address etr = true_etr(f, belief->micronet);
        if (belief->state == TOLD && !address_equal(&belief->etr, &etr))
            return false;
    }
    return true;
}

static bool all_flushed(struct fixture *f)
{
    for (uint64_t nonce = 1; nonce <= f->nonce; nonce++)
        if (f->beliefs[nonce].state == TOLD)
            return false;
    return true;
}

static void hear_until(struct fixture *f, bool (*done)(struct fixture *))
{
    for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
        hear_all(f);
        if (done(f))
            return;
        (void)poll(NULL, 0, 10);
    }
    fail_msg("not everyone was told");
}

static bool answered(struct fixture *f)
{
    return f->replies + f->refused == f->nonce;
}

// Everyone has asked once, so that his token is known.
static void meet(struct fixture *f)
{
    for (size_t i = 0; i < QUERIERS; i++) {
        ask(f, i);
        hear_until(f, answered);
    }
}

static void test_everyone_told_is_told(void **state)
{
    (void)state;
    struct fixture f = start();
    meet(&f);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < QUERIERS; i++)
            ask(&f, i);
        for (unsigned i = 0; i < CHANGES; i++)
            change(&f);
        if (round % RELOAD_EVERY == RELOAD_EVERY - 1)
            reload(&f);
        hear_all(&f);
    }
    hear_until(&f, all_know);
    assert_true(f.replies > ROUNDS && f.updates > ROUNDS);
    stop(&f);
}

static void test_reports_are_summed(void **state)
{
    (void)state;
    struct fixture f = start();
    meet(&f);
    struct qsa_report report = {0};
    for (int ms = 0; ms < PATIENCE_MS && report.teller.told < QUERIERS; ms += 10) {
        (void)poll(NULL, 0, 10); // a thread publishes after it has sent
        report = qsa_threads_report(f.threads);
    }
    assert_int_equal(report.teller.told, QUERIERS);
    assert_int_equal(report.teller.queriers, QUERIERS);
    assert_int_equal(report.teller.counters.requests, f.nonce);
    assert_int_equal(report.udp.received, f.nonce);
    stop(&f);
}

static void test_a_removed_mab_is_flushed(void **state)
{
    (void)state;
    struct fixture f = start();
    meet(&f);
    assert_true(database_remove(f.database, &f.mab));
    struct qsa_news *news = qsa_news_new(QSA_NEWS_REMOVED, &f.mab, 0, NULL, NULL, 0);
    struct mapping *replaced = database_take_replaced(f.database, &f.mab);
    assert_non_null(replaced);
    assert_null(database_take_replaced(f.database, &f.mab));
    qsa_news_bury(news, replaced);
    qsa_threads_tell(f.threads, news);
    hear_until(&f, all_flushed);
    assert_true(f.updates >= QUERIERS);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everyone_told_is_told),
        cmocka_unit_test(test_reports_are_summed),
        cmocka_unit_test(test_a_removed_mab_is_flushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
