// SPDX-License-Identifier: BSD-2-Clause
// The interval map against a plain sorted array, in key spaces that make its leaves narrow, far,
// wide and mixed, growing and shrinking.
#include "../check.h"
#include "base/memory.h"
#include "base/random.h"
#include "mapping/interval_map.h"
#include "mapping/interval_tree.h"

#include <string.h>

#define MODEL_MAX 20000
#define ROUNDS    40000

struct model {
    size_t count;
    struct interval items[MODEL_MAX];
};

// The place of the first interval that ends at `key` or after it.
static size_t model_place(const struct model *model, uint64_t key)
{
    size_t low = 0;
    size_t high = model->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct interval *item = &model->items[middle];
        if (item->start + (item->length - 1) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool model_find(const struct model *model, uint64_t key, struct interval *found)
{
    size_t place = model_place(model, key);
    if (place == model->count || model->items[place].start > key)
        return false;
    *found = model->items[place];
    return true;
}

static bool model_next(const struct model *model, uint64_t key, struct interval *found)
{
    size_t place = model_place(model, key);
    if (place == model->count)
        return false;
    *found = model->items[place];
    return true;
}

static bool model_previous(const struct model *model, uint64_t key, struct interval *found)
{
    size_t place = model_place(model, key);
    if (place == model->count || model->items[place].start > key) {
        if (place == 0)
            return false;
        place--;
    }
    *found = model->items[place];
    return true;
}

static bool model_insert(struct model *model, const struct interval *interval)
{
    size_t place = model_place(model, interval->start);
    if (place < model->count &&
        model->items[place].start <= interval->start + (interval->length - 1))
        return false;
    assert_true(model->count < MODEL_MAX);
    memmove(model->items + place + 1, model->items + place,
            (model->count - place) * sizeof(*model->items));
    model->items[place] = *interval;
    model->count++;
    return true;
}

static bool model_remove(struct model *model, uint64_t start)
{
    size_t place = model_place(model, start);
    if (place == model->count || model->items[place].start != start)
        return false;
    model->count--;
    memmove(model->items + place, model->items + place + 1,
            (model->count - place) * sizeof(*model->items));
    return true;
}

static void same(bool a, const struct interval *x, bool b, const struct interval *y)
{
    assert_int_equal(a, b);
    if (!a)
        return;
    assert_true(x->start == y->start);
    assert_true(x->length == y->length);
    assert_int_equal(x->value, y->value);
}

// The search that was not chosen for this machine, too.
static void compare_plain(const struct interval_map *map, const struct model *model, uint64_t key)
{
    const struct interval_finder *plain = &interval_finder_any;
    struct interval x = {0};
    struct interval y = {0};
    bool a = plain->find(map, key, &x);
    same(a, &x, model_find(model, key, &y), &y);
    a = plain->next(map, key, &x);
    same(a, &x, model_next(model, key, &y), &y);
    a = plain->previous(map, key, &x);
    same(a, &x, model_previous(model, key, &y), &y);
    plain->find_many(map, &key, 1, &x);
    same(x.length > 0, &x, model_find(model, key, &y), &y);
}

static void compare_at(const struct interval_map *map, const struct model *model, uint64_t key)
{
    struct interval x = {0};
    struct interval y = {0};
    compare_plain(map, model, key);
    bool a = interval_map_find(map, key, &x);
    same(a, &x, model_find(model, key, &y), &y);
    a = interval_map_next(map, key, &x);
    same(a, &x, model_next(model, key, &y), &y);
    a = interval_map_previous(map, key, &x);
    same(a, &x, model_previous(model, key, &y), &y);
}

// Walks the whole map forwards and backwards, and finds every start in one batch.
static void compare_all(const struct interval_map *map, const struct model *model)
{
    assert_int_equal(interval_map_count(map), model->count);
    uint64_t *keys = memory_new_array(model->count, sizeof(*keys));
    struct interval *found = memory_new_array(model->count, sizeof(*found));
    struct interval at = {0};
    for (size_t i = 0; i < model->count; i++) {
        const struct interval *item = &model->items[i];
        uint64_t from = i == 0 ? 0 : model->items[i - 1].start + model->items[i - 1].length;
        assert_true(interval_map_next(map, from, &at));
        same(true, &at, true, item);
        assert_true(interval_map_previous(map, item->start, &at));
        same(true, &at, true, item);
        keys[i] = item->start + (item->length - 1);
    }
    interval_map_find_many(map, keys, model->count, found);
    for (size_t i = 0; i < model->count; i++)
        same(true, &found[i], true, &model->items[i]);
    memory_free(keys);
    memory_free(found);
}

// What kind of key space: keys are base + below(span), lengths below(longest) + 1, where longest is
// halved up to so many times.
struct space {
    const char *name;
    uint64_t base;
    uint64_t span;
    uint64_t longest;
    unsigned halved;
};

static const struct space spaces[] = {
    {"crowded", 0, 4000, 6, 0},
    {"narrow", 0x20010db800000000, 1 << 24, 900, 0},
    {"far", 1, UINT64_MAX - 1, 900, 0},
    {"wide", 1, UINT64_MAX - 1, (uint64_t)1 << 48, 0},
    {"narrow and far", 1, (uint64_t)1 << 40, 900, 0},
    {"far and wide", 1, UINT64_MAX - 1, (uint64_t)1 << 34, 24},
    {"mixed", (uint64_t)1 << 63, (uint64_t)1 << 36, (uint64_t)1 << 33, 0},
    {"end", UINT64_MAX - 20000, 20001, 30, 0},
};

static uint64_t pick(struct random_source *random, const struct space *space)
{
    return space->base + random_below(random, space->span);
}

static void step(struct interval_map *map, struct model *model, struct random_source *random,
                 const struct space *space, bool growing)
{
    uint64_t key = pick(random, space);
    struct interval at = {0};
    if (random_below(random, 10) < (growing ? 7 : 3)) {
        uint64_t longest = space->longest >> random_below(random, space->halved + 1);
        struct interval added = {key, random_below(random, longest) + 1,
                                 (uint32_t)random_u64(random)};
        uint64_t room = UINT64_MAX - key;
        if (added.length - 1 > room)
            added.length = room + 1;
        assert_int_equal(interval_map_insert(map, &added), model_insert(model, &added));
    } else if (model_next(model, key, &at)) {
        uint64_t start = at.start + (random_below(random, 16) == 0);
        assert_int_equal(interval_map_remove(map, start), model_remove(model, start));
    }
    if (model_next(model, pick(random, space), &at)) {
        uint32_t value = (uint32_t)random_u64(random);
        assert_true(interval_map_set_value(map, at.start, value));
        model->items[model_place(model, at.start)].value = value;
        assert_int_equal(interval_map_set_value(map, at.start + 1, value),
                         at.length == 1 && model_find(model, at.start + 1, &(struct interval){0}));
        if (at.length == 1 && model_find(model, at.start + 1, &(struct interval){0}))
            model->items[model_place(model, at.start + 1)].value = value;
    }
    compare_at(map, model, pick(random, space));
    compare_at(map, model, key);
}

static void test_model(void **state)
{
    (void)state;
    struct random_source random;
    struct model *model = memory_new(sizeof(*model));
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        random_init(&random, random_seed_from_number(i));
        struct interval_map *map = interval_map_new();
        model->count = 0;
        for (unsigned round = 0; round < ROUNDS; round++) {
            bool growing = round / (ROUNDS / 4) % 2 == 0;
            step(map, model, &random, &spaces[i], growing);
            if (round % (ROUNDS / 8) == 0)
                compare_all(map, model);
        }
        compare_all(map, model);
        while (model->count > 0) {
            uint64_t start = model->items[random_below(&random, model->count)].start;
            assert_true(interval_map_remove(map, start));
            assert_true(model_remove(model, start));
        }
        compare_all(map, model);
        compare_at(map, model, spaces[i].base);
        interval_map_free(map);
    }
    memory_free(model);
}

static void test_ends(void **state)
{
    (void)state;
    struct interval_map *map = interval_map_new();
    struct interval found = {0};
    assert_false(interval_map_find(map, 0, &found));
    assert_false(interval_map_next(map, 0, &found));
    assert_false(interval_map_previous(map, UINT64_MAX, &found));
    assert_false(interval_map_remove(map, 0));
    assert_true(interval_map_insert(map, &(struct interval){UINT64_MAX, 1, 7}));
    assert_true(interval_map_insert(map, &(struct interval){0, UINT64_MAX, 8}));
    assert_false(interval_map_insert(map, &(struct interval){UINT64_MAX, 1, 9}));
    assert_true(interval_map_find(map, UINT64_MAX, &found));
    assert_int_equal(found.value, 7);
    assert_true(interval_map_find(map, UINT64_MAX - 1, &found));
    assert_int_equal(found.value, 8);
    interval_map_free(map);
}

// Keys outside the index that are like keys of its first line but for their highest bits, which
// lines do not know.
static void test_batch_beyond_index(void **state)
{
    (void)state;
    struct interval_map *map = interval_map_new();
    uint64_t base = (uint64_t)1 << 61;
    for (uint64_t i = 0; i < 20000; i++)
        assert_true(interval_map_insert(map, &(struct interval){base + i * 1000, 10, 7}));
    assert_true(map->index.slots.count > 0);
    const struct interval_finder *finders[] = {&interval_finder_any, map->finder};
    for (size_t n = 0; n < 2; n++)
        for (uint64_t high = 0; high < 8; high++) {
            uint64_t key = (high << 61) + 5;
            struct interval found = {0};
            uint32_t value = 0;
            bool there = interval_map_find(map, key, &found);
            assert_int_equal(there, high == 1);
            finders[n]->find_many(map, &key, 1, &found);
            assert_int_equal(found.length > 0, there);
            finders[n]->value_many(map, &key, 1, &value);
            assert_int_equal(value, there ? 7 : 0);
        }
    interval_map_free(map);
}

// Memory an interval after random inserts, near each other and far apart, and after inserts in
// order with random ones behind; also while the index is there twice because it is laid out anew.
static void test_memory(void **state)
{
    (void)state;
    static const struct {
        uint64_t ordered;
        unsigned apart; // keys are multiples of 2^apart
    } cases[] = {{0, 0}, {50000, 0}, {0, 34}, {50000, 34}};
    struct random_source random;
    random_init(&random, random_seed_from_number(1));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct interval_map *map = interval_map_new();
        for (uint64_t j = 0; j < cases[i].ordered; j++)
            assert_true(
                interval_map_insert(map, &(struct interval){j << 14 << cases[i].apart, 3, 1}));
        while (interval_map_count(map) < 100000) {
            uint64_t start = random_below(&random, 50000 << 14) << cases[i].apart;
            (void)interval_map_insert(map, &(struct interval){start, 1, 1});
            size_t count = interval_map_count(map);
            if (count >= 10000 && interval_map_memory(map) > 24 * count)
                fail_msg("%zu bytes for %zu intervals", interval_map_memory(map), count);
        }
        interval_map_free(map);
    }
}

// Building in bulk, in pieces of all sizes, then changing what was built.
static void test_bulk(void **state)
{
    (void)state;
    struct random_source random;
    struct model *model = memory_new(sizeof(*model));
    struct interval *out = memory_new_array(MODEL_MAX, sizeof(*out));
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        random_init(&random, random_seed_from_number(100 + i));
        struct interval_map *map = interval_map_new();
        model->count = 0;
        for (unsigned tries = 0; tries < 9000; tries++) {
            struct interval added = {pick(&random, &spaces[i]), 1, (uint32_t)tries};
            (void)model_insert(model, &added);
        }
        for (size_t done = 0; done < model->count;) {
            size_t piece = random_below(&random, 200);
            piece = piece < model->count - done ? piece : model->count - done;
            assert_true(interval_map_append(map, model->items + done, piece));
            done += piece;
        }
        compare_all(map, model);
        assert_int_equal(interval_map_read(map, 0, out, MODEL_MAX), model->count);
        for (size_t j = 0; j < model->count; j++)
            same(true, &out[j], true, &model->items[j]);
        assert_int_equal(interval_map_read(map, model->items[model->count / 2].start + 1, out, 3),
                         3);
        same(true, &out[0], true, &model->items[model->count / 2 + 1]);
        struct interval wrong[2] = {model->items[model->count - 1], {UINT64_MAX, 1, 0}};
        assert_false(interval_map_append(map, wrong, 2));
        for (unsigned round = 0; round < 8000; round++)
            step(map, model, &random, &spaces[i], round < 4000);
        compare_all(map, model);
        interval_map_free(map);
    }
    memory_free(out);
    memory_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_batch_beyond_index),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_bulk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
