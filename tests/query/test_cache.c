// SPDX-License-Identifier: BSD-2-Clause
// Which entry of a querier's cache goes when room is needed: about the least recently used, after
// little search whatever was used.
#include "../check.h"
#include "query/cache.h"

#define ENTRIES 100

static struct learned *entries[ENTRIES];

static void fill(struct cache *cache)
{
    cache_init(cache, (struct hash_key){{3}}, ENTRIES);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct range range = {FAMILY_IPV4, {0x14000000u + i}, {1}};
        entries[i] = cache_add(cache, &range, i + 1, (struct instant){1000 + i});
    }
}

static size_t evict(struct cache *cache)
{
    struct learned *oldest = cache_oldest(cache);
    assert_non_null(oldest);
    size_t i = oldest->nonce - 1;
    assert_ptr_equal(oldest, entries[i]);
    cache_doom(cache, oldest);
    cache_free_doomed(cache, oldest);
    entries[i] = NULL;
    return i;
}

static void test_unused_go_in_the_order_they_came(void **state)
{
    (void)state;
    struct cache cache;
    fill(&cache);
    for (size_t i = 0; i < ENTRIES; i++)
        assert_int_equal(evict(&cache), i);
    assert_null(cache_oldest(&cache));
    cache_release(&cache);
}

static void test_used_ones_are_spared_for_a_round(void **state)
{
    (void)state;
    struct cache cache;
    fill(&cache);
    for (size_t i = 0; i < ENTRIES; i += 10)
        cache_touch(entries[i]);
    for (size_t i = 0; i < ENTRIES; i++)
        if (i % 10 != 0)
            assert_int_equal(evict(&cache), i);
    cache_touch(entries[0]); // used again
    for (size_t i = 10; i < ENTRIES; i += 10)
        assert_int_equal(evict(&cache), i);
    assert_int_equal(evict(&cache), 0);
    cache_release(&cache);
}

static void test_all_used_is_no_long_search(void **state)
{
    (void)state;
    struct cache cache;
    fill(&cache);
    for (size_t i = 0; i < ENTRIES; i++)
        cache_touch(entries[i]);
    assert_int_equal(evict(&cache), CACHE_SPARED_MAX);
    size_t used = 0;
    for (size_t i = 0; i < ENTRIES; i++)
        used += entries[i] != NULL && entries[i]->used;
    assert_int_equal(used, ENTRIES - 1 - CACHE_SPARED_MAX);
    cache_release(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unused_go_in_the_order_they_came),
        cmocka_unit_test(test_used_ones_are_spared_for_a_round),
        cmocka_unit_test(test_all_used_is_no_long_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
