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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_section_8_no_router_no_server),
        cmocka_unit_test(test_section_8_no_router_but_server),
        cmocka_unit_test(test_section_8_router_no_server),
        cmocka_unit_test(test_section_8_router_with_short_prefix),
        cmocka_unit_test(test_section_8_router_and_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
