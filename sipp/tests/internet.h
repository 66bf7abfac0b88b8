// SPDX-License-Identifier: BSD-2-Clause
// The fixture of the tests that need more than one node: the document's topology on wires, and
// shorter ways to say what is done to it.
//
//        P ------- R            D is attached to P and Q, E to Q and R;
//       / \       / \.          the providers reach each other.
//      D   \     /   E
//     /  \  \   /   / \.
//    H    `-- Q ---'   I
//
// Everything fails the test itself where it cannot do what it should.
#ifndef SIPP_TESTS_INTERNET_H
#define SIPP_TESTS_INTERNET_H

#include "tests/check.h"

#include "document.h"
#include "sipp/lib/names.h"
#include "sipp/lib/notation.h"
#include "sipp/sim/fabric.h"

#define SEEN_MAX 4000

// Numbers of the nodes of the drawing; interface 0 of D and E is towards their hosts.
enum { P, Q, R, D, E, H, I, DOCUMENT_NODES };

// A packet that a node put on a wire; announcements on one link are left out.
struct seen {
    size_t wire;
    size_t from;
    uint8_t payload_type;
    uint8_t icmp_type; // UINT8_MAX: not ICMP
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

// An internet without nodes; `names` is a names file.
struct internet *internet_new(const char *names);
void internet_free(struct internet *net);
// The document's, with addresses of 64 bits (§5.1), and with two of them one above the other
// (§5.3).
struct internet *internet_simple(void);
struct internet *internet_extended(void);
// The same as cmocka's set-up and tear-down: *state is the internet.
int internet_setup_simple(void **state);
int internet_setup_extended(void **state);
int internet_teardown(void **state);

// The node of a number, and the time on its clock.
struct node *internet_node(const struct internet *net, size_t node);
struct instant internet_now(const struct internet *net, size_t node);

struct sipp_address internet_address(const struct internet *net, const char *text);
struct sequence internet_sequence(const struct internet *net, const char *text);
struct path internet_path(const struct internet *net, const char *text);
struct sipp_prefix internet_prefix(const struct internet *net, const char *text);

void internet_own(const struct internet *net, size_t node, const char *text);
void internet_disown(const struct internet *net, size_t node, const char *text);
// `text` is a prefix that the node stands in; where it acts, it is also its origin.
void internet_level(const struct internet *net, size_t node, const char *text, bool acts,
                    uint16_t interface);
void internet_announce(const struct internet *net, size_t node, uint16_t interface,
                       const char *text);

// Sends an echo with "hello" in it and lets a second pass. `via` may be NULL.
void internet_ping(struct internet *net, size_t from, const char *via, const char *destination,
                   uint8_t hop_limit);
// The same along a route that the caller made up; no time passes.
void internet_send(struct internet *net, size_t from, const struct route *route);

// The n-th route that a node put on a wire in ICMP packets of a type, counted from 0; "nothing"
// where there were fewer.
const char *internet_route_seen(const struct internet *net, size_t from, uint8_t icmp_type,
                                size_t n);
// How many packets of an ICMP type were put on a wire.
size_t internet_count_on_wire(const struct internet *net, size_t wire, uint8_t icmp_type);

// Pulls events of a node until one is of the kind; false where none is.
bool internet_event(struct internet *net, size_t node, enum node_event_kind kind,
                    struct node_event *event);
uint64_t internet_counter(const struct internet *net, size_t node, enum node_counter counter);

#define assert_event_route(net, event, expected)                                                   \
    do {                                                                                           \
        char printed[ROUTE_TEXT_MAX];                                                              \
        assert_string_equal(route_print((net)->names, &(event).route, printed), expected);         \
    } while (0)

#endif
