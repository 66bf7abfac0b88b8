// SPDX-License-Identifier: BSD-2-Clause
// A SIPP router that serves everything it can, fed with any packets: what it sends decodes.
//
// Input: packets, each with three octets in front: interface and link address of the sender (two
// numbers in one octet), milliseconds that pass, and length.
#include "fuzzer.h"

#include "sipp/lib/node.h"

#include <assert.h>
#include <string.h>

static struct node *router_new(struct instant now)
{
    const struct node_config config = {.router = true, .base_station = true};
    struct node *node = node_new(&config, random_seed_from_number(1), now);
    const struct mobile_key key = {{1}};
    const struct sequence none = {.count = 0};
    const struct sipp_prefix pool = {{UINT64_C(0x0080000000010000)}, 48};
    for (uint8_t i = 0; i < 3; i++) {
        // Room for lower link addresses; the last link lies outside of the site.
        struct interface interface = {
            .link = {{2, 0, 0, 0, 0x80, i}}, .mtu = 1500, .site_boundary = i == 2};
        struct sipp_prefix prefix = {{UINT64_C(0x0080000000000000) | (uint64_t)i << 16}, 48};
        struct level level = {prefix, i != 1, i};
        (void)node_add_interface(node, &interface);
        (void)node_add_level(node, &level, NULL);
        (void)node_announce(node, i, &prefix, NULL);
        forwarding_set(node_forwarding(node), &prefix, (struct next_hop){i, SIPP_ADDRESS_NONE});
    }
    struct sequence own = sequence_of((struct sipp_address){UINT64_C(0x0080000000000001)});
    (void)node_add_own(node, &own, NULL);
    (void)node_serve_mobile(node, (struct sipp_address){UINT64_C(0x0080000000020007)}, &key, NULL);
    node_serve_configuration(node, &pool, &none);
    return node;
}

static void drain(struct node *node)
{
    struct node_output output;
    struct node_event event;
    struct packet packet;
    while (node_next_output(node, &output))
        assert(packet_decode(output.bytes, output.length, &packet) == PACKET_OK);
    while (node_next_event(node, &event))
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct instant now = {1000000000};
    struct node *node = router_new(now);
    while (size >= 3) {
        uint8_t bytes[256];
        size_t length = data[2] < size - 3 ? data[2] : size - 3;
        struct node_hop hop;
        struct packet packet;
        now = instant_add(now, duration_ms(data[1]));
        node_tick(node, now);
        memcpy(bytes, data + 3, length);
        const struct link_address from = {
            {2, 0, 0, 0, (uint8_t)(data[0] & 0xc0), data[0] >> 2 & 7}};
        if (node_receive(node, now, data[0] % 3, &from, bytes, length, &hop) == NODE_FORWARD)
            assert(packet_decode(bytes, hop.length, &packet) == PACKET_OK);
        drain(node);
        data += 3 + length;
        size -= 3 + length;
    }
    node_free(node);
    return 0;
}
