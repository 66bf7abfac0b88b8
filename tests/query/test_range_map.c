// SPDX-License-Identifier: BSD-2-Clause
// The map from ranges to objects against plain arrays, grown as needed and with room made before.
#include "../check.h"
#include "base/random.h"
#include "query/range_map.h"

#define PLACES 600 // ranges of up to 10 units, 16 units apart, in two families
#define STEPS  30000

static struct range range_of(size_t place, uint64_t length)
{
    enum family family = place % 2 == 0 ? FAMILY_IPV4 : FAMILY_IPV6;
    return (struct range){family, {0x14000000u + place * 16}, {length}};
}

static void check_place(const struct range_map *map, size_t place, const char *object,
                        uint64_t length)
{
    struct range whole = range_of(place, 16);
    for (uint64_t i = 0; i < 16; i++) {
        struct unit unit = {whole.start.index + i};
        assert_ptr_equal(range_map_find(map, whole.family, unit), i < length ? object : NULL);
    }
    assert_ptr_equal(range_map_first_in(map, &whole), length > 0 ? object : NULL);
}

static void churn(size_t reserved)
{
    static char objects[PLACES];
    uint64_t lengths[PLACES] = {0}; // 0: not in the map
    struct random_source random;
    random_init(&random, random_seed_from_number(5));
    struct range_map map;
    range_map_init(&map);
    if (reserved > 0)
        range_map_reserve(&map, reserved);
    size_t empty = range_map_memory(&map);
    size_t count = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t place = random_below(&random, PLACES);
        struct range range = range_of(place, lengths[place]);
        if (lengths[place] > 0) {
            range_map_remove(&map, &range);
            lengths[place] = 0;
            count--;
        } else {
            lengths[place] = 1 + random_below(&random, 10);
            range.length.units = lengths[place];
            range_map_insert(&map, &range, &objects[place]);
            count++;
        }
        assert_int_equal(range_map_count(&map), count);
        check_place(&map, place, &objects[place], lengths[place]);
        place = random_below(&random, PLACES);
        check_place(&map, place, &objects[place], lengths[place]);
    }
    // Places of what was removed are used again.
    assert_true(map.numbered <= PLACES);
    assert_true(range_map_memory(&map) < empty + (size_t)PLACES * 100);
    range_map_release(&map);
}

static void test_grows(void **state)
{
    (void)state;
    churn(0);
}

static void test_reserved(void **state)
{
    (void)state;
    churn(PLACES);
    churn(10); // and grows where that was too few
}

// Room that is made costs no memory before it is used.
static void test_room_is_not_counted(void **state)
{
    (void)state;
    struct range_map small;
    struct range_map large;
    range_map_init(&small);
    range_map_init(&large);
    range_map_reserve(&large, 1000000);
    assert_int_equal(range_map_memory(&large), range_map_memory(&small));
    range_map_release(&small);
    range_map_release(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_room_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
