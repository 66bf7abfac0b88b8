// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/cursor.h"
#include "base/memory.h"
#include "push/history.h"

#include <string.h>

#define PAYLOAD_OCTETS 1000

static void add(struct history *history, uint64_t ms, uint64_t sequence)
{
    uint8_t bytes[PAYLOAD_OCTETS];
    memset(bytes, (int)(sequence & 0xff), sizeof(bytes));
    size_t length = sizeof(bytes) - sequence % 100;
    history_add(history, (struct instant){ms * 1000000}, sequence, bytes, length);
}

// The payloads read must be exactly `first` to `last`, byte for byte.
static void check_read(const struct history *history, uint64_t first, uint64_t asked, uint64_t last)
{
    uint8_t *bytes = NULL;
    size_t length = 0;
    assert_int_equal(history_read(history, first, asked, &bytes, &length), HISTORY_FOUND);
    struct reader reader = reader_over(bytes, length);
    for (uint64_t sequence = first; sequence <= last; sequence++) {
        size_t octets = reader_u16(&reader);
        assert_int_equal(octets, PAYLOAD_OCTETS - sequence % 100);
        const uint8_t *payload = reader_take(&reader, octets);
        assert_non_null(payload);
        for (size_t i = 0; i < octets; i++)
            assert_int_equal(payload[i], sequence & 0xff);
    }
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
    memory_free(bytes);
}

static void test_reads_across_segments(void **state)
{
    (void)state;
    struct history *history = history_new((size_t)8 << 20);
    uint8_t *bytes = NULL;
    size_t length = 0;
    assert_int_equal(history_read(history, 1, 1, &bytes, &length), HISTORY_NOT_YET);
    for (uint64_t sequence = 1; sequence <= 5000; sequence++)
        add(history, sequence, sequence);
    assert_int_equal(history_first(history), 1);
    assert_int_equal(history_last(history), 5000);
    check_read(history, 1, 1, 1);
    check_read(history, 100, 900, 900);
    check_read(history, 4990, 6000, 5000);
    check_read(history, 5000, UINT64_MAX, 5000);
    check_read(history, 2, UINT64_MAX, 2 + FETCH_PAYLOADS_MAX - 1);
    assert_int_equal(history_read(history, 5001, 5002, &bytes, &length), HISTORY_NOT_YET);
    history_free(history);
}

static void test_forgets_when_memory_is_short(void **state)
{
    (void)state;
    size_t limit = (size_t)1 << 20;
    struct history *history = history_new(limit);
    for (uint64_t sequence = 10; sequence <= 10000; sequence++) {
        add(history, sequence, sequence);
        assert_true(history_memory(history) <= limit + 4096);
    }
    uint64_t first = history_first(history);
    assert_true(first > 8000 && first < 9500);
    uint8_t *bytes = NULL;
    size_t length = 0;
    assert_int_equal(history_read(history, first - 1, first, &bytes, &length), HISTORY_GONE);
    check_read(history, first, UINT64_MAX, 10000);
    history_free(history);
}

static void test_forgets_what_is_old(void **state)
{
    (void)state;
    struct history *history = history_new((size_t)8 << 20);
    // Four a second: what an idle RUAS sends.
    for (uint64_t sequence = 1; sequence <= 10000; sequence++) {
        add(history, sequence * 250, sequence);
        // Ten minutes are always there, and never twice as much.
        uint64_t kept = sequence - history_first(history) + 1;
        assert_true(kept >= (sequence < 2400 ? sequence : 2400) && kept < 4800);
    }
    history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_across_segments),
        cmocka_unit_test(test_forgets_when_memory_is_short),
        cmocka_unit_test(test_forgets_what_is_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
