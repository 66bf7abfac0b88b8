// SPDX-License-Identifier: BSD-2-Clause
// Mobility (overview §7).
#include "internet.h"

static void test_section_7_1(void **state)
{
    struct internet *net = *state;
    struct mobile_key key = {{1, 2, 3}};
    struct sequence home = internet_sequence(net, "Q.D:S.H");
    struct path station = internet_path(net, "Q.D:SD.r");
    struct node_event event;
    // A base station with a link of its own, known to the whole internet as D.d.
    const struct node_config config = {.router = true, .base_station = true};
    size_t base = fabric_add(net->fabric, &config, true);
    size_t radio = fabric_wire(net->fabric);
    (void)fabric_plug(net->fabric, radio, base, 1500);
    (void)fabric_join(net->fabric, base, R);
    internet_own(net, base, "D.d");
    fabric_originate(net->fabric, base, internet_prefix(net, "D.d"), NODE_NO_INTERFACE);
    fabric_route(net->fabric);
    struct sipp_prefix sd = internet_prefix(net, "SD");
    forwarding_set(node_forwarding(internet_node(net, D)), &sd,
                   (struct next_hop){0, SIPP_ADDRESS_NONE});
    assert_true(node_serve_mobile(internet_node(net, D), sequence_identity(&home), &key, NULL));
    struct sequence unused = internet_sequence(net, "P.D:S.H");
    assert_true(node_remove_own(internet_node(net, H), &unused));
    node_be_mobile(internet_node(net, H), &home, &station, &key);
    fabric_run(net->fabric, duration_s(12));

    internet_ping(net, I, NULL, "Q.D:S.H", 64);
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *Q.D, S.H");
    assert_true(internet_event(net, I, EVENT_ECHO_REPLY, &event));

    fabric_unplug(net->fabric, H, 0);
    fabric_replug(net->fabric, radio, H, 0);
    fabric_run(net->fabric, duration_s(12));
    assert_true(internet_event(net, H, EVENT_REGISTERED, &event) &&
                internet_event(net, H, EVENT_REGISTERED, &event));
    net->seen_count = 0;
    internet_ping(net, I, NULL, "Q.D:S.H", 64);
    // The first packet takes the old route and the home station's tunnel; the answer shows the
    // new one; from then on it is direct.
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *Q.D, S.H");
    assert_string_equal(internet_route_seen(net, base, ICMP_ECHO, 0), "S.I, Q.E, Q.D, *S.H");
    assert_true(internet_event(net, I, EVENT_ECHO_REPLY, &event));
    net->seen_count = 0;
    internet_ping(net, H, NULL, "Q.E:S.I", 64);
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "S.H, D.d, *Q.E, S.I");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, Q.E, *D.d, S.H");
    assert_true(internet_event(net, H, EVENT_ECHO_REPLY, &event));
    net->seen_count = 0;
    internet_ping(net, I, NULL, "Q.D:S.H", 64);
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *D.d, S.H");
    assert_string_equal(internet_route_seen(net, D, ICMP_ECHO, 0), "nothing");
    assert_true(internet_event(net, I, EVENT_ECHO_REPLY, &event));

    // And home again.
    fabric_unplug(net->fabric, H, 0);
    fabric_replug(net->fabric, net->lan_d, H, 0);
    fabric_run(net->fabric, duration_s(12));
    net->seen_count = 0;
    internet_ping(net, H, NULL, "Q.E:S.I", 64);
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "S.H, Q.D, *Q.E, S.I");
    assert_true(internet_event(net, H, EVENT_ECHO_REPLY, &event));
}

static void test_forged_registration_changes_nothing(void **state)
{
    struct internet *net = *state;
    struct mobile_key key = {{1}};
    struct mobile_key wrong = {{2}};
    struct sequence home = internet_sequence(net, "Q.D:S.H");
    struct node *d = internet_node(net, D);
    assert_true(node_serve_mobile(d, sequence_identity(&home), &key, NULL));
    struct icmp_message message = {.type = ICMP_REGISTRATION_REQUEST};
    message.registration = (struct icmp_registration){
        60, 1, sequence_identity(&home), internet_address(net, "Q.E"), {0}};
    struct route route;
    struct path to = internet_path(net, "Q.D:SD.r");
    struct node *i = internet_node(net, I);
    for (int round = 0; round < 3; round++) {
        uint8_t bytes[ICMP_MESSAGE_MAX];
        uint64_t bad = node_counter(d, DROP_BAD_ICMP);
        struct node_event event;
        icmp_registration_sign(&message, round == 0 ? &wrong : &key);
        assert_true(node_route_to(i, fabric_now(net->fabric, i), NULL, &to, &route, NULL));
        size_t length = icmp_encode(route_source(&route), route_destination(&route), &message,
                                    bytes, sizeof(bytes));
        assert_true(node_send(i, fabric_now(net->fabric, i), &route, 64, SIPP_PAYLOAD_ICMP, bytes,
                              length, NULL));
        fabric_run(net->fabric, duration_s(1));
        // Wrong key, right key, then the same message once more.
        assert_int_equal(node_counter(d, DROP_BAD_ICMP) - bad, round == 1 ? 0 : 1);
        assert_int_equal(internet_event(net, D, EVENT_REGISTERED, &event), round == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_section_7_1, internet_setup_extended,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_forged_registration_changes_nothing,
                                        internet_setup_extended, internet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
