// SPDX-License-Identifier: BSD-2-Clause
#include "internet.h"

#include <stdio.h>
#include <string.h>

#define PROVIDER_NAMES                                                                             \
    "P.r +0xffff0001/32\n"                                                                         \
    "Q.r +0xffff0001/32\n"                                                                         \
    "R.r +0xffff0001/32\n"

// ---- what passes by

static void see(void *state, size_t wire, size_t from, const uint8_t *bytes, size_t length)
{
    struct internet *net = state;
    struct packet packet;
    char text[ROUTE_TEXT_MAX];
    assert_int_equal(packet_decode(bytes, length, &packet), PACKET_OK);
    if (packet.hop_limit == 255 || net->seen_count == SEEN_MAX)
        return;
    bool icmp = packet.payload_type == SIPP_PAYLOAD_ICMP && packet.payload_length > 0;
    struct seen *seen = &net->seen[net->seen_count++];
    seen->wire = wire;
    seen->from = from;
    seen->payload_type = packet.payload_type;
    seen->icmp_type = icmp ? bytes[packet.payload_offset] : UINT8_MAX;
    seen->hop_limit = packet.hop_limit;
    (void)snprintf(seen->route, sizeof(seen->route), "%s",
                   route_print(net->names, &packet.route, text));
}

const char *internet_route_seen(const struct internet *net, size_t from, uint8_t icmp_type,
                                size_t n)
{
    for (size_t i = 0; i < net->seen_count; i++) {
        const struct seen *seen = &net->seen[i];
        if (seen->from == from && seen->icmp_type == icmp_type && n-- == 0)
            return seen->route;
    }
    return "nothing";
}

size_t internet_count_on_wire(const struct internet *net, size_t wire, uint8_t icmp_type)
{
    size_t count = 0;
    for (size_t i = 0; i < net->seen_count; i++)
        count += net->seen[i].wire == wire && net->seen[i].icmp_type == icmp_type ? 1 : 0;
    return count;
}

// ---- saying things shortly

struct node *internet_node(const struct internet *net, size_t node)
{
    return fabric_node(net->fabric, node);
}

struct instant internet_now(const struct internet *net, size_t node)
{
    return fabric_now(net->fabric, internet_node(net, node));
}

struct sipp_address internet_address(const struct internet *net, const char *text)
{
    struct sipp_address address = {0};
    struct error error;
    if (!names_parse(net->names, text, &address, &error))
        fail_msg("%s: %s", text, error.text);
    return address;
}

struct sequence internet_sequence(const struct internet *net, const char *text)
{
    struct sequence sequence = {0};
    struct error error;
    if (!sequence_parse(net->names, text, &sequence, &error))
        fail_msg("%s: %s", text, error.text);
    return sequence;
}

struct path internet_path(const struct internet *net, const char *text)
{
    struct path path = {0};
    struct error error;
    if (!path_parse(net->names, text, &path, &error))
        fail_msg("%s: %s", text, error.text);
    return path;
}

struct sipp_prefix internet_prefix(const struct internet *net, const char *text)
{
    struct sipp_prefix prefix = {0};
    struct error error;
    if (!names_parse_prefix(net->names, text, &prefix, &error))
        fail_msg("%s: %s", text, error.text);
    return prefix;
}

void internet_own(const struct internet *net, size_t node, const char *text)
{
    struct sequence own = internet_sequence(net, text);
    assert_true(node_add_own(internet_node(net, node), &own, NULL));
}

void internet_disown(const struct internet *net, size_t node, const char *text)
{
    struct sequence own = internet_sequence(net, text);
    assert_true(node_remove_own(internet_node(net, node), &own));
}

void internet_level(const struct internet *net, size_t node, const char *text, bool acts,
                    uint16_t interface)
{
    struct level level = {internet_prefix(net, text), acts, interface};
    assert_true(node_add_level(internet_node(net, node), &level, NULL));
    if (acts)
        fabric_originate(net->fabric, node, level.prefix, interface);
}

void internet_announce(const struct internet *net, size_t node, uint16_t interface,
                       const char *text)
{
    struct sipp_prefix prefix = internet_prefix(net, text);
    assert_true(node_announce(internet_node(net, node), interface, &prefix, NULL));
}

void internet_send(struct internet *net, size_t from, const struct route *route)
{
    assert_true(node_send_echo(internet_node(net, from), internet_now(net, from), route, 64, 7, 1,
                               (const uint8_t *)"hello", 5, NULL));
}

void internet_ping(struct internet *net, size_t from, const char *via, const char *destination,
                   uint8_t hop_limit)
{
    struct node *node = internet_node(net, from);
    struct path policy = {.count = 0};
    struct path to = internet_path(net, destination);
    struct route route;
    struct error error;
    if (via != NULL)
        policy = internet_path(net, via);
    if (!node_route_to(node, internet_now(net, from), via == NULL ? NULL : &policy, &to, &route,
                       &error))
        fail_msg("%s", error.text);
    assert_true(node_send_echo(node, internet_now(net, from), &route, hop_limit, 7, 1,
                               (const uint8_t *)"hello", 5, NULL));
    fabric_run(net->fabric, duration_s(1));
}

bool internet_event(struct internet *net, size_t node, enum node_event_kind kind,
                    struct node_event *event)
{
    while (node_next_event(internet_node(net, node), event)) {
        if (event->kind == kind)
            return true;
    }
    return false;
}

uint64_t internet_counter(const struct internet *net, size_t node, enum node_counter counter)
{
    return node_counter(internet_node(net, node), counter);
}

// ---- making internets

struct internet *internet_new(const char *names)
{
    struct internet *net = test_malloc(sizeof(*net));
    struct error error;
    memset(net, 0, sizeof(*net));
    net->fabric = fabric_new(1);
    net->names = names_new();
    if (!names_read(net->names, names, &error))
        fail_msg("%s", error.text);
    fabric_set_watch(net->fabric, see, net);
    return net;
}

void internet_free(struct internet *net)
{
    fabric_free(net->fabric);
    names_free(net->names);
    test_free(net);
}

// Nodes and wires of the drawing, and what providers are in both kinds of addresses.
static struct internet *document_internet(const char *names)
{
    struct internet *net = internet_new(names);
    static const char *const providers[][2] = {{"P", "P.r"}, {"Q", "Q.r"}, {"R", "R.r"}};
    const struct node_config router = {.router = true};
    const struct node_config host = {.router = false};
    for (size_t i = 0; i < DOCUMENT_NODES; i++)
        (void)fabric_add(net->fabric, i >= H ? &host : &router, i == D || i == E);
    net->lan_d = fabric_join(net->fabric, D, H);
    net->lan_e = fabric_join(net->fabric, E, I);
    static const size_t wires[][2] = {{D, P}, {D, Q}, {E, Q}, {E, R}, {P, Q}, {P, R}, {Q, R}};
    for (size_t i = 0; i < sizeof(wires) / sizeof(wires[0]); i++)
        (void)fabric_join(net->fabric, wires[i][0], wires[i][1]);
    for (size_t i = P; i <= R; i++) {
        internet_level(net, i, providers[i][0], true, NODE_NO_INTERFACE);
        internet_own(net, i, providers[i][1]);
    }
    return net;
}

struct internet *internet_simple(void)
{
    struct internet *net =
        document_internet(DOCUMENT_SIMPLE PROVIDER_NAMES "P.D.r +1/16\nQ.D.r +1/16\n"
                                                         "Q.E.r +1/16\nR.E.r +1/16\n");
    static const struct {
        size_t router;
        size_t host;
        const char *provider;
        const char *domain;
        const char *router_name;
        const char *host_name;
    } places[] = {
        {D, H, "P", "P.D", "P.D.r", "P.D.H"},
        {D, H, "Q", "Q.D", "Q.D.r", "Q.D.H"},
        {E, I, "Q", "Q.E", "Q.E.r", "Q.E.I"},
        {E, I, "R", "R.E", "R.E.r", "R.E.I"},
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        internet_level(net, places[i].router, places[i].provider, false, NODE_NO_INTERFACE);
        internet_level(net, places[i].router, places[i].domain, true, 0);
        internet_announce(net, places[i].router, 0, places[i].domain);
        internet_own(net, places[i].router, places[i].router_name);
        internet_own(net, places[i].host, places[i].host_name);
    }
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(1));
    return net;
}

// Subnet numbers mean something inside their domain only: they are not announced outside.
static void keep_inside(struct internet *net, size_t router, const char *subnet)
{
    struct sipp_prefix prefix = internet_prefix(net, subnet);
    forwarding_set(node_forwarding(internet_node(net, router)), &prefix,
                   (struct next_hop){0, SIPP_ADDRESS_NONE});
    internet_announce(net, router, 0, subnet);
}

struct internet *internet_extended(void)
{
    struct internet *net =
        document_internet(DOCUMENT_EXTENDED "P 0080:0000:0000:0000/32\nQ 0040:0000:0000:0000/32\n"
                                            "R 00c0:0000:0000:0000/32\n" PROVIDER_NAMES
                                            "SD 2000:000d:0001:0000/48\nSD.r +1/16\n"
                                            "SE 2000:000e:0001:0000/48\nSE.r +1/16\n");
    internet_level(net, D, "P.D", true, NODE_NO_INTERFACE);
    internet_level(net, D, "Q.D", true, NODE_NO_INTERFACE);
    internet_level(net, E, "Q.E", true, NODE_NO_INTERFACE);
    internet_level(net, E, "R.E", true, NODE_NO_INTERFACE);
    keep_inside(net, D, "SD");
    keep_inside(net, E, "SE");
    internet_own(net, D, "Q.D:SD.r");
    internet_own(net, E, "Q.E:SE.r");
    internet_own(net, H, "P.D:S.H");
    internet_own(net, H, "Q.D:S.H");
    internet_own(net, I, "Q.E:S.I");
    internet_own(net, I, "R.E:S.I");
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(1));
    return net;
}

int internet_setup_simple(void **state)
{
    *state = internet_simple();
    return 0;
}

int internet_setup_extended(void **state)
{
    *state = internet_extended();
    return 0;
}

int internet_teardown(void **state)
{
    internet_free(*state);
    return 0;
}
