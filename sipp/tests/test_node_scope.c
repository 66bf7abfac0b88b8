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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hosts_do_not_relay, internet_setup_simple,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_local_use_stays_on_its_link, internet_setup_simple,
                                        internet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
