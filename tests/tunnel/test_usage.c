// SPDX-License-Identifier: BSD-2-Clause
// Counting of usage, and taking over of what a process before counted, or of anything else that
// lies in that memory.
#include "../check.h"
#include "base/memory.h"
#include "base/random.h"
#include "tunnel/usage.h"
#include "wire/usage_report.h"

#include <string.h>

#define LIMIT 4
#define OWNER 7

static const struct hash_key key = {{1, 2, 3}};
static const struct wall_time then = {1000};
static const struct wall_time now = {2000};

static struct range micronet(uint64_t i)
{
    return (struct range){FAMILY_IPV4, {(20u << 24) + i}, {1}};
}

static void count(struct usage_table *table, uint64_t i, uint64_t packets)
{
    struct range range = micronet(i);
    usage_add(table, &range, packets, packets * 100);
}

// Packets of all records, the common one included.
static uint64_t packets_in(const struct usage_table *table)
{
    struct usage usage;
    size_t place = 0;
    uint64_t packets = usage_uncounted(table).packets;
    while (usage_next(table, &place, &usage)) {
        assert_true(range_valid(&usage.range));
        assert_true(usage.packets <= USAGE_COUNT_MAX && usage.octets <= USAGE_COUNT_MAX);
        packets += usage.packets;
    }
    return packets;
}

static void test_too_many_micronets_go_to_one_record(void **state)
{
    (void)state;
    struct usage_table *table = usage_new(LIMIT, key);
    for (uint64_t i = 0; i < 6; i++)
        count(table, i, 1);
    assert_int_equal(usage_count(table), LIMIT);
    assert_int_equal(usage_uncounted(table).octets, 200);
    usage_free(table);
}

static void test_a_period_ends_as_a_whole(void **state)
{
    (void)state;
    struct usage_table *table = usage_new(LIMIT, key);
    for (uint64_t i = 0; i < 6; i++)
        count(table, i, 1);
    uint64_t period = usage_period(table);
    usage_next_period(table, now);
    assert_true(usage_period(table) > period);
    assert_int_equal(usage_since(table).ms, now.ms);
    assert_int_equal(usage_count(table), 0);
    assert_int_equal(packets_in(table), 0);
    for (uint64_t i = 10; i < 16; i++) // there is room again
        count(table, i, 1);
    assert_int_equal(usage_count(table), LIMIT);
    assert_int_equal(packets_in(table), 6);
    usage_free(table);
}

// What a process before left: six packets, two of them in the common record.
static uint64_t leave(void *bytes)
{
    struct usage_memory *memory = usage_memory_begin(bytes, LIMIT, OWNER, 41, then);
    struct usage_table *table = usage_new_in(memory, key);
    for (uint64_t i = 0; i < 6; i++)
        count(table, i, 1);
    uint64_t period = usage_period(table);
    usage_free(table);
    return period;
}

static struct usage_memory *resume(void *bytes, uint64_t owner, uint64_t reported, size_t *dropped)
{
    return usage_memory_resume(bytes, usage_memory_size(LIMIT), LIMIT, owner, reported, now,
                               dropped, NULL);
}

static void test_what_was_left_goes_on(void **state)
{
    (void)state;
    void *bytes = memory_new(usage_memory_size(LIMIT));
    size_t dropped;
    uint64_t period = leave(bytes);
    assert_int_equal(period, 42);
    struct usage_table *table = usage_new_in(resume(bytes, OWNER, 41, &dropped), key);
    assert_int_equal(dropped, 0);
    assert_int_equal(usage_period(table), period);
    assert_int_equal(usage_since(table).ms, then.ms);
    assert_int_equal(packets_in(table), 6);
    count(table, 0, 3); // the record that was there, not another
    assert_int_equal(usage_count(table), LIMIT);
    assert_int_equal(packets_in(table), 9);
    usage_free(table);
    memory_free(bytes);
}

static void test_what_was_reported_is_forgotten(void **state)
{
    (void)state;
    void *bytes = memory_new(usage_memory_size(LIMIT));
    size_t dropped;
    for (uint64_t later = 0; later < 2; later++) {
        uint64_t period = leave(bytes);
        struct usage_table *table =
            usage_new_in(resume(bytes, OWNER, period + later, &dropped), key);
        assert_int_equal(dropped, 0);
        assert_true(usage_period(table) > period + later);
        assert_int_equal(packets_in(table), 0);
        usage_free(table);
    }
    memory_free(bytes);
}

static void test_memory_of_others_is_refused(void **state)
{
    (void)state;
    void *bytes = memory_new(usage_memory_size(LIMIT + 1));
    size_t dropped;
    assert_null(resume(bytes, OWNER, 0, &dropped)); // nothing in it
    (void)leave(bytes);
    assert_null(resume(bytes, OWNER + 1, 0, &dropped));
    assert_null(usage_memory_resume(bytes, usage_memory_size(LIMIT) - 1, LIMIT, OWNER, 0, now,
                                    &dropped, NULL));
    assert_null(usage_memory_resume(bytes, usage_memory_size(LIMIT + 1), LIMIT + 1, OWNER, 0, now,
                                    &dropped, NULL));
    memory_free(bytes);
}

// Whatever the memory holds, it is refused, or what is in it can be counted and reported.
static void test_damaged_memory(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(1));
    size_t size = usage_memory_size(LIMIT);
    uint8_t *bytes = memory_new(size);
    size_t refused = 0;
    size_t dropped_in_all = 0;
    for (int round = 0; round < 20000; round++) {
        (void)leave(bytes);
        for (uint64_t i = 1 + random_below(&random, 8); i > 0; i--)
            bytes[random_below(&random, size)] = (uint8_t)random_u64(&random);
        size_t dropped;
        struct usage_memory *memory = resume(bytes, OWNER, 41, &dropped);
        dropped_in_all += dropped;
        if (memory == NULL) {
            refused++;
            continue;
        }
        struct usage_table *table = usage_new_in(memory, key);
        (void)packets_in(table);
        for (uint64_t i = 0; i < 6; i++)
            count(table, i, 1);
        usage_next_period(table, now);
        assert_int_equal(packets_in(table), 0);
        count(table, 0, 5);
        assert_int_equal(packets_in(table), 5);
        usage_free(table);
    }
    assert_in_range(refused, 1000, 19000);
    assert_true(dropped_in_all > 1000);
    memory_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_many_micronets_go_to_one_record),
        cmocka_unit_test(test_a_period_ends_as_a_whole),
        cmocka_unit_test(test_what_was_left_goes_on),
        cmocka_unit_test(test_what_was_reported_is_forgotten),
        cmocka_unit_test(test_memory_of_others_is_refused),
        cmocka_unit_test(test_damaged_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
