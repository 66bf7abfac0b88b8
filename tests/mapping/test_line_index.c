// SPDX-License-Identifier: BSD-2-Clause
// The index over the lines of an interval map's leaves, through all that splits, fills, empties and
// drops leaves: whatever entry there is names a line of a leaf that is in the tree, and of its
// kind; an interval found by it alone is the one that the tree gives; and where intervals lie
// evenly it knows nearly all of them.
#include "../check.h"
#include "base/memory.h"
#include "base/random.h"
#include "mapping/interval_tree.h"

#include <stdlib.h>

static const struct leaf *leaf_by_tree(const struct interval_map *map, uint64_t key)
{
    const void *node = map->root;
    for (unsigned level = 0; level < map->height; level++)
        node = inner_get(node, inner_place(node, key)).child;
    return node;
}

// What the tree gives for a key: the last interval that starts there or before.
static struct interval interval_by_tree(const struct interval_map *map, uint64_t key)
{
    const struct leaf *leaf = leaf_by_tree(map, key);
    int place = leaf_find(leaf, key);
    if (place != LEAF_BEFORE)
        return leaf_get(leaf, place);
    assert_non_null(leaf->previous);
    return leaf_get(leaf->previous, leaf_last(leaf->previous));
}

// True when the index alone finds an interval that holds the key, which is checked to be the right
// one, or a leaf that is not narrow and does.
static bool check_key(const struct interval_map *map, uint64_t key)
{
    const struct line_slots *slots = &map->index.slots;
    uint64_t entry = line_slots_find(slots, key);
    const struct leaf_line *line = line_of_entry(entry);
    if (line == NULL)
        return entry != 0 && leaf_of_entry(entry) == leaf_by_tree(map, key);
    uint64_t first = 0;
    unsigned holding = line_find(line, key, &first);
    if (holding == 0)
        return false;
    struct interval found = line_get(line, holding, first);
    struct interval expected = interval_by_tree(map, key);
    if (found.start != expected.start || found.length != expected.length ||
        found.value != expected.value || line_value(line, holding) != expected.value)
        fail_msg("key %llx: not the interval that the tree leads to", (unsigned long long)key);
    return true;
}

static int compare_leaves(const void *a, const void *b)
{
    const struct leaf *const *left = a;
    const struct leaf *const *right = b;
    return (*left > *right) - (*left < *right);
}

// Every entry names one of these leaves, by a line with intervals, or where it is not narrow,
// itself.
static void check_slots(const struct line_slots *slots, const struct leaf *const *leaves,
                        size_t count)
{
    for (uint64_t i = 0; slots->count > 0 && i <= slots->count; i++) {
        uint64_t entry = slots->entries[i];
        if (entry == 0)
            continue;
        assert_true(i > 0);
        const struct leaf *leaf = leaf_of_entry(entry);
        assert_non_null(bsearch(&leaf, leaves, count, sizeof(struct leaf *), compare_leaves));
        const struct leaf_line *line = line_of_entry(entry);
        assert_int_equal(leaf->kind != LEAF_NARROW, line == NULL);
        if (line != NULL) {
            assert_true(line >= leaf->narrow.lines && line < leaf->narrow.lines + NODE_LINES);
            assert_true(line_count(line) > 0);
        }
    }
}

// What is being laid out is written from the end on: nothing is there before the next leaf.
static void check_order(const struct interval_map *map)
{
    const struct line_slots *next = &map->index.next;
    uint64_t start = next->count == 0 ? 0 : leaf_by_tree(map, map->index.next_key)->base;
    if (next->count == 0 || !line_slots_cover(next, start))
        return;
    for (uint64_t i = 0; i <= line_slots_place(next, start) >> 32; i++)
        assert_int_equal(next->entries[i], 0);
}

// The same of the slots in use and of those being laid out, for the leaves that are in the tree.
static void check_entries(const struct interval_map *map)
{
    const struct leaf *leaf = leaf_by_tree(map, 0);
    size_t count = 0;
    size_t capacity = 1024;
    const struct leaf **leaves = memory_new_array(capacity, sizeof(struct leaf *));
    for (; leaf != NULL; leaf = leaf->next) {
        if (count == capacity)
            leaves = memory_resize(leaves, (capacity *= 2) * sizeof(struct leaf *));
        leaves[count++] = leaf;
    }
    qsort(leaves, count, sizeof(struct leaf *), compare_leaves);
    assert_int_equal(map->index.leaves, count);
    check_slots(&map->index.slots, leaves, count);
    check_slots(&map->index.next, leaves, count);
    check_order(map);
    memory_free(leaves);
}

// Checks all entries, and all around the intervals of every leaf; gives the share of these keys
// that the index knows, in percent.
static unsigned check_all(const struct interval_map *map)
{
    size_t known = 0;
    size_t count = 0;
    check_entries(map);
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
            fail_msg("wave %u: the index knows but %u %% of the intervals", wave, known);
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

// Small maps, with all entries checked after every change.
static void test_every_change(void **state)
{
    (void)state;
    uint64_t (*const picks[])(struct random_source *) = {even, clustered, uneven, anywhere};
    struct random_source random;
    random_init(&random, random_seed_from_number(11));
    for (size_t i = 0; i < 8; i++) {
        struct interval_map *map = i < 4 ? interval_map_new() : interval_map_new_growing();
        for (unsigned turn = 0; turn < 9000; turn++) {
            uint64_t key = picks[i % 4](&random);
            change(map, key, interval_map_count(map) < 2200 || turn / 1000 % 2 == 0);
            check_entries(map);
            (void)check_key(map, key);
        }
        interval_map_free(map);
    }
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

// A large index is laid out beside the one in use, a few leaves with each change: it is good all
// the while, and never is much done at once.
static void lay_out_while_growing(struct interval_map *map, size_t at_once)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(13));
    const struct line_index *index = &map->index;
    size_t layouts = 0;
    size_t added = 0; // leaves, since the layout under way began
    while (interval_map_count(map) < 100000) {
        bool laying = index->next.count > 0;
        size_t leaves = index->leaves;
        change(map, even(&random), true);
        added = laying ? added + index->leaves - leaves : 0;
        if (!laying || index->next.count > 0)
            continue;
        assert_in_range(added, index->laid_out / at_once, index->laid_out / 4);
        assert_true(check_all(map) >= 95);
        layouts++;
    }
    assert_in_range(layouts, 10, 20);
    interval_map_free(map);
}

static void test_little_by_little(void **state)
{
    (void)state;
    lay_out_while_growing(interval_map_new(), 16);
    lay_out_while_growing(interval_map_new_growing(), 6);
}

// What the index knows while it is laid out anew, and settles in the middle of it.
static void test_settle_meanwhile(void **state)
{
    (void)state;
    struct interval_map *map = interval_map_new();
    for (uint64_t i = 0; i < 20000 || (map->index.next.count == 0 && i < 40000); i++)
        assert_true(interval_map_insert(map, &(struct interval){i << 20, 1, 1}));
    assert_true(check_all(map) >= 60);
    for (uint64_t i = 40000; i < 60000; i++)
        assert_true(interval_map_append(map, &(struct interval){i << 20, 1, 1}, 1));
    (void)check_all(map);
    interval_map_settle(map);
    assert_int_equal(map->index.next.count, 0);
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
        cmocka_unit_test(test_every_change),
        cmocka_unit_test(test_even),
        cmocka_unit_test(test_clustered),
        cmocka_unit_test(test_uneven),
        cmocka_unit_test(test_anywhere),
        cmocka_unit_test(test_sliding),
        cmocka_unit_test(test_bulk),
        cmocka_unit_test(test_little_by_little),
        cmocka_unit_test(test_settle_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
