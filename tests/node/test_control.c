// SPDX-License-Identifier: BSD-2-Clause
// A client in another thread talks to the control socket of a node in this one.
#include "../check.h"
#include "node/control.h"
#include "test_node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct node *node;
static struct control *control;
static char path[108];

struct conversation {
    const char *send;
    size_t length;
    size_t lines; // how many answers to wait for; 0: until the server hangs up
    char answers[8192];
    size_t answer_length;
    uv_async_t finished;
    bool done;
};

static int connect_to(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock >= 0 && connect(sock, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(sock);
        return -1;
    }
    return sock;
}

static size_t count_lines(const struct conversation *conversation)
{
    size_t lines = 0;
    for (size_t i = 0; i < conversation->answer_length; i++)
        lines += conversation->answers[i] == '\n';
    return lines;
}

static void talk(void *state)
{
    struct conversation *conversation = state;
    int sock = connect_to();
    const char *next = conversation->send;
    size_t left = conversation->length;
    while (sock >= 0 && left > 0) {
        ssize_t sent = send(sock, next, left, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        next += sent;
        left -= (size_t)sent;
    }
    while (sock >= 0 &&
           (conversation->lines == 0 || count_lines(conversation) < conversation->lines)) {
        ssize_t length = read(sock, conversation->answers + conversation->answer_length,
                              sizeof(conversation->answers) - 1 - conversation->answer_length);
        if (length <= 0)
            break;
        conversation->answer_length += (size_t)length;
    }
    if (sock >= 0)
        (void)close(sock);
    (void)uv_async_send(&conversation->finished);
}

static void on_finished(uv_async_t *async)
{
    ((struct conversation *)async->data)->done = true;
}

static uv_thread_t begin(struct conversation *conversation)
{
    uv_thread_t thread;
    (void)uv_async_init(node_loop(node), &conversation->finished, on_finished);
    conversation->finished.data = conversation;
    assert_int_equal(uv_thread_create(&thread, talk, conversation), 0);
    return thread;
}

static void finish(struct conversation *conversation, uv_thread_t thread)
{
    test_run_until(node, &conversation->done);
    (void)uv_thread_join(&thread);
    uv_close((uv_handle_t *)&conversation->finished, NULL);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
}

static void converse(struct conversation *conversation)
{
    finish(conversation, begin(conversation));
}

static json_t *on_double(void *state, const json_t *request, struct error *error)
{
    assert_ptr_equal(state, &node);
    const json_t *number = json_object_get(request, "number");
    if (!json_is_integer(number)) {
        error_set(error, ERROR_INPUT, "no-number", "a number was expected");
        return NULL;
    }
    return json_pack("{s:I}", "double", json_integer_value(number) * 2);
}

// The same, but slow: nothing comes of it before `may_end`.
static uv_sem_t may_end;
static bool begun;
static unsigned dropped;

static void *begin_slow(void *state, const json_t *request, struct error *error)
{
    assert_ptr_equal(state, &node);
    const json_t *number = json_object_get(request, "number");
    if (!json_is_integer(number)) {
        error_set(error, ERROR_INPUT, "no-number", "a number was expected");
        return NULL;
    }
    json_int_t *job = malloc(sizeof(*job));
    assert_non_null(job);
    *job = json_integer_value(number);
    begun = true;
    return job;
}

static void run_slow(void *job)
{
    uv_sem_wait(&may_end);
    *(json_int_t *)job *= 2;
}

static json_t *end_slow(void *state, void *job, struct error *error)
{
    assert_ptr_equal(state, &node);
    json_int_t number = *(json_int_t *)job;
    if (number > 0)
        return json_pack("{s:I}", "double", number);
    error_set(error, ERROR_CONFLICT, "not-positive", "a positive number was expected");
    return NULL;
}

static void drop_slow(void *job)
{
    free(job);
    dropped++;
}

static const struct control_work slow = {begin_slow, run_slow, end_slow, drop_slow};

static int set_up(void **state)
{
    (void)state;
    node = test_node();
    (void)snprintf(path, sizeof(path), "%s.sock", test_file(""));
    control = control_new(node);
    control_add(control, "double", on_double, &node);
    control_add_work(control, "slow", &slow, &node);
    (void)uv_sem_init(&may_end, 0);
    begun = false;
    dropped = 0;
    struct error error = {0};
    if (!control_open(control, path, &error))
        fail_msg("%s", error.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (control != NULL)
        control_close(control);
    uv_sem_destroy(&may_end);
    node_free(node);
    assert_int_equal(access(path, F_OK), -1);
    test_files_remove();
    return 0;
}

#define SAY(text) .send = (text), .length = sizeof(text) - 1

static void test_commands(void **state)
{
    (void)state;
    struct conversation conversation = {
        SAY("{\"command\":\"double\",\"number\":21}\n{\"command\":\"double\"}\n"
            "{\"command\":\"what\"}\nno json\n[]\n"),
        .lines = 5};
    converse(&conversation);
    assert_string_equal(
        conversation.answers,
        "{\"double\":42,\"v\":1}\n"
        "{\"v\":1,\"error\":{\"reason\":\"no-number\",\"text\":\"a number was expected\"}}\n"
        "{\"v\":1,\"error\":{\"reason\":\"unknown-command\",\"text\":\"this node has no command "
        "\\\"what\\\"; it may lack the role that does it\"}}\n"
        "{\"v\":1,\"error\":{\"reason\":\"bad-request\",\"text\":\"not JSON: '[' or '{' expected "
        "near 'no' (column 2)\"}}\n"
        "{\"v\":1,\"error\":{\"reason\":\"bad-request\",\"text\":\"a request is a JSON object with "
        "\\\"command\\\", such as {\\\"command\\\":\\\"status\\\"}\"}}\n");
}

// Work in a worker keeps nobody waiting but who asked for it.
static void test_commands_that_take_long(void **state)
{
    (void)state;
    struct conversation waiting = {
        SAY("{\"command\":\"slow\"}\n{\"command\":\"slow\",\"number\":21}\n"
            "{\"command\":\"slow\",\"number\":0}\n{\"command\":\"double\",\"number\":1}\n"),
        .lines = 4};
    uv_thread_t thread = begin(&waiting);
    test_run_until(node, &begun);
    struct conversation other = {SAY("{\"command\":\"double\",\"number\":2}\n"), .lines = 1};
    converse(&other);
    assert_string_equal(other.answers, "{\"double\":4,\"v\":1}\n");
    assert_false(waiting.done);
    uv_sem_post(&may_end);
    uv_sem_post(&may_end);
    finish(&waiting, thread);
    assert_string_equal(
        waiting.answers,
        "{\"v\":1,\"error\":{\"reason\":\"no-number\",\"text\":\"a number was expected\"}}\n"
        "{\"double\":42,\"v\":1}\n"
        "{\"v\":1,\"error\":{\"reason\":\"not-positive\",\"text\":\"a positive number was "
        "expected\"}}\n"
        "{\"double\":2,\"v\":1}\n");
    assert_int_equal(dropped, 2);
}

// What is under way when the node stops comes to no end: the role may be gone by then.
static void test_a_stop_during_work(void **state)
{
    (void)state;
    struct conversation waiting = {SAY("{\"command\":\"slow\",\"number\":21}\n")};
    uv_thread_t thread = begin(&waiting);
    test_run_until(node, &begun);
    control_close(control);
    uv_sem_post(&may_end);
    finish(&waiting, thread);
    while (dropped == 0)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    assert_int_equal(waiting.answer_length, 0);
    control = NULL;
}

static void test_mode(void **state)
{
    (void)state;
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void test_long_line(void **state)
{
    (void)state;
    char *line = malloc(CONTROL_LINE_MAX + 1);
    assert_non_null(line);
    memset(line, ' ', CONTROL_LINE_MAX + 1);
    struct conversation conversation = {.send = line, .length = CONTROL_LINE_MAX + 1};
    converse(&conversation);
    assert_int_equal(conversation.answer_length, 0);
    free(line);
}

static void test_too_many_clients(void **state)
{
    (void)state;
    int socks[CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        socks[i] = connect_to();
        assert_true(socks[i] >= 0);
        (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
    }
    struct conversation refused = {SAY("{\"command\":\"double\",\"number\":1}\n")};
    converse(&refused);
    assert_int_equal(refused.answer_length, 0);
    (void)close(socks[0]);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
    struct conversation taken = {SAY("{\"command\":\"double\",\"number\":1}\n"), .lines = 1};
    converse(&taken);
    assert_string_equal(taken.answers, "{\"double\":2,\"v\":1}\n");
    for (size_t i = 1; i < CONTROL_CLIENTS_MAX; i++)
        (void)close(socks[i]);
}

static void expect_refusal(const char *at, const char *reason)
{
    struct control *second = control_new(node);
    struct error error = {0};
    assert_false(control_open(second, at, &error));
    assert_string_equal(error.reason, reason);
    control_close(second);
}

static void test_paths(void **state)
{
    (void)state;
    expect_refusal(path, "already-running");
    expect_refusal(test_file("precious"), "bad-control");
    expect_refusal("/nonexistent/x.sock", "cannot-listen");
    char deep[200] = {0};
    memset(deep, 'x', sizeof(deep) - 1);
    expect_refusal(deep, "bad-control");
}

// A node that hangs, with a full queue, is one that runs.
static void test_a_node_that_hangs(void **state)
{
    (void)state;
    char hung[sizeof(path) + 8];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(hung, sizeof(hung), "%.90s.hung", path);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", hung);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int clients[8];
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < 8; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(clients[i], (struct sockaddr *)&address, sizeof(address));
    }
    expect_refusal(hung, "already-running");
    for (size_t i = 0; i < 8; i++)
        (void)close(clients[i]);
    (void)close(listener);
    assert_int_equal(unlink(hung), 0);
}

// A node that was killed leaves its socket; the next one takes the place.
static void test_left_behind(void **state)
{
    (void)state;
    char left[sizeof(path) + 8];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(left, sizeof(left), "%.90s.left", path);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", left);
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(sock);
    struct control *next = control_new(node);
    struct error error = {0};
    if (!control_open(next, left, &error))
        fail_msg("%s", error.text);
    control_close(next);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commands, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commands_that_take_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stop_during_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_node_that_hangs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_left_behind, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
