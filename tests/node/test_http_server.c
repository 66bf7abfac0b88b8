// SPDX-License-Identifier: BSD-2-Clause
// Handlers run in the node's loop in this thread; the client is libcurl in another.
#include "../check.h"
#include "http_call.h"
#include "node/http/certificate.h"
#include "node/http/http_server.h"
#include "test_node.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static uv_thread_t main_thread;
static struct node *node;
static struct http_server *server;
static struct http_exchange *kept; // not answered yet
static uv_timer_t later;
static unsigned lent;       // replies whose bytes are not given back yet
static unsigned handshakes; // that succeeded

static void give_back(void *owner)
{
    assert_ptr_equal(owner, &lent);
    uv_thread_t self = uv_thread_self();
    assert_true(uv_thread_equal(&main_thread, &self));
    lent--;
}

static void lend(struct http_exchange *exchange)
{
    lent++;
    http_reply_shared(exchange, 200, "text/plain", "lent", 4, give_back, &lent);
}

static void answer_later(uv_timer_t *timer)
{
    (void)timer;
    struct http_exchange *exchange = kept;
    kept = NULL;
    http_reply_header(exchange, "X-Was", "late");
    http_reply(exchange, 202, "text/plain", "late", 4);
}

static void on_request(void *state, struct http_exchange *exchange)
{
    assert_ptr_equal(state, &server);
    const char *path = http_path(exchange);
    size_t length = 0;
    const char *body = http_body(exchange, &length);
    if (strcmp(path, "/echo") == 0) {
        http_reply(exchange, 200, "text/plain", body, length);
    } else if (strcmp(path, "/lent") == 0) {
        lend(exchange);
    } else if (strcmp(path, "/error") == 0) {
        struct error error;
        error_set(&error, ERROR_CONFLICT, "some-reason", "not \xff\xfe now");
        http_reply_error(exchange, &error);
    } else if (strcmp(path, "/about") == 0) {
        http_reply_json(exchange, 200,
                        json_pack("{s:s, s:s?, s:s?, s:i}", "method", http_method(exchange),
                                  "query", http_query(exchange, "q"), "host",
                                  http_header(exchange, "X-Test"), "peer",
                                  (int)http_peer(exchange).address.family));
    } else {
        kept = exchange; // "/later" answers from a timer, "/never" not before the server closes
        if (strcmp(path, "/later") == 0)
            (void)uv_timer_start(&later, answer_later, 20, 0);
    }
}

static uv_thread_t begin(struct call *call, const char *path)
{
    struct endpoint local = http_server_local(server);
    return call_begin(call, node, &local, path);
}

static void finish(struct call *call, uv_thread_t thread)
{
    call_finish(call, node, thread);
}

static void perform(struct call *call, const char *path)
{
    finish(call, begin(call, path));
}

static int set_up(void **state)
{
    struct endpoint listen = {address_from_ipv4(0x7f000001), 0};
    struct error error = {0};
    node = test_node();
    struct certificate certificate = {0};
    bool tls = *state != NULL;
    if (tls && !certificate_make(node_key(node), &certificate, &error))
        fail_msg("%s", error.text);
    server =
        http_server_open(node, &listen, tls ? &certificate : NULL, on_request, &server, &error);
    certificate_release(&certificate);
    if (server == NULL)
        fail_msg("%s", error.text);
    (void)uv_timer_init(node_loop(node), &later);
    kept = NULL;
    lent = 0;
    main_thread = uv_thread_self();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&later, NULL);
    http_server_close(server);
    node_free(node);
    test_files_remove();
    return 0;
}

static void test_answers(void **state)
{
    (void)state;
    struct call echo = {.body = "hello", .body_length = 5};
    perform(&echo, "/echo");
    assert_int_equal(echo.result, CURLE_OK);
    assert_int_equal(echo.status, 200);
    assert_string_equal(echo.answer, "hello");
    assert_string_equal(echo.type, "text/plain");
    struct call chunked = {.body = "in chunks", .body_length = 9, .chunked = true};
    perform(&chunked, "/echo");
    assert_string_equal(chunked.answer, "in chunks");
    struct call about = {0};
    perform(&about, "/about?q=a%20b");
    assert_string_equal(about.type, "application/json");
    assert_string_equal(about.answer,
                        "{\"method\":\"GET\",\"query\":\"a b\",\"host\":\"here\",\"peer\":4}\n");
}

static void test_error(void **state)
{
    (void)state;
    struct call call = {0};
    perform(&call, "/error");
    assert_int_equal(call.status, 409);
    assert_string_equal(
        call.answer, "{\"v\":1,\"error\":{\"reason\":\"some-reason\",\"text\":\"not ?? now\"}}\n");
}

static void test_late_answer(void **state)
{
    (void)state;
    struct call call = {.body = "x", .body_length = 1};
    perform(&call, "/later");
    assert_int_equal(call.result, CURLE_OK);
    assert_int_equal(call.status, 202);
    assert_string_equal(call.answer, "late");
}

// The server closes while a handler still works; what the handler answers then goes nowhere.
static void test_close_before_answer(void **state)
{
    (void)state;
    struct call call = {0};
    uv_thread_t thread = begin(&call, "/never");
    while (kept == NULL)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    http_server_close(server);
    server = NULL;
    finish(&call, thread);
    assert_int_not_equal(call.result, CURLE_OK);
    assert_string_equal(http_path(kept), "/never");
    assert_null(http_header(kept, "X-Test"));
    http_reply(kept, 200, "text/plain", "late", 4);
}

// The pin that curl takes: SHA-256 of the key as X.509 holds it, a constant and the 32 octets.
static void pin_of(const struct public_key *key, char pin[64])
{
    static const uint8_t before[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                     0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    uint8_t info[sizeof(before) + PUBLIC_KEY_BYTES];
    uint8_t digest[crypto_hash_sha256_BYTES];
    memcpy(info, before, sizeof(before));
    memcpy(info + sizeof(before), key->bytes, PUBLIC_KEY_BYTES);
    (void)crypto_hash_sha256(digest, info, sizeof(info));
    memcpy(pin, "sha256//", 9);
    (void)sodium_bin2base64(pin + 8, 56, digest, sizeof(digest), sodium_base64_VARIANT_ORIGINAL);
}

static void test_tls(void **state)
{
    (void)state;
    char pin[64];
    struct public_key key = key_public(node_key(node));
    pin_of(&key, pin);
    struct call good = {.body = "secret", .body_length = 6, .pin = pin};
    perform(&good, "/echo");
    assert_int_equal(good.result, CURLE_OK);
    assert_string_equal(good.answer, "secret");
    struct call late = {.pin = pin};
    perform(&late, "/later");
    assert_int_equal(late.status, 202);
    key.bytes[0] ^= 1;
    pin_of(&key, pin);
    struct call wrong = {.body = "secret", .body_length = 6, .pin = pin};
    perform(&wrong, "/echo");
    assert_int_equal(wrong.result, CURLE_SSL_PINNEDPUBKEYNOTMATCH);
}

// Whether a client who pins that key gets an answer.
static bool answers_as(const struct public_key *key)
{
    char pin[64];
    pin_of(key, pin);
    struct call call = {.body = "x", .body_length = 1, .pin = pin};
    perform(&call, "/echo");
    return call.result == CURLE_OK && strcmp(call.answer, "x") == 0;
}

static void test_another_certificate(void **state)
{
    (void)state;
    struct error error = {0};
    struct secret_key secret;
    struct certificate certificate;
    key_generate(&secret);
    struct public_key before = key_public(node_key(node));
    struct public_key after = key_public(&secret);
    const struct endpoint local = http_server_local(server);
    assert_true(certificate_make(&secret, &certificate, &error));
    // Without a file to be had, nothing changes.
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, files.rlim_max}), 0);
    struct http_server *none = http_server_replace(server, &certificate, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_null(none);
    assert_string_equal(error.reason, "cannot-listen");
    assert_true(answers_as(&before));
    // A connection that waits is ended with the server that is replaced.
    char pin[64];
    pin_of(&before, pin);
    struct call call = {.pin = pin};
    uv_thread_t thread = begin(&call, "/never");
    while (kept == NULL)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    struct http_server *replaced = http_server_replace(server, &certificate, &error);
    assert_non_null(replaced);
    server = replaced;
    finish(&call, thread);
    assert_int_not_equal(call.result, CURLE_OK);
    http_reply(kept, 200, "text/plain", "late", 4);
    const struct endpoint now = http_server_local(server);
    assert_true(endpoint_equal(&local, &now));
    assert_true(answers_as(&after));
    assert_false(answers_as(&before));
    // The port is still nobody else's.
    assert_null(http_server_open(node, &local, NULL, on_request, NULL, &error));
    certificate_release(&certificate);
    key_wipe(&secret);
}

static void shake_hands(void *state)
{
    for (unsigned i = 0; i < 20; i++) {
        CURL *curl = curl_easy_init();
        (void)curl_easy_setopt(curl, CURLOPT_URL, state);
        (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 25L);
        (void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
        if (curl_easy_perform(curl) == CURLE_OK)
            handshakes++;
        curl_easy_cleanup(curl);
    }
}

// A client that stops in the middle of its handshake keeps nobody waiting.
static void test_a_stalled_handshake(void **state)
{
    (void)state;
    static const char begin_of_record[] = {0x16, 0x03, 0x01};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_local(server).port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int stalled[3];
    for (size_t i = 0; i < 3; i++) {
        stalled[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(stalled[i], (struct sockaddr *)&to, sizeof(to)), 0);
        assert_int_equal(send(stalled[i], begin_of_record, sizeof(begin_of_record), 0),
                         sizeof(begin_of_record));
    }
    char pin[64];
    struct public_key key = key_public(node_key(node));
    pin_of(&key, pin);
    struct call call = {.body = "secret", .body_length = 6, .pin = pin};
    perform(&call, "/echo");
    assert_string_equal(call.answer, "secret");
    struct call late = {.pin = pin};
    perform(&late, "/later");
    assert_int_equal(late.status, 202);
    for (size_t i = 0; i < 3; i++)
        (void)close(stalled[i]);
}

// TLS takes nothing of the loop, which stands still here: what goes on in it cannot be delayed by
// any number of handshakes.
static void test_handshakes_need_no_loop(void **state)
{
    (void)state;
    char url[128];
    char text[ENDPOINT_TEXT_MAX];
    struct endpoint local = http_server_local(server);
    uv_thread_t thread;
    (void)snprintf(url, sizeof(url), "https://%s/", endpoint_print(&local, text));
    handshakes = 0;
    assert_int_equal(uv_thread_create(&thread, shake_hands, url), 0);
    (void)uv_thread_join(&thread);
    assert_int_equal(handshakes, 20);
}

// Answers that share their bytes give them back in the node's thread, also those of a server that
// was closed before they were sent.
static void test_lent_bytes_come_back(void **state)
{
    (void)state;
    struct call call = {0};
    perform(&call, "/lent");
    assert_string_equal(call.answer, "lent");
    while (lent > 0)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    struct call late = {0};
    uv_thread_t thread = begin(&late, "/never");
    while (kept == NULL)
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    lend(kept);
    http_server_close(server);
    server = NULL;
    assert_int_equal(lent, 0);
    finish(&late, thread);
}

static void test_port_taken(void **state)
{
    (void)state;
    struct endpoint local = http_server_local(server);
    struct error error = {0};
    assert_null(http_server_open(node, &local, NULL, on_request, NULL, &error));
    assert_string_equal(error.reason, "cannot-listen");
    assert_non_null(strstr(error.text, "another program has this port"));
}

int main(void)
{
    static char tls[] = "tls";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_before_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lent_bytes_come_back, set_up, tear_down),
        cmocka_unit_test_prestate_setup_teardown(test_tls, set_up, tear_down, tls),
        cmocka_unit_test_prestate_setup_teardown(test_another_certificate, set_up, tear_down, tls),
        cmocka_unit_test_prestate_setup_teardown(test_a_stalled_handshake, set_up, tear_down, tls),
        cmocka_unit_test_prestate_setup_teardown(test_handshakes_need_no_loop, set_up, tear_down,
                                                 tls),
        cmocka_unit_test_setup_teardown(test_port_taken, set_up, tear_down),
    };
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_ALL) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
