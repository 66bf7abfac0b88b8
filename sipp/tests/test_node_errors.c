// SPDX-License-Identifier: BSD-2-Clause
// ICMP errors: who is told, along which way, and how often.
#include "internet.h"

static void test_errors_return_along_the_sequence(void **state)
{
    struct internet *net = *state;
    struct node_event event;
    internet_ping(net, H, NULL, "Q.E:S.I", 2);
    assert_true(internet_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.type, ICMP_TIME_EXCEEDED);
    assert_event_route(net, event, "Q.r, Q.D, *S.H");
    struct packet quoted;
    char text[ROUTE_TEXT_MAX];
    assert_int_equal(packet_decode(event.icmp.error.quote, event.icmp.error.quote_length, &quoted),
                     PACKET_OK);
    assert_string_equal(route_print(net->names, &quoted.route, text), "S.H, Q.D, *Q.E, S.I");

    // After the last advance the way back leads through every address used.
    internet_ping(net, H, NULL, "Q.E:SE.r:2000:000e:0001:00ff", 64);
    fabric_run(net->fabric, duration_s(5));
    assert_true(internet_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.code, ICMP_NO_NODE);
    assert_event_route(net, event, "SE.r, Q.E, SE.r, Q.E, Q.D, *S.H");

    internet_ping(net, H, NULL, "R.E:2000:0001:0000:0001", 64);
    assert_true(internet_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.code, ICMP_NO_ROUTE);
}

static void test_too_big(void **state)
{
    (void)state;
    struct internet *net = internet_new("A 0010:0000:0000:0001\nB 0020:0000:0000:0001\n"
                                        "r 0010:0000:0000:0002\n");
    const struct node_config router = {.router = true};
    const struct node_config host = {.router = false};
    size_t a = fabric_add(net->fabric, &host, false);
    size_t b = fabric_add(net->fabric, &host, false);
    size_t r = fabric_add(net->fabric, &router, false);
    size_t left = fabric_wire(net->fabric);
    size_t right = fabric_wire(net->fabric);
    (void)fabric_plug(net->fabric, left, a, 1500);
    (void)fabric_plug(net->fabric, right, b, 600);
    uint16_t r_left = fabric_plug(net->fabric, left, r, 1500);
    uint16_t r_right = fabric_plug(net->fabric, right, r, 600);
    internet_own(net, a, "A");
    internet_own(net, b, "B");
    internet_own(net, r, "r");
    fabric_originate(net->fabric, r, sipp_prefix_of(internet_address(net, "A"), 32), r_left);
    fabric_originate(net->fabric, r, sipp_prefix_of(internet_address(net, "B"), 32), r_right);
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(1));
    struct node *node = internet_node(net, a);
    struct path to = internet_path(net, "B");
    struct route route;
    static const uint8_t data[600];
    assert_true(node_route_to(node, fabric_now(net->fabric, node), NULL, &to, &route, NULL));
    assert_true(
        node_send_echo(node, fabric_now(net->fabric, node), &route, 64, 1, 1, data, 600, NULL));
    assert_true(
        node_send_echo(node, fabric_now(net->fabric, node), &route, 64, 1, 2, data, 568, NULL));
    fabric_run(net->fabric, duration_s(1));
    // In either order, as frames overtake each other.
    struct node_event event;
    unsigned seen = 0;
    while (node_next_event(node, &event)) {
        seen |= 1U << event.kind;
        if (event.kind != EVENT_ERROR)
            continue;
        assert_int_equal(event.icmp.code, ICMP_TOO_BIG);
        assert_int_equal(event.icmp.error.parameter, 600);
    }
    assert_int_equal(seen, 1U << EVENT_ERROR | 1U << EVENT_ECHO_REPLY);
    internet_free(net);
}

// ---- auto-configuration (§8)

static void test_errors_are_limited(void **state)
{
    (void)state;
    struct internet *net = internet_new("A 0010:0000:0000:0001\nr 0010:0000:0000:0002\n");
    const struct node_config router = {.router = true, .errors_per_second = 5};
    size_t a = fabric_add(net->fabric, &(struct node_config){.router = false}, false);
    size_t r = fabric_add(net->fabric, &router, false);
    (void)fabric_join(net->fabric, a, r);
    internet_own(net, a, "A");
    internet_own(net, r, "r");
    fabric_originate(net->fabric, r, sipp_prefix_of(internet_address(net, "A"), 32), 0);
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(1));
    struct route route = {.count = 2, .active = 1};
    route.addresses[0] = internet_address(net, "A");
    route.addresses[1].bits = 0x0099000000000001;
    struct node *node = internet_node(net, a);
    for (int i = 0; i < 50; i++)
        assert_true(
            node_send_echo(node, fabric_now(net->fabric, node), &route, 64, 1, 1, NULL, 0, NULL));
    fabric_run(net->fabric, duration_ms(10));
    assert_int_equal(internet_counter(net, r, COUNT_ERRORS_SENT), 5);
    assert_int_equal(internet_counter(net, r, DROP_ERROR_LIMIT), 45);
    internet_free(net);
}

// Whoever runs the node has no use for a payload: the sender hears of it.
static void test_refused_payload(void **state)
{
    struct internet *net = *state;
    struct path to = internet_path(net, "Q.E:S.I");
    struct route route;
    struct node_event event;
    assert_true(
        node_route_to(internet_node(net, H), internet_now(net, H), NULL, &to, &route, NULL));
    assert_true(node_send(internet_node(net, H), internet_now(net, H), &route, 64, SIPP_PAYLOAD_UDP,
                          (const uint8_t *)"datagram", 8, NULL));
    fabric_run(net->fabric, duration_s(1));
    assert_true(internet_event(net, I, EVENT_PACKET, &event));
    node_refuse(internet_node(net, I), internet_now(net, I), &event, ICMP_NO_PORT);
    fabric_run(net->fabric, duration_s(1));
    assert_true(internet_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.type, ICMP_UNREACHABLE);
    assert_int_equal(event.icmp.code, ICMP_NO_PORT);
    assert_event_route(net, event, "S.I, Q.E, Q.D, *S.H");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_errors_return_along_the_sequence,
                                        internet_setup_extended, internet_teardown),
        cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_errors_are_limited),
        cmocka_unit_test_setup_teardown(test_refused_payload, internet_setup_extended,
                                        internet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
