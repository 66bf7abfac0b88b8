// SPDX-License-Identifier: BSD-2-Clause
// The teller's third task: to tell the set of MABs (page_teller.h).
#include "query/teller.h"

#include "query/teller_state.h"

enum decode_reason teller_page_input(struct teller *teller, const struct endpoint *from,
                                     const uint8_t *bytes, size_t length)
{
    struct page_message message;
    enum decode_reason reason = page_message_decode(bytes, length, &message);
    if (reason != DECODE_OK)
        return reason;
    if (message.type != MESSAGE_PAGE_REQUEST)
        return DECODE_TYPE;
    page_teller_input(&teller->pages, from, &message, length);
    return DECODE_OK;
}

void teller_set_pages(struct teller *teller, struct page_shelf *shelf)
{
    page_teller_set(&teller->pages, shelf);
}
