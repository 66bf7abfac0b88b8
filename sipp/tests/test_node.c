// SPDX-License-Identifier: BSD-2-Clause
// Nodes on wires: the document's topology, its examples as packets, discovery, errors,
// auto-configuration, mobility and multicast.
//
//        P ------- R            D is attached to P and Q, E to Q and R;
//       / \       / \.          the providers reach each other.
//      D   \     /   E
//     /  \  \   /   / \.
//    H    `-- Q ---'   I
#include "tests/check.h"

#include "document.h"
#include "sipp/lib/notation.h"
#include "sipp/sim/fabric.h"

#include <stdio.h>
#include <string.h>

#define SEEN_MAX 4000

enum { P, Q, R, D, E, H, I, DOCUMENT_NODES };

struct seen {
    size_t from;
    uint8_t payload_type;
    uint8_t icmp_type;
    uint8_t hop_limit;
    char route[200];
};

struct internet {
    struct fabric *fabric;
    struct names *names;
    struct seen seen[SEEN_MAX];
    size_t seen_count;
    size_t lan_d;
    size_t lan_e;
};

static void see(void *state, size_t wire, size_t from, const uint8_t *bytes, size_t length)
{
    (void)wire;
    struct internet *net = state;
    struct packet packet;
    char text[ROUTE_TEXT_MAX];
    assert_int_equal(packet_decode(bytes, length, &packet), PACKET_OK);
    if (packet.hop_limit == 255 || net->seen_count == SEEN_MAX)
        return;
    struct seen *seen = &net->seen[net->seen_count++];
    seen->from = from;
    seen->payload_type = packet.payload_type;
    bool icmp = packet.payload_type == SIPP_PAYLOAD_ICMP && packet.payload_length > 0;
    seen->icmp_type = icmp ? bytes[packet.payload_offset] : UINT8_MAX;
    seen->hop_limit = packet.hop_limit;
    (void)snprintf(seen->route, sizeof(seen->route), "%s",
                   route_print(net->names, &packet.route, text));
}

// The n-th packet of an ICMP type that a node put on a wire.
static const char *route_seen(const struct internet *net, size_t from, uint8_t icmp_type, size_t n)
{
    for (size_t i = 0; i < net->seen_count; i++) {
        const struct seen *seen = &net->seen[i];
        if (seen->from == from && seen->payload_type == SIPP_PAYLOAD_ICMP &&
            seen->icmp_type == icmp_type && n-- == 0)
            return seen->route;
    }
    return "nothing";
}

static struct sequence sequence(const struct internet *net, const char *text)
{
    struct sequence parsed = {0};
    struct error error;
    if (!sequence_parse(net->names, text, &parsed, &error))
        fail_msg("%s: %s", text, error.text);
    return parsed;
}

static struct path path(const struct internet *net, const char *text)
{
    struct path parsed = {0};
    assert_true(path_parse(net->names, text, &parsed, NULL));
    return parsed;
}

static struct sipp_prefix prefix(const struct internet *net, const char *text)
{
    struct sipp_prefix parsed = {0};
    assert_true(names_parse_prefix(net->names, text, &parsed, NULL));
    return parsed;
}

static void own(const struct internet *net, size_t node, const char *text)
{
    struct sequence own = sequence(net, text);
    assert_true(node_add_own(fabric_node(net->fabric, node), &own, NULL));
}

static void level(const struct internet *net, size_t node, const char *text, bool acts,
                  uint16_t interface)
{
    struct level level = {prefix(net, text), acts, interface};
    assert_true(node_add_level(fabric_node(net->fabric, node), &level, NULL));
    if (acts)
        fabric_originate(net->fabric, node, level.prefix, interface);
}

static struct internet *internet_new(const char *names)
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

static void internet_free(struct internet *net)
{
    fabric_free(net->fabric);
    names_free(net->names);
    test_free(net);
}

// Nodes and wires of the drawing; domains have interface 0 towards their hosts.
static struct internet *document_internet(const char *names)
{
    struct internet *net = internet_new(names);
    const struct node_config router = {.router = true};
    const struct node_config host = {.router = false};
    for (size_t i = 0; i < DOCUMENT_NODES; i++)
        (void)fabric_add(net->fabric, i >= H ? &host : &router, i == D || i == E);
    net->lan_d = fabric_join(net->fabric, D, H);
    net->lan_e = fabric_join(net->fabric, E, I);
    (void)fabric_join(net->fabric, D, P);
    (void)fabric_join(net->fabric, D, Q);
    (void)fabric_join(net->fabric, E, Q);
    (void)fabric_join(net->fabric, E, R);
    (void)fabric_join(net->fabric, P, Q);
    (void)fabric_join(net->fabric, P, R);
    (void)fabric_join(net->fabric, Q, R);
    return net;
}

static struct internet *simple_internet(void)
{
    struct internet *net =
        document_internet(DOCUMENT_SIMPLE "P.r +0xffff0001/32\nQ.r +0xffff0001/32\n"
                                          "R.r +0xffff0001/32\nP.D.r +1/16\nQ.D.r +1/16\n"
                                          "Q.E.r +1/16\nR.E.r +1/16\n");
    const char *const providers[] = {"P", "Q", "R"};
    for (size_t i = 0; i < 3; i++) {
        char name[8];
        level(net, i, providers[i], true, NODE_NO_INTERFACE);
        (void)snprintf(name, sizeof(name), "%s.r", providers[i]);
        own(net, i, name);
    }
    const char *const domains[][2] = {{"P", "Q"}, {"Q", "R"}};
    for (size_t i = 0; i < 4; i++) {
        size_t router = i < 2 ? D : E;
        char name[8];
        const char *provider = domains[i / 2][i % 2];
        level(net, router, provider, false, NODE_NO_INTERFACE);
        (void)snprintf(name, sizeof(name), "%s.%s", provider, i < 2 ? "D" : "E");
        level(net, router, name, true, 0);
        struct sipp_prefix subnet = prefix(net, name);
        assert_true(node_announce(fabric_node(net->fabric, router), 0, &subnet, NULL));
        (void)snprintf(name, sizeof(name), "%s.%s.r", provider, i < 2 ? "D" : "E");
        own(net, router, name);
        (void)snprintf(name, sizeof(name), "%s.%s", provider, i < 2 ? "D.H" : "E.I");
        own(net, i < 2 ? H : I, name);
    }
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(1));
    return net;
}

static struct internet *extended_internet(void)
{
    struct internet *net =
        document_internet(DOCUMENT_EXTENDED "P 0080:0000:0000:0000/32\nQ 0040:0000:0000:0000/32\n"
                                            "R 00c0:0000:0000:0000/32\nP.r +0xffff0001/32\n"
                                            "Q.r +0xffff0001/32\nR.r +0xffff0001/32\n"
                                            "SD 2000:000d:0001:0000/48\nSD.r +1/16\n"
                                            "SE 2000:000e:0001:0000/48\nSE.r +1/16\n");
    const char *const providers[] = {"P", "Q", "R"};
    for (size_t i = 0; i < 3; i++) {
        char name[8];
        level(net, i, providers[i], true, NODE_NO_INTERFACE);
        (void)snprintf(name, sizeof(name), "%s.r", providers[i]);
        own(net, i, name);
    }
    level(net, D, "P.D", true, NODE_NO_INTERFACE);
    level(net, D, "Q.D", true, NODE_NO_INTERFACE);
    level(net, E, "Q.E", true, NODE_NO_INTERFACE);
    level(net, E, "R.E", true, NODE_NO_INTERFACE);
    // Subnet numbers mean something inside their domain only: they are not announced outside.
    struct sipp_prefix sd = prefix(net, "SD");
    struct sipp_prefix se = prefix(net, "SE");
    forwarding_set(node_forwarding(fabric_node(net->fabric, D)), &sd,
                   (struct next_hop){0, SIPP_ADDRESS_NONE});
    forwarding_set(node_forwarding(fabric_node(net->fabric, E)), &se,
                   (struct next_hop){0, SIPP_ADDRESS_NONE});
    assert_true(node_announce(fabric_node(net->fabric, D), 0, &sd, NULL));
    assert_true(node_announce(fabric_node(net->fabric, E), 0, &se, NULL));
    own(net, D, "Q.D:SD.r");
    own(net, E, "Q.E:SE.r");
    own(net, H, "P.D:S.H");
    own(net, H, "Q.D:S.H");
    own(net, I, "Q.E:S.I");
    own(net, I, "R.E:S.I");
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(1));
    return net;
}

static void ping(struct internet *net, size_t from, const char *via, const char *destination,
                 uint8_t hop_limit)
{
    struct node *node = fabric_node(net->fabric, from);
    struct path policy = {.count = 0};
    struct path to = path(net, destination);
    struct route route;
    struct error error;
    if (via != NULL)
        policy = path(net, via);
    if (!node_route_to(node, fabric_now(net->fabric, node), via == NULL ? NULL : &policy, &to,
                       &route, &error))
        fail_msg("%s", error.text);
    assert_true(node_send_echo(node, fabric_now(net->fabric, node), &route, hop_limit, 7, 1,
                               (const uint8_t *)"hello", 5, NULL));
    fabric_run(net->fabric, duration_s(1));
}

// Pulls events until one of the kind; false where there is none.
static bool next_event(struct internet *net, size_t node, enum node_event_kind kind,
                       struct node_event *event)
{
    while (node_next_event(fabric_node(net->fabric, node), event)) {
        if (event->kind == kind)
            return true;
    }
    return false;
}

#define assert_event_route(net, event, expected)                                                   \
    do {                                                                                           \
        char printed[ROUTE_TEXT_MAX];                                                              \
        assert_string_equal(route_print((net)->names, &(event).route, printed), expected);         \
    } while (0)

static void test_section_5_1(void **state)
{
    (void)state;
    struct internet *net = simple_internet();
    struct node_event event;
    ping(net, H, NULL, "Q.E.I", 64);
    assert_string_equal(route_seen(net, H, ICMP_ECHO, 0), "Q.D.H, *Q.E.I");
    assert_string_equal(route_seen(net, I, ICMP_ECHO_REPLY, 0), "Q.E.I, *Q.D.H");
    assert_true(next_event(net, H, EVENT_ECHO_REPLY, &event));
    assert_int_equal(event.icmp.echo.length, 5);
    assert_memory_equal(event.icmp.echo.data, "hello", 5);
    internet_free(net);
}

static void test_section_5_2(void **state)
{
    (void)state;
    struct internet *net = simple_internet();
    struct node_event event;
    ping(net, H, "P.0", "Q.E.I", 64);
    assert_string_equal(route_seen(net, H, ICMP_ECHO, 0), "P.D.H, *P.0, Q.E.I");
    assert_string_equal(route_seen(net, D, ICMP_ECHO, 0), "P.D.H, *P.0, Q.E.I");
    assert_string_equal(route_seen(net, P, ICMP_ECHO, 0), "P.D.H, P.0, *Q.E.I");
    assert_string_equal(route_seen(net, I, ICMP_ECHO_REPLY, 0), "Q.E.I, *P.0, P.D.H");
    assert_true(next_event(net, H, EVENT_ECHO_REPLY, &event));
    assert_event_route(net, event, "Q.E.I, P.0, *P.D.H");

    // I knows provider Q well enough to insist on it.
    struct path back = {
        .count = 2, .addresses = {path(net, "P.0").addresses[0], path(net, "P.D.H").addresses[0]}};
    struct path via = path(net, "Q.0");
    net->seen_count = 0;
    struct route route;
    assert_true(node_route_to(fabric_node(net->fabric, I),
                              fabric_now(net->fabric, fabric_node(net->fabric, I)), &via, &back,
                              &route, NULL));
    assert_true(node_send_echo(fabric_node(net->fabric, I),
                               fabric_now(net->fabric, fabric_node(net->fabric, I)), &route, 64, 1,
                               1, NULL, 0, NULL));
    fabric_run(net->fabric, duration_s(1));
    assert_string_equal(route_seen(net, I, ICMP_ECHO, 0), "Q.E.I, *Q.0, P.0, P.D.H");
    assert_string_equal(route_seen(net, Q, ICMP_ECHO, 0), "Q.E.I, Q.0, *P.0, P.D.H");
    assert_true(next_event(net, I, EVENT_ECHO_REPLY, &event));
    internet_free(net);
}

// A host that sends from its address under Q through P is inside P as much as its router is.
static void test_provider_is_not_short_cut(void **state)
{
    (void)state;
    struct internet *net = simple_internet();
    struct node *h = fabric_node(net->fabric, H);
    struct sequence source = sequence(net, "Q.D.H");
    struct path via = path(net, "P.0");
    struct path to = path(net, "Q.E.I");
    struct route route;
    assert_true(route_form(&source, &via, &to, &route));
    assert_true(node_send_echo(h, fabric_now(net->fabric, h), &route, 64, 1, 1, NULL, 0, NULL));
    fabric_run(net->fabric, duration_s(1));
    assert_string_equal(route_seen(net, D, ICMP_ECHO, 0), "Q.D.H, *P.0, Q.E.I");
    assert_string_equal(route_seen(net, P, ICMP_ECHO, 0), "Q.D.H, P.0, *Q.E.I");
    internet_free(net);
}

static void test_section_5_3(void **state)
{
    (void)state;
    struct internet *net = extended_internet();
    struct node_event event;
    ping(net, H, NULL, "Q.E:S.I", 64);
    assert_string_equal(route_seen(net, H, ICMP_ECHO, 0), "S.H, Q.D, *Q.E, S.I");
    assert_string_equal(route_seen(net, E, ICMP_ECHO, 0), "S.H, Q.D, Q.E, *S.I");
    assert_string_equal(route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, Q.E, *Q.D, S.H");
    assert_true(next_event(net, H, EVENT_ECHO_REPLY, &event));
    internet_free(net);
}

static void test_section_6_0_1(void **state)
{
    (void)state;
    struct internet *net = extended_internet();
    struct node_event event;
    own(net, I, "M");
    fabric_run(net->fabric, duration_s(11));
    net->seen_count = 0;
    ping(net, H, NULL, "M", 64);
    assert_string_equal(route_seen(net, H, ICMP_ECHO, 0), "S.H, P.D, *M");
    // The packet reaches I once, unchanged.
    assert_string_equal(route_seen(net, E, ICMP_ECHO, 0), "S.H, P.D, *M");
    assert_true(next_event(net, H, EVENT_ECHO_REPLY, &event));
    assert_string_equal(route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, R.E, *P.D, S.H");
    assert_string_equal(route_seen(net, I, ICMP_ECHO_REPLY, 1), "nothing");
    // Only because copies that came another way than P.D lies were dropped: the providers form a
    // ring, and each of them heard of the others as routers.
    uint64_t dropped = 0;
    for (size_t i = P; i <= R; i++)
        dropped += node_counter(fabric_node(net->fabric, i), DROP_REVERSE_PATH);
    assert_true(dropped > 0);
    // D, where the sender is, looked one address further behind than they did (§6.0.2).
    assert_int_equal(node_counter(fabric_node(net->fabric, D), DROP_NO_ROUTE), 0);
    assert_true(node_counter(fabric_node(net->fabric, D), COUNT_FORWARDED) > 0);
    internet_free(net);
}

// The document's example exactly: from the sequence under Q.
static void test_section_6_0_1_under_q(void **state)
{
    (void)state;
    struct internet *net = extended_internet();
    struct sequence other = sequence(net, "P.D:S.H");
    assert_true(node_remove_own(fabric_node(net->fabric, H), &other));
    own(net, I, "M");
    fabric_run(net->fabric, duration_s(11));
    ping(net, H, NULL, "M", 64);
    assert_string_equal(route_seen(net, H, ICMP_ECHO, 0), "S.H, Q.D, *M");
    assert_string_equal(route_seen(net, E, ICMP_ECHO, 0), "S.H, Q.D, *M");
    assert_string_equal(route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, Q.E, *Q.D, S.H");
    internet_free(net);
}

static void test_section_7_1(void **state)
{
    (void)state;
    struct internet *net = extended_internet();
    struct mobile_key key = {{1, 2, 3}};
    struct sequence home = sequence(net, "Q.D:S.H");
    struct path station = path(net, "Q.D:SD.r");
    struct node_event event;
    // A base station with a link of its own, known to the whole internet as D.d.
    const struct node_config config = {.router = true, .base_station = true};
    size_t base = fabric_add(net->fabric, &config, true);
    size_t radio = fabric_wire(net->fabric);
    (void)fabric_plug(net->fabric, radio, base, 1500);
    (void)fabric_join(net->fabric, base, R);
    own(net, base, "D.d");
    fabric_originate(net->fabric, base, prefix(net, "D.d"), NODE_NO_INTERFACE);
    fabric_route(net->fabric);
    struct sipp_prefix sd = prefix(net, "SD");
    forwarding_set(node_forwarding(fabric_node(net->fabric, D)), &sd,
                   (struct next_hop){0, SIPP_ADDRESS_NONE});
    assert_true(
        node_serve_mobile(fabric_node(net->fabric, D), sequence_identity(&home), &key, NULL));
    struct sequence unused = sequence(net, "P.D:S.H");
    assert_true(node_remove_own(fabric_node(net->fabric, H), &unused));
    node_be_mobile(fabric_node(net->fabric, H), &home, &station, &key);
    fabric_run(net->fabric, duration_s(12));

    ping(net, I, NULL, "Q.D:S.H", 64);
    assert_string_equal(route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *Q.D, S.H");
    assert_true(next_event(net, I, EVENT_ECHO_REPLY, &event));

    fabric_unplug(net->fabric, H, 0);
    fabric_replug(net->fabric, radio, H, 0);
    fabric_run(net->fabric, duration_s(12));
    assert_true(next_event(net, H, EVENT_REGISTERED, &event) &&
                next_event(net, H, EVENT_REGISTERED, &event));
    net->seen_count = 0;
    ping(net, I, NULL, "Q.D:S.H", 64);
    // The first packet takes the old route and the home station's tunnel; the answer shows the
    // new one; from then on it is direct.
    assert_string_equal(route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *Q.D, S.H");
    assert_string_equal(route_seen(net, base, ICMP_ECHO, 0), "S.I, Q.E, Q.D, *S.H");
    assert_true(next_event(net, I, EVENT_ECHO_REPLY, &event));
    net->seen_count = 0;
    ping(net, H, NULL, "Q.E:S.I", 64);
    assert_string_equal(route_seen(net, H, ICMP_ECHO, 0), "S.H, D.d, *Q.E, S.I");
    assert_string_equal(route_seen(net, I, ICMP_ECHO_REPLY, 0), "S.I, Q.E, *D.d, S.H");
    assert_true(next_event(net, H, EVENT_ECHO_REPLY, &event));
    net->seen_count = 0;
    ping(net, I, NULL, "Q.D:S.H", 64);
    assert_string_equal(route_seen(net, I, ICMP_ECHO, 0), "S.I, Q.E, *D.d, S.H");
    assert_string_equal(route_seen(net, D, ICMP_ECHO, 0), "nothing");
    assert_true(next_event(net, I, EVENT_ECHO_REPLY, &event));

    // And home again.
    fabric_unplug(net->fabric, H, 0);
    fabric_replug(net->fabric, net->lan_d, H, 0);
    fabric_run(net->fabric, duration_s(12));
    net->seen_count = 0;
    ping(net, H, NULL, "Q.E:S.I", 64);
    assert_string_equal(route_seen(net, H, ICMP_ECHO, 0), "S.H, Q.D, *Q.E, S.I");
    assert_true(next_event(net, H, EVENT_ECHO_REPLY, &event));
    internet_free(net);
}

static void test_forged_registration_changes_nothing(void **state)
{
    (void)state;
    struct internet *net = extended_internet();
    struct mobile_key key = {{1}};
    struct mobile_key wrong = {{2}};
    struct sequence home = sequence(net, "Q.D:S.H");
    struct node *d = fabric_node(net->fabric, D);
    assert_true(node_serve_mobile(d, sequence_identity(&home), &key, NULL));
    struct icmp_message message = {.type = ICMP_REGISTRATION_REQUEST};
    message.registration = (struct icmp_registration){
        60, 1, sequence_identity(&home), path(net, "Q.E").addresses[0], {0}};
    struct route route;
    struct path to = path(net, "Q.D:SD.r");
    struct node *i = fabric_node(net->fabric, I);
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
        assert_int_equal(next_event(net, D, EVENT_REGISTERED, &event), round == 1);
    }
    internet_free(net);
}

static void test_errors_return_along_the_sequence(void **state)
{
    (void)state;
    struct internet *net = extended_internet();
    struct node_event event;
    ping(net, H, NULL, "Q.E:S.I", 2);
    assert_true(next_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.type, ICMP_TIME_EXCEEDED);
    assert_event_route(net, event, "Q.r, Q.D, *S.H");
    struct packet quoted;
    char text[ROUTE_TEXT_MAX];
    assert_int_equal(packet_decode(event.icmp.error.quote, event.icmp.error.quote_length, &quoted),
                     PACKET_OK);
    assert_string_equal(route_print(net->names, &quoted.route, text), "S.H, Q.D, *Q.E, S.I");

    // After the last advance the way back leads through every address used.
    ping(net, H, NULL, "Q.E:SE.r:2000:000e:0001:00ff", 64);
    fabric_run(net->fabric, duration_s(5));
    assert_true(next_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.code, ICMP_NO_NODE);
    assert_event_route(net, event, "SE.r, Q.E, SE.r, Q.E, Q.D, *S.H");

    ping(net, H, NULL, "R.E:2000:0001:0000:0001", 64);
    assert_true(next_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.code, ICMP_NO_ROUTE);
    internet_free(net);
}

static void test_too_big(void **state)
{
    (void)state;
    struct internet *net = internet_new("A 0010:0000:0000:0001\nB 0020:0000:0000:0001\n"
                                        "r 0010:0000:0000:0002\n");
    const struct node_config router = {.router = true};
    const struct node_config host = {.router = false};
    size_t a = fabric_add(net->fabric, &host, false);
    size_t b = fabric_add(net->fabric, &host, false);
    size_t r = fabric_add(net->fabric, &router, false);
    size_t left = fabric_wire(net->fabric);
    size_t right = fabric_wire(net->fabric);
    (void)fabric_plug(net->fabric, left, a, 1500);
    (void)fabric_plug(net->fabric, right, b, 600);
    uint16_t r_left = fabric_plug(net->fabric, left, r, 1500);
    uint16_t r_right = fabric_plug(net->fabric, right, r, 600);
    own(net, a, "A");
    own(net, b, "B");
    own(net, r, "r");
    fabric_originate(net->fabric, r, sipp_prefix_of(path(net, "A").addresses[0], 32), r_left);
    fabric_originate(net->fabric, r, sipp_prefix_of(path(net, "B").addresses[0], 32), r_right);
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(1));
    struct node *node = fabric_node(net->fabric, a);
    struct path to = path(net, "B");
    struct route route;
    static const uint8_t data[600];
    assert_true(node_route_to(node, fabric_now(net->fabric, node), NULL, &to, &route, NULL));
    assert_true(
        node_send_echo(node, fabric_now(net->fabric, node), &route, 64, 1, 1, data, 600, NULL));
    assert_true(
        node_send_echo(node, fabric_now(net->fabric, node), &route, 64, 1, 2, data, 568, NULL));
    fabric_run(net->fabric, duration_s(1));
    struct node_event event;
    assert_true(node_next_event(node, &event) && event.kind == EVENT_ERROR);
    assert_int_equal(event.icmp.code, ICMP_TOO_BIG);
    assert_int_equal(event.icmp.error.parameter, 600);
    assert_true(node_next_event(node, &event) && event.kind == EVENT_ECHO_REPLY);
    internet_free(net);
}

// ---- auto-configuration (§8)

struct site {
    struct internet *net;
    size_t host;
    size_t router;
    size_t server;
    size_t wire;
};

// A host on a link, perhaps with a router that announces `announced`, perhaps with a server on the
// link or behind the router.
static struct site site_new(const char *announced, bool server)
{
    struct site site = {.net = internet_new("C 0080:0000:0001:0000/48\nC2 "
                                            "0080:0000:0002:0000/48\nC2.r +1/16\nC2.s +2/16\n"
                                            "shorty 4000:0000:0000:0000/16\n")};
    struct internet *net = site.net;
    const struct node_config host = {.auto_configure = true};
    const struct node_config router = {.router = true};
    const struct node_config plain = {.router = false};
    site.host = fabric_add(net->fabric, &host, false);
    site.wire = fabric_wire(net->fabric);
    (void)fabric_plug(net->fabric, site.wire, site.host, 1500);
    size_t far = site.wire;
    if (announced != NULL) {
        site.router = fabric_add(net->fabric, &router, false);
        uint16_t near_interface = fabric_plug(net->fabric, site.wire, site.router, 1500);
        far = fabric_wire(net->fabric);
        uint16_t far_interface = fabric_plug(net->fabric, far, site.router, 1500);
        level(net, site.router, announced, true, near_interface);
        level(net, site.router, "C2", true, far_interface);
        own(net, site.router, "C2.r");
        struct sipp_prefix subnet = prefix(net, announced);
        assert_true(
            node_announce(fabric_node(net->fabric, site.router), near_interface, &subnet, NULL));
        struct sipp_prefix other = prefix(net, "C2");
        assert_true(
            node_announce(fabric_node(net->fabric, site.router), far_interface, &other, NULL));
    }
    if (server) {
        struct sipp_prefix pool = {{UINT64_C(0x0080000000010000)}, 48};
        struct sequence high = {.count = 0};
        site.server = fabric_add(net->fabric, &plain, false);
        (void)fabric_plug(net->fabric, far, site.server, 1500);
        if (announced != NULL)
            own(net, site.server, "C2.s");
        node_serve_configuration(fabric_node(net->fabric, site.server), &pool, &high);
    }
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(20));
    return site;
}

static void assert_configured(struct site *site, const char *expected)
{
    struct node_event event;
    char text[PATH_TEXT_MAX];
    assert_true(next_event(site->net, site->host, EVENT_CONFIGURED, &event));
    struct path path = path_of(&event.sequence);
    assert_string_equal(path_print(site->net->names, &path, text), expected);
    size_t count;
    const struct own_sequence *own = node_own(fabric_node(site->net->fabric, site->host), &count);
    assert_int_equal(count, 1);
    assert_true(sequence_equal(&own[0].sequence, &event.sequence));
}

static void test_section_8_no_router_no_server(void **state)
{
    (void)state;
    struct site site = site_new(NULL, false);
    assert_configured(&site, "7d00:0200:0000:0000");
    internet_free(site.net);
}

static void test_section_8_no_router_but_server(void **state)
{
    (void)state;
    struct site site = site_new(NULL, true);
    assert_configured(&site, "0080:0000:0001:0001");
    internet_free(site.net);
}

static void test_section_8_router_no_server(void **state)
{
    (void)state;
    struct site site = site_new("C", false);
    assert_configured(&site, "C.0:7d00:0200:0000:0000");
    // The address sequence works: C's router passes on to the host, whoever asks.
    struct internet *net = site.net;
    ping(net, site.host, NULL, "C2.r", 64);
    struct node_event event;
    assert_string_equal(route_seen(net, site.host, ICMP_ECHO, 0),
                        "7d00:0200:0000:0000, C.0, *C2.r");
    assert_true(next_event(net, site.host, EVENT_ECHO_REPLY, &event));
    internet_free(net);
}

static void test_section_8_router_with_short_prefix(void **state)
{
    (void)state;
    struct site site = site_new("shorty", false);
    assert_configured(&site, "4000:0200:0000:0000");
    internet_free(site.net);
}

static void test_section_8_router_and_server(void **state)
{
    (void)state;
    struct site site = site_new("C", true);
    assert_configured(&site, "0080:0000:0001:0001");
    assert_string_equal(route_seen(site.net, site.server, ICMP_CONFIGURATION, 0),
                        "C2.s, *C.0, 7d00:0200:0000:0000");
    internet_free(site.net);
}

// ---- what must not happen

static void test_hosts_do_not_relay(void **state)
{
    (void)state;
    struct internet *net = simple_internet();
    struct sequence source = sequence(net, "Q.D.H");
    struct path via = path(net, "Q.E.I");
    struct path to = path(net, "P.r");
    struct route route;
    assert_true(route_form(&source, &via, &to, &route));
    assert_true(node_send_echo(fabric_node(net->fabric, H),
                               fabric_now(net->fabric, fabric_node(net->fabric, H)), &route, 64, 1,
                               1, NULL, 0, NULL));
    fabric_run(net->fabric, duration_s(1));
    assert_int_equal(node_counter(fabric_node(net->fabric, I), DROP_NOT_FOR_US), 1);
    assert_string_equal(route_seen(net, I, ICMP_ECHO, 0), "nothing");
    internet_free(net);
}

static void test_local_use_stays_on_its_link(void **state)
{
    (void)state;
    struct internet *net = simple_internet();
    struct node *h = fabric_node(net->fabric, H);
    struct route route = {.count = 2, .active = 1};
    route.addresses[0] = sipp_local_use(0, node_interface(h, 0)->link.octets, 6);
    route.addresses[1] = path(net, "Q.E.I").addresses[0];
    assert_true(node_send_echo(h, fabric_now(net->fabric, h), &route, 64, 1, 1, NULL, 0, NULL));
    fabric_run(net->fabric, duration_s(1));
    struct node_event event;
    assert_int_equal(node_counter(fabric_node(net->fabric, D), DROP_SCOPE), 1);
    assert_true(next_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.code, ICMP_BEYOND_SCOPE);
    internet_free(net);
}

static void test_errors_are_limited(void **state)
{
    (void)state;
    struct internet *net = internet_new("A 0010:0000:0000:0001\nr 0010:0000:0000:0002\n");
    const struct node_config router = {.router = true, .errors_per_second = 5};
    size_t a = fabric_add(net->fabric, &(struct node_config){.router = false}, false);
    size_t r = fabric_add(net->fabric, &router, false);
    (void)fabric_join(net->fabric, a, r);
    own(net, a, "A");
    own(net, r, "r");
    fabric_originate(net->fabric, r, sipp_prefix_of(path(net, "A").addresses[0], 32), 0);
    fabric_route(net->fabric);
    fabric_run(net->fabric, duration_s(1));
    struct route route = {.count = 2, .active = 1};
    route.addresses[0] = path(net, "A").addresses[0];
    route.addresses[1].bits = 0x0099000000000001;
    struct node *node = fabric_node(net->fabric, a);
    for (int i = 0; i < 50; i++)
        assert_true(
            node_send_echo(node, fabric_now(net->fabric, node), &route, 64, 1, 1, NULL, 0, NULL));
    fabric_run(net->fabric, duration_ms(10));
    assert_int_equal(node_counter(fabric_node(net->fabric, r), COUNT_ERRORS_SENT), 5);
    assert_int_equal(node_counter(fabric_node(net->fabric, r), DROP_ERROR_LIMIT), 45);
    internet_free(net);
}

// Hostile bytes: nothing crashes, and nothing malformed leaves the node.
static void test_hostile_packets(void **state)
{
    (void)state;
    struct internet *net = extended_internet();
    struct random_source random;
    random_init(&random, random_seed_from_number(9));
    struct node *d = fabric_node(net->fabric, D);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[400];
        struct route route = {.count = (uint8_t)(2 + random_below(&random, 8))};
        route.active = (uint8_t)(1 + random_below(&random, route.count - 1u));
        for (uint8_t i = 0; i < route.count; i++) {
            struct sipp_prefix some;
            (void)names_entry(net->names, random_below(&random, names_count(net->names)), &some);
            route.addresses[i] = some.address;
        }
        uint8_t payload[120];
        random_bytes(&random, payload, sizeof(payload));
        const uint8_t types[] = {0, 3, 8, 11, 12, 33, 34, 35, 36, 253};
        payload[0] = types[random_below(&random, sizeof(types))];
        payload[1] = (uint8_t)random_below(&random, 3);
        uint8_t hop = random_below(&random, 4) == 0 ? 255 : (uint8_t)random_below(&random, 70);
        const uint8_t kinds[] = {1, 1, 1, 17, 41, 4};
        size_t length = packet_encode(&route, 0, hop, kinds[random_below(&random, 6)], payload,
                                      random_below(&random, sizeof(payload)), bytes, sizeof(bytes));
        if (random_below(&random, 3) == 0)
            bytes[random_below(&random, length)] = (uint8_t)random_u64(&random);
        struct node_hop out;
        if (node_receive(d, fabric_now(net->fabric, d), (uint16_t)random_below(&random, 3),
                         &node_interface(d, 0)->link, bytes, length, &out) == NODE_FORWARD) {
            struct packet packet;
            assert_int_equal(packet_decode(bytes, out.length, &packet), PACKET_OK);
            assert_true(out.interface < node_interface_count(d));
        }
        if (round % 100 == 0)
            fabric_run(net->fabric, duration_ms(200));
    }
    internet_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_section_5_1),
        cmocka_unit_test(test_section_5_2),
        cmocka_unit_test(test_provider_is_not_short_cut),
        cmocka_unit_test(test_section_5_3),
        cmocka_unit_test(test_section_6_0_1),
        cmocka_unit_test(test_section_6_0_1_under_q),
        cmocka_unit_test(test_section_7_1),
        cmocka_unit_test(test_forged_registration_changes_nothing),
        cmocka_unit_test(test_errors_return_along_the_sequence),
        cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_section_8_no_router_no_server),
        cmocka_unit_test(test_section_8_no_router_but_server),
        cmocka_unit_test(test_section_8_router_no_server),
        cmocka_unit_test(test_section_8_router_with_short_prefix),
        cmocka_unit_test(test_section_8_router_and_server),
        cmocka_unit_test(test_hosts_do_not_relay),
        cmocka_unit_test(test_local_use_stays_on_its_link),
        cmocka_unit_test(test_errors_are_limited),
        cmocka_unit_test(test_hostile_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
