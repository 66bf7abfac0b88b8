// SPDX-License-Identifier: BSD-2-Clause
// Text that somebody else wrote, on its way to a terminal or a log.
#ifndef IVIP_BASE_TEXT_H
#define IVIP_BASE_TEXT_H

// Replaces the control characters of ASCII and of ISO 6429 (C1, as UTF-8 has them) with question
// marks, line ends too: on a terminal they could move the cursor and rewrite what was there, in a
// log begin a line that nobody logged. Returns the text.
char *text_make_printable(char *text);

#endif
