// SPDX-License-Identifier: BSD-2-Clause
// Caching servers in several threads in front of a QSA in several threads, asked while mappings and
// servers change: in the end, everyone who was told something knows what is true. Also meant to be
// run under the thread sanitizer.
#include "../check.h"
#include "node/query/qsa_threads.h"
#include "node/query/qsr_threads.h"
#include "queriers.h"

#include <arpa/inet.h>

#define THREADS     3
#define QSA_THREADS 2
#define QUERIERS    24
#define ROUNDS      300
#define FORGOTTEN   1000
#define QUESTIONS   (ROUNDS * QUERIERS + 100000)

struct fixture {
    struct space space;
    struct qsa_threads *qsas[2];
    struct qsr_threads *qsr;
    struct queriers queriers;
    uint64_t sequence;
};

static const struct teller_config teller = {
    .queriers_max = TELLER_QUERIERS_MAX,
    .unproven_max = TELLER_UNPROVEN_MAX,
    .told_max = 100000,
    .told_per_querier_max = TELLER_TOLD_MAX,
};

// The servers

static void tell_qsas(struct fixture *f, enum qsa_news_kind kind, const struct update *update)
{
    for (size_t i = 0; i < 2; i++)
        qsa_threads_tell(f->qsas[i], qsa_news_new(kind, &f->space.mab, f->sequence,
                                                  database_get(f->space.database, &f->space.mab),
                                                  update, update != NULL));
}

static void open_qsas(struct fixture *f)
{
    struct qsa_config config = {.teller = teller, .caching_time = duration_s(600)};
    struct endpoint listen = {address_from_ipv4(INADDR_LOOPBACK), 0};
    struct error error;
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
    struct update update = space_change(&f->space);
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

static void start(struct fixture *f)
{
    *f = (struct fixture){0};
    space_open(&f->space);
    open_qsas(f);
    open_qsr(f);
    struct endpoint server = qsr_threads_local(f->qsr);
    queriers_open(&f->queriers, &f->space, QUERIERS, QUESTIONS, &server);
}

static void stop(struct fixture *f)
{
    qsr_threads_close(f->qsr);
    qsa_threads_close(f->qsas[0]);
    qsa_threads_close(f->qsas[1]);
    space_close(&f->space);
    queriers_close(&f->queriers);
}

static void test_everyone_told_is_told(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    queriers_meet(&f.queriers);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < QUERIERS; i++)
            queriers_ask(&f.queriers, i);
        for (unsigned i = 0; i < CHANGES; i++)
            change(&f);
        if (round % 20 == 10)
            choose_servers(&f, 1 + round / 20 % 3);
        queriers_hear_until(&f.queriers, queriers_abreast);
    }
    queriers_hear_until(&f.queriers, queriers_answered);
    queriers_hear_until(&f.queriers, queriers_know);
    struct qsr_report report = qsr_threads_report(f.qsr);
    assert_true(f.queriers.replies - f.queriers.refused > ROUNDS && f.queriers.updates > ROUNDS);
    assert_true(report.counters.hits > 0 && report.counters.misses > 0);
    assert_int_equal(report.counters.hits + report.counters.misses + report.counters.merged +
                         report.counters.refused_full,
                     report.teller.counters.requests);
    stop(&f);
}

static void test_sums(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    queriers_meet(&f.queriers);
    struct qsr_report report = qsr_threads_report(f.qsr);
    assert_int_equal(report.teller.told, QUERIERS);
    assert_int_equal(report.teller.queriers, QUERIERS);
    assert_int_equal(report.teller.counters.requests, QUERIERS);
    assert_true(report.querier.cached > 0);
    assert_int_equal(report.latency.count, report.counters.misses);
    struct querier_upstream upstreams[CHOICE_MEMBERS_MAX];
    assert_int_equal(qsr_threads_group(f.qsr, 0, upstreams), 2);
    assert_int_equal(upstreams[0].learned + upstreams[1].learned, report.querier.cached);
    struct range ranges[FORGOTTEN]; // the last is all there is
    for (size_t i = 0; i < FORGOTTEN; i++)
        assert_true(range_parse(i + 1 < FORGOTTEN ? "21.0.0.0/8" : "20.0.0.0/8", &ranges[i], NULL));
    qsr_threads_forget(f.qsr, ranges, FORGOTTEN);
    assert_int_equal(qsr_threads_report(f.qsr).querier.cached, 0);
    stop(&f);
}

static bool all_refused(const struct queriers *queriers)
{
    for (uint64_t nonce = queriers->nonce - QUERIERS + 1; nonce <= queriers->nonce; nonce++)
        if (queriers->beliefs[nonce].state != NOTHING)
            return false;
    return true;
}

// The set of MABs is copied: what the owner does with his own is not seen.
static void test_mabs(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct mab_table *mabs = mab_table_new();
    assert_true(mab_table_add(mabs, &f.space.mab, 0, NULL));
    qsr_threads_set_mabs(f.qsr, mabs);
    mab_table_free(mabs);
    queriers_meet(&f.queriers);
    assert_int_equal(f.queriers.refused, 0);
    for (size_t i = 0; i < QUERIERS; i++)
        queriers_ask_for(&f.queriers, i, 0x15000000u + (uint32_t)i);
    queriers_hear_until(&f.queriers, all_refused);
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
