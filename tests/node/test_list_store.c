// SPDX-License-Identifier: BSD-2-Clause
// The file that the set of MABs is kept in: what is written is read, what is damaged is not.
#include "../check.h"
#include "base/memory.h"
#include "node/query/list_store.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MABS 500

static const struct wall_time when = {1234567890123};

static struct page_shelf *make_shelf(size_t count)
{
    struct mab_entry *entries = calloc(count + 1, sizeof(*entries));
    for (size_t i = 0; i < count; i++) {
        entries[i].prefix =
            (struct prefix){address_from_ipv4((20u << 24) + ((uint32_t)i << 8)), 24};
        (void)snprintf(entries[i].dsoc, sizeof(entries[i].dsoc), "dsoc-%zu", i % 7);
    }
    struct page_shelf *shelf = page_shelf_of_entries(entries, count);
    free(entries);
    return shelf;
}

static void test_comes_back(void **state)
{
    (void)state;
    for (size_t count = 0; count <= MABS; count += MABS / 2) {
        struct page_shelf *shelf = make_shelf(count);
        struct wall_time confirmed = {0};
        struct error error;
        size_t length = 0;
        uint8_t *bytes = list_store_encode(shelf, when, &length);
        struct page_shelf *read = list_store_decode(bytes, length, &confirmed, &error);
        assert_non_null(read);
        assert_int_equal(confirmed.ms, when.ms);
        assert_string_equal(page_shelf_root(read)->page, page_shelf_root(shelf)->page);
        assert_int_equal(page_shelf_root(read)->level, page_shelf_root(shelf)->level);
        assert_int_equal(page_shelf_count(read), page_shelf_count(shelf));
        page_shelf_release(read);
        page_shelf_release(shelf);
        memory_free(bytes);
    }
}

static void assert_damaged(const uint8_t *bytes, size_t length)
{
    struct wall_time confirmed;
    struct error error = {0};
    assert_null(list_store_decode(bytes, length, &confirmed, &error));
    assert_string_equal(error.reason, "list-damaged");
}

// Cut anywhere, or with one bit another one.
static void test_damage_is_seen(void **state)
{
    (void)state;
    struct page_shelf *shelf = make_shelf(MABS);
    size_t length = 0;
    uint8_t *bytes = list_store_encode(shelf, when, &length);
    for (size_t at = 0; at < length; at += 1 + at / 16) {
        uint8_t *cut = memory_copy(bytes, at == 0 ? 1 : at); // a block of its own, for ASan
        assert_damaged(cut, at);
        memory_free(cut);
        bytes[at] ^= 0x10;
        assert_damaged(bytes, length);
        bytes[at] ^= 0x10;
    }
    page_shelf_release(shelf);
    memory_free(bytes);
}

// Somebody who can write the file makes the digest fit.
static void test_pages_are_checked_too(void **state)
{
    (void)state;
    enum { DIGEST = 32 };
    struct page_shelf *shelf = make_shelf(MABS);
    size_t length = 0;
    uint8_t *bytes = list_store_encode(shelf, when, &length);
    for (size_t at = 18; at < length - DIGEST; at += 1 + at / 8) { // behind the time
        bytes[at] ^= 0x10;
        (void)crypto_generichash(bytes + length - DIGEST, DIGEST, bytes, length - DIGEST, NULL, 0);
        assert_damaged(bytes, length);
        bytes[at] ^= 0x10;
    }
    page_shelf_release(shelf);
    memory_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back),
        cmocka_unit_test(test_damage_is_seen),
        cmocka_unit_test(test_pages_are_checked_too),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
