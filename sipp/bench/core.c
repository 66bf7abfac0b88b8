// SPDX-License-Identifier: BSD-2-Clause
// bench_core: what the node itself costs a forwarded packet, without any system call.
//
// A router with ROUTES prefixes of 48 bits forwards packets to random ones of them; every other
// packet has a Routing Header, whose first address names the router, so it is advanced too.
#include "base/random.h"
#include "sipp/lib/node.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ROUTES  100000
#define PACKETS 1024
#define ROUNDS  4000

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct node *router_new(uint64_t *prefixes)
{
    const struct node_config config = {.router = true};
    struct node *node = node_new(&config, random_seed_from_number(1), (struct instant){1});
    struct random_source random;
    random_init(&random, random_seed_from_number(2));
    for (uint8_t i = 0; i < 2; i++) {
        struct interface interface = {.link = {{2, 0, 0, 0, 0, i}}, .mtu = 1500};
        (void)node_add_interface(node, &interface);
    }
    struct sipp_prefix own = {{UINT64_C(0x0001) << 48}, 16};
    struct level level = {own, true, NODE_NO_INTERFACE};
    (void)node_add_level(node, &level, NULL);
    for (size_t i = 0; i < ROUTES; i++) {
        struct sipp_prefix prefix = {
            {(random_u64(&random) >> 2 | UINT64_C(1) << 60) & sipp_mask(48)}, 48};
        prefixes[i] = prefix.address.bits;
        struct sipp_address gateway = {UINT64_C(0x7d00020000000100) + i % 200};
        forwarding_set(node_forwarding(node), &prefix, (struct next_hop){1, gateway});
    }
    return node;
}

static double run(struct node *node, const uint64_t *prefixes, bool routed)
{
    static uint8_t fresh[PACKETS][128];
    static uint8_t bytes[128];
    static size_t lengths[PACKETS];
    struct random_source random;
    random_init(&random, random_seed_from_number(3));
    for (size_t i = 0; i < PACKETS; i++) {
        struct sipp_address to = {prefixes[random_below(&random, ROUTES)] | 7};
        struct route route = {.count = 2, .active = 1, .addresses = {{UINT64_C(9) << 32 | 1}, to}};
        if (routed)
            route = (struct route){.count = 3,
                                   .active = 1,
                                   .addresses = {{UINT64_C(9) << 32 | 1}, {UINT64_C(1) << 48}, to}};
        lengths[i] = packet_encode(&route, 0, 64, 17, NULL, 0, fresh[i], sizeof(fresh[i]));
    }
    const struct link_address from = {{2, 0, 0, 0, 1, 1}};
    size_t forwarded = 0;
    double begin = seconds_now();
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < PACKETS; i++) {
            struct node_hop hop;
            memcpy(bytes, fresh[i], lengths[i]);
            forwarded += node_receive(node, (struct instant){2}, 0, &from, bytes, lengths[i],
                                      &hop) == NODE_FORWARD;
        }
    }
    double taken = seconds_now() - begin;
    assert(forwarded == (size_t)PACKETS * ROUNDS);
    return (double)forwarded / taken;
}

int main(void)
{
    static uint64_t prefixes[ROUTES];
    struct node *node = router_new(prefixes);
    (void)printf("%zu routes, one core\n", forwarding_count(node_forwarding(node)));
    (void)printf("forwarded               %6.2f million packets/s\n",
                 run(node, prefixes, false) / 1e6);
    (void)printf("advanced and forwarded  %6.2f million packets/s\n",
                 run(node, prefixes, true) / 1e6);
    node_free(node);
    return 0;
}
