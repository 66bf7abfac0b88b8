// SPDX-License-Identifier: BSD-2-Clause
// Auto-configuration in the four cases of overview §8.
#include "internet.h"

struct site {
    struct internet *net;
    size_t host;
    size_t router;
    size_t server;
    size_t wire;
};

// A host on a link, perhaps with a router that announces `announced`, perhaps with a server on the
// link or behind the router.
static struct site site_new(const char *announced, bool server)
{
    struct site site = {.net = internet_new("C 0080:0000:0001:0000/48\nC2 "
                                            "0080:0000:0002:0000/48\nC2.r +1/16\nC2.s +2/16\n"
                                            "shorty 4000:0000:0000:0000/16\n")};
    struct internet *net = site.net;
    const struct node_config host = {.auto_configure = true};
    const struct node_config router = {.router = true};
    const struct node_config plain = {.router = false};
    site.host = fabric_add(net->fabric, &host, false);
    site.wire = fabric_wire(net->fabric);
    (void)fabric_plug(net->fabric, site.wire, site.host, 1500);
    size_t far = site.wire;
    if (announced != NULL) {
        site.router = fabric_add(net->fabric, &router, false);
        uint16_t near_interface = fabric_plug(net->fabric, site.wire, site.router, 1500);
        far = fabric_wire(net->fabric);
        uint16_t far_interface = fabric_plug(net->fabric, far, site.router, 1500);
        internet_level(net, site.router, announced, true, near_interface);
        internet_level(net, site.router, "C2", true, far_interface);
        internet_own(net, site.router, "C2.r");
        struct sipp_prefix subnet = internet_prefix(net, announced);
        assert_true(node_announce(internet_node(net, site.router), near_interface, &subnet, NULL));
        struct sipp_prefix other = internet_prefix(net, "C2");
        assert_true(node_announce(internet_node(net, site.router), far_interface, &other, NULL));
    }
    if (server) {
        struct sipp_prefix pool = {{UINT64_C(0x0080000000010000)}, 48};
        struct sequence high = {.count = 0};
        site.server = fabric_add(net->fabric, &plain, false);
        (void)fabric_plug(net->fabric, far, site.server, 1500);
        if (announced != NULL)
            internet_own(net, site.server, "C2.s");
        node_serve_configuration(internet_node(net, site.server), &pool, &high);
    }
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(20));
    return site;
}

static void assert_configured(struct site *site, const char *expected)
{
    struct node_event event;
    char text[PATH_TEXT_MAX];
    assert_true(internet_event(site->net, site->host, EVENT_CONFIGURED, &event));
    struct path path = path_of(&event.sequence);
    assert_string_equal(path_print(site->net->names, &path, text), expected);
    size_t count;
    const struct own_sequence *own = node_own(fabric_node(site->net->fabric, site->host), &count);
    assert_int_equal(count, 1);
    assert_true(sequence_equal(&own[0].sequence, &event.sequence));
}

static void test_section_8_no_router_no_server(void **state)
{
    (void)state;
    struct site site = site_new(NULL, false);
    assert_configured(&site, "7d00:0200:0000:0000");
    internet_free(site.net);
}

static void test_section_8_no_router_but_server(void **state)
{
    (void)state;
    struct site site = site_new(NULL, true);
    assert_configured(&site, "0080:0000:0001:0001");
    internet_free(site.net);
}

static void test_section_8_router_no_server(void **state)
{
    (void)state;
    struct site site = site_new("C", false);
    assert_configured(&site, "C.0:7d00:0200:0000:0000");
    // The address sequence works: C's router passes on to the host, whoever asks.
    struct internet *net = site.net;
    internet_ping(net, site.host, NULL, "C2.r", 64);
    struct node_event event;
    assert_string_equal(internet_route_seen(net, site.host, ICMP_ECHO, 0),
                        "7d00:0200:0000:0000, C.0, *C2.r");
    assert_true(internet_event(net, site.host, EVENT_ECHO_REPLY, &event));
    internet_free(net);
}

static void test_section_8_router_with_short_prefix(void **state)
{
    (void)state;
    struct site site = site_new("shorty", false);
    assert_configured(&site, "4000:0200:0000:0000");
    internet_free(site.net);
}

static void test_section_8_router_and_server(void **state)
{
    (void)state;
    struct site site = site_new("C", true);
    assert_configured(&site, "0080:0000:0001:0001");
    assert_string_equal(internet_route_seen(site.net, site.server, ICMP_CONFIGURATION, 0),
                        "C2.s, *C.0, 7d00:0200:0000:0000");
    internet_free(site.net);
}

// ---- what must not happen

// A server that was started again gives nobody what another host has.
static void test_leases_outlive_the_server(void **state)
{
    (void)state;
    const struct node_config config = {.router = false};
    const struct sipp_prefix pool = {{UINT64_C(0x0080000000010000)}, 60};
    const struct sequence high = {.count = 0};
    const struct link_address first = {{2, 0, 0, 0, 0, 1}};
    const struct link_address second = {{2, 0, 0, 0, 0, 2}};
    struct error error;
    struct node *server = node_new(&config, random_seed_from_number(1), (struct instant){0});
    node_serve_configuration(server, &pool, &high);
    assert_true(node_add_lease(server, &first, 9, NULL));
    assert_false(node_add_lease(server, &second, 9, &error));
    assert_string_equal(error.reason, "lease-twice");
    assert_false(node_add_lease(server, &first, 3, &error));
    assert_string_equal(error.reason, "lease-twice");
    assert_false(node_add_lease(server, &second, 16, &error));
    assert_string_equal(error.reason, "bad-lease");
    assert_false(node_add_lease(server, &second, 0, &error));
    assert_string_equal(error.reason, "bad-lease");
    node_free(server);

    struct site site = site_new(NULL, true);
    struct node_event event;
    assert_true(internet_event(site.net, site.server, EVENT_LEASE, &event));
    assert_int_equal(event.number, 1);
    assert_memory_equal(&event.link, &node_interface(internet_node(site.net, site.host), 0)->link,
                        sizeof(event.link));
    // Asked again, it says the same, and nothing new is to be kept.
    assert_false(internet_event(site.net, site.server, EVENT_LEASE, &event));
    internet_free(site.net);
}

// The server comes late: the host has formed an address by then, and takes the server's.
static void test_a_server_that_comes_late(void **state)
{
    (void)state;
    struct site site = site_new("C", false);
    struct internet *net = site.net;
    const struct node_config plain = {.router = false};
    const struct sipp_prefix pool = {{UINT64_C(0x0080000000010000)}, 48};
    const struct sequence high = {.count = 0};
    assert_configured(&site, "C.0:7d00:0200:0000:0000");
    size_t server = fabric_add(net->fabric, &plain, false);
    (void)fabric_plug(net->fabric, site.wire, server, 1500);
    node_serve_configuration(internet_node(net, server), &pool, &high);
    fabric_run(net->fabric, duration_s(30));
    assert_configured(&site, "0080:0000:0001:0001");
    internet_free(net);
}

// Numbers run out: nobody gets one twice, and it is counted.
static void test_pool_runs_out(void **state)
{
    (void)state;
    struct site site = site_new(NULL, true);
    struct internet *net = site.net;
    const struct sipp_prefix pool = {{UINT64_C(0x0080000000010000)}, 62};
    const struct sequence high = {.count = 0};
    node_serve_configuration(internet_node(net, site.server), &pool, &high);
    const struct node_config host = {.auto_configure = true};
    size_t hosts[4];
    for (size_t i = 0; i < 4; i++) {
        hosts[i] = fabric_add(net->fabric, &host, false);
        (void)fabric_plug(net->fabric, site.wire, hosts[i], 1500);
    }
    fabric_run(net->fabric, duration_s(20));
    size_t given = 0;
    struct sipp_address seen[4];
    for (size_t i = 0; i < 4; i++) {
        struct node_event event;
        assert_true(internet_event(net, hosts[i], EVENT_CONFIGURED, &event));
        struct sipp_address address = sequence_identity(&event.sequence);
        if (sipp_address_local_use(address))
            continue;
        for (size_t j = 0; j < given; j++)
            assert_false(sipp_address_equal(address, seen[j]));
        seen[given++] = address;
    }
    // Of the three numbers the first host has one.
    assert_int_equal(given, 2);
    assert_true(internet_counter(net, site.server, DROP_POOL_EMPTY) >= 2);
    internet_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_section_8_no_router_no_server),
        cmocka_unit_test(test_section_8_no_router_but_server),
        cmocka_unit_test(test_section_8_router_no_server),
        cmocka_unit_test(test_section_8_router_with_short_prefix),
        cmocka_unit_test(test_section_8_router_and_server),
        cmocka_unit_test(test_leases_outlive_the_server),
        cmocka_unit_test(test_a_server_that_comes_late),
        cmocka_unit_test(test_pool_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
