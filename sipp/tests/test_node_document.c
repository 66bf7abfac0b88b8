// SPDX-License-Identifier: BSD-2-Clause
// The document's examples as packets (overview §5, §6.0.1).
#include "internet.h"

static void test_section_5_1(void **state)
{
    struct internet *net = *state;
    struct node_event event;
    internet_ping(net, H, NULL, "Q.E.I", 64);
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "Q.D.H, *Q.E.I");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO_REPLY, 0), "Q.E.I, *Q.D.H");
    assert_true(internet_event(net, H, EVENT_ECHO_REPLY, &event));
    assert_int_equal(event.icmp.echo.length, 5);
    assert_memory_equal(event.icmp.echo.data, "hello", 5);
}

static void test_section_5_2(void **state)
{
    struct internet *net = *state;
    struct node_event event;
    internet_ping(net, H, "P.0", "Q.E.I", 64);
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "P.D.H, *P.0, Q.E.I");
    assert_string_equal(internet_route_seen(net, D, ICMP_ECHO, 0), "P.D.H, *P.0, Q.E.I");
    assert_string_equal(internet_route_seen(net, P, ICMP_ECHO, 0), "P.D.H, P.0, *Q.E.I");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO_REPLY, 0), "Q.E.I, *P.0, P.D.H");
    assert_true(internet_event(net, H, EVENT_ECHO_REPLY, &event));
    assert_event_route(net, event, "Q.E.I, P.0, *P.D.H");

    // I knows provider Q well enough to insist on it.
    net->seen_count = 0;
    internet_ping(net, I, "Q.0", "P.0:P.D.H", 64);
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO, 0), "Q.E.I, *Q.0, P.0, P.D.H");
    assert_string_equal(internet_route_seen(net, Q, ICMP_ECHO, 0), "Q.E.I, Q.0, *P.0, P.D.H");
    assert_true(internet_event(net, I, EVENT_ECHO_REPLY, &event));
}

// A host that sends from its address under Q through P is inside P as much as its router is.
static void test_provider_is_not_short_cut(void **state)
{
    struct internet *net = *state;
    struct node *h = internet_node(net, H);
    struct sequence source = internet_sequence(net, "Q.D.H");
    struct path via = internet_path(net, "P.0");
    struct path to = internet_path(net, "Q.E.I");
    struct route route;
    assert_true(route_form(&source, &via, &to, &route));
    assert_true(node_send_echo(h, fabric_now(net->fabric, h), &route, 64, 1, 1, NULL, 0, NULL));
    fabric_run(net->fabric, duration_s(1));
    assert_string_equal(internet_route_seen(net, D, ICMP_ECHO, 0), "Q.D.H, *P.0, Q.E.I");
    assert_string_equal(internet_route_seen(net, P, ICMP_ECHO, 0), "Q.D.H, P.0, *Q.E.I");
}

static void test_section_5_3(void **state)
{
    struct internet *net = *state;
    struct node_event event;
    internet_ping(net, H, NULL, "Q.E:S.I", 64);
    assert_string_equal(internet_route_seen(net, H, ICMP_ECHO, 0), "S.H, Q.D, *Q.E, S.I");
    assert_string_equal(internet_route_seen(net, E, ICMP_ECHO, 0), "S.H, Q.D, Q.E, *S.I");
    assert_string_equal(internet_route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, Q.E, *Q.D, S.H");
    assert_true(internet_event(net, H, EVENT_ECHO_REPLY, &event));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_section_5_1, internet_setup_simple, internet_teardown),
        cmocka_unit_test_setup_teardown(test_section_5_2, internet_setup_simple, internet_teardown),
        cmocka_unit_test_setup_teardown(test_provider_is_not_short_cut, internet_setup_simple,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_section_5_3, internet_setup_extended,
                                        internet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
