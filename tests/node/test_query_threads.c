// SPDX-License-Identifier: BSD-2-Clause
// Threads around a core that does nothing: who may listen where, and how they end.
#include "../check.h"
#include "node/query/query_threads.h"

#include <unistd.h>

#define ENDS 50

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_ends),
        cmocka_unit_test(test_a_port_has_one_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
