// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/qsr_threads.h"

#include "base/counters.h"
#include "base/memory.h"

#include <assert.h>
#include <uv.h>

#define FORGOTTEN_AT_ONCE 256

struct qsr_threads {
    size_t count;
    struct qsr *cores[QSR_THREADS_MAX];
    struct query_threads *threads;
    struct mab_table *mabs; // that the cores look at; NULL at first
};

// A core

static void input(void *core, struct instant now, const struct endpoint *from, const uint8_t *bytes,
                  size_t length)
{
    qsr_input(core, now, from, bytes, length);
}

static void foresee(void *core, const struct foresight *foresight)
{
    qsr_foresee(core, foresight);
}

static size_t next_output(void *core, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    return qsr_next_output(core, now, to, buffer);
}

static struct instant next_deadline(const void *core)
{
    return qsr_next_deadline(core);
}

static void tick(void *core, struct instant now)
{
    qsr_tick(core, now);
}

static void set_load(void *core, uint8_t load)
{
    qsr_set_load(core, load);
}

static const struct query_core functions = {
    NULL, foresee, input, next_output, next_deadline, tick, set_load, .asks = true,
};

// All of them

static struct instant now(void)
{
    return (struct instant){uv_hrtime()};
}

static size_t share(size_t whole, size_t count)
{
    return (whole + count - 1) / count;
}

// What one of several may take: each gets about as many queriers as the others.
static struct qsr_config share_config(const struct qsr_config *config, size_t count)
{
    struct qsr_config shared = *config;
    shared.querier.open_max = share(config->querier.open_max, count);
    shared.querier.cached_max = share(config->querier.cached_max, count);
    shared.teller.queriers_max = share(config->teller.queriers_max, count);
    shared.teller.unproven_max = share(config->teller.unproven_max, count);
    shared.teller.told_max = share(config->teller.told_max, count);
    shared.waiting_max = share(config->waiting_max, count);
    return shared;
}

struct qsr_threads *qsr_threads_open(const struct endpoint *listen, const struct qsr_config *config,
                                     size_t count, struct error *error)
{
    assert(count >= 1 && count <= QSR_THREADS_MAX);
    struct qsr_threads *threads = memory_new(sizeof(*threads));
    struct qsr_config shared = share_config(config, count);
    void *cores[QSR_THREADS_MAX];
    threads->count = count;
    for (size_t i = 0; i < count; i++) {
        threads->cores[i] = qsr_new(&shared, random_seed_from_system(), now());
        cores[i] = threads->cores[i];
    }
    threads->threads = query_threads_open(listen, &functions, cores, count, error);
    if (threads->threads != NULL)
        return threads;
    qsr_threads_close(threads);
    return NULL;
}

void qsr_threads_close(struct qsr_threads *threads)
{
    if (threads == NULL)
        return;
    query_threads_close(threads->threads);
    for (size_t i = 0; i < threads->count; i++)
        qsr_free(threads->cores[i]);
    mab_table_free(threads->mabs);
    memory_free(threads);
}

void qsr_threads_set_mabs(struct qsr_threads *threads, const struct mab_table *mabs)
{
    // A copy, as the owner changes his while the threads look things up.
    struct mab_table *replaced = threads->mabs;
    threads->mabs = mab_table_copy(mabs);
    for (size_t i = 0; i < threads->count; i++) {
        query_threads_hold(threads->threads, i);
        qsr_set_mabs(threads->cores[i], threads->mabs);
        query_threads_release(threads->threads, i);
    }
    mab_table_free(replaced);
}

void qsr_threads_set_group(struct qsr_threads *threads, size_t group,
                           const struct querier_server *servers, size_t count)
{
    for (size_t i = 0; i < threads->count; i++) {
        query_threads_hold(threads->threads, i);
        qsr_set_group(threads->cores[i], now(), group, servers, count);
        query_threads_release(threads->threads, i);
    }
}

void qsr_threads_set_upstreams(struct qsr_threads *threads, const struct endpoint *upstreams,
                               size_t count)
{
    for (size_t i = 0; i < threads->count; i++) {
        query_threads_hold(threads->threads, i);
        qsr_set_upstreams(threads->cores[i], now(), upstreams, count);
        query_threads_release(threads->threads, i);
    }
}

void qsr_threads_set_alternatives(struct qsr_threads *threads, const struct endpoint *alternatives,
                                  size_t count)
{
    for (size_t i = 0; i < threads->count; i++) {
        query_threads_hold(threads->threads, i);
        qsr_set_alternatives(threads->cores[i], alternatives, count);
        query_threads_release(threads->threads, i);
    }
}

// A thread is kept from answering for so many at a time.
static void forget_some(struct qsr_threads *threads, size_t i, const struct range *ranges,
                        size_t count)
{
    query_threads_hold(threads->threads, i);
    for (size_t n = 0; n < count; n++)
        qsr_forget(threads->cores[i], now(), &ranges[n]);
    query_threads_release(threads->threads, i);
}

void qsr_threads_forget(struct qsr_threads *threads, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < threads->count; i++)
        for (size_t done = 0; done < count; done += FORGOTTEN_AT_ONCE)
            forget_some(threads, i, ranges + done,
                        count - done < FORGOTTEN_AT_ONCE ? count - done : FORGOTTEN_AT_ONCE);
}

void qsr_threads_set_pages(struct qsr_threads *threads, struct page_shelf *shelf)
{
    for (size_t i = 0; i < threads->count; i++) {
        query_threads_hold(threads->threads, i);
        qsr_set_pages(threads->cores[i], shelf);
        query_threads_release(threads->threads, i);
    }
}

size_t qsr_threads_count(const struct qsr_threads *threads)
{
    return threads->count;
}

struct endpoint qsr_threads_local(const struct qsr_threads *threads)
{
    return query_threads_local(threads->threads);
}

// Reports

static void add_report(struct qsr_report *sum, const struct qsr *qsr)
{
    struct teller_report teller = teller_report(qsr_teller(qsr));
    struct querier_report querier = querier_report(qsr_querier(qsr));
    counters_add(&sum->counters, qsr_counters(qsr), sizeof(sum->counters));
    sum->waiting += qsr_waiting(qsr);
    latency_sum(&sum->latency, qsr_latency(qsr));
    teller_report_add(&sum->teller, &teller);
    querier_report_add(&sum->querier, &querier);
}

struct qsr_report qsr_threads_report(struct qsr_threads *threads)
{
    struct qsr_report sum = {0};
    for (size_t i = 0; i < threads->count; i++) {
        query_threads_hold(threads->threads, i);
        add_report(&sum, threads->cores[i]);
        query_threads_add_udp(threads->threads, i, &sum.udp);
        sum.loads[i] = query_threads_load(threads->threads, i);
        query_threads_release(threads->threads, i);
    }
    return sum;
}

// Adds what another thread knows of the same server.
static void add_upstream(struct querier_upstream *upstreams, size_t count,
                         const struct querier_upstream *part)
{
    size_t i = 0;
    while (i < count && !endpoint_equal(&upstreams[i].endpoint, &part->endpoint))
        i++;
    assert(i < count); // all have the same servers
    upstreams[i].learned += part->learned;
    upstreams[i].avoided = upstreams[i].avoided && part->avoided;
    if (instant_before(upstreams[i].heard, part->heard)) {
        upstreams[i].heard = part->heard;
        upstreams[i].load = part->load;
    }
}

size_t qsr_threads_group(struct qsr_threads *threads, size_t group,
                         struct querier_upstream *upstreams)
{
    size_t count = 0;
    for (size_t i = 0; i < threads->count; i++) {
        query_threads_hold(threads->threads, i);
        const struct querier *querier = qsr_querier(threads->cores[i]);
        count = querier_group_size(querier, group);
        for (size_t place = 0; place < count; place++) {
            struct querier_upstream upstream;
            querier_upstream(querier, group, place, &upstream);
            if (i == 0)
                upstreams[place] = upstream;
            else
                add_upstream(upstreams, count, &upstream);
        }
        query_threads_release(threads->threads, i);
    }
    return count;
}
