// SPDX-License-Identifier: BSD-2-Clause
// Answers of DNS kept in a file: what comes out is what went in, or nothing.
#include "../check.h"
#include "base/memory.h"
#include "base/random.h"
#include "node/query/zone_store.h"

#include <sodium.h>
#include <string.h>

static struct dns_question question(const char *name, enum dns_type type)
{
    struct dns_question made = {.type = type};
    strcpy(made.name, name);
    return made;
}

static void put(struct zone_store *store, const char *name, enum dns_type type, const char *a,
                const char *b)
{
    const struct dns_record records[2] = {{(const uint8_t *)a, a == NULL ? 0 : strlen(a)},
                                          {(const uint8_t *)b, b == NULL ? 0 : strlen(b)}};
    struct dns_question asked = question(name, type);
    const struct dns_answer answer = {.outcome = a == NULL ? DNS_NOTHING : DNS_SECURE,
                                      .count = (a != NULL) + (size_t)(b != NULL),
                                      .records = records};
    zone_store_put(store, &asked, &answer);
}

static struct zone_store *make_store(void)
{
    struct zone_store *store = zone_store_new();
    put(store, "_ivip.ivip.example", DNS_TXT, "root", NULL);
    put(store, "qsa.example", DNS_A, "abcd", "efgh");
    put(store, "qsa.example", DNS_AAAA, NULL, NULL);
    put(store, "long.example", DNS_TXT, "first", NULL);
    put(store, "long.example", DNS_TXT, "", "second"); // another answer to the same
    return store;
}

static const struct zone_label label = {"ivip.example", {1, 2, 3}, {UINT64_C(1700000000000)}};

static void check_store(const struct zone_store *store)
{
    static struct zone_answer answer;
    struct dns_question a = question("qsa.example", DNS_A);
    struct dns_question aaaa = question("qsa.example", DNS_AAAA);
    struct dns_question text = question("long.example", DNS_TXT);
    struct dns_question other = question("long.example", DNS_SRV);
    assert_int_equal(zone_store_count(store), 4);
    assert_true(zone_store_find(store, &a, &answer));
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.records[1].length, 4);
    assert_memory_equal(answer.records[1].bytes, "efgh", 4);
    assert_true(zone_store_find(store, &aaaa, &answer));
    assert_int_equal(answer.count, 0);
    assert_true(zone_store_find(store, &text, &answer));
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.records[0].length, 0);
    assert_int_equal(answer.records[1].length, 6);
    assert_false(zone_store_find(store, &other, &answer));
}

static void test_comes_back(void **state)
{
    (void)state;
    struct zone_store *store = make_store();
    struct zone_label read;
    size_t length;
    check_store(store);
    uint8_t *bytes = zone_store_encode(store, &label, &length);
    zone_store_free(store);
    store = zone_store_decode(bytes, length, &read, NULL);
    assert_non_null(store);
    check_store(store);
    assert_string_equal(read.domain, label.domain);
    assert_memory_equal(read.anchor, label.anchor, sizeof(label.anchor));
    assert_int_equal(read.confirmed.ms, label.confirmed.ms);
    zone_store_free(store);
    memory_free(bytes);
}

static void test_a_sweep_leaves_what_was_marked(void **state)
{
    (void)state;
    static struct zone_answer answer;
    struct zone_store *store = make_store();
    struct dns_question a = question("qsa.example", DNS_A);
    struct dns_question unknown = question("other.example", DNS_A);
    zone_store_mark(store, &a);
    zone_store_mark(store, &unknown);
    zone_store_sweep(store);
    assert_int_equal(zone_store_count(store), 1);
    assert_true(zone_store_find(store, &a, &answer));
    zone_store_sweep(store); // marks last for one sweep
    assert_int_equal(zone_store_count(store), 0);
    zone_store_free(store);
}

static void test_damage_is_seen(void **state)
{
    (void)state;
    struct zone_store *store = make_store();
    struct zone_label read;
    struct error error;
    size_t length;
    uint8_t *bytes = zone_store_encode(store, &label, &length);
    zone_store_free(store);
    for (size_t shorter = 0; shorter < length; shorter++)
        assert_null(zone_store_decode(bytes, shorter, &read, NULL));
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 1;
        assert_null(zone_store_decode(bytes, length, &read, &error));
        assert_string_equal(error.reason, "zone-damaged");
        bytes[i] ^= 1;
    }
    memory_free(bytes);
}

// Whatever is in the file, with a right digest at its end: refused, or an answer is an answer.
static void test_nonsense_with_a_right_digest(void **state)
{
    (void)state;
    static struct zone_answer answer;
    struct random_source random;
    random_init(&random, random_seed_from_number(1));
    struct zone_store *store = make_store();
    size_t length;
    uint8_t *good = zone_store_encode(store, &label, &length);
    zone_store_free(store);
    uint8_t *bytes = memory_new(length);
    size_t taken = 0;
    for (int round = 0; round < 20000; round++) {
        struct zone_label read;
        memcpy(bytes, good, length);
        for (uint64_t i = 1 + random_below(&random, 3); i > 0; i--)
            bytes[10 + random_below(&random, length - 42)] = (uint8_t)random_u64(&random);
        (void)crypto_generichash(bytes + length - 32, 32, bytes, length - 32, NULL, 0);
        store = zone_store_decode(bytes, length, &read, NULL);
        if (store == NULL)
            continue;
        taken++;
        struct dns_question a = question("qsa.example", DNS_A);
        if (zone_store_find(store, &a, &answer))
            for (size_t i = 0; i < answer.count; i++)
                assert_true(answer.records[i].length < length);
        zone_store_free(store);
    }
    assert_in_range(taken, 1000, 19000);
    memory_free(bytes);
    memory_free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_a_sweep_leaves_what_was_marked),
        cmocka_unit_test(test_damage_is_seen),
        cmocka_unit_test(test_nonsense_with_a_right_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
