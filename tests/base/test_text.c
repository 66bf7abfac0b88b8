// SPDX-License-Identifier: BSD-2-Clause
// What a terminal or a log would take for an order, and what is just text.
#include "../check.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void expect(const char *written, const char *printable)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "%s", written);
    assert_ptr_equal(text_make_printable(text), text);
    assert_string_equal(text, printable);
}

static void test_controls_become_question_marks(void **state)
{
    (void)state;
    expect("", "");
    expect("20.1.0.0/24 \"anna\"~", "20.1.0.0/24 \"anna\"~");
    expect("\x1b[2Jgone", "?[2Jgone");
    expect("a line\nand\tanother\r\x7f", "a line?and?another??");
    expect("\xc2\x9b"
           "2J",
           "??2J"); // U+009B, a control sequence introducer
}

static void test_letters_of_all_languages_stay(void **state)
{
    (void)state;
    expect("Z\xc3\xbcrich \xe2\x82\xac \xc2\xa9", "Z\xc3\xbcrich \xe2\x82\xac \xc2\xa9");
    expect("\xc3\x9b", "\xc3\x9b"); // U+00DB ends like U+009B
    expect("\xc2", "\xc2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_controls_become_question_marks),
        cmocka_unit_test(test_letters_of_all_languages_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
