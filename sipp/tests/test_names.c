// SPDX-License-Identifier: BSD-2-Clause
#include "tests/check.h"

#include "base/random.h"
#include "document.h"
#include "sipp/lib/notation.h"

static struct names *names_of(const char *text)
{
    struct names *names = names_new();
    struct error error;
    if (!names_read(names, text, &error))
        fail_msg("%s", error.text);
    return names;
}

static void test_hierarchy(void **state)
{
    (void)state;
    struct names *names = names_of("# comment\n" DOCUMENT_SIMPLE "\n  M 7f0e:0000:0000:0007 # c\n");
    struct sipp_address address;
    char text[NAME_TEXT_MAX];
    assert_true(names_parse(names, "Q.D.H", &address, NULL));
    assert_true(address.bits == UINT64_C(0x0040000000020007));
    assert_string_equal(names_print(names, address, text), "Q.D.H");
    assert_true(names_parse(names, "P.0", &address, NULL));
    assert_true(address.bits == UINT64_C(0x0080000000000000));
    assert_string_equal(names_print(names, address, text), "P.0");
    assert_true(names_parse(names, "Q.D.0", &address, NULL));
    assert_string_equal(names_print(names, address, text), "Q.D.0");
    assert_true(names_parse(names, "M", &address, NULL));
    assert_true(sipp_address_multicast(address));
    address.bits++;
    assert_string_equal(names_print(names, address, text), "7f0e:0000:0000:0008");
    assert_string_equal(names_print(NULL, address, text), "7f0e:0000:0000:0008");
    names_free(names);
}

static void test_bad_files(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *reason;
    } cases[] = {
        {"P", "bad-line"},
        {"P 0080:0000:0000:0000/32 more", "bad-line"},
        {"P 0080:0000:0000:0000/32\nP 0080:0000:0000:0000/32", "name-taken"},
        {"P.D +1/16", "no-parent"},
        {"P +1/16", "no-parent"},
        {"P 0080:0000:0000:0000/32\nP.D +1/33", "bad-number"},
        {"P 0080:0000:0000:0000/32\nP.D +4/2", "bad-number"},
        {"P 0080:0000:0000:0000/32\nP.D +/2", "bad-number"},
        {"P 0080:0000:0000:0000/32\nP.D +1", "bad-number"},
        {"P.0 0080:0000:0000:0000/32", "bad-name"},
        {".P 0080:0000:0000:0000/32", "bad-name"},
        {"P..D 0080:0000:0000:0000/32", "bad-name"},
        {"P:D 0080:0000:0000:0000/32", "bad-name"},
        {"P 0080", "bad-address"},
        {"P 0080/3", "bad-address"},
        {"P 0080:0000:0000:0001/3", "bits-behind-prefix"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct names *names = names_new();
        struct error error;
        assert_false(names_read(names, cases[i].text, &error));
        assert_string_equal(error.reason, cases[i].reason);
        names_free(names);
    }
}

static void test_bad_words(void **state)
{
    (void)state;
    struct names *names = names_of(DOCUMENT_SIMPLE);
    struct sipp_address address;
    struct error error;
    assert_false(names_parse(names, "P", &address, &error));
    assert_string_equal(error.reason, "names-a-prefix");
    assert_false(names_parse(names, "X.0", &address, &error));
    assert_string_equal(error.reason, "unknown-name");
    assert_false(names_parse(names, ".0", &address, &error));
    assert_false(names_parse(names, "", &address, &error));
    assert_false(names_parse(NULL, "P.0", &address, &error));
    struct sipp_prefix prefix;
    assert_true(names_parse_prefix(names, "P", &prefix, NULL));
    assert_int_equal(prefix.length, 32);
    assert_true(names_parse_prefix(names, "P.D.H", &prefix, NULL));
    assert_int_equal(prefix.length, 64);
    assert_true(names_parse_prefix(names, "0080:0000:0000:0000/9", &prefix, NULL));
    assert_int_equal(prefix.length, 9);
    names_free(names);
}

static void test_route_notation(void **state)
{
    (void)state;
    struct names *names = names_of(DOCUMENT_EXTENDED);
    const char *text = "S.H, Q.D, *Q.E, S.I";
    struct route route;
    char printed[ROUTE_TEXT_MAX];
    assert_true(route_parse(names, text, &route, NULL));
    assert_int_equal(route.count, 4);
    assert_int_equal(route.active, 2);
    assert_string_equal(route_print(names, &route, printed), text);
    assert_true(route_parse(names, "S.H,Q.D,*0040:0000:0000:0001 ,S.I", &route, NULL));
    assert_string_equal(route_print(names, &route, printed), text);
    const char *const bad[] = {"S.H",       "S.H, S.I",   "*S.H, S.I",  "S.H, *Q.D, *S.I",
                               "S.H, *X.Y", "S.H, **S.I", "S.H,, *S.I", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(route_parse(names, bad[i], &route, NULL));
    names_free(names);
}

static void test_sequence_notation(void **state)
{
    (void)state;
    struct names *names = names_of(DOCUMENT_EXTENDED);
    struct path path;
    char printed[PATH_TEXT_MAX];
    assert_true(path_parse(names, "Q.D:S.H", &path, NULL));
    assert_int_equal(path.count, 2);
    assert_string_equal(path_print(names, &path, printed), "Q.D:S.H");
    assert_true(path_parse(names, "0040:0000:0000:0002:2000:000d:0001:0007", &path, NULL));
    assert_string_equal(path_print(names, &path, printed), "Q.D:S.H");
    assert_true(path_parse(names, "0040:000000000002:S.H", &path, NULL));
    assert_string_equal(path_print(names, &path, printed), "Q.D:S.H");
    struct sequence sequence;
    struct error error;
    assert_true(sequence_parse(names, "Q.D:S.H", &sequence, NULL));
    assert_false(sequence_parse(names, "Q.D:Q.D:Q.D:S.H", &sequence, &error));
    assert_string_equal(error.reason, "sequence-too-long");
    assert_false(path_parse(names, "Q.D:", &path, NULL));
    assert_false(path_parse(names, ":Q.D", &path, NULL));
    names_free(names);
}

static void test_random_round_trip(void **state)
{
    (void)state;
    struct names *names = names_of(DOCUMENT_EXTENDED);
    struct random_source random;
    random_init(&random, random_seed_from_number(3));
    for (int i = 0; i < 2000; i++) {
        struct route route = {.count = (uint8_t)(2 + random_below(&random, ROUTE_MAX - 1))};
        route.active = (uint8_t)(1 + random_below(&random, route.count - 1u));
        for (uint8_t j = 0; j < route.count; j++) {
            struct sipp_prefix prefix;
            bool named = random_below(&random, 2) == 0;
            (void)names_entry(names, random_below(&random, names_count(names)), &prefix);
            route.addresses[j].bits = named ? prefix.address.bits : random_u64(&random);
        }
        char text[ROUTE_TEXT_MAX];
        struct route read;
        assert_true(route_parse(names, route_print(names, &route, text), &read, NULL));
        assert_true(route_equal(&read, &route));
    }
    names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hierarchy),         cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_bad_words),         cmocka_unit_test(test_route_notation),
        cmocka_unit_test(test_sequence_notation), cmocka_unit_test(test_random_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
