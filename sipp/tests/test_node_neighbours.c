// SPDX-License-Identifier: BSD-2-Clause
// Who is on a link, when somebody there lies: floods, full tables, two nodes with one address.
#include "internet.h"

#include <string.h>

#define LINK_OF(n) ((struct link_address){{2, 0xee, 0, 0, (uint8_t)((n) >> 8), (uint8_t)(n)}})

// A router with a host's LAN on interface 0, and another link on interface 1.
static struct node *router_new(struct sipp_address own)
{
    const struct node_config config = {.router = true};
    const struct sipp_prefix lan = {{UINT64_C(0x0010000000000000)}, 32};
    const struct sipp_prefix other = {{UINT64_C(0x0020000000000000)}, 32};
    struct node *node = node_new(&config, random_seed_from_number(1), (struct instant){0});
    struct sequence sequence = sequence_of(own);
    for (uint8_t i = 0; i < 2; i++) {
        const struct interface interface = {.link = {{2, 0, 0, 0, 0, i}}, .mtu = 1500};
        (void)node_add_interface(node, &interface);
    }
    assert_true(node_add_own(node, &sequence, NULL));
    const struct level level = {lan, true, 0};
    assert_true(node_add_level(node, &level, NULL));
    forwarding_set(node_forwarding(node), &lan, (struct next_hop){0, SIPP_ADDRESS_NONE});
    forwarding_set(node_forwarding(node), &other, (struct next_hop){1, SIPP_ADDRESS_NONE});
    return node;
}

static const struct sipp_address own = {UINT64_C(0x0010000000000001)};

static void receive_icmp(struct node *node, struct instant now, uint16_t interface,
                         struct sipp_address source, struct sipp_address destination,
                         uint8_t hop_limit, const struct icmp_message *message)
{
    struct route route = {.count = 2, .active = 1, .addresses = {source, destination}};
    uint8_t payload[ICMP_MESSAGE_MAX];
    uint8_t bytes[ICMP_MESSAGE_MAX + SIPP_HEADER_BYTES];
    struct node_hop hop;
    size_t length = icmp_encode(source, destination, message, payload, sizeof(payload));
    length = packet_encode(&route, 0, hop_limit, SIPP_PAYLOAD_ICMP, payload, length, bytes,
                           sizeof(bytes));
    const struct link_address from = sipp_local_use_link(source);
    (void)node_receive(node, now, interface, &from, bytes, length, &hop);
}

// `link` says that `identity` is there.
static void announce(struct node *node, struct instant now, uint16_t interface,
                     struct link_address link, struct sipp_address identity, bool to_all)
{
    struct icmp_message message = {.type = ICMP_I_AM_HERE, .code = ICMP_HOST};
    message.here.lifetime = 30;
    message.here.link = link;
    message.here.identity = identity;
    receive_icmp(node, now, interface, sipp_local_use(0, link.octets, 6),
                 to_all ? sipp_multicast(SIPP_SCOPE_LINK, SIPP_GROUP_ROUTERS)
                        : sipp_local_use(0, node_interface(node, interface)->link.octets, 6),
                 255, &message);
}

static void ask(struct node *node, struct instant now, struct sipp_address asker,
                struct link_address link, struct sipp_address sought)
{
    struct icmp_message message = {.type = ICMP_WHERE_ARE_YOU};
    message.where.link = link;
    message.where.sought = sought;
    receive_icmp(node, now, 0, asker, sipp_multicast(SIPP_SCOPE_LINK, SIPP_GROUP_NODES), 255,
                 &message);
}

static size_t drain(struct node *node)
{
    struct node_output output;
    size_t count = 0;
    while (node_next_output(node, &output))
        count++;
    return count;
}

// Sends a packet towards an address of the LAN; true where its link address was known.
static bool forward_to(struct node *node, struct instant now, struct sipp_address destination,
                       struct link_address *link)
{
    struct route route = {
        .count = 2, .active = 1, .addresses = {{UINT64_C(0x0020000000000009)}, destination}};
    uint8_t bytes[100];
    struct node_hop hop;
    const struct link_address from = LINK_OF(0xffff);
    size_t length = packet_encode(&route, 0, 64, SIPP_PAYLOAD_UDP, (const uint8_t *)"x", 1, bytes,
                                  sizeof(bytes));
    if (node_receive(node, now, 1, &from, bytes, length, &hop) != NODE_FORWARD)
        return false;
    *link = hop.link;
    return true;
}

static struct sipp_address host(uint64_t number)
{
    return (struct sipp_address){UINT64_C(0x0010000000010000) + number};
}

static void test_first_holder_keeps_an_address(void **state)
{
    (void)state;
    struct node *node = router_new(own);
    struct instant now = {1000000000};
    struct link_address link;
    struct node_output output;
    (void)drain(node);
    announce(node, now, 0, LINK_OF(1), host(1), true);
    announce(node, now, 0, LINK_OF(2), host(1), true);
    assert_true(forward_to(node, now, host(1), &link));
    assert_memory_equal(&link, &LINK_OF(1), sizeof(link));
    assert_int_equal(node_counter(node, COUNT_CONFLICTS), 1);
    // The second one is told who has it.
    assert_true(node_next_output(node, &output));
    assert_memory_equal(&output.link, &LINK_OF(2), sizeof(link));
    struct packet packet;
    struct icmp_message message;
    assert_int_equal(packet_decode(output.bytes, output.length, &packet), PACKET_OK);
    assert_true(icmp_decode(route_source(&packet.route), route_destination(&packet.route),
                            output.bytes + packet.payload_offset, packet.payload_length, &message));
    assert_int_equal(message.type, ICMP_I_AM_HERE);
    assert_int_equal(message.here.identity.bits, host(1).bits);
    assert_memory_equal(&message.here.link, &LINK_OF(1), sizeof(link));
    // The first one falls silent: its time runs out, and the second one may have the address.
    now = instant_add(now, duration_s(31));
    announce(node, now, 0, LINK_OF(2), host(1), true);
    assert_true(forward_to(node, now, host(1), &link));
    assert_memory_equal(&link, &LINK_OF(2), sizeof(link));
    node_free(node);
}

static void test_the_holder_hears_of_another(void **state)
{
    (void)state;
    struct node *node = router_new(own);
    struct instant now = {1000000000};
    struct node_event event;
    announce(node, now, 0, LINK_OF(3), own, false);
    assert_true(node_next_event(node, &event));
    assert_int_equal(event.kind, EVENT_CONFLICT);
    assert_int_equal(sequence_identity(&event.sequence).bits, own.bits);
    assert_memory_equal(&event.link, &LINK_OF(3), sizeof(event.link));
    // However often it is said, one event a second.
    for (int i = 0; i < 1000; i++)
        announce(node, now, 0, LINK_OF(3), own, false);
    assert_false(node_next_event(node, &event));
    assert_int_equal(node_counter(node, COUNT_CONFLICTS), 1001);
    node_free(node);
}

static void test_cluster_addresses_cannot_be_taken(void **state)
{
    (void)state;
    struct node *node = router_new(own);
    struct instant now = {1000000000};
    struct sipp_address cluster = {UINT64_C(0x0010000000000000)};
    announce(node, now, 0, LINK_OF(1), cluster, true);
    assert_int_equal(node_counter(node, DROP_BAD_ICMP), 1);
    node_free(node);
}

// A flood of announcements fills the table of its link; who was known stays so, who is asked for
// is learned, and the other link does not notice.
static void test_full_table(void **state)
{
    (void)state;
    struct node *node = router_new(own);
    struct instant now = {1000000000};
    struct link_address link;
    announce(node, now, 0, LINK_OF(1), host(1), true);
    for (uint64_t i = 0; i < 3 * NODE_NEIGHBOURS_MAX; i++)
        announce(node, now, 0, LINK_OF(7), host(100 + i), true);
    (void)drain(node);
    assert_true(node_counter(node, DROP_NEIGHBOURS) > 2 * NODE_NEIGHBOURS_MAX);
    assert_true(forward_to(node, now, host(1), &link));
    assert_memory_equal(&link, &LINK_OF(1), sizeof(link));
    // Somebody who was not heard yet is asked for, answers, and is learned.
    struct sipp_address late = host(60000);
    assert_false(forward_to(node, now, late, &link));
    announce(node, now, 0, LINK_OF(2), late, false);
    assert_true(forward_to(node, now, late, &link));
    struct sipp_address elsewhere = {UINT64_C(0x0020000000000005)};
    announce(node, now, 1, LINK_OF(5), elsewhere, true);
    assert_int_equal(node_counter(node, DROP_NEIGHBOURS), 2 * NODE_NEIGHBOURS_MAX + 1);
    node_free(node);
}

// Packets to ever new addresses that nobody has: those who are known are reached all the time, and
// each sender is told.
static void test_scan(void **state)
{
    (void)state;
    struct node *node = router_new(own);
    struct instant now = {1000000000};
    struct link_address link;
    announce(node, now, 0, LINK_OF(1), host(1), true);
    for (uint64_t i = 0; i < 5000; i++) {
        assert_false(forward_to(node, now, host(100 + i), &link));
        (void)drain(node);
        now = instant_add(now, duration_ms(1));
        node_tick(node, now);
        assert_true(forward_to(node, now, host(1), &link));
    }
    assert_true(node_counter(node, DROP_NO_NEIGHBOUR) >= 5000 - NODE_SOUGHT_MAX);
    assert_true(node_counter(node, COUNT_ERRORS_SENT) + node_counter(node, DROP_ERROR_LIMIT) >=
                5000 - NODE_SOUGHT_MAX);
    node_free(node);
}

static void test_flood_of_where_are_you(void **state)
{
    (void)state;
    struct node *node = router_new(own);
    struct instant now = {1000000000};
    const struct link_address link = LINK_OF(1);
    struct sipp_address asker = sipp_local_use(0, link.octets, 6);
    size_t answers = 0;
    (void)drain(node);
    for (int i = 0; i < 100000; i++) {
        // Ten seconds' worth.
        ask(node, now, asker, link, i % 2 == 0 ? SIPP_ADDRESS_NONE : own);
        now = instant_add(now, duration_us(100));
        answers += drain(node);
    }
    assert_in_range(answers, NODE_ANSWERS_DEFAULT * 10, NODE_ANSWERS_DEFAULT * 11 + 1);
    assert_int_equal(node_counter(node, DROP_ANSWER_LIMIT), 100000 - answers);
    node_free(node);
}

// Nobody can have the answer sent to a third, or say something about it.
static void test_where_are_you_for_a_third(void **state)
{
    (void)state;
    struct node *node = router_new(own);
    struct instant now = {1000000000};
    const struct link_address mine = LINK_OF(1);
    (void)drain(node);
    ask(node, now, sipp_local_use(0, mine.octets, 6), LINK_OF(2), own);
    ask(node, now, host(1), LINK_OF(2), own);
    assert_int_equal(drain(node), 0);
    assert_int_equal(node_counter(node, DROP_BAD_ICMP), 2);
    node_free(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_holder_keeps_an_address),
        cmocka_unit_test(test_the_holder_hears_of_another),
        cmocka_unit_test(test_cluster_addresses_cannot_be_taken),
        cmocka_unit_test(test_full_table),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_flood_of_where_are_you),
        cmocka_unit_test(test_where_are_you_for_a_third),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
