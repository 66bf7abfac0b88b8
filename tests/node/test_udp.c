// SPDX-License-Identifier: BSD-2-Clause
// UDP sockets of a node, over loopback.
#include "../check.h"
#include "node/udp.h"
#include "test_node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 500

struct end {
    struct udp *udp;
    size_t received;
    size_t batches;
    size_t last_length;
    uint8_t last_octet;
    struct endpoint last_from;
    size_t wanted;
    bool done;
    bool echo;
};

static void on_datagram(void *state, const struct endpoint *from, const uint8_t *bytes,
                        size_t length)
{
    struct end *end = state;
    end->received++;
    end->last_from = *from;
    end->last_length = length;
    end->last_octet = length > 0 ? bytes[length - 1] : 0;
    end->done = end->received >= end->wanted;
    if (end->echo)
        udp_send(end->udp, from, bytes, length);
}

static void on_batch_end(void *state)
{
    struct end *end = state;
    end->batches++;
    udp_flush(end->udp);
}

static void open_end(struct node *node, struct end *end, const char *listen)
{
    struct endpoint endpoint;
    struct error error = {0};
    assert_true(endpoint_parse(listen, 1, &endpoint, &error));
    endpoint.port = 0; // any that is free
    end->udp = udp_open(node, &endpoint, on_datagram, on_batch_end, end, &error);
    if (end->udp == NULL)
        fail_msg("%s", error.text);
}

// Sends `count` datagrams from one end to the other, which echoes them.
static void exchange(const char *listen, const char *to, const char *from)
{
    struct node *node = test_node();
    struct end server = {.echo = true, .wanted = SIZE_MAX};
    struct end client = {.wanted = MANY};
    open_end(node, &server, listen);
    open_end(node, &client, from);
    struct endpoint target;
    assert_true(endpoint_parse(to, 1, &target, NULL));
    target.port = udp_local(server.udp).port;
    uint8_t bytes[1000] = {0};
    for (int i = 0; i < MANY; i++) {
        bytes[99] = (uint8_t)i;
        udp_send(client.udp, &target, bytes, 100);
    }
    udp_flush(client.udp);
    test_run_until(node, &client.done);
    assert_int_equal(server.received, MANY);
    assert_true(server.batches > 0 && server.batches < MANY);
    assert_int_equal(client.last_length, 100);
    assert_true(endpoint_equal(&client.last_from, &target)); // from the address that was asked
    assert_int_equal(udp_counters(server.udp).sent, MANY);
    assert_int_equal(udp_counters(server.udp).send_failed, 0);
    udp_close(server.udp);
    udp_close(client.udp);
    node_free(node);
}

static void test_ipv4(void **state)
{
    (void)state;
    exchange("127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:1");
}

static void test_ipv6(void **state)
{
    (void)state;
    exchange("[::1]:1", "[::1]:1", "[::1]:1");
}

// A server on a wildcard address must answer from the address that it was asked at, or no querier
// takes the answer.
static void test_wildcard_answers_from_where_it_was_asked(void **state)
{
    (void)state;
    exchange("0.0.0.0:1", "127.0.0.7:1", "127.0.0.1:1");
    exchange("[::]:1", "127.0.0.7:1", "127.0.0.1:1");
    exchange("[::]:1", "[::1]:1", "[::1]:1");
}

// On a host without IPv6, "::" is every address of IPv4.
static void test_a_host_without_ipv6(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct scmp_arg_cmp ipv6 = {0, SCMP_CMP_EQ, AF_INET6, 0};
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        if (seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                   &ipv6) != 0 ||
            seccomp_load(filter) != 0)
            _exit(1);
        seccomp_release(filter);
        exchange("[::]:1", "127.0.0.7:1", "127.0.0.1:1");
        exchange("127.0.0.1:1", "127.0.0.1:1", "[::]:1");
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_bad_destinations_are_counted(void **state)
{
    (void)state;
    struct node *node = test_node();
    struct end end = {.wanted = 1};
    struct endpoint ipv6;
    struct endpoint broadcast;
    open_end(node, &end, "127.0.0.1:1");
    assert_true(endpoint_parse("[::1]:9", 1, &ipv6, NULL));
    assert_true(endpoint_parse("255.255.255.255:9", 1, &broadcast, NULL));
    udp_send(end.udp, &broadcast, (const uint8_t *)"x", 1);
    udp_send(end.udp, &ipv6, (const uint8_t *)"x", 1); // a socket of IPv4
    struct endpoint self = udp_local(end.udp);
    udp_send(end.udp, &self, (const uint8_t *)"x", 1); // those behind them still go
    udp_flush(end.udp);
    test_run_until(node, &end.done);
    assert_int_equal(udp_counters(end.udp).send_failed, 2);
    assert_int_equal(udp_counters(end.udp).sent, 1);
    udp_close(end.udp);
    node_free(node);
}

static void test_long_datagrams_are_dropped(void **state)
{
    (void)state;
    struct node *node = test_node();
    struct end end = {.wanted = 1};
    open_end(node, &end, "127.0.0.1:1");
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(udp_local(end.udp).port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    static const uint8_t bytes[4000] = {0};
    assert_true(sendto(other, bytes, sizeof(bytes), 0, (struct sockaddr *)&to, sizeof(to)) > 0);
    assert_true(sendto(other, bytes, 10, 0, (struct sockaddr *)&to, sizeof(to)) > 0);
    test_run_until(node, &end.done);
    assert_int_equal(end.last_length, 10);
    assert_int_equal(udp_counters(end.udp).truncated, 1);
    assert_int_equal(close(other), 0);
    udp_close(end.udp);
    node_free(node);
}

static void test_address_in_use(void **state)
{
    (void)state;
    struct node *node = test_node();
    struct end end = {.wanted = 1};
    struct error error = {0};
    open_end(node, &end, "127.0.0.1:1");
    struct endpoint taken = udp_local(end.udp);
    assert_null(udp_open(node, &taken, on_datagram, NULL, &end, &error));
    assert_non_null(strstr(error.text, "Address already in use"));
    udp_close(end.udp);
    node_free(node);
}

// Sends more than any queue holds to a socket of its own, and reads what is left of it. The queue
// is bounded where `bound` is not 0.
static struct udp_counters overflow(size_t bound)
{
    static const uint8_t large[1400];
    struct end end = {0};
    struct endpoint listen = {address_from_ipv4(INADDR_LOOPBACK), 0};
    end.udp = udp_open_alone(&listen, on_datagram, NULL, &end, NULL);
    assert_non_null(end.udp);
    if (bound > 0)
        udp_bound_queue(end.udp, bound);
    struct endpoint local = udp_local(end.udp);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(local.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(sock, (struct sockaddr *)&to, sizeof(to)), 0);
    size_t sent = 0;
    for (size_t i = 0; i < 100 * MANY; i++) // of which the queue holds a part
        sent += send(sock, large, sizeof(large), 0) == sizeof(large);
    while (udp_read(end.udp))
        continue;
    struct udp_counters counters = udp_counters(end.udp);
    assert_int_equal(counters.received, end.received);
    assert_int_equal(counters.received + counters.lost, sent);
    udp_close(end.udp);
    (void)close(sock);
    return counters;
}

// What came while the socket's queue was full is counted, too.
static void test_a_full_queue(void **state)
{
    (void)state;
    struct udp_counters counters = overflow(0);
    assert_true(counters.lost > 0 && counters.received > 0);
}

static void test_a_bounded_queue(void **state)
{
    (void)state;
    uint64_t received = overflow(32768).received; // of at least 1,400 octets each, in twice as many
    assert_in_range(received, 1, 46);
    assert_true(overflow(0).received > 2 * received);
}

static int tear_down(void **state)
{
    (void)state;
    test_files_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_wildcard_answers_from_where_it_was_asked),
        cmocka_unit_test(test_a_host_without_ipv6),
        cmocka_unit_test(test_bad_destinations_are_counted),
        cmocka_unit_test(test_long_datagrams_are_dropped),
        cmocka_unit_test(test_address_in_use),
        cmocka_unit_test(test_a_full_queue),
        cmocka_unit_test(test_a_bounded_queue),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
