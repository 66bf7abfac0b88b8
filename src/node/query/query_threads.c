// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/query_threads.h"

#include "base/memory.h"
#include "node/query/load_meter.h"
#include "wire/query.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

// What waits to be read, of a thread: some 2,700 messages, which take it ten milliseconds. A longer
// queue serves nobody, as queriers ask elsewhere after 50 to 100 ms; and what lies in it has left
// the processor's cache, so that each message takes longer, and a thread that had to stand still
// for a moment needs the longer to get abreast (docs/performance.md).
#define QUEUE_BYTES (1024 * 1024)

// A thread that found some datagrams rests for a moment after it answered them, and those that come
// meanwhile are answered together: a turn costs as much as two or three answers, and with half of
// the load that a thread can bear, turns of six answers each made it two thirds busy and not half.
// A network card that gathers what comes (ethtool -c, rx-usecs) does the same.
#define REST_FROM 4 // datagrams
#define REST_NS   40000
#define SLACK_NS  1000 // that sleep may take longer; 50,000 by default

struct query_thread {
    uv_thread_t thread;
    bool started;
    struct udp *queriers;
    struct udp *upstreams; // the same, where there is one socket for both
    struct query_core functions;
    void *core;
    int wake;
    atomic_bool woken; // `wake` was written to since the last turn began
    atomic_bool end;
    // The loop's thread waits behind `gate` for `turn`, so that a busy thread lets it pass.
    uv_mutex_t gate, turn;
    atomic_bool wanted;
    struct instant now; // of this turn
    struct instant deadline;
    unsigned received; // datagrams, in this turn
    struct load_meter meter;
};

struct query_threads {
    size_t count;
    struct query_thread threads[];
};

// A thread

static void on_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                        size_t length)
{
    struct query_thread *thread = state;
    thread->received++;
    thread->functions.input(thread->core, thread->now, from, bytes, length);
}

static void on_batch(void *state, const struct udp_datagram *datagrams, size_t count)
{
    struct query_thread *thread = state;
    struct foresight foresight;
    foresight_init(&foresight);
    for (size_t i = 0; i < count; i++)
        foresight_add(&foresight, &datagrams[i].from, datagrams[i].bytes, datagrams[i].length);
    if (foresight.count > 1)
        thread->functions.foresee(thread->core, &foresight);
}

// Nobody is to ask a socket that only asks.
static void on_upstream_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                                 size_t length)
{
    if (query_is_for_querier(bytes, length))
        on_datagram(state, from, bytes, length);
}

// How many are sent in this turn. Cores give questions and answers first, so the rest are updates.
static unsigned most_sent(const struct query_thread *thread, bool more)
{
    return thread->received + (more ? thread->received / QUERY_UPDATES_PART : QUERY_UPDATES_QUIET);
}

// Sends what there is; false where that may not be all. `more`: that much waits to be read.
static bool send_some(struct query_thread *thread, bool more)
{
    struct endpoint to;
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    unsigned sent = 0;
    unsigned most = most_sent(thread, more);
    for (; sent < most; sent++) {
        size_t length = thread->functions.next_output(thread->core, thread->now, &to, buffer);
        if (length == 0)
            break;
        bool down = query_is_for_querier(buffer, length);
        udp_send(down ? thread->queriers : thread->upstreams, &to, buffer, length);
    }
    udp_flush(thread->queriers);
    udp_flush(thread->upstreams);
    return sent < most;
}

static void measure(struct query_thread *thread)
{
    if (!load_meter_due(&thread->meter, thread->now))
        return;
    struct udp_queue queue = udp_queue(thread->queriers);
    uint8_t load = load_meter_sample(&thread->meter, thread->now, queue.full, queue.lost);
    thread->functions.set_load(thread->core, load);
}

static void note_wake(struct query_thread *thread)
{
    uint64_t ignored = 0;
    if (atomic_load_explicit(&thread->woken, memory_order_relaxed) &&
        read(thread->wake, &ignored, sizeof(ignored)) > 0)
        atomic_store(&thread->woken, false);
}

// What came, what is due, what is to be sent. Returns whether there may be more of it.
static bool take_turn(struct query_thread *thread)
{
    const struct query_core *functions = &thread->functions;
    thread->now = (struct instant){uv_hrtime()};
    thread->received = 0;
    measure(thread);
    if (functions->begin != NULL)
        functions->begin(thread->core, thread->now);
    bool more = udp_read(thread->queriers);
    if (thread->upstreams != thread->queriers)
        more |= udp_read(thread->upstreams);
    if (instant_reached(thread->now, functions->next_deadline(thread->core)))
        functions->tick(thread->core, thread->now);
    more |= !send_some(thread, more);
    thread->deadline = functions->next_deadline(thread->core);
    return more;
}

// Sleeps until there is a datagram, something due, or someone wants it to be awake.
static void sleep_until_wanted(struct query_thread *thread)
{
    struct pollfd wanted[] = {
        {.fd = thread->wake, .events = POLLIN},
        {.fd = udp_descriptor(thread->queriers), .events = POLLIN},
        {.fd = udp_descriptor(thread->upstreams), .events = POLLIN},
    };
    struct instant before = {uv_hrtime()};
    struct instant until = thread->deadline;
    // A load that was high sinks though nothing comes.
    if (load_meter_load(&thread->meter) > 0)
        until = instant_earlier(until, instant_add(before, duration_ms(LOAD_PERIOD_MS)));
    struct duration left = instant_since(until, before);
    struct timespec patience = {(time_t)(left.ns / 1000000000u), (long)(left.ns % 1000000000u)};
    // A signal only wakes: the loop's thread handles it.
    (void)ppoll(wanted, thread->upstreams == thread->queriers ? 2 : 3,
                until.ns == INSTANT_NEVER.ns ? NULL : &patience, NULL);
    load_meter_slept(&thread->meter, instant_since((struct instant){uv_hrtime()}, before));
}

// True where the thread rested, and may find more without waiting for it.
static bool rest(struct query_thread *thread)
{
    static const struct timespec moment = {0, REST_NS};
    if (thread->received < REST_FROM)
        return false;
    struct instant before = {uv_hrtime()};
    (void)nanosleep(&moment, NULL);
    load_meter_slept(&thread->meter, instant_since((struct instant){uv_hrtime()}, before));
    return true;
}

static void run(void *state)
{
    struct query_thread *thread = state;
    (void)prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
    load_meter_init(&thread->meter, (struct instant){uv_hrtime()});
    for (;;) {
        if (atomic_load(&thread->wanted)) {
            uv_mutex_lock(&thread->gate);
            uv_mutex_unlock(&thread->gate);
        }
        note_wake(thread);
        if (atomic_load(&thread->end)) // behind the wake, which may have been for this
            return;
        uv_mutex_lock(&thread->turn);
        bool more = take_turn(thread);
        uv_mutex_unlock(&thread->turn);
        if (!more && !rest(thread))
            sleep_until_wanted(thread);
    }
}

// All of them

// The first socket must be the only one at its address: only then do the others share it. So two
// nodes that were given one port hear of it, instead of getting half of the queriers each.
static struct udp *open_queriers(struct query_thread *thread, const struct endpoint *listen,
                                 bool first, struct error *error)
{
    if (!first)
        return udp_open_shared(listen, on_datagram, NULL, thread, error);
    struct udp *udp = udp_open_alone(listen, on_datagram, NULL, thread, error);
    if (udp != NULL)
        udp_share(udp);
    return udp;
}

static bool open_thread(struct query_thread *thread, const struct endpoint *listen, bool first,
                        bool alone, struct error *error)
{
    struct endpoint any_port = {listen->address, 0};
    thread->deadline = INSTANT_NEVER;
    (void)uv_mutex_init(&thread->gate);
    (void)uv_mutex_init(&thread->turn);
    thread->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (thread->wake < 0)
        return error_set(error, ERROR_SYSTEM, "thread-refused", "cannot make an eventfd: %s",
                         strerror(errno));
    thread->queriers = open_queriers(thread, listen, first, error);
    thread->upstreams = thread->queriers;
    if (thread->queriers != NULL)
        udp_foresee_with(thread->queriers, on_batch);
    if (thread->queriers != NULL && thread->functions.asks && !alone)
        thread->upstreams = udp_open_alone(&any_port, on_upstream_datagram, NULL, thread, error);
    if (thread->upstreams == NULL)
        return false;
    udp_bound_queue(thread->queriers, QUEUE_BYTES);
    udp_bound_queue(thread->upstreams, QUEUE_BYTES);
    return true;
}

static bool start_thread(struct query_thread *thread, struct error *error)
{
    int failed = uv_thread_create(&thread->thread, run, thread);
    thread->started = failed == 0;
    return thread->started || error_set(error, ERROR_SYSTEM, "thread-refused",
                                        "cannot start a thread: %s", uv_strerror(failed));
}

struct query_threads *query_threads_open(const struct endpoint *listen,
                                         const struct query_core *functions, void *const *cores,
                                         size_t count, struct error *error)
{
    assert(count >= 1);
    struct query_threads *threads =
        memory_new(sizeof(*threads) + count * sizeof(threads->threads[0]));
    struct endpoint at = *listen;
    bool good = true;
    // All sockets before any thread: each that is opened moves queriers to other sockets.
    for (; good && threads->count < count; threads->count++) {
        struct query_thread *thread = &threads->threads[threads->count];
        thread->functions = *functions;
        thread->core = cores[threads->count];
        good = open_thread(thread, &at, threads->count == 0, count == 1, error);
        if (good)
            at.port = udp_local(threads->threads[0].queriers).port;
    }
    for (size_t i = 0; good && i < count; i++)
        good = start_thread(&threads->threads[i], error);
    if (good)
        return threads;
    query_threads_close(threads);
    return NULL;
}

static void close_thread(struct query_thread *thread)
{
    if (thread->upstreams != thread->queriers)
        udp_close(thread->upstreams);
    udp_close(thread->queriers);
    if (thread->wake >= 0)
        (void)close(thread->wake);
    uv_mutex_destroy(&thread->gate);
    uv_mutex_destroy(&thread->turn);
}

void query_threads_close(struct query_threads *threads)
{
    if (threads == NULL)
        return;
    for (size_t i = 0; i < threads->count; i++) {
        atomic_store(&threads->threads[i].end, true);
        query_threads_wake(threads, i);
    }
    for (size_t i = 0; i < threads->count; i++)
        if (threads->threads[i].started)
            (void)uv_thread_join(&threads->threads[i].thread);
    // Only now: a socket that closes moves queriers to others, where nobody answers any more.
    for (size_t i = 0; i < threads->count; i++)
        close_thread(&threads->threads[i]);
    memory_free(threads);
}

void query_threads_hold(struct query_threads *threads, size_t i)
{
    assert(i < threads->count);
    struct query_thread *thread = &threads->threads[i];
    atomic_store(&thread->wanted, true);
    uv_mutex_lock(&thread->gate);
    uv_mutex_lock(&thread->turn);
}

void query_threads_release(struct query_threads *threads, size_t i)
{
    struct query_thread *thread = &threads->threads[i];
    atomic_store(&thread->wanted, false);
    uv_mutex_unlock(&thread->turn);
    uv_mutex_unlock(&thread->gate);
    query_threads_wake(threads, i);
}

void query_threads_wake(struct query_threads *threads, size_t i)
{
    const uint64_t one = 1;
    struct query_thread *thread = &threads->threads[i];
    if (!atomic_exchange(&thread->woken, true))
        (void)!write(thread->wake, &one, sizeof(one));
}

struct endpoint query_threads_local(const struct query_threads *threads)
{
    return udp_local(threads->threads[0].queriers);
}

uint8_t query_threads_load(const struct query_threads *threads, size_t i)
{
    return load_meter_load(&threads->threads[i].meter);
}

void query_threads_add_udp(const struct query_threads *threads, size_t i, struct udp_counters *sum)
{
    const struct query_thread *thread = &threads->threads[i];
    struct udp_counters counters = udp_counters(thread->queriers);
    udp_counters_add(sum, &counters);
    if (thread->upstreams == thread->queriers)
        return;
    counters = udp_counters(thread->upstreams);
    udp_counters_add(sum, &counters);
}
