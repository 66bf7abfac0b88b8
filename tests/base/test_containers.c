// SPDX-License-Identifier: BSD-2-Clause
// Heap and table against plain arrays, under thousands of random operations.
#include "../check.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/random.h"
#include "base/table.h"
#include <string.h>

#define ITEMS 300
#define STEPS 20000

static void churn_heap(size_t reserved)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(1));
    struct heap heap;
    heap_init(&heap);
    heap_reserve(&heap, reserved);
    struct heap_node nodes[ITEMS] = {0};
    for (int step = 0; step < STEPS; step++) {
        struct heap_node *node = &nodes[random_below(&random, ITEMS)];
        if (random_below(&random, 3) == 0)
            heap_remove(&heap, node);
        else
            heap_set(&heap, node, (struct instant){random_below(&random, 1000)});
        struct instant earliest = INSTANT_NEVER;
        size_t count = 0;
        for (size_t i = 0; i < ITEMS; i++) {
            if (nodes[i].place == 0)
                continue;
            count++;
            earliest = instant_earlier(earliest, nodes[i].deadline);
        }
        assert_int_equal(heap.count, count);
        assert_int_equal(heap_deadline(&heap).ns, earliest.ns);
    }
    heap_release(&heap);
}

static void test_heap_gives_the_earliest(void **state)
{
    (void)state;
    churn_heap(0);
}

static void test_heap_with_room_made_before(void **state)
{
    (void)state;
    churn_heap(ITEMS);
    churn_heap(3); // and grows where that was too few
}

struct item {
    struct table_node node;
    uint64_t key;
    bool inside;
};

static bool match(const struct table_node *node, const void *key)
{
    return container_of(node, const struct item, node)->key == *(const uint64_t *)key;
}

// Returns how many buckets there are at the end.
static size_t churn_table(size_t reserved)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(2));
    struct hash_key key = {{7}};
    struct table table;
    table_init(&table);
    if (reserved > 0)
        table_reserve(&table, reserved);
    static struct item items[ITEMS];
    memset(items, 0, sizeof(items));
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t i = random_below(&random, ITEMS);
        struct item *item = &items[i];
        item->key = i;
        uint64_t hash = hash_bytes(&key, &item->key, sizeof(item->key));
        struct table_node *found = table_find(&table, hash, match, &item->key);
        assert_ptr_equal(found, item->inside ? &item->node : NULL);
        if (item->inside)
            table_remove(&table, &item->node);
        else
            table_insert(&table, &item->node, hash);
        item->inside = !item->inside;
        count += item->inside ? 1 : -1;
        assert_int_equal(table.count, count);
    }
    for (size_t i = 0; i < ITEMS; i++) // all of them at the end
        if (!items[i].inside)
            table_insert(&table, &items[i].node,
                         hash_bytes(&key, &(uint64_t){i}, sizeof(uint64_t)));
    count = ITEMS;
    size_t walked = 0;
    for (struct table_node *node = table_next(&table, NULL); node != NULL;
         node = table_next(&table, node))
        walked++;
    assert_int_equal(walked, count);
    size_t buckets = table.bucket_count;
    table_release(&table);
    return buckets;
}

static void test_table_finds_what_is_in_it(void **state)
{
    (void)state;
    (void)churn_table(0);
}

// As many as it was promised never move: for 300 in 256 buckets, too.
static void test_table_with_room_made_before(void **state)
{
    struct table table;
    (void)state;
    table_init(&table);
    table_reserve(&table, ITEMS);
    size_t reserved = table.bucket_count;
    table_release(&table);
    assert_int_equal(reserved, 256);
    assert_int_equal(churn_table(ITEMS), reserved);
    (void)churn_table(3); // and grows where that was too few
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_gives_the_earliest),
        cmocka_unit_test(test_heap_with_room_made_before),
        cmocka_unit_test(test_table_finds_what_is_in_it),
        cmocka_unit_test(test_table_with_room_made_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
