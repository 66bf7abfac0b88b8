// SPDX-License-Identifier: BSD-2-Clause
// Mobility (overview §7).
#include "internet.h"

static const struct mobile_key key = {{1, 2, 3}};

struct away {
    struct internet *net;
    size_t base;
    size_t radio;
    struct sequence home;
};

// H is mobile, D its home station; a base station D.d with a link of its own stands behind R. It is
// known to the whole internet.
static int away_setup(void **state)
{
    struct away *away = test_malloc(sizeof(*away));
    struct internet *net = internet_extended();
    const struct node_config config = {.router = true, .base_station = true};
    away->net = net;
    away->home = internet_sequence(net, "Q.D:S.H");
    away->base = fabric_add(net->fabric, &config, true);
    away->radio = fabric_wire(net->fabric);
    (void)fabric_plug(net->fabric, away->radio, away->base, 1500);
    (void)fabric_join(net->fabric, away->base, R);
    internet_own(net, away->base, "D.d");
    fabric_originate(net->fabric, away->base, internet_prefix(net, "D.d"), NODE_NO_INTERFACE);
    fabric_route(net->fabric);
    struct sipp_prefix sd = internet_prefix(net, "SD");
    forwarding_set(node_forwarding(internet_node(net, D)), &sd,
                   (struct next_hop){0, SIPP_ADDRESS_NONE});
    struct path station = internet_path(net, "Q.D:SD.r");
    assert_true(
        node_serve_mobile(internet_node(net, D), sequence_identity(&away->home), &key, NULL));
    internet_disown(net, H, "P.D:S.H");
    node_be_mobile(internet_node(net, H), &away->home, &station, &key);
    fabric_run(net->fabric, duration_s(12));
    *state = away;
    return 0;
}

static int away_teardown(void **state)
{
    struct away *away = *state;
    internet_free(away->net);
    test_free(away);
    return 0;
}

// Carries H to another wire and waits until it has said so.
static void carry(const struct away *away, size_t wire)
{
    fabric_unplug(away->net->fabric, H, 0);
    fabric_replug(away->net->fabric, wire, H, 0);
    fabric_run(away->net->fabric, duration_s(12));
    away->net->seen_count = 0;
}

static void assert_registered(const struct away *away, const char *expected)
{
    struct node_event event;
    struct sequence place = internet_sequence(away->net, expected);
    bool found = false;
    while (internet_event(away->net, H, EVENT_REGISTERED, &event))
        found = sequence_equal(&event.sequence, &place);
    assert_true(found);
}

static void assert_answered(const struct away *away, size_t from, const char *to)
{
    struct node_event event;
    away->net->seen_count = 0;
    internet_ping(away->net, from, NULL, to, 64);
    assert_true(internet_event(away->net, from, EVENT_ECHO_REPLY, &event));
}

static void test_section_7_1(void **state)
{
    struct away *away = *state;
    struct internet *net = away->net;
    assert_answered(away, I, "Q.D:S.H");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *Q.D, S.H");

    carry(away, away->radio);
    assert_registered(away, "D.d:S.H");
    // The first packet takes the old route and the home station's tunnel; the answer shows the
    // new one; from then on it is direct.
    assert_answered(away, I, "Q.D:S.H");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *Q.D, S.H");
    assert_string_equal(internet_route_seen(net, away->base, ICMP_ECHO, 0), "S.I, Q.E, Q.D, *S.H");
    assert_answered(away, H, "Q.E:S.I");
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "S.H, D.d, *Q.E, S.I");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, Q.E, *D.d, S.H");
    assert_answered(away, I, "Q.D:S.H");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *D.d, S.H");
    assert_string_equal(internet_route_seen(net, D, ICMP_ECHO, 0), "nothing");

    carry(away, net->lan_d);
    assert_answered(away, H, "Q.E:S.I");
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "S.H, Q.D, *Q.E, S.I");
}

// Somebody on the home link. (Its answers find
// no way back in this internet: subnet numbers mean nothing outside of domain D.)
static void test_a_neighbour_at_home_reaches_it_away(void **state)
{
    struct away *away = *state;
    struct internet *net = away->net;
    size_t neighbour = fabric_add(net->fabric, &(struct node_config){.router = false}, false);
    (void)fabric_plug(net->fabric, net->lan_d, neighbour, 1500);
    internet_own(net, neighbour, "2000:000d:0001:0055");
    fabric_run(net->fabric, duration_s(12));
    assert_answered(away, neighbour, "S.H");
    carry(away, away->radio);
    // At once, and when all that was known has run out. The path is what H's answers showed.
    for (int i = 0; i < 2; i++) {
        net->seen_count = 0;
        internet_ping(net, neighbour, NULL, "S.H", 64);
        assert_string_equal(internet_route_seen(net, away->base, ICMP_ECHO, 0),
                            "2000:000d:0001:0055, Q.D, *S.H");
        fabric_run(net->fabric, duration_s(120));
    }
    carry(away, net->lan_d);
    assert_answered(away, neighbour, "S.H");
}

// The mobile host goes on to where nobody tells the correspondent. The base station's error brings
// the correspondent back to the old route and the home station.
static void test_correspondent_falls_back(void **state)
{
    struct away *away = *state;
    struct internet *net = away->net;
    struct node_event event;
    carry(away, away->radio);
    assert_answered(away, I, "Q.D:S.H");
    assert_answered(away, I, "Q.D:S.H");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *D.d, S.H");
    carry(away, net->lan_d);
    // H's presence at the base station must run out before anybody notices.
    fabric_run(net->fabric, duration_s(70));
    internet_ping(net, I, NULL, "Q.D:S.H", 64);
    fabric_run(net->fabric, duration_s(5));
    assert_true(internet_event(net, I, EVENT_ERROR, &event));
    assert_answered(away, I, "Q.D:S.H");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *Q.D, S.H");
}

static void send_registration(struct internet *net, struct icmp_registration registration,
                              const struct mobile_key *with)
{
    struct icmp_message message = {.type = ICMP_REGISTRATION_REQUEST};
    struct path to = internet_path(net, "Q.D:SD.r");
    struct route route;
    uint8_t bytes[ICMP_MESSAGE_MAX];
    message.registration = registration;
    icmp_registration_sign(&message, with);
    assert_true(
        node_route_to(internet_node(net, I), internet_now(net, I), NULL, &to, &route, NULL));
    size_t length = icmp_encode(route_source(&route), route_destination(&route), &message, bytes,
                                sizeof(bytes));
    assert_true(node_send(internet_node(net, I), internet_now(net, I), &route, 64,
                          SIPP_PAYLOAD_ICMP, bytes, length, NULL));
    fabric_run(net->fabric, duration_s(1));
}

static void test_forged_registration_changes_nothing(void **state)
{
    struct internet *net = *state;
    const struct mobile_key wrong = {{2}};
    struct sipp_address mobile = internet_address(net, "S.H");
    const struct icmp_registration request = {60, 1, mobile, internet_address(net, "Q.E"), {0}};
    assert_true(node_serve_mobile(internet_node(net, D), mobile, &key, NULL));
    for (int round = 0; round < 3; round++) {
        uint64_t bad = internet_counter(net, D, DROP_BAD_ICMP);
        struct node_event event;
        send_registration(net, request, round == 0 ? &wrong : &key);
        // Wrong key, right key, then the same message once more.
        assert_int_equal(internet_counter(net, D, DROP_BAD_ICMP) - bad, round == 1 ? 0 : 1);
        assert_int_equal(internet_event(net, D, EVENT_REGISTERED, &event), round == 1);
    }
}

// A base that is itself tunnelled to, or is the home station, would make packets go round.
static void test_bases_that_make_packets_go_round(void **state)
{
    struct internet *net = *state;
    struct sipp_address mobile = internet_address(net, "S.H");
    assert_true(node_serve_mobile(internet_node(net, D), mobile, &key, NULL));
    const struct sipp_address bases[] = {mobile, internet_address(net, "SD.r"),
                                         internet_address(net, "M"), SIPP_ADDRESS_NONE,
                                         sipp_local_use(0, (const uint8_t *)"\2\0\0\0\0\1", 6)};
    for (uint64_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        struct node_event event;
        send_registration(net, (struct icmp_registration){60, 10 + i, mobile, bases[i], {0}}, &key);
        assert_false(internet_event(net, D, EVENT_REGISTERED, &event));
    }
    // One that is an address of another home station's mobile host passes; it is not tunnelled to
    // from a tunnel.
    struct sipp_address other = internet_address(net, "Q.E");
    assert_true(node_serve_mobile(internet_node(net, E), other, &key, NULL));
    send_registration(net, (struct icmp_registration){60, 20, mobile, other, {0}}, &key);
    internet_ping(net, I, NULL, "Q.D:S.H", 64);
    assert_in_range(net->seen_count, 1, 40);
}

// The home station is started again: what was registered before is not believed a second time, and
// the mobile host, whose clock may be behind, finds its way back.
static void test_registration_after_restart(void **state)
{
    struct internet *net = *state;
    struct sipp_address mobile = internet_address(net, "S.H");
    struct node_event event;
    const struct node_config config = {.router = true, .clock = UINT64_C(1) << 60};
    size_t station = fabric_add(net->fabric, &config, true);
    (void)fabric_join(net->fabric, station, R);
    assert_true(node_serve_mobile(internet_node(net, station), mobile, &key, NULL));
    internet_own(net, station, "D.d");
    fabric_originate(net->fabric, station, internet_prefix(net, "D.d"), NODE_NO_INTERFACE);
    fabric_route(net->fabric);
    struct sipp_prefix sd = internet_prefix(net, "SD");
    forwarding_set(node_forwarding(internet_node(net, D)), &sd,
                   (struct next_hop){0, SIPP_ADDRESS_NONE});
    // H's clock is far behind.
    struct sequence home = internet_sequence(net, "Q.D:S.H");
    struct path to = internet_path(net, "D.d");
    internet_disown(net, H, "P.D:S.H");
    node_be_mobile(internet_node(net, H), &home, &to, &key);
    fabric_run(net->fabric, duration_s(15));
    assert_true(internet_event(net, H, EVENT_REGISTERED, &event));
    assert_true(internet_event(net, station, EVENT_REGISTERED, &event));
    assert_true(internet_counter(net, station, DROP_BAD_ICMP) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_section_7_1, away_setup, away_teardown),
        cmocka_unit_test_setup_teardown(test_forged_registration_changes_nothing,
                                        internet_setup_extended, internet_teardown),
        cmocka_unit_test_setup_teardown(test_a_neighbour_at_home_reaches_it_away, away_setup,
                                        away_teardown),
        cmocka_unit_test_setup_teardown(test_correspondent_falls_back, away_setup, away_teardown),
        cmocka_unit_test_setup_teardown(test_bases_that_make_packets_go_round,
                                        internet_setup_extended, internet_teardown),
        cmocka_unit_test_setup_teardown(test_registration_after_restart, internet_setup_extended,
                                        internet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
