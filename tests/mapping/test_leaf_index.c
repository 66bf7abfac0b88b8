// SPDX-License-Identifier: BSD-2-Clause
// The index over the leaves of an interval map against the tree itself: whatever leaf it gives for
// a key is the one that the tree leads to, through all that splits, fills, empties and drops
// leaves; and where intervals lie evenly it gives one for nearly all keys.
#include "../check.h"
#include "base/random.h"
#include "mapping/interval_tree.h"

static const struct leaf *leaf_by_tree(const struct interval_map *map, uint64_t key)
{
    const void *node = map->root;
    for (unsigned level = 0; level < map->height; level++)
        node = inner_get(node, inner_place(node, key)).child;
    return node;
}

// True when the index knows the leaf of a key; that it is the right one is checked.
static bool check_key(const struct interval_map *map, uint64_t key)
{
    const struct leaf_slots *slots = &map->index.slots;
    if (slots->count == 0)
        return false;
    const struct leaf *leaf = leaf_slots_leaf(slots, leaf_slots_places(slots, key), key);
    if (leaf != NULL && leaf != leaf_by_tree(map, key))
        fail_msg("key %llx: not the leaf that the tree leads to", (unsigned long long)key);
    return leaf != NULL;
}

// Checks all around the intervals of every leaf; gives the share of these keys that the index
// knows, in percent.
static unsigned check_all(const struct interval_map *map)
{
    size_t known = 0;
    size_t count = 0;
    (void)check_key(map, 0);
    (void)check_key(map, UINT64_MAX);
    struct interval at;
    for (uint64_t from = 0; interval_map_next(map, from, &at); from = at.start + at.length) {
        (void)check_key(map, at.start - 1);
        (void)check_key(map, at.start + at.length);
        known += check_key(map, at.start);
        count++;
    }
    return count == 0 ? 0 : (unsigned)(known * 100 / count);
}

static uint64_t even(struct random_source *random)
{
    return ((uint64_t)1 << 60) + random_below(random, (uint64_t)1 << 30);
}

// Dense clusters of different sizes, far from each other: too few slots would have a leaf.
static uint64_t clustered(struct random_source *random)
{
    uint64_t cluster = random_below(random, 20);
    return cluster * cluster << 50 | random_below(random, 16 << cluster);
}

// Half evenly and half in dense places, some of which crowd in their slots.
static uint64_t uneven(struct random_source *random)
{
    uint64_t key = even(random);
    return random_below(random, 2) == 0 ? key : key >> 15 << 15 | random_below(random, 512);
}

static uint64_t anywhere(struct random_source *random)
{
    return random_u64(random);
}

static void change(struct interval_map *map, uint64_t key, bool growing)
{
    struct interval at;
    if (growing)
        (void)interval_map_insert(map, &(struct interval){key, 1, 1});
    else if (interval_map_next(map, key, &at) || interval_map_previous(map, key, &at))
        assert_true(interval_map_remove(map, at.start));
}

// Grows and shrinks a map, in the end to nothing; checks where each change was, and all now and
// then.
static void churn(uint64_t pick(struct random_source *), unsigned known_when_grown)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(7));
    struct interval_map *map = interval_map_new();
    for (unsigned wave = 1; wave <= 3; wave++) {
        for (unsigned i = 0; i < 15000 * wave; i++) {
            uint64_t key = pick(&random);
            change(map, key, true);
            (void)check_key(map, key);
        }
        unsigned known = check_all(map);
        if (known < known_when_grown)
            fail_msg("wave %u: the index knows but %u %% of the leaves", wave, known);
        while (interval_map_count(map) > (wave < 3 ? 4000 : 0)) {
            uint64_t key = pick(&random);
            change(map, key, false);
            (void)check_key(map, key);
            if (interval_map_count(map) % 2000 == 0)
                (void)check_all(map);
        }
        (void)check_all(map);
    }
    interval_map_free(map);
}

static void test_even(void **state)
{
    (void)state;
    churn(even, 95);
}

static void test_clustered(void **state)
{
    (void)state;
    churn(clustered, 0);
}

static void test_uneven(void **state)
{
    (void)state;
    churn(uneven, 50);
}

static void test_anywhere(void **state)
{
    (void)state;
    churn(anywhere, 95);
}

// A cache: always new keys at the end while the oldest leave at the beginning.
static void test_sliding(void **state)
{
    (void)state;
    struct interval_map *map = interval_map_new();
    for (uint64_t i = 0; i < 60000; i++) {
        assert_true(interval_map_insert(map, &(struct interval){i * 1000, 10, 1}));
        if (i >= 10000)
            assert_true(interval_map_remove(map, (i - 10000) * 1000));
        (void)check_key(map, i * 1000);
        (void)check_key(map, i < 10000 ? 0 : (i - 10000) * 1000);
        if (i % 5000 == 0)
            (void)check_all(map);
    }
    assert_true(check_all(map) >= 40);
    interval_map_settle(map);
    assert_true(check_all(map) >= 95);
    interval_map_free(map);
}

// Intervals put in in bulk are all found through the index once the map was settled.
static void test_bulk(void **state)
{
    (void)state;
    struct interval_map *map = interval_map_new();
    for (uint64_t i = 0; i < 50000; i++)
        assert_true(interval_map_append(map, &(struct interval){i << 20, 1, 1}, 1));
    interval_map_settle(map);
    assert_int_equal(check_all(map), 100);
    interval_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_even),    cmocka_unit_test(test_clustered),
        cmocka_unit_test(test_uneven),  cmocka_unit_test(test_anywhere),
        cmocka_unit_test(test_sliding), cmocka_unit_test(test_bulk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
