// SPDX-License-Identifier: BSD-2-Clause
// How much a query server remembers where nobody says it, and what that takes.
#include "../check.h"
#include "node/query/query_memory.h"
#include "query/cache.h"
#include "query/teller.h"
#include "query/told.h"

#define RANGES 100000

static void test_as_much_as_there_is_memory_for(void **state)
{
    (void)state;
    const uint64_t mib = UINT64_C(1) << 20;
    const struct {
        uint64_t bytes;
        uint32_t configured;
        size_t usual, expected;
    } cases[] = {
        {8192 * mib, 0, 4000000, 4000000}, // enough for what is usual
        {256 * mib, 0, 4000000, 174762},   // a quarter of it, 384 octets each
        {0, 0, 4000000, 1},
        {256 * mib, 5000000, 4000000, 5000000}, // who says it has it
        {8192 * mib, 10, 4000000, 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            query_memory_ranges_in(cases[i].bytes, cases[i].configured, cases[i].usual),
            cases[i].expected);
    assert_int_equal(query_memory_ranges(7, 100), 7);
    assert_int_equal(query_memory_ranges(0, 100), 100); // any machine has room for those
}

static void test_one_querier_is_told_as_much_as_it_caches(void **state)
{
    (void)state;
    assert_int_equal(query_memory_of_querier(TELLER_TOLD_MAX), 1000000);
    assert_int_equal(query_memory_of_querier(3), 1);
}

// The number-th IPv6 /64, by itself.
static struct range range_of(uint64_t number)
{
    return (struct range){
        .family = FAMILY_IPV6, .start = {(UINT64_C(0x2001) << 48) + number * 2}, .length = {1}};
}

// A quarter more may be told than the limit says, until flushes are confirmed.
static void test_what_is_told_takes_no_more(void **state)
{
    (void)state;
    struct told_memory memory;
    told_init(&memory, (struct hash_key){0}, 1, RANGES + RANGES / 4);
    struct endpoint endpoint = {{.family = FAMILY_IPV4}, 1};
    struct account *account = told_add_account(&memory, &endpoint, 1, 0);
    for (uint64_t i = 0; i < RANGES + RANGES / 4; i++) {
        struct range range = range_of(i);
        struct told *told = told_add(&memory, account, told_add_subject(&memory, &range), i,
                                     (struct instant){UINT64_MAX / 2});
        told_await(&memory, told, told->expires);
    }
    assert_in_range(told_bytes(&memory), RANGES * (size_t)160, RANGES * (size_t)QUERY_RANGE_BYTES);
    told_release(&memory);
}

static void test_what_is_cached_takes_no_more(void **state)
{
    (void)state;
    struct cache cache;
    cache_init(&cache, (struct hash_key){0}, RANGES);
    for (uint64_t i = 0; i < RANGES; i++) {
        struct range range = range_of(i);
        (void)cache_add(&cache, &range, i, (struct instant){UINT64_MAX / 2});
    }
    assert_in_range(cache_memory(&cache), RANGES * (size_t)160, RANGES * (size_t)QUERY_RANGE_BYTES);
    cache_release(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_much_as_there_is_memory_for),
        cmocka_unit_test(test_one_querier_is_told_as_much_as_it_caches),
        cmocka_unit_test(test_what_is_told_takes_no_more),
        cmocka_unit_test(test_what_is_cached_takes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
