// SPDX-License-Identifier: BSD-2-Clause
// Multicast (overview §6).
#include "internet.h"

static void test_section_6_0_1(void **state)
{
    struct internet *net = *state;
    struct node_event event;
    internet_own(net, I, "M");
    fabric_run(net->fabric, duration_s(11));
    net->seen_count = 0;
    internet_ping(net, H, NULL, "M", 64);
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "S.H, P.D, *M");
    // The packet reaches I once, unchanged.
    assert_string_equal(internet_route_seen(net, E, ICMP_ECHO, 0), "S.H, P.D, *M");
    assert_true(internet_event(net, H, EVENT_ECHO_REPLY, &event));
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, R.E, *P.D, S.H");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO_REPLY, 1), "nothing");
    // Only because copies that came another way than P.D lies were dropped: the providers form a
    // ring, and each of them heard of the others as routers.
    uint64_t dropped = 0;
    for (size_t i = P; i <= R; i++)
        dropped += internet_counter(net, i, DROP_REVERSE_PATH);
    assert_true(dropped > 0);
    // D, where the sender is, looked one address further behind than they did (§6.0.2).
    assert_int_equal(internet_counter(net, D, DROP_NO_ROUTE), 0);
    assert_true(internet_counter(net, D, COUNT_FORWARDED) > 0);
}

// The document's example exactly: from the sequence under Q.
static void test_section_6_0_1_under_q(void **state)
{
    struct internet *net = *state;
    struct sequence other = internet_sequence(net, "P.D:S.H");
    assert_true(node_remove_own(internet_node(net, H), &other));
    internet_own(net, I, "M");
    fabric_run(net->fabric, duration_s(11));
    internet_ping(net, H, NULL, "M", 64);
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "S.H, Q.D, *M");
    assert_string_equal(internet_route_seen(net, E, ICMP_ECHO, 0), "S.H, Q.D, *M");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, Q.E, *Q.D, S.H");
}

// ---- several routers on one link
//
//     sender ---- U ---- X, Y     X and Y both reach the sender through U, and both are on the LAN.
//                        |  |     Z is too, and has another LAN behind it. X has the lower link
//                 -------+--+--+--- member      address of X and Y, Z the lowest of all.
//                              Z ---- far member

struct lan {
    struct internet *net;
    size_t sender;
    size_t u;
    size_t x;
    size_t y;
    size_t z;
    size_t member;
    size_t far_member;
    size_t wire;
    size_t upper;
    size_t far_wire;
};

static struct lan *lan_new(void)
{
    struct lan *lan = test_malloc(sizeof(*lan));
    struct internet *net = internet_new("A 0010:0000:0000:0000/32\nA.s +7/32\nL "
                                        "0020:0000:0000:0000/32\nL.m +7/32\nF "
                                        "0030:0000:0000:0000/32\nF.m +7/32\n"
                                        "M 7f0e:0000:0000:0777\n");
    const struct node_config router = {.router = true};
    const struct node_config host = {.router = false};
    size_t *const routers[] = {&lan->z, &lan->x, &lan->y, &lan->u};
    size_t *const hosts[] = {&lan->sender, &lan->member, &lan->far_member};
    lan->net = net;
    for (size_t i = 0; i < 4; i++)
        *routers[i] = fabric_add(net->fabric, &router, false);
    for (size_t i = 0; i < 3; i++)
        *hosts[i] = fabric_add(net->fabric, &host, false);
    (void)fabric_join(net->fabric, lan->u, lan->sender);
    lan->upper = fabric_wire(net->fabric);
    lan->wire = fabric_wire(net->fabric);
    size_t on_upper[] = {lan->u, lan->x, lan->y};
    size_t on_lan[] = {lan->x, lan->y, lan->z, lan->member};
    for (size_t i = 0; i < 3; i++)
        (void)fabric_plug(net->fabric, lan->upper, on_upper[i], 1500);
    for (size_t i = 0; i < 4; i++)
        (void)fabric_plug(net->fabric, lan->wire, on_lan[i], 1500);
    lan->far_wire = fabric_join(net->fabric, lan->z, lan->far_member);
    fabric_originate(net->fabric, lan->u, internet_prefix(net, "A"), 0);
    fabric_originate(net->fabric, lan->x, internet_prefix(net, "L"), 1);
    fabric_originate(net->fabric, lan->y, internet_prefix(net, "L"), 1);
    fabric_originate(net->fabric, lan->z, internet_prefix(net, "F"), 1);
    fabric_route(net->fabric);
    internet_own(net, lan->sender, "A.s");
    internet_own(net, lan->member, "L.m");
    internet_own(net, lan->member, "M");
    internet_own(net, lan->far_member, "F.m");
    internet_own(net, lan->far_member, "M");
    fabric_run(net->fabric, duration_s(15));
    return lan;
}

static void lan_free(struct lan *lan)
{
    internet_free(lan->net);
    test_free(lan);
}

// How many copies of one packet cross the LAN, and Z's.
static void send_to_group(const struct lan *lan, size_t *on_lan, size_t *far)
{
    struct internet *net = lan->net;
    struct route route = {.count = 2, .active = 1};
    route.addresses[0] = internet_address(net, "A.s");
    route.addresses[1] = internet_address(net, "M");
    net->seen_count = 0;
    internet_send(net, lan->sender, &route);
    fabric_run(net->fabric, duration_ms(400));
    *on_lan = internet_count_on_wire(net, lan->wire, ICMP_ECHO);
    *far = internet_count_on_wire(net, lan->far_wire, ICMP_ECHO);
}

static void assert_once_each(const struct lan *lan, int packets)
{
    for (int i = 0; i < packets; i++) {
        size_t on_lan;
        size_t far;
        send_to_group(lan, &on_lan, &far);
        assert_int_equal(on_lan, 1);
        assert_int_equal(far, 1);
    }
}

static void test_one_of_two_routers_forwards(void **state)
{
    (void)state;
    struct lan *lan = lan_new();
    size_t on_lan;
    size_t far;
    send_to_group(lan, &on_lan, &far);
    assert_int_equal(on_lan, 2);
    // Although Z has the lowest link address, it is no candidate: it takes the packets from there.
    assert_once_each(lan, 20);
    assert_int_equal(internet_counter(lan->net, lan->y, DROP_DEFERRED), 20);
    assert_int_equal(internet_counter(lan->net, lan->x, DROP_DEFERRED), 0);
    // A sender that pauses for long is still brought by the same router, and once.
    fabric_run(lan->net->fabric, duration_s(600));
    assert_once_each(lan, 2);
    lan_free(lan);
}

static void test_another_router_takes_over(void **state)
{
    (void)state;
    struct lan *lan = lan_new();
    size_t on_lan;
    size_t far;
    send_to_group(lan, &on_lan, &far);
    assert_once_each(lan, 3);
    fabric_unplug(lan->net->fabric, lan->x, 0);
    fabric_unplug(lan->net->fabric, lan->x, 1);
    size_t lost = 0;
    for (on_lan = 0; on_lan == 0 && lost < 100; lost += on_lan == 0 ? 1 : 0)
        send_to_group(lan, &on_lan, &far);
    // Packets come every 400 ms; Y waits for one second.
    assert_in_range(lost, 1, 3);
    assert_once_each(lan, 5);
    // The first one comes back: it forwards, and the other one hears it.
    fabric_replug(lan->net->fabric, lan->upper, lan->x, 0);
    fabric_replug(lan->net->fabric, lan->wire, lan->x, 1);
    fabric_run(lan->net->fabric, duration_s(11));
    send_to_group(lan, &on_lan, &far);
    assert_int_equal(on_lan, 2);
    assert_once_each(lan, 5);
    lan_free(lan);
}

// A router that dies while nothing is sent is not waited for once its announcement has run out.
static void test_a_silent_death_costs_no_packet(void **state)
{
    (void)state;
    struct lan *lan = lan_new();
    size_t on_lan;
    size_t far;
    send_to_group(lan, &on_lan, &far);
    assert_once_each(lan, 1);
    fabric_unplug(lan->net->fabric, lan->x, 0);
    fabric_unplug(lan->net->fabric, lan->x, 1);
    fabric_run(lan->net->fabric, duration_s(35));
    assert_once_each(lan, 3);
    lan_free(lan);
}

// Only a router can take the place of a router: a host's copies change nothing.
static void test_hosts_are_not_elected(void **state)
{
    (void)state;
    struct lan *lan = lan_new();
    size_t on_lan;
    size_t far;
    send_to_group(lan, &on_lan, &far);
    assert_once_each(lan, 2);
    struct route route = {.count = 2, .active = 1};
    route.addresses[0] = internet_address(lan->net, "A.s");
    route.addresses[1] = internet_address(lan->net, "M");
    const struct link_address lowest = {{0, 0, 0, 0, 0, 1}};
    uint64_t before = internet_counter(lan->net, lan->x, DROP_REVERSE_PATH);
    for (int i = 0; i < 10; i++) {
        uint8_t bytes[100];
        struct node_hop hop;
        size_t length = packet_encode(&route, 0, 60, SIPP_PAYLOAD_UDP, (const uint8_t *)"copy", 4,
                                      bytes, sizeof(bytes));
        assert_int_equal(node_receive(internet_node(lan->net, lan->x),
                                      internet_now(lan->net, lan->x), 1, &lowest, bytes, length,
                                      &hop),
                         NODE_DONE);
    }
    assert_int_equal(internet_counter(lan->net, lan->x, DROP_REVERSE_PATH), before + 10);
    assert_once_each(lan, 3);
    lan_free(lan);
}

// More groups than are remembered: the link gets every group, and no member goes without.
static void test_more_groups_than_are_remembered(void **state)
{
    (void)state;
    struct internet *net = internet_new("A 0010:0000:0000:0000/32\nA.s +7/32\nL "
                                        "0020:0000:0000:0000/32\nL.m +7/32\n"
                                        "M 7f0e:0000:0000:0777\n");
    const struct node_config host = {.router = false};
    size_t router = fabric_add(net->fabric, &(struct node_config){.router = true}, false);
    size_t sender = fabric_add(net->fabric, &host, false);
    size_t wire = fabric_wire(net->fabric);
    (void)fabric_join(net->fabric, router, sender);
    (void)fabric_plug(net->fabric, wire, router, 1500);
    fabric_originate(net->fabric, router, internet_prefix(net, "A"), 0);
    fabric_route(net->fabric);
    internet_own(net, sender, "A.s");
    for (uint64_t i = 0; i < 8; i++) {
        size_t crowd = fabric_add(net->fabric, &host, false);
        (void)fabric_plug(net->fabric, wire, crowd, 1500);
        struct sequence own = sequence_of((struct sipp_address){0x0020000000000100 + i});
        assert_true(node_add_own(internet_node(net, crowd), &own, NULL));
        for (uint64_t j = 0; j < 10; j++) {
            struct sequence group =
                sequence_of(sipp_multicast(SIPP_SCOPE_GLOBAL, 0x1000 + i * 16 + j));
            assert_true(node_add_own(internet_node(net, crowd), &group, NULL));
        }
    }
    fabric_run(net->fabric, duration_s(12));
    size_t member = fabric_add(net->fabric, &host, false);
    (void)fabric_plug(net->fabric, wire, member, 1500);
    internet_own(net, member, "L.m");
    internet_own(net, member, "M");
    fabric_run(net->fabric, duration_s(12));
    struct route route = {.count = 2, .active = 1};
    route.addresses[0] = internet_address(net, "A.s");
    route.addresses[1] = internet_address(net, "M");
    internet_send(net, sender, &route);
    fabric_run(net->fabric, duration_s(1));
    assert_int_equal(internet_count_on_wire(net, wire, ICMP_ECHO), 1);
    internet_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_section_6_0_1, internet_setup_extended,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_section_6_0_1_under_q, internet_setup_extended,
                                        internet_teardown),
        cmocka_unit_test(test_one_of_two_routers_forwards),
        cmocka_unit_test(test_another_router_takes_over),
        cmocka_unit_test(test_a_silent_death_costs_no_packet),
        cmocka_unit_test(test_hosts_are_not_elected),
        cmocka_unit_test(test_more_groups_than_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
