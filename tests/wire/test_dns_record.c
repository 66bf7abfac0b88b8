// SPDX-License-Identifier: BSD-2-Clause
// RDATA as discovery reads it: SRV, TXT and address records, the root and the entries of the index
// (docs/discovery.md, "Names").
#include "../check.h"
#include "wire/dns_record.h"
#include "wire/mab_page.h"

#include <stdio.h>
#include <string.h>

static bool srv_of(const char *bytes, size_t length, struct dns_srv *srv)
{
    return dns_srv_decode((const uint8_t *)bytes, length, srv);
}

#define SRV(text) srv_of(text, sizeof(text) - 1, &srv)

static void test_srv(void **state)
{
    (void)state;
    struct dns_srv srv;
    static const char good[] = "\0\12\0\5\x12\x8a\4qsa1\7example\0";
    assert_true(srv_of(good, sizeof(good) - 1, &srv));
    assert_int_equal(srv.priority, 10);
    assert_int_equal(srv.port, 4746);
    assert_string_equal(srv.target, "qsa1.example");
    for (size_t length = 0; length < sizeof(good) - 1; length++)
        assert_false(srv_of(good, length, &srv));
    assert_true(SRV("\0\0\0\0\0\0\0")); // the root: no such service
    assert_string_equal(srv.target, "");
    assert_false(SRV("\0\0\0\0\0\0\1a\0x"));  // something behind
    assert_false(SRV("\0\0\0\0\0\0\1.\0"));   // a dot in a label
    assert_false(SRV("\0\0\0\0\0\0\xc0\4"));  // compression
    assert_false(SRV("\0\0\0\0\0\0\3a b\0")); // a blank
}

// Writes labels of that many characters each, and returns the octets of all.
static size_t put_name(uint8_t *bytes, const size_t *labels, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        bytes[used++] = (uint8_t)labels[i];
        memset(bytes + used, 'x', labels[i]);
        used += labels[i];
    }
    bytes[used++] = 0;
    return used;
}

static void test_long_names(void **state)
{
    (void)state;
    static const size_t longest[] = {63, 63, 63, 61}; // 255 octets, as long as DNS has them
    static const size_t too_long[] = {63, 63, 63, 63, 1};
    static const size_t no_label[] = {64};
    uint8_t bytes[6 + 300] = {0};
    struct dns_srv srv;
    assert_true(dns_srv_decode(bytes, 6 + put_name(bytes + 6, longest, 4), &srv));
    assert_int_equal(strlen(srv.target), 253);
    assert_false(dns_srv_decode(bytes, 6 + put_name(bytes + 6, too_long, 5), &srv));
    assert_false(dns_srv_decode(bytes, 6 + put_name(bytes + 6, no_label, 1), &srv));
}

static void test_txt(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\3abc\0\2de\5cut";
    struct reader reader = reader_over(bytes, sizeof(bytes) - 1);
    const char *text = NULL;
    size_t length = 0;
    assert_true(dns_txt_next(&reader, &text, &length));
    assert_int_equal(length, 3);
    assert_memory_equal(text, "abc", 3);
    assert_true(dns_txt_next(&reader, &text, &length));
    assert_int_equal(length, 0);
    assert_true(dns_txt_next(&reader, &text, &length));
    assert_memory_equal(text, "de", 2);
    assert_false(dns_txt_next(&reader, &text, &length));
    assert_true(reader.failed);
    reader = reader_over(bytes, 4);
    assert_true(dns_txt_next(&reader, &text, &length));
    assert_false(dns_txt_next(&reader, &text, &length));
    assert_false(reader.failed); // just the end
}

static void test_addresses(void **state)
{
    (void)state;
    static const uint8_t bytes[16] = {192, 0, 2, 1};
    struct address address;
    char text[ADDRESS_TEXT_MAX];
    assert_true(dns_address_decode(DNS_A, bytes, 4, &address));
    assert_string_equal(address_print(&address, text), "192.0.2.1");
    assert_true(dns_address_decode(DNS_AAAA, bytes, 16, &address));
    assert_int_equal(address.family, FAMILY_IPV6);
    assert_false(dns_address_decode(DNS_A, bytes, 16, &address));
    assert_false(dns_address_decode(DNS_AAAA, bytes, 4, &address));
    assert_false(dns_address_decode(DNS_A, bytes, 0, &address));
}

static bool root_of(const char *bytes, size_t length, struct mab_root *root)
{
    return mab_root_decode((const uint8_t *)bytes, length, root);
}

#define ROOT(text) root_of(text, sizeof(text) - 1, &root)

static void test_root(void **state)
{
    (void)state;
    struct mab_root root;
    assert_true(ROOT("\7v=ivip1\7level=2\25page=0123456789abcdef"));
    assert_int_equal(root.level, 2);
    assert_string_equal(root.page, "0123456789abcdef");
    // In any order, with others between.
    assert_true(ROOT("\25page=0123456789abcdef\3x=1\7level=7\0\7v=ivip1"));
    assert_int_equal(root.level, 7);
    assert_false(ROOT("\7v=ivip2\7level=2\25page=0123456789abcdef"));
    assert_false(ROOT("\10v=ivip11\7level=2\25page=0123456789abcdef"));
    assert_false(ROOT("\7v=ivip1\7level=8\25page=0123456789abcdef"));
    assert_false(ROOT("\7v=ivip1\10level=02\25page=0123456789abcdef"));
    assert_false(ROOT("\7v=ivip1\7level=2\25page=0123456789abcdeF")); // lower case
    assert_false(ROOT("\7v=ivip1\7level=2\24page=0123456789abcde"));
    assert_false(ROOT("\7v=ivip1\7level=2"));
    assert_false(ROOT("\7v=ivip1\25page=0123456789abcdef"));
    assert_false(ROOT("\7v=ivip1\7level=2\25page=0123456789abcdef\5cut"));
    assert_false(ROOT(""));
}

static bool is_entry(const char *text, const char *dsoc)
{
    struct mab_entry entry;
    bool good = mab_entry_decode(text, strlen(text), &entry);
    if (good && dsoc != NULL)
        assert_string_equal(entry.dsoc, dsoc);
    return good;
}

static void test_entries(void **state)
{
    (void)state;
    static const char longest[] = "012345678901234567890123456789012345678901234567890123456789012";
    char text[128];
    assert_true(is_entry("20.0.0.0/14 acme", "acme"));
    assert_true(is_entry("2001:db8::/32 a-1", "a-1"));
    assert_true(is_entry("198.18.0.0/28 -", "-")); // refused: it need not be what a MAB can be
    assert_true(is_entry("0.0.0.0/0 -", "-"));
    assert_int_equal(strlen(longest), DNS_LABEL_TEXT_MAX - 1);
    (void)snprintf(text, sizeof(text), "20.0.0.0/14 %s", longest);
    assert_true(is_entry(text, longest));
    (void)snprintf(text, sizeof(text), "20.0.0.0/14 %sx", longest);
    assert_false(is_entry(text, NULL));
    static const char *const bad[] = {
        "",
        " ",
        "20.0.0.0/14",
        "20.0.0.0/14 ",
        " acme",
        "20.0.0.0/7 acme",  // no MAB is so short
        "20.0.0.0/25 acme", // or so long
        "20.1.0.0/14 acme", // bits below the length
        "2001:db8::/49 acme",
        "20.0.0.0/14 ac_me",
        "20.0.0.0/14 ac me",
        "20.0.0.0/14 -acme",
        "20.0.0.0/14 acme-",
        "20.0.0.0/14 ac.me",
        "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0/32 acme",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (is_entry(bad[i], NULL))
            fail_msg("\"%s\" is taken for an entry", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_srv),  cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_txt),  cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_root), cmocka_unit_test(test_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
