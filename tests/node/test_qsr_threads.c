// SPDX-License-Identifier: BSD-2-Clause
// Caching servers in several threads in front of a QSA in several threads, asked while mappings and
// servers change: in the end, everyone who was told something knows what is true. Also meant to be
// run under the thread sanitizer.
#include "../check.h"
#include "base/memory.h"
#include "mapping/database.h"
#include "node/query/qsa_threads.h"
#include "node/query/qsr_threads.h"
#include "node/socket_address.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS     3
#define QSA_THREADS 2
#define QUERIERS    24
#define MICRONETS   64
#define ROUNDS      300
#define CHANGES     4 // a round
#define PATIENCE_MS 30000
#define BASE        0x14000000u // 20.0.0.0
#define NONCES      (ROUNDS * QUERIERS + 100000)

// What a querier believes under a nonce.
struct belief {
    enum { ASKED, TOLD, REFUSED } state;
    uint32_t micronet;
    struct address etr;
};

struct fixture {
    struct prefix mab;
    struct database *database;
    struct qsa_threads *qsas[2];
    struct qsr_threads *qsr;
    struct random_source random;
    uint64_t sequence;
    int sockets[QUERIERS];
    uint64_t tokens[QUERIERS];
    uint64_t nonce;
    struct belief *beliefs; // by nonce
    uint64_t replies, refused, updates;
};

static const struct teller_config teller = {TELLER_QUERIERS_MAX, TELLER_UNPROVEN_MAX, 100000,
                                            TELLER_TOLD_PER_QUERIER_MAX};

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

// The servers

static void tell_qsas(struct fixture *f, enum qsa_news_kind kind, const struct update *update)
{
    for (size_t i = 0; i < 2; i++)
        qsa_threads_tell(f->qsas[i],
                         qsa_news_new(kind, &f->mab, f->sequence,
                                      database_get(f->database, &f->mab), update, update != NULL));
}

static void open_qsas(struct fixture *f)
{
    struct qsa_config config = {.teller = teller, .caching_time = duration_s(600)};
    struct endpoint listen = {address_from_ipv4(INADDR_LOOPBACK), 0};
    struct error error;
    struct mapping *mapping = mapping_new(&f->mab, NULL);
    for (uint32_t i = 0; i < MICRONETS; i++) {
        struct update update = {UPDATE_DEFINE, range_of(i), some_etr(f), {0}};
        assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
    }
    f->database = database_new();
    assert_true(database_put(f->database, mapping, NULL));
    for (size_t i = 0; i < 2; i++) {
        f->qsas[i] = qsa_threads_open(&listen, &config, QSA_THREADS, &error);
        if (f->qsas[i] == NULL)
            fail_msg("%s", error.text);
    }
    tell_qsas(f, QSA_NEWS_RELOADED, NULL);
    tell_qsas(f, QSA_NEWS_READY, NULL);
    tell_qsas(f, QSA_NEWS_COMPLETE, NULL);
}

static void change(struct fixture *f)
{
    uint32_t micronet = (uint32_t)random_below(&f->random, MICRONETS);
    struct update update = {UPDATE_MAP, range_of(micronet), some_etr(f), {0}};
    assert_true(mapping_apply(database_get(f->database, &f->mab), &update, 1, NULL, NULL));
    f->sequence++;
    tell_qsas(f, QSA_NEWS_CHANGED, &update);
}

// Makes one QSA, the other, or both the servers of group 0.
static void choose_servers(struct fixture *f, unsigned which)
{
    struct querier_server servers[2];
    size_t count = 0;
    for (unsigned i = 0; i < 2; i++)
        if ((which & 1u << i) != 0)
            servers[count++] = (struct querier_server){qsa_threads_local(f->qsas[i]), 0};
    qsr_threads_set_group(f->qsr, 0, servers, count);
}

static void open_qsr(struct fixture *f)
{
    struct qsr_config config = {
        .querier = {.open_max = 1000, .cached_max = 1000},
        .teller = teller,
        .waiting_max = 1000,
    };
    struct endpoint listen = {address_from_ipv4(INADDR_LOOPBACK), 0};
    struct error error;
    f->qsr = qsr_threads_open(&listen, &config, THREADS, &error);
    if (f->qsr == NULL)
        fail_msg("%s", error.text);
    assert_int_equal(qsr_threads_count(f->qsr), THREADS);
    choose_servers(f, 3);
}

static struct fixture start(void)
{
    struct fixture f = {0};
    assert_true(prefix_parse("20.0.0.0/8", &f.mab, NULL));
    random_init(&f.random, random_seed_from_number(1));
    f.beliefs = memory_new_array(NONCES, sizeof(*f.beliefs));
    open_qsas(&f);
    open_qsr(&f);
    struct endpoint server = qsr_threads_local(f.qsr);
    struct sockaddr_storage address;
    socklen_t length = socket_address_of_endpoint(&server, &address);
    for (size_t i = 0; i < QUERIERS; i++) {
        f.sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(f.sockets[i], (struct sockaddr *)&address, length), 0);
    }
    return f;
}

static void stop(struct fixture *f)
{
    qsr_threads_close(f->qsr);
    qsa_threads_close(f->qsas[0]);
    qsa_threads_close(f->qsas[1]);
    database_free(f->database);
    for (size_t i = 0; i < QUERIERS; i++)
        (void)close(f->sockets[i]);
    memory_free(f->beliefs);
}

// The queriers

static void send_message(const struct fixture *f, size_t querier,
                         const struct query_message *message)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = query_encode(message, bytes, sizeof(bytes));
    assert_int_equal(send(f->sockets[querier], bytes, length, 0), length);
}

static void ask_for(struct fixture *f, size_t querier, uint32_t address)
{
    uint64_t nonce = ++f->nonce;
    assert_true(nonce < NONCES);
    f->beliefs[nonce].micronet = address - BASE;
    struct query_message request = {.type = MESSAGE_MAP_REQUEST,
                                    .nonce = nonce,
                                    .token = f->tokens[querier],
                                    .instance = 1,
                                    .question = address_from_ipv4(address)};
    send_message(f, querier, &request);
}

static void ask(struct fixture *f, size_t querier)
{
    ask_for(f, querier, BASE + (uint32_t)random_below(&f->random, MICRONETS));
}

static void believe(struct fixture *f, size_t querier, const struct query_message *message)
{
    assert_true(message->nonce > 0 && message->nonce <= f->nonce);
    struct belief *belief = &f->beliefs[message->nonce];
    f->tokens[querier] = message->token;
    bool told = message->status == QUERY_MAPPED || message->status == QUERY_ZERO;
    if (message->type == MESSAGE_MAP_REPLY && belief->state == ASKED) {
        f->replies++;
        f->refused += !told;
    }
    belief->state = told ? TOLD : REFUSED;
    belief->etr = message->etr;
    assert_int_equal(message->range.start.index, BASE + belief->micronet);
    if (message->type != MESSAGE_CACHE_UPDATE)
        return;
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

// Whether every question was answered.
static bool answered(struct fixture *f)
{
    return f->replies == f->nonce;
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
        if (round % 20 == 10)
            choose_servers(&f, 1 + round / 20 % 3);
        hear_all(&f);
    }
    hear_until(&f, answered);
    hear_until(&f, all_know);
    struct qsr_report report = qsr_threads_report(f.qsr);
    assert_true(f.refused < f.replies / 2 && f.updates > ROUNDS);
    assert_true(report.counters.hits > 0 && report.counters.misses > 0);
    assert_int_equal(report.counters.hits + report.counters.misses + report.counters.merged +
                         report.counters.refused_full,
                     report.teller.counters.requests);
    stop(&f);
}

static void test_sums(void **state)
{
    (void)state;
    struct fixture f = start();
    meet(&f);
    struct qsr_report report = qsr_threads_report(f.qsr);
    assert_int_equal(report.teller.told, QUERIERS);
    assert_int_equal(report.teller.queriers, QUERIERS);
    assert_int_equal(report.teller.counters.requests, QUERIERS);
    assert_true(report.querier.cached > 0);
    assert_int_equal(report.latency.count, report.counters.misses);
    struct querier_upstream upstreams[CHOICE_MEMBERS_MAX];
    assert_int_equal(qsr_threads_group(f.qsr, 0, upstreams), 2);
    assert_int_equal(upstreams[0].learned + upstreams[1].learned, report.querier.cached);
    struct range all;
    assert_true(range_parse("20.0.0.0/8", &all, NULL));
    qsr_threads_forget(f.qsr, &all);
    assert_int_equal(qsr_threads_report(f.qsr).querier.cached, 0);
    stop(&f);
}

static bool all_refused(struct fixture *f)
{
    for (uint64_t nonce = f->nonce - QUERIERS + 1; nonce <= f->nonce; nonce++)
        if (f->beliefs[nonce].state != REFUSED)
            return false;
    return true;
}

// The set of MABs is copied: what the owner does with his own is not seen.
static void test_mabs(void **state)
{
    (void)state;
    struct fixture f = start();
    struct mab_table *mabs = mab_table_new();
    assert_true(mab_table_add(mabs, &f.mab, 0, NULL));
    qsr_threads_set_mabs(f.qsr, mabs);
    mab_table_free(mabs);
    meet(&f);
    assert_int_equal(f.refused, 0);
    for (size_t i = 0; i < QUERIERS; i++)
        ask_for(&f, i, 0x15000000u + (uint32_t)i);
    hear_until(&f, all_refused);
    assert_int_equal(qsr_threads_report(f.qsr).counters.outside, QUERIERS);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everyone_told_is_told),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_mabs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
