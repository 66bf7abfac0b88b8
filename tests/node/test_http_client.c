// SPDX-License-Identifier: BSD-2-Clause
// What the other side of a fetch, or its name in DNS, may not do to the node's loop.
#include "../check.h"
#include "node/http/http_client.h"
#include "node/http/http_server.h"
#include "test_node.h"

#include <errno.h>
#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define STUCK_SECONDS 20 // longest that the resolver below says nothing

// The resolver that libcurl calls, in a thread of its own: it does not answer until it is let go.
static struct {
    uv_mutex_t lock;
    uv_cond_t changed;
    unsigned asked, ended;
    bool let_go;
} stuck;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)name, (void)service, (void)hints, (void)result;
    uv_mutex_lock(&stuck.lock);
    stuck.asked++;
    while (!stuck.let_go && uv_cond_timedwait(&stuck.changed, &stuck.lock,
                                              STUCK_SECONDS * UINT64_C(1000000000)) == 0)
        continue;
    stuck.ended++;
    uv_cond_broadcast(&stuck.changed);
    uv_mutex_unlock(&stuck.lock);
    return EAI_FAIL;
}

static unsigned asked(void)
{
    uv_mutex_lock(&stuck.lock);
    unsigned count = stuck.asked;
    uv_mutex_unlock(&stuck.lock);
    return count;
}

static void let_go(void)
{
    uv_mutex_lock(&stuck.lock);
    assert_int_equal(stuck.ended, 0); // nobody waited for it
    stuck.let_go = true;
    uv_cond_broadcast(&stuck.changed);
    while (stuck.ended < stuck.asked)
        uv_cond_wait(&stuck.changed, &stuck.lock);
    uv_mutex_unlock(&stuck.lock);
}

struct outcome {
    bool done;
    unsigned status;
    char problem[100];
};

static void on_answered(void *state, struct http_answer *answer)
{
    struct outcome *outcome = state;
    outcome->done = true;
    outcome->status = answer->status;
    if (answer->problem != NULL)
        (void)snprintf(outcome->problem, sizeof(outcome->problem), "%s", answer->problem);
}

// A name that nobody resolves fails when the time of its fetch is over, and keeps the loop from
// nothing meanwhile; nor does one that is cancelled, or a client that ends.
static void test_a_name_that_is_not_resolved(void **state)
{
    (void)state;
    struct node *node = test_node();
    struct http_client *client = http_client_new(node);
    struct outcome late = {0};
    struct outcome cancelled = {0};
    struct outcome left = {0};
    const char *url = "http://ruas.example:4747/v1/directory";
    struct duration long_time = duration_s(STUCK_SECONDS);
    (void)http_client_get(client, url, 100, duration_ms(200), on_answered, &late);
    struct http_fetch *fetch =
        http_client_get(client, url, 100, long_time, on_answered, &cancelled);
    (void)http_client_get(client, url, 100, long_time, on_answered, &left);
    test_run_until(node, &late.done);
    assert_int_equal(late.status, 0);
    assert_int_not_equal(late.problem[0], '\0');
    assert_int_equal(asked(), 3);
    http_client_cancel(fetch);
    http_client_free(client);
    node_free(node);
    assert_false(cancelled.done || left.done);
    let_go();
    test_files_remove();
}

static struct endpoint server_at;
static unsigned requests;

static void on_request(void *state, struct http_exchange *exchange)
{
    (void)state;
    char text[ENDPOINT_TEXT_MAX];
    char elsewhere[ENDPOINT_TEXT_MAX + 32];
    (void)snprintf(elsewhere, sizeof(elsewhere), "http://%s/elsewhere",
                   endpoint_print(&server_at, text));
    requests++;
    http_reply_header(exchange, "Location", elsewhere);
    http_reply(exchange, 302, "text/plain", "", 0);
}

// Whoever can write into an answer does not choose what the node asks next, and whom.
static void test_no_redirection_is_followed(void **state)
{
    (void)state;
    struct node *node = test_node();
    struct endpoint listen = {address_from_ipv4(0x7f000001), 0};
    struct error error;
    struct http_server *server = http_server_open(node, &listen, NULL, on_request, NULL, &error);
    assert_non_null(server);
    server_at = http_server_local(server);
    struct http_client *client = http_client_new(node);
    struct outcome outcome = {0};
    char text[ENDPOINT_TEXT_MAX];
    char url[ENDPOINT_TEXT_MAX + 32];
    (void)snprintf(url, sizeof(url), "http://%s/here", endpoint_print(&server_at, text));
    (void)http_client_get(client, url, 100, duration_s(STUCK_SECONDS), on_answered, &outcome);
    test_run_until(node, &outcome.done);
    assert_int_equal(outcome.status, 302);
    assert_int_equal(requests, 1);
    http_client_free(client);
    http_server_close(server);
    node_free(node);
    test_files_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_that_is_not_resolved),
        cmocka_unit_test(test_no_redirection_is_followed),
    };
    if (sodium_init() < 0 || uv_mutex_init(&stuck.lock) != 0 || uv_cond_init(&stuck.changed) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
