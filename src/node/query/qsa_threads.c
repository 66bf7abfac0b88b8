// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/qsa_threads.h"

#include "base/counters.h"
#include "base/memory.h"

#include <assert.h>
#include <uv.h>

struct worker {
    struct qsa *qsa;
    struct mailbox *mailbox;
};

struct qsa_threads {
    size_t count;
    struct worker workers[QSA_THREADS_MAX];
    struct query_threads *threads;
};

// A worker's thread

static void begin(void *core, struct instant now)
{
    struct worker *worker = core;
    mailbox_empty(worker->mailbox, worker->qsa, now);
}

static void input(void *core, struct instant now, const struct endpoint *from, const uint8_t *bytes,
                  size_t length)
{
    qsa_input(((struct worker *)core)->qsa, now, from, bytes, length);
}

static void foresee(void *core, const struct foresight *foresight)
{
    teller_foresee(qsa_teller(((struct worker *)core)->qsa), foresight);
}

static size_t next_output(void *core, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    return qsa_next_output(((struct worker *)core)->qsa, now, to, buffer);
}

static struct instant next_deadline(const void *core)
{
    return qsa_next_deadline(((const struct worker *)core)->qsa);
}

static void tick(void *core, struct instant now)
{
    qsa_tick(((struct worker *)core)->qsa, now);
}

static void set_load(void *core, uint8_t load)
{
    teller_set_load(qsa_teller(((struct worker *)core)->qsa), load);
}

static const struct query_core functions = {
    begin, foresee, input, next_output, next_deadline, tick, set_load, .asks = false,
};

// All of them

static size_t share(size_t whole, size_t count)
{
    return (whole + count - 1) / count;
}

// What one of several QSAs may take: each gets about as many queriers as the others.
static struct qsa_config share_config(const struct qsa_config *config, size_t count)
{
    struct qsa_config shared = *config;
    shared.teller.queriers_max = share(config->teller.queriers_max, count);
    shared.teller.unproven_max = share(config->teller.unproven_max, count);
    shared.teller.told_max = share(config->teller.told_max, count);
    return shared;
}

struct qsa_threads *qsa_threads_open(const struct endpoint *listen, const struct qsa_config *config,
                                     size_t count, struct error *error)
{
    assert(count >= 1 && count <= QSA_THREADS_MAX);
    struct qsa_threads *threads = memory_new(sizeof(*threads));
    struct qsa_config shared = share_config(config, count);
    void *cores[QSA_THREADS_MAX];
    threads->count = count;
    for (size_t i = 0; i < count; i++) {
        struct worker *worker = &threads->workers[i];
        worker->mailbox = mailbox_new();
        worker->qsa = qsa_new(&shared, random_seed_from_system(), (struct instant){uv_hrtime()});
        cores[i] = worker;
    }
    threads->threads = query_threads_open(listen, &functions, cores, count, error);
    if (threads->threads != NULL)
        return threads;
    qsa_threads_close(threads);
    return NULL;
}

void qsa_threads_close(struct qsa_threads *threads)
{
    if (threads == NULL)
        return;
    query_threads_close(threads->threads);
    for (size_t i = 0; i < threads->count; i++) {
        qsa_free(threads->workers[i].qsa);
        mailbox_free(threads->workers[i].mailbox);
    }
    memory_free(threads);
}

void qsa_threads_tell(struct qsa_threads *threads, struct qsa_news *news)
{
    for (size_t i = 0; i < threads->count; i++) {
        mailbox_put(threads->workers[i].mailbox, qsa_news_hold(news));
        query_threads_wake(threads->threads, i);
    }
    qsa_news_release(news);
}

void qsa_threads_set(struct qsa_threads *threads, struct duration caching_time,
                     const struct endpoint *alternatives, size_t count)
{
    for (size_t i = 0; i < threads->count; i++) {
        struct qsa *qsa = threads->workers[i].qsa;
        query_threads_hold(threads->threads, i);
        qsa_set_caching_time(qsa, caching_time);
        teller_set_alternatives(qsa_teller(qsa), alternatives, count);
        query_threads_release(threads->threads, i);
    }
}

void qsa_threads_set_pages(struct qsa_threads *threads, struct page_shelf *shelf)
{
    for (size_t i = 0; i < threads->count; i++) {
        query_threads_hold(threads->threads, i);
        teller_set_pages(qsa_teller(threads->workers[i].qsa), shelf);
        query_threads_release(threads->threads, i);
    }
}

size_t qsa_threads_count(const struct qsa_threads *threads)
{
    return threads->count;
}

struct endpoint qsa_threads_local(const struct qsa_threads *threads)
{
    return query_threads_local(threads->threads);
}

struct qsa_report qsa_threads_report(struct qsa_threads *threads)
{
    struct qsa_report sum = {0};
    for (size_t i = 0; i < threads->count; i++) {
        struct qsa *qsa = threads->workers[i].qsa;
        query_threads_hold(threads->threads, i);
        struct teller_report teller = teller_report(qsa_teller(qsa));
        counters_add(&sum.counters, qsa_counters(qsa), sizeof(sum.counters));
        teller_report_add(&sum.teller, &teller);
        query_threads_add_udp(threads->threads, i, &sum.udp);
        sum.loads[i] = query_threads_load(threads->threads, i);
        query_threads_release(threads->threads, i);
    }
    return sum;
}
