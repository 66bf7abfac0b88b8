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

// Packets of the closed period.
static uint64_t packets_closed(const struct usage_memory *memory)
{
    struct usage usage;
    uint64_t packets = 0;
    for (size_t slot = 0; slot <= LIMIT; slot++)
        if (usage_memory_closed_read(memory, slot, &usage))
            packets += usage.packets;
    return packets;
}

static void test_taking_out_begins_from_nothing(void **state)
{
    (void)state;
    struct usage_table *table = usage_new(LIMIT, key);
    struct usage usage;
    for (uint64_t i = 0; i < 6; i++)
        count(table, i, 1);
    for (uint64_t i = 0; i < LIMIT; i++)
        assert_true(usage_take(table, &usage));
    assert_false(usage_take(table, &usage));
    assert_int_equal(usage_take_uncounted(table).packets, 2);
    assert_int_equal(packets_in(table), 0);
    assert_int_equal(usage_take_uncounted(table).packets, 0);
    for (uint64_t i = 0; i < 6; i++)
        count(table, i, 1);
    assert_int_equal(packets_in(table), 6);
    usage_free(table);
}

// What is closed stays as it is until it is dropped, while the next period counts.
static void test_a_period_ends_as_a_whole(void **state)
{
    (void)state;
    void *bytes = memory_new(usage_memory_size(LIMIT));
    struct usage_memory *memory = usage_memory_begin(bytes, LIMIT, OWNER, 41, then);
    struct usage_table *table = usage_new_in(memory, key);
    struct wall_time from;
    struct wall_time to;
    for (uint64_t period = 42; period < 46; period++) {
        struct wall_time since = usage_since(table);
        struct wall_time end = {now.ms + period};
        for (uint64_t i = 0; i < 6; i++)
            count(table, i, period);
        assert_true(usage_close(table, end));
        assert_int_equal(usage_memory_closed(memory), period);
        usage_memory_closed_span(memory, &from, &to);
        assert_true(from.ms == since.ms && to.ms == end.ms && usage_since(table).ms == end.ms);
        assert_int_equal(usage_count(table), 0);
        assert_int_equal(packets_in(table), 0);
        for (uint64_t i = 10; i < 16; i++) // there is room again
            count(table, i, 1);
        assert_int_equal(usage_count(table), LIMIT);
        assert_int_equal(packets_in(table), 6);
        assert_int_equal(packets_closed(memory), 6 * period);
        usage_memory_drop_closed(memory);
        assert_int_equal(usage_memory_closed(memory), 0);
        assert_int_equal(packets_in(table), 6);
        struct usage usage;
        while (usage_take(table, &usage))
            continue;
        (void)usage_take_uncounted(table);
    }
    // Nothing was counted: there is nothing to report, and the time goes on.
    assert_false(usage_close(table, now));
    assert_int_equal(usage_since(table).ms, now.ms);
    assert_int_equal(usage_memory_closed(memory), 0);
    usage_free(table);
    memory_free(bytes);
}

// What a process before left: six packets, two of them in the common record, in period 42.
static void leave(void *bytes)
{
    struct usage_memory *memory = usage_memory_begin(bytes, LIMIT, OWNER, 41, then);
    struct usage_table *table = usage_new_in(memory, key);
    for (uint64_t i = 0; i < 6; i++)
        count(table, i, 1);
    usage_free(table);
}

// The same with 42 closed, and seven packets in period 43.
static void leave_closed(void *bytes)
{
    leave(bytes);
    struct usage_table *table = usage_new_in(bytes, key);
    assert_true(usage_close(table, now));
    count(table, 3, 7);
    usage_free(table);
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
    leave(bytes);
    struct usage_table *table = usage_new_in(resume(bytes, OWNER, 41, &dropped), key);
    assert_int_equal(dropped, 0);
    assert_int_equal(usage_memory_closed(bytes), 0);
    assert_int_equal(usage_since(table).ms, then.ms);
    assert_int_equal(packets_in(table), 6);
    count(table, 0, 3); // the record that was there, not another
    assert_int_equal(usage_count(table), LIMIT);
    assert_int_equal(packets_in(table), 9);
    usage_free(table);
    memory_free(bytes);
}

static void test_what_was_closed_is_closed_still(void **state)
{
    (void)state;
    void *bytes = memory_new(usage_memory_size(LIMIT));
    size_t dropped;
    leave_closed(bytes);
    struct usage_table *table = usage_new_in(resume(bytes, OWNER, 41, &dropped), key);
    assert_int_equal(dropped, 0);
    assert_int_equal(usage_memory_closed(bytes), 42);
    assert_int_equal(packets_closed(bytes), 6);
    assert_int_equal(packets_in(table), 7);
    usage_free(table);
    // Killed when its reports were durable, before it knew that.
    table = usage_new_in(resume(bytes, OWNER, 42, &dropped), key);
    assert_int_equal(dropped, 0);
    assert_int_equal(usage_memory_closed(bytes), 0);
    assert_int_equal(packets_in(table), 7);
    assert_true(usage_close(table, now));
    assert_int_equal(usage_memory_closed(bytes), 43);
    usage_memory_drop_closed(bytes);
    usage_free(table);
    // Nor is it reported again where the spool was put back from an old copy.
    (void)resume(bytes, OWNER, 41, &dropped);
    assert_int_equal(usage_memory_closed(bytes), 0);
    memory_free(bytes);
}

static void test_what_was_reported_is_forgotten(void **state)
{
    (void)state;
    void *bytes = memory_new(usage_memory_size(LIMIT));
    size_t dropped;
    for (uint64_t reported = 42; reported < 46; reported++) {
        if (reported % 2 == 0)
            leave(bytes);
        else
            leave_closed(bytes);
        struct usage_table *table = usage_new_in(resume(bytes, OWNER, reported, &dropped), key);
        assert_int_equal(dropped, 0);
        assert_int_equal(usage_memory_closed(bytes), 0);
        assert_int_equal(packets_in(table), 0);
        count(table, 0, 1);
        assert_true(usage_close(table, now));
        assert_int_equal(usage_memory_closed(bytes), reported + 1);
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
    leave(bytes);
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
        if (round % 2 == 0)
            leave(bytes);
        else
            leave_closed(bytes);
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
        if (usage_memory_closed(memory) > 0) {
            assert_true(usage_memory_closed(memory) > 41);
            (void)packets_closed(memory);
            usage_memory_drop_closed(memory);
        }
        assert_true(usage_close(table, now));
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
        cmocka_unit_test(test_taking_out_begins_from_nothing),
        cmocka_unit_test(test_a_period_ends_as_a_whole),
        cmocka_unit_test(test_what_was_left_goes_on),
        cmocka_unit_test(test_what_was_closed_is_closed_still),
        cmocka_unit_test(test_what_was_reported_is_forgotten),
        cmocka_unit_test(test_memory_of_others_is_refused),
        cmocka_unit_test(test_damaged_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
