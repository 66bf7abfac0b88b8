// SPDX-License-Identifier: BSD-2-Clause
// Each example of the document, as sequences; and what must hold of every route sequence.
#include "tests/check.h"

#include "base/random.h"
#include "document.h"
#include "sipp/lib/notation.h"

static struct names *simple;
static struct names *extended;

static int read_names(void **state)
{
    (void)state;
    simple = names_new();
    extended = names_new();
    return names_read(simple, DOCUMENT_SIMPLE, NULL) &&
                   names_read(extended, DOCUMENT_EXTENDED, NULL)
               ? 0
               : 1;
}

static int free_names(void **state)
{
    (void)state;
    names_free(simple);
    names_free(extended);
    return 0;
}

static struct route route(const struct names *names, const char *text)
{
    struct route parsed = {0};
    struct error error;
    if (!route_parse(names, text, &parsed, &error))
        fail_msg("%s: %s", text, error.text);
    return parsed;
}

static struct path path(const struct names *names, const char *text)
{
    struct path parsed = {0};
    assert_true(path_parse(names, text, &parsed, NULL));
    return parsed;
}

static struct own_sequence own(const struct names *names, const char *text)
{
    struct own_sequence sequence = {.source_capable = true};
    assert_true(sequence_parse(names, text, &sequence.sequence, NULL));
    if (sipp_address_multicast(sequence_identity(&sequence.sequence)))
        sequence.source_capable = false;
    return sequence;
}

#define assert_route(names, actual, expected)                                                      \
    do {                                                                                           \
        char printed[ROUTE_TEXT_MAX];                                                              \
        assert_string_equal(route_print(names, actual, printed), expected);                        \
    } while (0)

// §3.1: S sends through A and B to D.
static void test_section_3_1(void **state)
{
    (void)state;
    struct names *names = names_new();
    assert_true(names_read(names,
                           "S 0000:0000:0000:0011\nA 0000:0000:0000:0012\n"
                           "B 0000:0000:0000:0013\nD 0000:0000:0000:0014\n",
                           NULL));
    struct own_sequence source = own(names, "S");
    struct path via = path(names, "A:B");
    struct path destination = path(names, "D");
    struct route packet;
    assert_true(route_form(&source.sequence, &via, &destination, &packet));
    assert_route(names, &packet, "S, *A, B, D");
    route_advance(&packet);
    assert_route(names, &packet, "S, A, *B, D");
    assert_false(route_finished(&packet));
    route_advance(&packet);
    assert_route(names, &packet, "S, A, B, *D");
    assert_true(route_finished(&packet));
    names_free(names);
}

// §5.1: H prefers the address under the provider they share.
static void test_section_5_1(void **state)
{
    (void)state;
    const struct own_sequence h[] = {own(simple, "P.D.H"), own(simple, "Q.D.H")};
    const struct own_sequence i[] = {own(simple, "Q.E.I"), own(simple, "R.E.I")};
    const struct path known[] = {path(simple, "R.E.I"), path(simple, "Q.E.I")};
    struct path destination = known[path_choose(known, 2, h, 2)];
    size_t source = sequence_choose(h, 2, destination.addresses[0]);
    struct route packet;
    assert_true(route_form(&h[source].sequence, NULL, &destination, &packet));
    assert_route(simple, &packet, "Q.D.H, *Q.E.I");
    struct route reply;
    assert_true(route_reply(&packet, i, 2, &reply));
    assert_route(simple, &reply, "Q.E.I, *Q.D.H");
}

// §5.2: H chooses provider P; I answers without knowing what P.0 is; then I chooses provider Q.
static void test_section_5_2(void **state)
{
    (void)state;
    const struct own_sequence h[] = {own(simple, "P.D.H"), own(simple, "Q.D.H")};
    const struct own_sequence i[] = {own(simple, "Q.E.I"), own(simple, "R.E.I")};
    struct path via = path(simple, "P.0");
    struct path destination = path(simple, "Q.E.I");
    size_t source = sequence_choose(h, 2, via.addresses[0]);
    struct route packet;
    assert_true(route_form(&h[source].sequence, &via, &destination, &packet));
    assert_route(simple, &packet, "P.D.H, *P.0, Q.E.I");
    route_advance(&packet);
    assert_route(simple, &packet, "P.D.H, P.0, *Q.E.I");
    struct route reply;
    assert_true(route_reply(&packet, i, 2, &reply));
    assert_route(simple, &reply, "Q.E.I, *P.0, P.D.H");

    struct path policy = path(simple, "Q.0");
    struct path back = route_way_back(&packet, 1);
    assert_true(route_form(&i[0].sequence, &policy, &back, &reply));
    assert_route(simple, &reply, "Q.E.I, *Q.0, P.0, P.D.H");
}

// §5.3: addresses of two times 64 bits.
static void test_section_5_3(void **state)
{
    (void)state;
    const struct own_sequence h[] = {own(extended, "P.D:S.H"), own(extended, "Q.D:S.H")};
    const struct own_sequence i[] = {own(extended, "Q.E:S.I"), own(extended, "R.E:S.I")};
    struct path destination = path(extended, "Q.E:S.I");
    size_t source = sequence_choose(h, 2, destination.addresses[0]);
    struct route packet;
    assert_true(route_form(&h[source].sequence, NULL, &destination, &packet));
    assert_route(extended, &packet, "S.H, Q.D, *Q.E, S.I");
    route_advance(&packet);
    assert_route(extended, &packet, "S.H, Q.D, Q.E, *S.I");
    struct route reply;
    assert_true(route_reply(&packet, i, 2, &reply));
    assert_route(extended, &reply, "S.I, Q.E, *Q.D, S.H");
}

// §6.0.1: a multicast group is I's own for reception, but I answers from a unicast sequence.
static void test_section_6_0_1(void **state)
{
    (void)state;
    const struct own_sequence h[] = {own(extended, "Q.D:S.H")};
    const struct own_sequence i[] = {own(extended, "R.E:S.I"), own(extended, "Q.E:S.I"),
                                     own(extended, "M")};
    struct path group = path(extended, "M");
    struct route packet;
    assert_true(route_form(&h[0].sequence, NULL, &group, &packet));
    assert_route(extended, &packet, "S.H, Q.D, *M");
    struct route reply;
    assert_true(route_reply(&packet, i, 3, &reply));
    assert_route(extended, &reply, "S.I, Q.E, *Q.D, S.H");
    assert_false(route_reply(&packet, &i[2], 1, &reply));
}

// §7.1: H moves to the base station D.d, and the way back follows.
static void test_section_7_1(void **state)
{
    (void)state;
    const struct own_sequence i[] = {own(extended, "Q.E:S.I")};
    const struct own_sequence moved = own(extended, "D.d:S.H");
    struct path old = path(extended, "Q.D:S.H");
    struct route packet;
    assert_true(route_form(&i[0].sequence, NULL, &old, &packet));
    assert_route(extended, &packet, "S.I, Q.E, *Q.D, S.H");
    struct path correspondent = path(extended, "Q.E:S.I");
    assert_true(route_form(&moved.sequence, NULL, &correspondent, &packet));
    assert_route(extended, &packet, "S.H, D.d, *Q.E, S.I");
    struct route reply;
    assert_true(route_reply(&packet, i, 1, &reply));
    assert_route(extended, &reply, "S.I, Q.E, *D.d, S.H");
}

static void test_errors_find_their_way_back(void **state)
{
    (void)state;
    struct sequence router = own(extended, "R.E").sequence;
    const char *const cases[][2] = {
        {"S.H, Q.D, *Q.E, S.I", "R.E, *Q.D, S.H"},
        {"S.H, Q.D, Q.E, *S.I", "R.E, *Q.E, Q.D, S.H"},
        {"S.H, *Q.E, S.I", "R.E, *S.H"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct route packet = route(extended, cases[i][0]);
        struct route back;
        assert_true(route_error_back(&packet, &router, &back));
        assert_route(extended, &back, cases[i][1]);
    }
    struct route longest = {.count = ROUTE_MAX, .active = ROUTE_MAX - 1};
    struct sequence three = {.count = 3};
    struct route back;
    assert_false(route_error_back(&longest, &three, &back));
}

static void test_isolation_prefers_the_longest(void **state)
{
    (void)state;
    const struct own_sequence mine[] = {own(extended, "S.I"), own(extended, "Q.E:S.I"),
                                        own(extended, "R.E:S.I")};
    struct route packet = route(extended, "S.H, Q.D, Q.E, *S.I");
    assert_int_equal(route_isolate(&packet, mine, 3), 1);
    packet = route(extended, "S.H, Q.D, *S.I");
    assert_int_equal(route_isolate(&packet, mine, 3), 0);
    packet = route(extended, "Q.E, *S.I");
    assert_int_equal(route_isolate(&packet, mine, 3), 0);
    packet = route(extended, "S.I, *S.H");
    assert_int_equal(route_isolate(&packet, mine, 3), 3);
}

static struct sequence random_sequence(struct random_source *random, uint64_t space)
{
    struct sequence sequence = {.count = (uint8_t)(1 + random_below(random, SEQUENCE_MAX))};
    for (uint8_t i = 0; i < sequence.count; i++)
        sequence.addresses[i].bits = space << 56 | random_below(random, 1 << 20);
    return sequence;
}

// Whatever the sequences and the policy: the answer to the answer takes the first packet's route.
static void test_reversal_of_reversal_is_identity(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(4));
    for (int round = 0; round < 20000; round++) {
        struct own_sequence a = {random_sequence(&random, 1), true};
        struct own_sequence b = {random_sequence(&random, 2), true};
        struct path via = {.count = (uint8_t)random_below(&random, 8)};
        for (uint8_t i = 0; i < via.count; i++)
            via.addresses[i].bits = UINT64_C(3) << 56 | random_below(&random, 1 << 20);
        struct path destination = path_of(&b.sequence);
        struct route sent;
        assert_true(route_form(&a.sequence, &via, &destination, &sent));
        struct route there = sent;
        while (!route_finished(&there))
            route_advance(&there);
        struct route reply;
        assert_true(route_reply(&there, &b, 1, &reply));
        assert_int_equal(reply.active, b.sequence.count);
        assert_true(sipp_address_equal(route_destination(&reply), route_source(&sent)));
        while (!route_finished(&reply))
            route_advance(&reply);
        struct route again;
        assert_true(route_reply(&reply, &a, 1, &again));
        assert_true(route_equal(&again, &sent));
    }
}

static void test_too_long_is_refused(void **state)
{
    (void)state;
    struct sequence source = {.count = 3};
    struct path via = {.count = ROUTE_MAX - 4};
    struct path destination = {.count = 1};
    struct route formed = {.count = 77};
    assert_true(route_form(&source, &via, &destination, &formed));
    assert_int_equal(formed.count, ROUTE_MAX);
    formed.count = 77;
    via.count++;
    assert_false(route_form(&source, &via, &destination, &formed));
    assert_int_equal(formed.count, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_section_3_1),
        cmocka_unit_test(test_section_5_1),
        cmocka_unit_test(test_section_5_2),
        cmocka_unit_test(test_section_5_3),
        cmocka_unit_test(test_section_6_0_1),
        cmocka_unit_test(test_section_7_1),
        cmocka_unit_test(test_errors_find_their_way_back),
        cmocka_unit_test(test_isolation_prefers_the_longest),
        cmocka_unit_test(test_reversal_of_reversal_is_identity),
        cmocka_unit_test(test_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, read_names, free_names);
}
