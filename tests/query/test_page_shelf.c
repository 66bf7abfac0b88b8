// SPDX-License-Identifier: BSD-2-Clause
// Pages for a set that is put together from what several RUASes say, and what is told of them.
#include "wire_tap.h"

#include "query/page_shelf.h"
#include "query/page_teller.h"
#include "wire/mab_page_writer.h"

#include <stdio.h>

static struct mab_entry entry(const char *prefix, const char *dsoc)
{
    struct mab_entry made = {.prefix = prefix_of(prefix)};
    (void)snprintf(made.dsoc, sizeof(made.dsoc), "%s", dsoc);
    return made;
}

// All entries of the one page that a small set has.
static void assert_page(const struct mab_entry *entries, size_t count, const char *wanted)
{
    struct page_shelf *shelf = page_shelf_of_entries(entries, count);
    char text[2 * MAB_PAGE_BYTES_MAX] = "";
    size_t length = 0;
    const uint8_t *bytes = page_shelf_find(shelf, page_shelf_root(shelf)->page, &length);
    assert_non_null(bytes);
    assert_int_equal(page_shelf_count(shelf), 1);
    struct reader reader = reader_over(bytes, length);
    const char *string;
    size_t size;
    while (dns_txt_next(&reader, &string, &size)) {
        strncat(text, string, size);
        strcat(text, ";");
    }
    assert_string_equal(text, wanted);
    page_shelf_release(shelf);
}

static void test_overlaps_are_sorted_out(void **state)
{
    (void)state;
    const struct mab_entry plain[] = {entry("20.4.0.0/16", "b"), entry("20.0.0.0/14", "a"),
                                      entry("198.18.0.0/24", "-")};
    assert_page(plain, 0, ";");
    assert_page(plain, 3, "20.0.0.0/14 a;20.4.0.0/16 b;198.18.0.0/24 -;");
    const struct mab_entry twice[] = {entry("198.18.0.0/16", "-"), entry("198.18.7.0/24", "-"),
                                      entry("198.18.0.0/16", "-"), entry("20.0.0.0/14", "a"),
                                      entry("20.1.0.0/24", "-"),   entry("20.0.0.0/14", "-")};
    assert_page(twice, 6, "20.0.0.0/14 a;198.18.0.0/16 -;");
    // A MAB in a refused prefix: the rest of that is refused still.
    const struct mab_entry inside[] = {entry("20.0.0.0/12", "-"), entry("20.4.0.0/14", "a"),
                                       entry("2001:db8::/32", "-"),
                                       entry("2001:db8:8000::/36", "b")};
    assert_page(inside, 4,
                "20.0.0.0/14 -;20.4.0.0/14 a;20.8.0.0/13 -;2001:db8::/33 -;2001:db8:8000::/36 b;"
                "2001:db8:9000::/36 -;2001:db8:a000::/35 -;2001:db8:c000::/34 -;");
}

// Whoever chooses prefixes can choose such as end a page, and so on upwards: the levels are few all
// the same.
static void test_levels_are_few(void **state)
{
    (void)state;
    struct mab_entry entries[] = {entry("10.0.0.0/24", "-"), entry("20.0.0.0/24", "-")};
    size_t two_pages = 0;
    for (uint32_t i = 0; i < 32768; i++) {
        entries[0].prefix.address = address_from_ipv4(0x0a000000 + (i << 8));
        struct mab_pages pages;
        mab_pages_make(&pages, entries, 2);
        bool split = pages.count > 1;
        two_pages += split;
        assert_int_equal(pages.items[pages.count - 1].level, split);
        mab_pages_release(&pages);
    }
    assert_in_range(two_pages, 256, 1024); // one in 64
}

static void test_teller(void **state)
{
    (void)state;
    struct page_teller teller;
    struct endpoint from = endpoint_of("192.0.2.9:7");
    struct endpoint to;
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
    struct page_message reply;
    struct page_message request = {.type = MESSAGE_PAGE_REQUEST, .nonce = 42};
    page_teller_init(&teller);
    page_teller_input(&teller, &from, &request, PAGE_HEADER_BYTES);
    size_t length = page_teller_next_output(&teller, &to, bytes);
    assert_int_equal(page_message_decode(bytes, length, &reply), DECODE_OK);
    assert_true(endpoint_equal(&from, &to));
    assert_int_equal(reply.nonce, 42);
    assert_int_equal(reply.status, PAGE_NONE);
    assert_string_equal(reply.root.page, "");
    const struct mab_entry mabs[] = {entry("20.0.0.0/14", "a")};
    struct page_shelf *shelf = page_shelf_of_entries(mabs, 1);
    page_teller_set(&teller, shelf);
    page_shelf_release(shelf);
    memcpy(request.page, page_shelf_root(shelf)->page, sizeof(request.page));
    static const struct {
        size_t room;
        bool other;
        enum page_status status;
    } cases[] = {{PAGE_HEADER_BYTES + 14, false, PAGE_FOUND},
                 {PAGE_HEADER_BYTES + 13, false, PAGE_LONGER},
                 {PAGE_MESSAGE_BYTES_MAX, true, PAGE_UNKNOWN}};
    for (size_t i = 0; i < 3; i++) {
        struct page_message asked = request;
        asked.page[3] = cases[i].other ? (asked.page[3] == '0' ? '1' : '0') : asked.page[3];
        page_teller_input(&teller, &from, &asked, cases[i].room);
        length = page_teller_next_output(&teller, &to, bytes);
        assert_in_range(length, PAGE_HEADER_BYTES, cases[i].room);
        assert_int_equal(page_message_decode(bytes, length, &reply), DECODE_OK);
        assert_int_equal(reply.status, cases[i].status);
        assert_string_equal(reply.page, asked.page);
        assert_string_equal(reply.root.page, request.page);
    }
    // More than wait are dropped, and the ring goes on.
    for (size_t i = 0; i < PAGE_TELLER_WAITING_MAX + 3; i++)
        page_teller_input(&teller, &from, &request, PAGE_MESSAGE_BYTES_MAX);
    size_t replies = 0;
    while (page_teller_next_output(&teller, &to, bytes) > 0)
        replies++;
    assert_int_equal(replies, PAGE_TELLER_WAITING_MAX);
    assert_int_equal(teller.counters.dropped_full, 3);
    page_teller_release(&teller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlaps_are_sorted_out),
        cmocka_unit_test(test_levels_are_few),
        cmocka_unit_test(test_teller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
