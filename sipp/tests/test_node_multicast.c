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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_section_6_0_1, internet_setup_extended,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_section_6_0_1_under_q, internet_setup_extended,
                                        internet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
