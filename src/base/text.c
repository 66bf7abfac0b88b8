// SPDX-License-Identifier: BSD-2-Clause
#include "base/text.h"

#include <stdbool.h>

char *text_make_printable(char *text)
{
    unsigned char before = 0;
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
        bool c1 = before == 0xc2 && *c >= 0x80 && *c <= 0x9f; // U+0080 to U+009F
        before = *c;
        if (c1)
            c[-1] = '?';
        if (c1 || *c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return text;
}
