// SPDX-License-Identifier: BSD-2-Clause
// Both ends of fast push in one loop: real HTTP over loopback, and UDP replaced by a wire that
// loses what the test wants lost.
#include "../check.h"
#include "node/http/http_client.h"
#include "node/http/http_server.h"
#include "node/push/feed_in.h"
#include "node/push/feed_out.h"
#include "test_node.h"
#include "udp_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MABS    2
#define LIMIT_S 30

// --- a RUAS and a receiver -----------------------------------------------------------------------

struct ruas {
    struct mapping *mappings[MABS];
    uint64_t sequences[MABS];
    uint64_t epoch;
    struct config_ruas config;
    struct endpoint feed;
    struct config_prefixes refused;
    struct prefix refused_prefix;
    struct feed_out *out;
};

struct receiving {
    struct database *database;
    struct config_ruas_peer peers[3];
    char url[64];
    struct config_qsa config;
    struct feed_in *in;
    size_t applied, reloaded, ready, lost;
    size_t refused;
    bool complete;
};

static struct node *node;
static struct ruas ruas;
static struct receiving receiving;

static size_t source_count(void *state)
{
    (void)state;
    return MABS;
}

static const struct mapping *source_mapping(void *state, size_t i)
{
    return ((struct ruas *)state)->mappings[i];
}

static uint64_t source_sequence(void *state, size_t i)
{
    return ((struct ruas *)state)->sequences[i];
}

static void start_ruas(uint16_t port)
{
    ruas.config.public_listen = (struct endpoint){{FAMILY_IPV4, {127, 0, 0, 1}}, port};
    ruas.config.feeds = (struct config_endpoints){1, &ruas.feed};
    ruas.config.snapshot_every = duration_s(600);
    ruas.feed = (struct endpoint){{FAMILY_IPV4, {127, 0, 0, 1}}, 4749};
    assert_true(prefix_parse("198.51.100.0/24", &ruas.refused_prefix, NULL));
    ruas.refused = (struct config_prefixes){1, &ruas.refused_prefix};
    struct feed_source source = {&ruas, source_count, source_mapping, source_sequence,
                                 &ruas.refused};
    struct error error = {0};
    ruas.out = feed_out_new(node, &ruas.config, &source, ++ruas.epoch, &error);
    if (ruas.out == NULL)
        fail_msg("%s", error.text);
}

static void on_event(void *state, const struct receiver_event *event)
{
    struct receiving *to = state;
    to->applied += event->kind == RECEIVER_APPLIED;
    to->reloaded += event->kind == RECEIVER_RELOADED;
    to->ready += event->kind == RECEIVER_READY;
    to->lost += event->kind == RECEIVER_LOST;
}

static void on_refused(void *state, const struct prefix *prefixes, size_t count)
{
    struct receiving *to = state;
    to->refused = count;
    assert_true(count == 0 || prefix_equal(&prefixes[0], &ruas.refused_prefix));
}

static void on_heard(void *state)
{
    struct receiving *to = state;
    to->complete = feed_in_complete(to->in);
}

static void start_receiving(void)
{
    memset(&receiving, 0, sizeof(receiving));
    static char nowhere[] = "http://127.0.0.1:1";
    (void)snprintf(receiving.url, sizeof(receiving.url), "http://127.0.0.1:%u",
                   feed_out_public(ruas.out).port);
    struct public_key key = key_public(node_key(node));
    receiving.peers[0] = (struct config_ruas_peer){key, nowhere}; // the next is tried
    receiving.peers[1] = (struct config_ruas_peer){key, receiving.url};
    receiving.config = (struct config_qsa){.ruas_count = 2, .ruas = receiving.peers};
    receiving.database = database_new();
    struct feed_in_handlers handlers = {&receiving, on_event, on_refused, on_heard};
    receiving.in = feed_in_open(node, &receiving.config, receiving.database, &handlers, NULL);
    assert_non_null(receiving.in);
}

// The same, with two URLs before the right one at which nothing sensible is served.
static void start_receiving_behind(struct http_server *nonsense)
{
    static char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", http_server_local(nonsense).port);
    struct public_key key = key_public(node_key(node));
    start_receiving();
    feed_in_close(receiving.in);
    receiving.peers[2] = receiving.peers[1];
    receiving.peers[0] = receiving.peers[1] = (struct config_ruas_peer){key, url};
    receiving.config.ruas_count = 3;
    struct feed_in_handlers handlers = {&receiving, on_event, on_refused, on_heard};
    receiving.in = feed_in_open(node, &receiving.config, receiving.database, &handlers, NULL);
    assert_non_null(receiving.in);
}

static int set_up(void **state)
{
    (void)state;
    node = test_node();
    memset(&ruas, 0, sizeof(ruas));
    udp_wire_mend();
    static const char *const mabs[MABS] = {"20.0.0.0/14", "2001:db8::/32"};
    for (size_t i = 0; i < MABS; i++) {
        struct prefix mab;
        assert_true(prefix_parse(mabs[i], &mab, NULL));
        ruas.mappings[i] = mapping_new(&mab, NULL);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    feed_in_close(receiving.in);
    feed_out_stop(ruas.out);
    node_free(node);
    database_free(receiving.database);
    for (size_t i = 0; i < MABS; i++)
        mapping_free(ruas.mappings[i]);
    test_files_remove();
    memset(&receiving, 0, sizeof(receiving));
    return 0;
}

// Adds one micronet of one unit to a MAB, as one set of the RUAS.
static void change(size_t mab)
{
    const struct range *units = mapping_units(ruas.mappings[mab]);
    struct update update = {.kind = UPDATE_DEFINE, .range = *units};
    update.range.start.index += ++ruas.sequences[mab];
    update.range.length.units = 1;
    update.etr = address_from_ipv4(0xc6120301);
    assert_true(mapping_apply(ruas.mappings[mab], &update, 1, NULL, NULL));
    feed_out_set(ruas.out, mapping_mab(ruas.mappings[mab]), ruas.sequences[mab], &update, 1);
}

static bool in_step(void)
{
    for (size_t i = 0; i < MABS; i++) {
        struct receiver_mab_status status;
        const struct prefix *mab = mapping_mab(ruas.mappings[i]);
        if (!receiver_mab(feed_in_receiver(receiving.in), mab, &status) || !status.in_step ||
            !status.answering || status.sequence != ruas.sequences[i])
            return false;
        struct mapping_hash is = mapping_hash(database_get(receiving.database, mab));
        struct mapping_hash should = mapping_hash(ruas.mappings[i]);
        assert_true(mapping_hash_equal(&is, &should));
    }
    return true;
}

static void on_limit(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited %d s in vain", LIMIT_S);
}

static void run_until(bool (*condition)(void))
{
    uv_timer_t limit;
    (void)uv_timer_init(node_loop(node), &limit);
    (void)uv_timer_start(&limit, on_limit, (uint64_t)LIMIT_S * 1000, 0);
    while (!condition())
        (void)uv_run(node_loop(node), UV_RUN_ONCE);
    uv_close((uv_handle_t *)&limit, NULL);
    (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
}

// --- tests ---------------------------------------------------------------------------------------

static void test_boots_and_follows(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) { // before it starts: these come by the snapshot
        const struct range *units = mapping_units(ruas.mappings[0]);
        struct update update = {.kind = UPDATE_DEFINE, .range = *units};
        update.range.start.index += 100000 + (uint64_t)i;
        update.range.length.units = 1;
        assert_true(mapping_apply(ruas.mappings[0], &update, 1, NULL, NULL));
    }
    start_ruas(0);
    start_receiving();
    char why[200];
    assert_false(feed_in_healthy(receiving.in, why, sizeof(why)));
    assert_false(feed_in_complete(receiving.in));
    run_until(in_step);
    assert_true(receiving.complete);
    assert_true(feed_in_healthy(receiving.in, why, sizeof(why)));
    assert_int_equal(receiving.reloaded, MABS);
    assert_int_equal(receiving.ready, MABS);
    assert_int_equal(receiving.refused, 1);
    for (int i = 0; i < 50; i++)
        change((size_t)i % MABS);
    run_until(in_step);
    assert_int_equal(receiving.applied, 50);
    assert_int_equal(receiving.lost, 0);
}

static void test_fetches_what_was_lost(void **state)
{
    (void)state;
    start_ruas(0);
    start_receiving();
    run_until(in_step);
    for (int i = 0; i < 5; i++) {
        udp_wire_lose(2);
        change(0);
        change(1);
        run_until(in_step);
    }
    const struct receiver_counters *counters = receiver_counters(feed_in_receiver(receiving.in));
    assert_true(counters->fetched > 0 && counters->gaps > 0);
    assert_int_equal(counters->diverged, 0);
    // Without any datagrams it follows by HTTP alone.
    udp_wire_cut(true);
    change(0);
    run_until(in_step);
    assert_int_equal(receiving.reloaded, MABS);
}

static void test_ruas_starts_again(void **state)
{
    (void)state;
    start_ruas(0);
    uint16_t port = feed_out_public(ruas.out).port;
    start_receiving();
    change(0);
    run_until(in_step);
    feed_out_stop(ruas.out);
    udp_wire_cut(true);
    start_ruas(port);
    change(0); // sent into the cut
    udp_wire_cut(false);
    run_until(in_step);
    assert_int_equal(receiving.lost, 0);
    assert_int_equal(receiver_ruas(feed_in_receiver(receiving.in), 0).epoch, 2);
}

static void test_receiver_comes_late(void **state)
{
    (void)state;
    start_ruas(0);
    for (int i = 0; i < 3000; i++)
        change(i % 7 == 0);
    start_receiving(); // the first snapshots are old by now: new ones are made for it
    run_until(in_step);
    change(0);
    run_until(in_step);
}

static uint64_t datagrams(void)
{
    const struct receiver_counters *counters = receiver_counters(feed_in_receiver(receiving.in));
    return counters->received - counters->fetched;
}

// A config with a feed that needs another socket, which cannot be had: those before go on getting
// datagrams; and it is tried again with the next config.
static void test_a_socket_that_cannot_be_had(void **state)
{
    (void)state;
    start_ruas(0);
    start_receiving();
    run_until(in_step);
    struct endpoint feeds[2] = {ruas.feed, {{FAMILY_IPV6, {0x20, 1}}, 4749}};
    struct config_ruas more = ruas.config;
    more.feeds = (struct config_endpoints){2, feeds};
    udp_wire_refuse(true);
    for (int i = 0; i < 2; i++) {
        feed_out_reload(ruas.out, &more);
        uint64_t before = datagrams();
        change(0);
        run_until(in_step);
        assert_true(datagrams() > before);
        udp_wire_refuse(false);
    }
    feed_out_reload(ruas.out, &ruas.config); // `more` ends here
}

static void on_nonsense(void *state, struct http_exchange *exchange)
{
    (void)state;
    http_reply(exchange, 200, "text/plain", "welcome", 7);
}

// Each URL has its turn, also where those before it answer, but with nothing of use.
static void test_all_urls_are_tried(void **state)
{
    (void)state;
    struct endpoint any = {{FAMILY_IPV4, {127, 0, 0, 1}}, 0};
    struct http_server *nonsense = http_server_open(node, &any, NULL, on_nonsense, NULL, NULL);
    assert_non_null(nonsense);
    start_ruas(0);
    start_receiving_behind(nonsense);
    run_until(in_step);
    udp_wire_cut(true); // and payloads by HTTP alone
    change(0);
    run_until(in_step);
    http_server_close(nonsense);
}

// One request to the public server.
struct call {
    bool done;
    unsigned status;
    size_t length;
    char text[1000];
};

static struct call call;

static void on_called(void *state, struct http_answer *answer)
{
    struct call *to = state;
    to->status = answer->status;
    to->length = answer->length;
    size_t length = answer->length < sizeof(to->text) - 1 ? answer->length : sizeof(to->text) - 1;
    if (length > 0)
        memcpy(to->text, answer->bytes, length);
    if (answer->problem != NULL)
        (void)snprintf(to->text, sizeof(to->text), "%s", answer->problem);
    to->done = true;
}

static bool is_called(void)
{
    return call.done;
}

static unsigned get(struct http_client *client, const char *path, size_t most)
{
    char url[200];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", feed_out_public(ruas.out).port, path);
    memset(&call, 0, sizeof(call));
    (void)http_client_get(client, url, most, duration_s(20), on_called, &call);
    run_until(is_called);
    return call.status;
}

static void test_public_server(void **state)
{
    (void)state;
    start_ruas(0);
    change(0);
    struct http_client *client = http_client_new(node);
    static const struct {
        const char *path;
        unsigned status;
        const char *text;
    } cases[] = {
        {"/health", 200, "ok\n"},
        {"/", 404, "\"no-such-path\""},
        {"/v1/payloads/1/1-2", 200, NULL},
        {"/v1/payloads/1/1-18446744073709551615", 200, NULL},
        {"/v1/payloads/1/1000000-1000001", 404, "\"not-yet\""},
        {"/v1/payloads/2/1-2", 410, "\"gone\""},
        {"/v1/payloads/1/2-1", 400, "\"bad-request\""},
        {"/v1/payloads/1/0-1", 400, "\"bad-request\""},
        {"/v1/payloads/1/-1-1", 400, "\"bad-request\""},
        {"/v1/payloads/1", 400, "\"bad-request\""},
        {"/v1/payloads/1/1-2x", 400, "\"bad-request\""},
        {"/v1/snapshots/20.0.0.0-14/0", 200, "IVIPSNAP"},
        {"/v1/snapshots/2001:db8::-32/latest", 200, "IVIPSNAP"},
        {"/v1/snapshots/2001:db8::-32/7", 404, "\"no-such-snapshot\""},
        {"/v1/snapshots/20.4.0.0-14/latest", 404, "\"no-such-mab\""},
        {"/v1/snapshots/20.0.0.0-14/latest?least=9", 404, "\"no-such-sequence\""},
        {"/v1/snapshots/20.0.0.0-14/latest?least=x", 400, "\"bad-request\""},
        {"/v1/snapshots/20.0.0.0/latest", 400, "\"bad-request\""},
        {"/v1/snapshots/20.0.0.0-14", 400, "\"bad-request\""},
        {"/v1/snapshots/20.0.0.0-14/latest?least=1", 200, "IVIPSNAP"}, // made for us
        {"/v1/snapshots/20.0.0.0-14/1", 200, "IVIPSNAP"},
        {"/v1/snapshots/20.0.0.0-14/0", 200, "IVIPSNAP"}, // the one before is still there
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned status = get(client, cases[i].path, 1 << 20);
        if (status != cases[i].status)
            fail_msg("%s: %u, not %u: %s", cases[i].path, status, cases[i].status, call.text);
        if (cases[i].text != NULL && strstr(call.text, cases[i].text) == NULL)
            fail_msg("%s: %s is not in %s", cases[i].path, cases[i].text, call.text);
    }
    assert_int_equal(get(client, "/v1/directory", 1 << 20), 200);
    struct public_key key = key_public(node_key(node));
    struct directory directory;
    assert_true(directory_read(call.text, call.length, &key, &directory, NULL));
    assert_int_equal(directory.mab_count, MABS);
    directory_release(&directory);
    http_client_free(client);
}

static void test_client_limits(void **state)
{
    (void)state;
    start_ruas(0);
    struct http_client *client = http_client_new(node);
    assert_int_equal(get(client, "/v1/directory", 100), 0);
    assert_non_null(strstr(call.text, "larger than"));
    memset(&call, 0, sizeof(call));
    (void)http_client_get(client, "http://127.0.0.1:1/", 100, duration_s(5), on_called, &call);
    run_until(is_called);
    assert_int_equal(call.status, 0);
    assert_true(strlen(call.text) > 0);
    memset(&call, 0, sizeof(call));
    (void)http_client_get(client, "file:///etc/hostname", 1000, duration_s(5), on_called, &call);
    run_until(is_called);
    assert_int_equal(call.status, 0);
    // What is cancelled is never heard of; so is what was under way when the client ends.
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/health", feed_out_public(ruas.out).port);
    memset(&call, 0, sizeof(call));
    http_client_cancel(http_client_get(client, url, 100, duration_s(5), on_called, &call));
    (void)http_client_get(client, url, 100, duration_s(5), on_called, &call);
    http_client_free(client);
    for (int i = 0; i < 10; i++)
        (void)uv_run(node_loop(node), UV_RUN_NOWAIT);
    assert_false(call.done);
}

static void test_status_and_metrics(void **state)
{
    (void)state;
    start_ruas(0);
    start_receiving();
    change(0);
    run_until(in_step);
    json_t *out = feed_out_status(ruas.out);
    json_t *in = feed_in_status(receiving.in);
    json_t *sent = json_object_get(out, "mabs");
    json_t *kept = json_object_get(in, "mabs");
    assert_int_equal(json_array_size(sent), MABS);
    assert_int_equal(json_array_size(kept), MABS);
    for (size_t i = 0; i < MABS; i++) // the same hash on both sides, in whatever order
        for (size_t n = 0; n < MABS; n++) {
            json_t *a = json_array_get(sent, i);
            json_t *b = json_array_get(kept, n);
            if (json_equal(json_object_get(a, "mab"), json_object_get(b, "mab")))
                assert_true(json_equal(json_object_get(a, "hash"), json_object_get(b, "hash")));
        }
    json_decref(out);
    json_decref(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_boots_and_follows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fetches_what_was_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ruas_starts_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_receiver_comes_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_socket_that_cannot_be_had, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_urls_are_tried, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_public_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_status_and_metrics, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
