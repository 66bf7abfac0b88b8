// SPDX-License-Identifier: BSD-2-Clause
// The wheel of deadlines against a plain array of them.
#include "../check.h"
#include "base/random.h"
#include "base/wheel.h"

#define ELEMENTS 300
#define HORIZON  (WHEEL_TICKS * WHEEL_TICK_NS)

struct element {
    struct list_node node;
    struct instant due;
    bool in;
};

struct model {
    struct wheel wheel;
    struct element elements[ELEMENTS];
    struct random_source random;
    struct instant now;
    unsigned taken, early;
};

static void put(struct model *model, struct element *element, struct instant due)
{
    // What was due long ago comes with the next look.
    element->due = instant_before(due, model->now) ? model->now : due;
    element->in = true;
    wheel_put(&model->wheel, &element->node, due);
}

// Takes out what is due, as an owner does.
static void take_due(struct model *model)
{
    struct list_node *node = NULL;
    while ((node = wheel_first(&model->wheel, model->now)) != NULL) {
        struct element *element = container_of(node, struct element, node);
        list_remove(node);
        assert_true(element->in);
        if (instant_reached(model->now, element->due)) {
            element->in = false;
            model->taken++;
        } else {
            model->early++;
            wheel_put(&model->wheel, node, element->due);
        }
    }
}

static void check(const struct model *model)
{
    struct instant first = INSTANT_NEVER;
    bool any = false;
    for (size_t i = 0; i < ELEMENTS; i++) {
        const struct element *element = &model->elements[i];
        any |= element->in;
        if (element->in)
            first = instant_earlier(first, element->due);
        // Nothing is left for longer than a tick.
        assert_true(!element->in ||
                    instant_before(model->now,
                                   instant_add(element->due, (struct duration){WHEEL_TICK_NS})));
    }
    struct instant deadline = wheel_deadline(&model->wheel);
    assert_true(any || deadline.ns == INSTANT_NEVER.ns);
    assert_true(!any ||
                instant_before(deadline, instant_add(first, (struct duration){WHEEL_TICK_NS})));
    assert_true(instant_before(model->now, deadline)); // or whoever waits for it would not sleep
}

static uint64_t below(struct model *model, uint64_t bound)
{
    return random_below(&model->random, bound);
}

// Most soon, some late, some later than the wheel goes round, some long ago.
static struct instant some_time(struct model *model)
{
    static const uint64_t reaches[] = {WHEEL_TICK_NS / 2, 20 * WHEEL_TICK_NS, HORIZON, 5 * HORIZON};
    uint64_t ahead = below(model, reaches[below(model, 4)]);
    if (below(model, 20) == 0)
        return (struct instant){model->now.ns - below(model, model->now.ns + 1)};
    return instant_add(model->now, (struct duration){ahead});
}

// Whoever waits wakes at each deadline.
static void sleep_for(struct model *model, uint64_t ns)
{
    struct instant end = instant_add(model->now, (struct duration){ns});
    for (struct instant next = wheel_deadline(&model->wheel); instant_before(next, end);
         next = wheel_deadline(&model->wheel)) {
        model->now = instant_before(next, model->now) ? model->now : next;
        take_due(model);
        check(model);
    }
    model->now = end;
    take_due(model);
    check(model);
}

static void churn(uint64_t seed, struct instant start)
{
    struct model model = {.now = start};
    random_init(&model.random, random_seed_from_number(seed));
    wheel_init(&model.wheel);
    take_due(&model);
    for (unsigned turn = 0; turn < 20000; turn++) {
        struct element *element = &model.elements[below(&model, ELEMENTS)];
        if (!element->in)
            put(&model, element, some_time(&model));
        else if (below(&model, 2) == 0)
            list_remove(&element->node), element->in = false;
        sleep_for(&model, below(&model, below(&model, 10) == 0 ? 200 * WHEEL_TICK_NS : 1000000));
    }
    assert_true(model.taken > 1000 && model.early > 10);
    for (size_t i = 0; i < ELEMENTS; i++)
        if (model.elements[i].in)
            list_remove(&model.elements[i].node);
    assert_true(wheel_deadline(&model.wheel).ns == INSTANT_NEVER.ns);
    assert_null(wheel_first(&model.wheel, model.now));
    wheel_release(&model.wheel);
}

static void test_like_an_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        churn(seed, (struct instant){0});
        churn(seed, instant_add((struct instant){0}, duration_s(86400)));
    }
}

// One that nobody looked at for long is right again with the first look.
static void test_after_a_long_sleep(void **state)
{
    (void)state;
    struct wheel wheel;
    struct list_node node;
    wheel_init(&wheel);
    struct instant late = {10 * HORIZON};
    struct instant due = instant_add(late, duration_s(60));
    wheel_put(&wheel, &node, due);
    assert_ptr_equal(wheel_first(&wheel, late), &node); // too soon, once
    list_remove(&node);
    wheel_put(&wheel, &node, due);
    assert_null(wheel_first(&wheel, late));
    assert_true(instant_reached(wheel_deadline(&wheel), due));
    assert_ptr_equal(wheel_first(&wheel, wheel_deadline(&wheel)), &node);
    wheel_release(&wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_an_array),
        cmocka_unit_test(test_after_a_long_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
