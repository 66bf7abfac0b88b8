// SPDX-License-Identifier: BSD-2-Clause
// The map from ranges to numbers against plain arrays; and the slab, whose objects it numbers.
#include "../check.h"
#include "base/random.h"
#include "query/range_map.h"
#include "query/slab.h"

#define PLACES 600 // ranges of up to 10 units, 16 units apart, in two families
#define STEPS  30000

static struct range range_of(size_t place, uint64_t length)
{
    enum family family = place % 2 == 0 ? FAMILY_IPV4 : FAMILY_IPV6;
    return (struct range){family, {0x14000000u + place * 16}, {length}};
}

static void check_place(const struct range_map *map, size_t place, uint64_t length)
{
    struct range whole = range_of(place, 16);
    uint32_t number = 0;
    for (uint64_t i = 0; i < 16; i++) {
        struct unit unit = {whole.start.index + i};
        bool found = range_map_find(map, whole.family, unit, &number);
        assert_int_equal(found, i < length);
        assert_true(!found || number == place);
    }
    assert_int_equal(range_map_first_in(map, &whole, &number), length > 0);
    assert_true(length == 0 || number == place);
}

static void test_map(void **state)
{
    (void)state;
    uint64_t lengths[PLACES] = {0}; // 0: not in the map
    struct random_source random;
    random_init(&random, random_seed_from_number(5));
    struct range_map map;
    range_map_init(&map);
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
            range_map_insert(&map, &range, (uint32_t)place);
            count++;
        }
        assert_int_equal(range_map_count(&map), count);
        check_place(&map, place, lengths[place]);
        place = random_below(&random, PLACES);
        check_place(&map, place, lengths[place]);
    }
    assert_true(range_map_memory(&map) < empty + (size_t)PLACES * 100);
    range_map_release(&map);
}

// Objects of 20 octets, each filled with a value of its own; all in use are looked at by number.
static void test_slab(void **state)
{
    (void)state;
    uint32_t *objects[PLACES] = {0};
    struct random_source random;
    random_init(&random, random_seed_from_number(6));
    struct slab slab;
    slab_init_numbered(&slab, 5 * sizeof(uint32_t));
    size_t count = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        size_t place = random_below(&random, PLACES);
        uint32_t *object = objects[place];
        if (object != NULL) {
            for (size_t i = 0; i < 5; i++)
                assert_int_equal(object[i], object[0]);
            assert_ptr_equal(slab_at(&slab, slab_number(&slab, object)), object);
            slab_give(&slab, object);
            objects[place] = NULL;
            count--;
        } else {
            objects[place] = object = slab_take(&slab);
            for (size_t i = 0; i < 5; i++) {
                assert_int_equal(object[i], 0);
                object[i] = step + 1;
            }
            // Those given back are used again: numbers stay small.
            assert_true(slab_number(&slab, object) < PLACES + SLAB_BLOCK_OBJECTS);
            count++;
        }
        assert_int_equal(slab.used, count);
    }
    slab_release(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_slab),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
