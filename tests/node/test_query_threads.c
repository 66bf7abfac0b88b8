// SPDX-License-Identifier: BSD-2-Clause
// Threads around a core that does nothing: who may listen where, and how they end; and around one
// that always has more to send: how it goes on reading.
#include "../check.h"
#include "node/query/query_threads.h"
#include "node/socket_address.h"
#include "wire/query.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENDS      50
#define ASKED     1500 // less than finds room in the socket of a thread
#define WAITED_MS 20000

static void foresee(void *core, const struct foresight *foresight)
{
    (void)core, (void)foresight;
}

static void input(void *core, struct instant now, const struct endpoint *from, const uint8_t *bytes,
                  size_t length)
{
    (void)core, (void)now, (void)from, (void)bytes, (void)length;
}

static size_t next_output(void *core, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    (void)core, (void)now, (void)to, (void)buffer;
    return 0;
}

static struct instant next_deadline(const void *core)
{
    (void)core;
    return INSTANT_NEVER;
}

static void tick(void *core, struct instant now)
{
    (void)core, (void)now;
}

static void set_load(void *core, uint8_t load)
{
    (void)core, (void)load;
}

static const struct query_core idle = {
    NULL, foresee, input, next_output, next_deadline, tick, set_load, .asks = false,
};

static struct query_threads *open_threads(const struct endpoint *listen, size_t count)
{
    void *cores[2] = {NULL, NULL};
    struct error error;
    struct query_threads *threads = query_threads_open(listen, &idle, cores, count, &error);
    if (threads == NULL)
        fail_msg("%s", error.text);
    return threads;
}

// A thread that waits to be let go on, and is let go on and ended in one breath, ends.
static void test_a_thread_ends(void **state)
{
    (void)state;
    struct endpoint listen = {address_from_ipv4(0x7f000001), 0};
    for (unsigned i = 0; i < ENDS; i++) {
        struct query_threads *threads = open_threads(&listen, 1);
        query_threads_hold(threads, 0);
        query_threads_wake(threads, 0);
        (void)usleep(2000); // it is awake, and waits
        query_threads_release(threads, 0);
        query_threads_close(threads);
    }
}

// Threads of one server share a port; two servers do not, whatever their number of threads.
static void test_a_port_has_one_server(void **state)
{
    (void)state;
    struct endpoint any = {address_from_ipv4(0x7f000001), 0};
    void *cores[2] = {NULL, NULL};
    for (size_t count = 1; count <= 2; count++) {
        struct query_threads *threads = open_threads(&any, count);
        struct endpoint taken = query_threads_local(threads);
        for (size_t others = 1; others <= 2; others++) {
            struct error error;
            assert_null(query_threads_open(&taken, &idle, cores, others, &error));
            assert_string_equal(error.reason, "socket-refused");
        }
        query_threads_close(threads);
        query_threads_close(open_threads(&taken, count));
    }
}

// A core with updates without end for whoever asked last.
struct source {
    struct endpoint to;
    unsigned asked;    // in all
    unsigned received; // in this turn
    unsigned sent;     // in this turn
    unsigned most;     // sent in a turn that read all that one reads
    unsigned quiet;    // ... and in one that read nothing
};

static void count_turn(struct source *source)
{
    if (source->received == 0 && source->sent > source->quiet)
        source->quiet = source->sent;
    if (source->received == UDP_BATCH && source->sent > source->most)
        source->most = source->sent;
    source->received = source->sent = 0;
}

static void source_begin(void *core, struct instant now)
{
    (void)now;
    count_turn(core);
}

static void source_input(void *core, struct instant now, const struct endpoint *from,
                         const uint8_t *bytes, size_t length)
{
    struct source *source = core;
    (void)now, (void)bytes, (void)length;
    source->to = *from;
    source->asked++;
    source->received++;
}

static size_t source_next_output(void *core, struct instant now, struct endpoint *to,
                                 uint8_t *buffer)
{
    struct source *source = core;
    (void)now;
    if (source->asked == 0)
        return 0;
    source->sent++;
    *to = source->to;
    memset(buffer, 0x80, QUERY_HEADER_BYTES);
    return QUERY_HEADER_BYTES;
}

static struct instant source_next_deadline(const void *core)
{
    return ((const struct source *)core)->asked == 0 ? INSTANT_NEVER : (struct instant){0};
}

static const struct query_core endless = {
    source_begin,         foresee, source_input, source_next_output,
    source_next_deadline, tick,    set_load,     .asks = false,
};

static int open_asker(const struct query_threads *threads)
{
    struct endpoint at = query_threads_local(threads);
    struct sockaddr_storage address;
    socklen_t length = socket_address_of_endpoint(&at, &address);
    int asker = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(asker >= 0);
    assert_int_equal(connect(asker, (struct sockaddr *)&address, length), 0);
    return asker;
}

static unsigned asked(struct query_threads *threads, const struct source *source)
{
    query_threads_hold(threads, 0);
    unsigned count = source->asked;
    query_threads_release(threads, 0);
    return count;
}

// However much is to be sent, what waits is read meanwhile; and where nothing waits, a turn ends
// soon enough to see what comes.
static void test_who_sends_much_reads_on(void **state)
{
    (void)state;
    struct source source = {0};
    void *cores[] = {&source};
    struct endpoint listen = {address_from_ipv4(0x7f000001), 0};
    struct error error;
    struct query_threads *threads = query_threads_open(&listen, &endless, cores, 1, &error);
    assert_non_null(threads);
    int asker = open_asker(threads);
    query_threads_hold(threads, 0);
    for (unsigned i = 0; i < ASKED; i++)
        assert_int_equal(send(asker, "?", 1, 0), 1);
    query_threads_release(threads, 0);
    for (unsigned i = 0; i < WAITED_MS && asked(threads, &source) < ASKED; i++)
        (void)usleep(1000);
    (void)usleep(5000); // turns in which nothing comes
    query_threads_close(threads);
    (void)close(asker);
    assert_int_equal(source.asked, ASKED);
    assert_int_equal(source.most, UDP_BATCH + UDP_BATCH / QUERY_UPDATES_PART);
    assert_int_equal(source.quiet, QUERY_UPDATES_QUIET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_ends),
        cmocka_unit_test(test_a_port_has_one_server),
        cmocka_unit_test(test_who_sends_much_reads_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
