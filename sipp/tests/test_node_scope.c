// SPDX-License-Identifier: BSD-2-Clause
// What must not leave a link or a site, and what hosts must not do.
#include "internet.h"

static void test_hosts_do_not_relay(void **state)
{
    struct internet *net = *state;
    struct sequence source = internet_sequence(net, "Q.D.H");
    struct path via = internet_path(net, "Q.E.I");
    struct path to = internet_path(net, "P.r");
    struct route route;
    assert_true(route_form(&source, &via, &to, &route));
    assert_true(node_send_echo(internet_node(net, H), internet_now(net, H), &route, 64, 1, 1, NULL,
                               0, NULL));
    fabric_run(net->fabric, duration_s(1));
    assert_int_equal(internet_counter(net, I, DROP_NOT_FOR_US), 1);
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "nothing");
}

static void test_local_use_stays_on_its_link(void **state)
{
    struct internet *net = *state;
    struct node *h = internet_node(net, H);
    struct route route = {.count = 2, .active = 1};
    route.addresses[0] = sipp_local_use(0, node_interface(h, 0)->link.octets, 6);
    route.addresses[1] = internet_address(net, "Q.E.I");
    assert_true(node_send_echo(h, fabric_now(net->fabric, h), &route, 64, 1, 1, NULL, 0, NULL));
    fabric_run(net->fabric, duration_s(1));
    struct node_event event;
    assert_int_equal(internet_counter(net, D, DROP_SCOPE), 1);
    assert_true(internet_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.code, ICMP_BEYOND_SCOPE);
}

// ---- the boundary of a site
//
//     a ---- B ---- O ---- x      B's interface towards O is a boundary of the site; a2 is on
//     another a2 ----'                    subnet of the site. O believes that B wants the site's
//     addresses.

#define SITE_NAMES                                                                                 \
    "G   0080:0000:0001:0000/48\nG.a +7/16\nX 0040:0000:0001:0000/48\nX.x +9/16\n"                 \
    "T5  7d05:0000:0000:0000/16\nT5.a +7/48\nT6 7d06:0000:0000:0000/16\nT6.a +8/48\n"              \
    "O.r 0040:0000:0002:0001\nB.r 0080:0000:0002:0001\n"                                           \
    "SITE 7f05:0000:0000:0777\nALL 7f0e:0000:0000:0777\nNODE 7f01:0000:0000:0777\n"

struct site {
    struct internet *net;
    size_t a;
    size_t a2;
    size_t b;
    size_t o;
    size_t x;
    size_t wires[4]; // a's, a2's, between B and O, x's
};

static void site_routes(const struct site *site)
{
    struct internet *net = site->net;
    const struct {
        size_t node;
        const char *prefix;
        uint16_t interface;
        size_t gateway; // SIZE_MAX: the link
        uint16_t gateway_interface;
    } routes[] = {
        {site->b, "G", 0, SIZE_MAX, 0},  {site->b, "T5", 0, SIZE_MAX, 0},
        {site->b, "T6", 1, SIZE_MAX, 0}, {site->b, "X", 2, site->o, 0},
        {site->o, "X", 1, SIZE_MAX, 0},  {site->o, "G", 0, site->b, 2},
        {site->o, "T5", 0, site->b, 2},  {site->o, "T6", 0, site->b, 2},
    };
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        struct sipp_prefix prefix = internet_prefix(net, routes[i].prefix);
        struct next_hop hop = {routes[i].interface, SIPP_ADDRESS_NONE};
        if (routes[i].gateway != SIZE_MAX) {
            const struct interface *gateway =
                node_interface(internet_node(net, routes[i].gateway), routes[i].gateway_interface);
            hop.gateway = sipp_local_use(0, gateway->link.octets, 6);
        }
        forwarding_set(node_forwarding(internet_node(net, routes[i].node)), &prefix, hop);
    }
}

static int site_setup(void **state)
{
    struct site *site = test_malloc(sizeof(*site));
    struct internet *net = internet_new(SITE_NAMES);
    const struct node_config router = {.router = true};
    const struct node_config host = {.router = false};
    site->net = net;
    site->b = fabric_add(net->fabric, &router, false);
    site->o = fabric_add(net->fabric, &router, false);
    site->a = fabric_add(net->fabric, &host, false);
    site->a2 = fabric_add(net->fabric, &host, false);
    site->x = fabric_add(net->fabric, &host, false);
    site->wires[0] = fabric_join(net->fabric, site->b, site->a);
    site->wires[1] = fabric_join(net->fabric, site->b, site->a2);
    site->wires[2] = fabric_wire(net->fabric);
    (void)fabric_plug_boundary(net->fabric, site->wires[2], site->b, 1500);
    (void)fabric_plug(net->fabric, site->wires[2], site->o, 1500);
    site->wires[3] = fabric_join(net->fabric, site->o, site->x);
    site_routes(site);
    internet_announce(net, site->b, 0, "T5");
    internet_own(net, site->b, "B.r");
    internet_own(net, site->o, "O.r");
    // Of the link address, as a host makes it from the router's prefix.
    const size_t hosts[] = {site->a, site->a2};
    for (size_t i = 0; i < 2; i++) {
        const struct link_address link = node_interface(internet_node(net, hosts[i]), 0)->link;
        struct sequence own =
            sequence_of(sipp_local_use((uint8_t)(5 + i), link.octets, sizeof(link.octets)));
        assert_true(node_add_own(internet_node(net, hosts[i]), &own, NULL));
    }
    internet_own(net, site->a, "G.a");
    internet_own(net, site->x, "X.x");
    const char *const groups[] = {"SITE", "ALL", "NODE"};
    for (size_t i = 0; i < 3; i++) {
        internet_own(net, site->a, groups[i]);
        internet_own(net, site->x, groups[i]);
    }
    fabric_run(net->fabric, duration_s(12));
    net->seen_count = 0;
    *state = site;
    return 0;
}

static int site_teardown(void **state)
{
    struct site *site = *state;
    internet_free(site->net);
    test_free(site);
    return 0;
}

static struct sipp_address local_of(const struct site *site, size_t host, uint8_t subnet)
{
    const struct link_address link = node_interface(internet_node(site->net, host), 0)->link;
    return sipp_local_use(subnet, link.octets, sizeof(link.octets));
}

static void send_between(const struct site *site, size_t from, struct sipp_address source,
                         struct sipp_address destination)
{
    struct route route = {.count = 2, .active = 1, .addresses = {source, destination}};
    site->net->seen_count = 0;
    internet_send(site->net, from, &route);
    fabric_run(site->net->fabric, duration_s(1));
}

static size_t echoes_on(const struct site *site, size_t wire)
{
    return internet_count_on_wire(site->net, site->wires[wire], ICMP_ECHO);
}

static void test_local_use_crosses_subnets_of_a_site(void **state)
{
    struct site *site = *state;
    struct node_event event;
    send_between(site, site->a, local_of(site, site->a, 5), local_of(site, site->a2, 6));
    assert_int_equal(echoes_on(site, 1), 1);
    assert_true(internet_event(site->net, site->a, EVENT_ECHO_REPLY, &event));
}

static void test_local_use_does_not_leave_its_site(void **state)
{
    struct site *site = *state;
    struct node_event event;
    send_between(site, site->a, local_of(site, site->a, 5), internet_address(site->net, "X.x"));
    assert_int_equal(echoes_on(site, 0), 1);
    assert_int_equal(echoes_on(site, 2), 0);
    assert_int_equal(internet_counter(site->net, site->b, DROP_SCOPE), 1);
    assert_true(internet_event(site->net, site->a, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.code, ICMP_BEYOND_SCOPE);
    // From the global address of the same host it does.
    send_between(site, site->a, internet_address(site->net, "G.a"),
                 internet_address(site->net, "X.x"));
    assert_true(internet_event(site->net, site->a, EVENT_ECHO_REPLY, &event));
}

static void test_local_use_does_not_enter_a_site(void **state)
{
    struct site *site = *state;
    // To an address of the site from outside, and as if it came from inside.
    send_between(site, site->x, internet_address(site->net, "X.x"), local_of(site, site->a, 5));
    assert_int_equal(echoes_on(site, 2), 1);
    assert_int_equal(echoes_on(site, 0), 0);
    send_between(site, site->x, local_of(site, site->a2, 6), internet_address(site->net, "G.a"));
    assert_int_equal(echoes_on(site, 2), 1);
    assert_int_equal(echoes_on(site, 0), 0);
    assert_int_equal(internet_counter(site->net, site->b, DROP_SCOPE), 2);
}

static void test_groups_of_the_site_stay_in_it(void **state)
{
    struct site *site = *state;
    struct sipp_address from_a = internet_address(site->net, "G.a");
    struct sipp_address from_x = internet_address(site->net, "X.x");
    // Out and in: nothing of site scope passes B, everything of global scope does.
    send_between(site, site->a, from_a, internet_address(site->net, "SITE"));
    assert_int_equal(echoes_on(site, 0), 1);
    assert_int_equal(echoes_on(site, 2), 0);
    send_between(site, site->a, from_a, internet_address(site->net, "ALL"));
    assert_int_equal(echoes_on(site, 2), 1);
    assert_int_equal(echoes_on(site, 3), 1);
    uint64_t dropped = internet_counter(site->net, site->b, DROP_SCOPE);
    send_between(site, site->x, from_x, internet_address(site->net, "SITE"));
    assert_int_equal(echoes_on(site, 2), 1);
    assert_int_equal(echoes_on(site, 0), 0);
    assert_int_equal(internet_counter(site->net, site->b, DROP_SCOPE), dropped + 1);
    send_between(site, site->x, from_x, internet_address(site->net, "ALL"));
    assert_int_equal(echoes_on(site, 0), 1);
    // What has the scope of a node does not even reach the wire.
    send_between(site, site->a, from_a, internet_address(site->net, "NODE"));
    assert_int_equal(site->net->seen_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hosts_do_not_relay, internet_setup_simple,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_local_use_stays_on_its_link, internet_setup_simple,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_local_use_crosses_subnets_of_a_site, site_setup,
                                        site_teardown),
        cmocka_unit_test_setup_teardown(test_local_use_does_not_leave_its_site, site_setup,
                                        site_teardown),
        cmocka_unit_test_setup_teardown(test_local_use_does_not_enter_a_site, site_setup,
                                        site_teardown),
        cmocka_unit_test_setup_teardown(test_groups_of_the_site_stay_in_it, site_setup,
                                        site_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
