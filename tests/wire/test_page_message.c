// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "vectors.h"
#include "wire/page_message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *name_or_none(const char *name)
{
    return name[0] == '\0' ? "-" : name;
}

static void describe(struct text *text, const uint8_t *bytes, size_t length,
                     struct page_message *message)
{
    enum decode_reason reason = page_message_decode(bytes, length, message);
    if (reason != DECODE_OK) {
        text_add(text, "refused: %s\n", decode_reason_name(reason));
        return;
    }
    bool reply = message->type == MESSAGE_PAGE_REPLY;
    text_add(text, "message: %s nonce=%016" PRIx64 " page=%s\n",
             reply ? "page-reply" : "page-request", message->nonce, name_or_none(message->page));
    if (reply)
        text_add(text, "reply: %s root=%s level=%u length=%zu\n", page_status_name(message->status),
                 name_or_none(message->root.page), message->root.level, message->length);
}

static void test_vectors(void **state)
{
    (void)state;
    FILE *file = vectors_open("pages.txt");
    static struct vector vector;
    size_t count = 0;
    for (; vectors_next(file, &vector); count++) {
        struct text text = {.used = 0};
        struct page_message message;
        describe(&text, vector.bytes, vector.length, &message);
        if (strcmp(text.bytes, vector.meaning) != 0)
            fail_msg("%s: is\n%snot\n%s", vector.name, text.bytes, vector.meaning);
        assert_int_equal(page_message_claimed(vector.bytes, vector.length), vector.bytes[3] >= 9);
        if (strstr(vector.meaning, "refused") != NULL ||
            strstr(vector.name, "not canonical") != NULL)
            continue;
        uint8_t again[PAGE_MESSAGE_BYTES_MAX];
        size_t length = page_message_encode(&message, again, sizeof(again));
        if (length != vector.length || memcmp(again, vector.bytes, length) != 0)
            fail_msg("%s: written differently", vector.name);
    }
    assert_true(count > 25);
    (void)fclose(file);
}

// A page comes under its name.
static void test_pages_bear_their_names(void **state)
{
    (void)state;
    FILE *file = vectors_open("pages.txt");
    static struct vector vector;
    size_t pages = 0;
    while (vectors_next(file, &vector)) {
        struct page_message message;
        char name[MAB_PAGE_NAME_TEXT_MAX];
        if (page_message_decode(vector.bytes, vector.length, &message) != DECODE_OK ||
            message.length == 0)
            continue;
        mab_page_name(message.bytes, message.length, name);
        assert_string_equal(name, message.page);
        pages++;
    }
    assert_true(pages >= 3);
    (void)fclose(file);
}

static bool decodes(const uint8_t *bytes, size_t length)
{
    struct page_message message;
    return page_message_decode(bytes, length, &message) == DECODE_OK;
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    vectors_cut_anywhere("pages.txt", decodes);
}

static void test_names_are_octets(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t octets[MAB_PAGE_NAME_OCTETS];
        char name[MAB_PAGE_NAME_TEXT_MAX];
        char again[MAB_PAGE_NAME_TEXT_MAX];
        mab_page_name((const uint8_t *)&i, sizeof(i), name);
        mab_page_name_pack(name, octets);
        mab_page_name_unpack(octets, again);
        assert_string_equal(name, again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_pages_bear_their_names),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_names_are_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
