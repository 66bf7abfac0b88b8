// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/qsa_threads.h"

#include "base/memory.h"

#include <assert.h>
#include <poll.h>
#include <uv.h>

struct worker {
    uv_thread_t thread;
    bool started;
    struct udp *udp;
    struct qsa *qsa;
    struct mailbox *mailbox;
    struct instant now; // of this turn
    uv_mutex_t report_lock;
    struct qsa_report report; // as of the end of the thread's last turn
};

struct qsa_threads {
    size_t count;
    struct worker workers[];
};

// A worker's thread

static void send_all(struct worker *worker)
{
    struct endpoint to;
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    size_t length = 0;
    while ((length = qsa_next_output(worker->qsa, worker->now, &to, buffer)) > 0)
        udp_send(worker->udp, &to, buffer, length);
    udp_flush(worker->udp);
}

static void on_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                        size_t length)
{
    struct worker *worker = state;
    qsa_input(worker->qsa, worker->now, from, bytes, length);
}

static void publish(struct worker *worker)
{
    struct qsa_report report = {
        .counters = *qsa_counters(worker->qsa),
        .teller = teller_report(qsa_teller(worker->qsa)),
        .udp = *udp_counters(worker->udp),
    };
    uv_mutex_lock(&worker->report_lock);
    worker->report = report;
    uv_mutex_unlock(&worker->report_lock);
}

// Sleeps until there is a datagram, news, or something due.
static void wait(const struct worker *worker)
{
    struct pollfd wanted[] = {
        {.fd = udp_descriptor(worker->udp), .events = POLLIN},
        {.fd = mailbox_descriptor(worker->mailbox), .events = POLLIN},
    };
    struct instant deadline = qsa_next_deadline(worker->qsa);
    struct duration left = instant_since(deadline, (struct instant){uv_hrtime()});
    struct timespec patience = {(time_t)(left.ns / 1000000000u), (long)(left.ns % 1000000000u)};
    // A signal only wakes: the loop's thread handles it.
    (void)ppoll(wanted, 2, deadline.ns == INSTANT_NEVER.ns ? NULL : &patience, NULL);
}

static void run(void *state)
{
    struct worker *worker = state;
    for (;;) {
        worker->now = (struct instant){uv_hrtime()};
        if (!mailbox_empty(worker->mailbox, worker->qsa, worker->now))
            return;
        bool more = udp_read(worker->udp);
        if (instant_reached(worker->now, qsa_next_deadline(worker->qsa)))
            qsa_tick(worker->qsa, worker->now);
        send_all(worker);
        publish(worker);
        if (!more)
            wait(worker);
    }
}

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

static bool open_worker(struct worker *worker, const struct endpoint *listen,
                        const struct qsa_config *config, struct error *error)
{
    worker->mailbox = mailbox_new();
    worker->qsa = qsa_new(config, random_seed_from_system(), (struct instant){uv_hrtime()});
    (void)uv_mutex_init(&worker->report_lock);
    worker->udp = udp_open_shared(listen, on_datagram, NULL, worker, error);
    return worker->udp != NULL;
}

static bool start_worker(struct worker *worker, struct error *error)
{
    int failed = uv_thread_create(&worker->thread, run, worker);
    worker->started = failed == 0;
    return worker->started || error_set(error, ERROR_SYSTEM, "thread-refused",
                                        "cannot start a thread: %s", uv_strerror(failed));
}

struct qsa_threads *qsa_threads_open(const struct endpoint *listen, const struct qsa_config *config,
                                     size_t count, struct error *error)
{
    assert(count >= 1 && count <= QSA_THREADS_MAX);
    struct qsa_threads *threads =
        memory_new(sizeof(*threads) + count * sizeof(threads->workers[0]));
    struct qsa_config shared = share_config(config, count);
    struct endpoint at = *listen;
    bool good = true;
    // All sockets before any thread: each that is opened moves queriers to other sockets.
    for (; good && threads->count < count; threads->count++) {
        good = open_worker(&threads->workers[threads->count], &at, &shared, error);
        if (good)
            at.port = udp_local(threads->workers[0].udp).port;
    }
    for (size_t i = 0; good && i < count; i++)
        good = start_worker(&threads->workers[i], error);
    if (good)
        return threads;
    qsa_threads_close(threads);
    return NULL;
}

void qsa_threads_close(struct qsa_threads *threads)
{
    if (threads == NULL)
        return;
    for (size_t i = 0; i < threads->count; i++)
        mailbox_end(threads->workers[i].mailbox);
    for (size_t i = 0; i < threads->count; i++) {
        struct worker *worker = &threads->workers[i];
        if (worker->started)
            (void)uv_thread_join(&worker->thread);
    }
    // Only now: a socket that closes moves queriers to others, where nobody answers any more.
    for (size_t i = 0; i < threads->count; i++) {
        struct worker *worker = &threads->workers[i];
        udp_close(worker->udp);
        qsa_free(worker->qsa);
        mailbox_free(worker->mailbox);
        uv_mutex_destroy(&worker->report_lock);
    }
    memory_free(threads);
}

void qsa_threads_tell(struct qsa_threads *threads, struct qsa_news *news)
{
    for (size_t i = 0; i < threads->count; i++)
        mailbox_put(threads->workers[i].mailbox, qsa_news_hold(news));
    qsa_news_release(news);
}

size_t qsa_threads_count(const struct qsa_threads *threads)
{
    return threads->count;
}

struct endpoint qsa_threads_local(const struct qsa_threads *threads)
{
    return udp_local(threads->workers[0].udp);
}

static void add_report(struct qsa_report *sum, const struct qsa_report *part)
{
    for (size_t i = 0; i < DECODE_REASONS; i++)
        sum->counters.dropped[i] += part->counters.dropped[i];
    sum->counters.dropped_type += part->counters.dropped_type;
    sum->counters.ranges_checked += part->counters.ranges_checked;
    teller_report_add(&sum->teller, &part->teller);
    sum->udp.received += part->udp.received;
    sum->udp.sent += part->udp.sent;
    sum->udp.send_failed += part->udp.send_failed;
    sum->udp.truncated += part->udp.truncated;
}

struct qsa_report qsa_threads_report(struct qsa_threads *threads)
{
    struct qsa_report sum = {0};
    for (size_t i = 0; i < threads->count; i++) {
        struct worker *worker = &threads->workers[i];
        uv_mutex_lock(&worker->report_lock);
        add_report(&sum, &worker->report);
        uv_mutex_unlock(&worker->report_lock);
    }
    return sum;
}
