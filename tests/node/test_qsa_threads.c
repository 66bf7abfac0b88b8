// SPDX-License-Identifier: BSD-2-Clause
// QSAs in several threads, asked and told of changes at the same time: in the end, everyone who was
// told something knows what is true. Also meant to be run under the thread sanitizer.
#include "../check.h"
#include "node/query/qsa_threads.h"
#include "queriers.h"

#include <arpa/inet.h>
#include <poll.h>

#define THREADS      3
#define QUERIERS     12
#define ROUNDS       600
#define RELOAD_EVERY 50
#define PATIENCE_MS  20000
#define QUESTIONS    (ROUNDS * QUERIERS + 100000)

struct fixture {
    struct space space;
    struct qsa_threads *threads;
    struct queriers queriers;
    uint64_t sequence;
};

// Another mapping takes the place of the one that the threads look at.
static void reload(struct fixture *f)
{
    struct database *database = f->space.database;
    const struct prefix *mab = &f->space.mab;
    struct mapping *mapping = space_mapping(&f->space, database_get(database, mab));
    assert_true(database_put(database, mapping, NULL));
    struct qsa_news *news = qsa_news_new(QSA_NEWS_RELOADED, mab, ++f->sequence, mapping, NULL, 0);
    struct mapping *replaced = NULL;
    while ((replaced = database_take_replaced(database, mab)) != NULL)
        qsa_news_bury(news, replaced);
    qsa_threads_tell(f->threads, news);
    qsa_threads_tell(f->threads, qsa_news_new(QSA_NEWS_READY, mab, 0, NULL, NULL, 0));
}

static void change(struct fixture *f)
{
    struct update update = space_change(&f->space);
    qsa_threads_tell(
        f->threads, qsa_news_new(QSA_NEWS_CHANGED, &f->space.mab, ++f->sequence, NULL, &update, 1));
}

static void start(struct fixture *f)
{
    struct qsa_config config = {
        .teller = {.queriers_max = TELLER_QUERIERS_MAX,
                   .unproven_max = TELLER_UNPROVEN_MAX,
                   .told_max = TELLER_TOLD_MAX,
                   .told_per_querier_max = TELLER_TOLD_MAX},
        .caching_time = duration_s(600),
    };
    struct endpoint listen = {address_from_ipv4(INADDR_LOOPBACK), 0};
    struct error error;
    *f = (struct fixture){0};
    f->threads = qsa_threads_open(&listen, &config, THREADS, &error);
    if (f->threads == NULL)
        fail_msg("%s", error.text);
    assert_int_equal(qsa_threads_count(f->threads), THREADS);
    space_open(&f->space);
    database_keep_replaced(f->space.database);
    reload(f);
    qsa_threads_tell(f->threads, qsa_news_new(QSA_NEWS_COMPLETE, NULL, 0, NULL, NULL, 0));
    struct endpoint server = qsa_threads_local(f->threads);
    queriers_open(&f->queriers, &f->space, QUERIERS, QUESTIONS, &server);
    queriers_meet(&f->queriers);
}

static void stop(struct fixture *f)
{
    qsa_threads_close(f->threads);
    space_close(&f->space);
    queriers_close(&f->queriers);
}

static void test_everyone_told_is_told(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < QUERIERS; i++)
            queriers_ask(&f.queriers, i);
        for (unsigned i = 0; i < CHANGES; i++)
            change(&f);
        if (round % RELOAD_EVERY == RELOAD_EVERY - 1)
            reload(&f);
        queriers_hear_until(&f.queriers, queriers_abreast);
    }
    queriers_hear_until(&f.queriers, queriers_know);
    assert_true(f.queriers.replies - f.queriers.refused > ROUNDS && f.queriers.updates > ROUNDS);
    stop(&f);
}

static void test_reports_are_summed(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct qsa_report report = {0};
    for (int ms = 0; ms < PATIENCE_MS && report.teller.told < QUERIERS; ms += 10) {
        (void)poll(NULL, 0, 10); // a thread publishes after it has sent
        report = qsa_threads_report(f.threads);
    }
    assert_int_equal(report.teller.told, QUERIERS);
    assert_int_equal(report.teller.queriers, QUERIERS);
    assert_int_equal(report.teller.counters.requests, f.queriers.nonce);
    assert_int_equal(report.udp.received, f.queriers.nonce);
    stop(&f);
}

static bool all_flushed(const struct queriers *queriers)
{
    for (uint64_t nonce = 1; nonce <= queriers->nonce; nonce++)
        if (queriers->beliefs[nonce].state == TOLD)
            return false;
    return true;
}

static void test_a_removed_mab_is_flushed(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct database *database = f.space.database;
    const struct prefix *mab = &f.space.mab;
    assert_true(database_remove(database, mab));
    struct qsa_news *news = qsa_news_new(QSA_NEWS_REMOVED, mab, 0, NULL, NULL, 0);
    struct mapping *replaced = database_take_replaced(database, mab);
    assert_non_null(replaced);
    assert_null(database_take_replaced(database, mab));
    qsa_news_bury(news, replaced);
    qsa_threads_tell(f.threads, news);
    queriers_hear_until(&f.queriers, all_flushed);
    assert_true(f.queriers.updates >= QUERIERS);
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
