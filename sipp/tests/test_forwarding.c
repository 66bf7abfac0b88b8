// SPDX-License-Identifier: BSD-2-Clause
// The trie against a list that is searched from end to end.
#include "tests/check.h"

#include "base/random.h"
#include "sipp/lib/forwarding.h"

#define MODEL_MAX 300

struct model {
    struct sipp_prefix prefixes[MODEL_MAX];
    struct next_hop next_hops[MODEL_MAX];
    size_t count;
};

static size_t model_find(const struct model *model, const struct sipp_prefix *prefix)
{
    size_t i = 0;
    while (i < model->count && !sipp_prefix_equal(&model->prefixes[i], prefix))
        i++;
    return i;
}

static const struct next_hop *model_look_up(const struct model *model, struct sipp_address address)
{
    const struct next_hop *best = NULL;
    unsigned best_length = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (sipp_prefix_contains(&model->prefixes[i], address) &&
            (best == NULL || model->prefixes[i].length > best_length)) {
            best = &model->next_hops[i];
            best_length = model->prefixes[i].length;
        }
    }
    return best;
}

// Addresses from few values, so that prefixes nest and collide.
static struct sipp_address some_address(struct random_source *random)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 8; i++)
        bits = bits << 8 | (random_below(random, 3) == 0 ? 0x80u : 0u) | random_below(random, 2);
    return (struct sipp_address){bits};
}

static void check_walk(void *state, const struct sipp_prefix *prefix,
                       const struct next_hop *next_hop)
{
    const struct model *model = state;
    size_t i = model_find(model, prefix);
    assert_true(i < model->count);
    assert_int_equal(model->next_hops[i].interface, next_hop->interface);
}

static void change(struct random_source *random, struct forwarding *table, struct model *model)
{
    unsigned length = (unsigned)random_below(random, 65);
    struct sipp_prefix prefix = sipp_prefix_of(some_address(random), length);
    size_t i = model_find(model, &prefix);
    if (random_below(random, 3) == 0) {
        size_t any = model->count == 0 ? 0 : random_below(random, model->count);
        if (model->count > 0 && random_below(random, 2) == 0)
            prefix = model->prefixes[any];
        i = model_find(model, &prefix);
        assert_int_equal(forwarding_remove(table, &prefix), i < model->count);
        if (i < model->count) {
            model->count--;
            model->prefixes[i] = model->prefixes[model->count];
            model->next_hops[i] = model->next_hops[model->count];
        }
        return;
    }
    if (i == MODEL_MAX)
        return;
    struct next_hop next_hop = {(uint16_t)random_below(random, 1000), SIPP_ADDRESS_NONE};
    forwarding_set(table, &prefix, next_hop);
    model->prefixes[i] = prefix;
    model->next_hops[i] = next_hop;
    if (i == model->count)
        model->count++;
}

static void test_against_model(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(8));
    for (int round = 0; round < 10; round++) {
        struct forwarding *table = forwarding_new();
        struct model model = {.count = 0};
        for (int step = 0; step < 600; step++) {
            change(&random, table, &model);
            assert_int_equal(forwarding_count(table), model.count);
            for (int i = 0; i < 10; i++) {
                struct sipp_address address = some_address(&random);
                const struct next_hop *expected = model_look_up(&model, address);
                const struct next_hop *found = forwarding_look_up(table, address);
                assert_int_equal(expected == NULL, found == NULL);
                if (expected != NULL && found != NULL)
                    assert_int_equal(found->interface, expected->interface);
            }
        }
        forwarding_walk(table, check_walk, &model);
        for (size_t i = 0; i < model.count; i++) {
            const struct next_hop *found = forwarding_get(table, &model.prefixes[i]);
            assert_non_null(found);
        }
        forwarding_free(table);
    }
}

static void test_edges(void **state)
{
    (void)state;
    struct forwarding *table = forwarding_new();
    struct sipp_address all_ones = {UINT64_MAX};
    assert_null(forwarding_look_up(table, all_ones));
    struct sipp_prefix everything = {SIPP_ADDRESS_NONE, 0};
    struct sipp_prefix one = {all_ones, 64};
    assert_false(forwarding_remove(table, &everything));
    forwarding_set(table, &one, (struct next_hop){1, SIPP_ADDRESS_NONE});
    assert_null(forwarding_get(table, &everything));
    forwarding_set(table, &everything, (struct next_hop){2, SIPP_ADDRESS_NONE});
    assert_int_equal(forwarding_look_up(table, all_ones)->interface, 1);
    assert_int_equal(forwarding_look_up(table, SIPP_ADDRESS_NONE)->interface, 2);
    assert_true(forwarding_remove(table, &everything));
    assert_null(forwarding_look_up(table, SIPP_ADDRESS_NONE));
    assert_true(forwarding_remove(table, &one));
    assert_int_equal(forwarding_count(table), 0);
    forwarding_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
