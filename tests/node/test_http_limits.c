// SPDX-License-Identifier: BSD-2-Clause
// What clients cannot take: places, memory and time, of the server and of the node's loop.
#include "../check.h"
#include "base/memory.h"
#include "http_call.h"
#include "node/http/http_connections.h"
#include "node/http/http_server_state.h"
#include "test_node.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_TOO_LARGE (64 * 1024)
#define CROWD            80
#define PATIENCE_MS      20000
#define FILES_MORE       16
#define LARGE_ANSWER     ((size_t)64 << 20) // more than what lies in sockets

static struct node *node;
static struct http_server *server;
static struct http_exchange *kept; // not answered yet
static unsigned handled;
static uint8_t *lent; // for an answer
static bool returned; // it was

static void on_returned(void *owner)
{
    (void)owner;
    returned = true;
}

static void on_request(void *state, struct http_exchange *exchange)
{
    (void)state;
    size_t length = 0;
    const char *body = http_body(exchange, &length);
    handled++;
    for (uint64_t until = uv_hrtime() + 1000000; uv_hrtime() < until;) // it takes a millisecond
        continue;
    if (strcmp(http_path(exchange), "/later") == 0)
        kept = exchange;
    else if (strcmp(http_path(exchange), "/large") == 0)
        http_reply_shared(exchange, 200, "text/plain", lent, LARGE_ANSWER, on_returned, NULL);
    else
        http_reply(exchange, 200, "text/plain", body, length < 100 ? length : 0);
}

static uv_thread_t begin(struct call *call, const char *path)
{
    struct endpoint local = http_server_local(server);
    return call_begin(call, node, &local, path);
}

static void perform(struct call *call, const char *path)
{
    call_finish(call, node, begin(call, path));
}

static double metric(const char *line)
{
    size_t length = 0;
    struct metrics_page *page = metrics_page_new();
    http_server_write_metrics(server, "test", page);
    char *text = metrics_page_finish(page, &length);
    const char *at = strstr(text, line);
    assert_non_null(at);
    double value = strtod(at + strlen(line), NULL);
    memory_free(text);
    return value;
}

#define TOTAL(what)  metric("ivip_http_connections_total{server=\"test\",what=\"" what "\"}")
#define OPEN()       metric("ivip_http_connections{server=\"test\"}")
#define REFUSED(why) metric("ivip_http_bodies_refused_total{server=\"test\",reason=\"" why "\"}")

static int set_up(void **state)
{
    (void)state;
    struct endpoint listen = {address_from_ipv4(0x7f000001), 0};
    struct error error = {0};
    node = test_node();
    server = http_server_open(node, &listen, NULL, on_request, NULL, &error);
    if (server == NULL)
        fail_msg("%s", error.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_server_close(server);
    node_free(node);
    test_files_remove();
    return 0;
}

static void test_large_bodies(void **state)
{
    (void)state;
    size_t length = HTTP_BODY_MAX + 1;
    char *body = calloc(1, length);
    assert_non_null(body);
    memset(body, 'a', length);
    struct call refused = {.body = body, .body_length = length};
    perform(&refused, "/echo");
    assert_int_equal(refused.status, 413);
    assert_non_null(strstr(refused.answer, "body-too-large"));
    struct call chunked = {.body = body, .body_length = length, .chunked = true};
    perform(&chunked, "/echo");
    assert_int_equal(chunked.status, 413);
    assert_true(REFUSED("too-large") == 2 && REFUSED("no-room") == 0);
    free(body);
}

// A peer cannot make the server hold more than a connection's share of headers.
static void test_large_headers(void **state)
{
    (void)state;
    char *pad = calloc(1, HEADER_TOO_LARGE + 1);
    assert_non_null(pad);
    memset(pad, 'a', HEADER_TOO_LARGE);
    struct call call = {.header = pad};
    perform(&call, "/echo");
    assert_int_equal(call.status, 431);
    struct call next = {0};
    perform(&next, "/echo");
    assert_int_equal(next.status, 200);
    free(pad);
}

static int connect_to_server(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_local(server).port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(sock, (struct sockaddr *)&to, sizeof(to)), 0);
    return sock;
}

static void send_all(int sock, const char *bytes, size_t length)
{
    for (ssize_t sent = 0; length > 0; bytes += sent, length -= (size_t)sent) {
        sent = send(sock, bytes, length, MSG_NOSIGNAL);
        assert_true(sent > 0);
    }
}

static size_t count_waiting(void)
{
    size_t count = 0;
    uv_mutex_lock(&server->lock);
    for (struct list_node *at = server->requests.next; at != &server->requests; at = at->next)
        count++;
    uv_mutex_unlock(&server->lock);
    return count;
}

// However many requests there are, the loop has turns for its other work between them.
static void test_requests_leave_the_loop_its_turns(void **state)
{
    (void)state;
    static const char request[] = "GET /echo HTTP/1.1\r\nHost: here\r\n\r\n";
    int socks[CROWD];
    for (size_t i = 0; i < CROWD; i++) {
        socks[i] = connect_to_server();
        send_all(socks[i], request, sizeof(request) - 1);
    }
    for (int ms = 0; ms < PATIENCE_MS && count_waiting() < CROWD; ms++)
        (void)usleep(1000);
    assert_int_equal(count_waiting(), CROWD);
    for (unsigned before = handled = 0; handled < CROWD; before = handled) {
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
        assert_true(handled - before <= CROWD / 8);
    }
    for (size_t i = 0; i < CROWD; i++)
        (void)close(socks[i]);
}

static int send_all_but_the_end(const char *body)
{
    static const char head[] =
        "POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 1048576\r\n\r\n";
    int sock = connect_to_server();
    send_all(sock, head, sizeof(head) - 1);
    send_all(sock, body, HTTP_BODY_MAX - 1);
    return sock;
}

// Large bodies have so much memory together, and small ones as much as they want.
static void test_large_bodies_have_so_much_together(void **state)
{
    (void)state;
    static char body[HTTP_BODY_MAX];
    int socks[2 * CROWD];
    size_t count = 0;
    memset(body, 'a', sizeof(body));
    struct call large = {0};
    while (large.status != 503) { // which comes late, as what is sent is read in its time
        assert_true(count < 2 * CROWD);
        socks[count++] = send_all_but_the_end(body);
        large = (struct call){.body = body, .body_length = HTTP_BODY_MAX};
        if (count >= HTTP_LARGE_BODIES_MAX / HTTP_BODY_MAX)
            perform(&large, "/echo");
    }
    assert_non_null(strstr(large.answer, "bodies-too-large"));
    assert_true(REFUSED("no-room") > 0 && REFUSED("too-large") == 0);
    struct call small = {.body = "small", .body_length = 5};
    perform(&small, "/echo");
    assert_string_equal(small.answer, "small");
    while (count > 0)
        (void)close(socks[--count]);
    for (int ms = 0; ms < PATIENCE_MS && large.status != 200; ms += 10) {
        large = (struct call){.body = body, .body_length = HTTP_BODY_MAX};
        perform(&large, "/echo");
        (void)usleep(10000);
    }
    assert_int_equal(large.status, 200);
}

// A server that cannot have all the files it needs says so; the node goes on.
static void test_too_few_files(void **state)
{
    (void)state;
    struct rlimit before;
    struct endpoint listen = {address_from_ipv4(0x7f000001), 0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    unsigned refused = 0;
    for (rlim_t more = 0; more < FILES_MORE; more++) {
        int next = dup(0);
        (void)close(next);
        struct rlimit few = {(rlim_t)next + more, before.rlim_max};
        struct error error = {0};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        struct http_server *other =
            http_server_open(node, &listen, NULL, on_request, &server, &error);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_true(other != NULL || strcmp(error.reason, "cannot-listen") == 0);
        refused += other == NULL;
        http_server_close(other);
        (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
    }
    assert_true(refused > 0 && refused < FILES_MORE);
}

// A client that sends an octet now and then, and nothing else.
struct trickle {
    int sock;
    uv_timer_t timer;
    unsigned sent;
    bool cut;
};

static void send_octet(uv_timer_t *timer)
{
    struct trickle *trickle = timer->data;
    char end = 0;
    ssize_t got = recv(trickle->sock, &end, 1, MSG_DONTWAIT);
    trickle->cut =
        got == 0 || (got < 0 && errno != EAGAIN) || send(trickle->sock, "G", 1, MSG_NOSIGNAL) != 1;
    trickle->sent++;
}

struct crowd {
    uv_timer_t timer;
    double refused;
    bool seen;
};

static void look_at_refused(uv_timer_t *timer)
{
    struct crowd *crowd = timer->data;
    crowd->seen = TOTAL("refused") >= crowd->refused;
}

// Nobody takes all places, and who is refused is counted.
static void test_too_many_of_one_source(void **state)
{
    (void)state;
    enum { MORE = 3 };
    static int socks[HTTP_CONNECTIONS_PER_SOURCE_MAX + MORE];
    static struct crowd crowd; // its timer is closed after the test
    crowd = (struct crowd){.refused = MORE};
    for (size_t i = 0; i < HTTP_CONNECTIONS_PER_SOURCE_MAX + MORE; i++)
        socks[i] = connect_to_server();
    (void)uv_timer_init(node_loop(node), &crowd.timer);
    crowd.timer.data = &crowd;
    (void)uv_timer_start(&crowd.timer, look_at_refused, 10, 10);
    test_run_until(node, &crowd.seen);
    uv_close((uv_handle_t *)&crowd.timer, NULL);
    assert_true(TOTAL("accepted") == HTTP_CONNECTIONS_PER_SOURCE_MAX);
    assert_true(TOTAL("refused") == MORE);
    assert_true(TOTAL("cut") == 0);
    assert_true(OPEN() == HTTP_CONNECTIONS_PER_SOURCE_MAX);
    for (size_t i = 0; i < HTTP_CONNECTIONS_PER_SOURCE_MAX + MORE; i++)
        (void)close(socks[i]);
}

static void answer_later(uv_timer_t *timer)
{
    (void)timer;
    http_reply(kept, 202, "text/plain", "late", 4);
}

// Whoever sends slowly does not hold its place; one who waits for an answer, and one who sends
// requests one after the other, does.
static void test_a_slow_request_is_cut(void **state)
{
    (void)state;
    http_server_set_patience(server, duration_ms(400));
    struct trickle trickle = {.sock = connect_to_server()};
    (void)uv_timer_init(node_loop(node), &trickle.timer);
    trickle.timer.data = &trickle;
    (void)uv_timer_start(&trickle.timer, send_octet, 10, 10);
    struct call slow_answer = {0};
    uv_thread_t thread = begin(&slow_answer, "/later");
    test_run_until(node, &trickle.cut);
    assert_true(trickle.sent > 10);
    uv_close((uv_handle_t *)&trickle.timer, NULL);
    (void)close(trickle.sock);
    uv_timer_t later;
    (void)uv_timer_init(node_loop(node), &later);
    (void)uv_timer_start(&later, answer_later, 800, 0);
    call_finish(&slow_answer, node, thread);
    uv_close((uv_handle_t *)&later, NULL);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT); // they lie on this stack
    assert_int_equal(slow_answer.status, 202);
    assert_true(TOTAL("cut") >= 1);
    assert_true(TOTAL("accepted") >= 2);
    assert_true(TOTAL("refused") == 0);
}

static void take_octets(uv_timer_t *timer)
{
    struct trickle *trickle = timer->data;
    char octets[64];
    if (recv(trickle->sock, octets, sizeof(octets), MSG_DONTWAIT) > 0)
        trickle->sent++;
}

// Whoever takes its answer slowly does not keep it for ever: what was lent for it comes back.
static void test_an_answer_taken_slowly_is_cut(void **state)
{
    (void)state;
    static const char request[] = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
    http_server_set_patience(server, duration_ms(100));
    struct trickle trickle = {.sock = connect_to_server()};
    assert_int_equal(send(trickle.sock, request, strlen(request), 0), strlen(request));
    lent = memory_new(LARGE_ANSWER);
    returned = false;
    (void)uv_timer_init(node_loop(node), &trickle.timer);
    trickle.timer.data = &trickle;
    (void)uv_timer_start(&trickle.timer, take_octets, 10, 10);
    test_run_until(node, &returned);
    assert_true(trickle.sent > 10);
    assert_true(TOTAL("cut") == 1);
    uv_close((uv_handle_t *)&trickle.timer, NULL);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT); // it lies on this stack
    (void)close(trickle.sock);
    memory_free(lent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_large_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_bodies_have_so_much_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_requests_leave_the_loop_its_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_slow_request_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_answer_taken_slowly_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_of_one_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_few_files, set_up, tear_down),
    };
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_ALL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
