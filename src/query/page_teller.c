// SPDX-License-Identifier: BSD-2-Clause
#include "query/page_teller.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

struct page_waiting {
    struct endpoint from;
    uint64_t nonce;
    uint32_t room; // octets of the request
    char page[MAB_PAGE_NAME_TEXT_MAX];
};

void page_teller_init(struct page_teller *teller)
{
    memset(teller, 0, sizeof(*teller));
}

void page_teller_release(struct page_teller *teller)
{
    page_shelf_release(teller->shelf);
    memory_free(teller->waiting);
    page_teller_init(teller);
}

void page_teller_set(struct page_teller *teller, struct page_shelf *shelf)
{
    if (shelf != NULL)
        (void)page_shelf_hold(shelf);
    page_shelf_release(teller->shelf);
    teller->shelf = shelf;
}

void page_teller_input(struct page_teller *teller, const struct endpoint *from,
                       const struct page_message *request, size_t length)
{
    assert(request->type == MESSAGE_PAGE_REQUEST && length >= PAGE_HEADER_BYTES);
    if (teller->count == PAGE_TELLER_WAITING_MAX) {
        teller->counters.dropped_full++;
        return;
    }
    if (teller->waiting == NULL)
        teller->waiting = memory_new_array(PAGE_TELLER_WAITING_MAX, sizeof(*teller->waiting));
    struct page_waiting *waiting =
        &teller->waiting[(teller->first + teller->count++) % PAGE_TELLER_WAITING_MAX];
    *waiting =
        (struct page_waiting){.from = *from, .nonce = request->nonce, .room = (uint32_t)length};
    memcpy(waiting->page, request->page, sizeof(waiting->page));
}

// What is said to a request: the page, where it is held and its reply not longer than the request.
static enum page_status look_up(const struct page_teller *teller,
                                const struct page_waiting *waiting, struct page_message *reply)
{
    if (waiting->page[0] == '\0')
        return PAGE_NONE;
    size_t length = 0;
    const uint8_t *bytes =
        teller->shelf == NULL ? NULL : page_shelf_find(teller->shelf, waiting->page, &length);
    if (bytes == NULL)
        return PAGE_UNKNOWN;
    if (PAGE_HEADER_BYTES + length > waiting->room)
        return PAGE_LONGER;
    reply->bytes = bytes;
    reply->length = length;
    return PAGE_FOUND;
}

size_t page_teller_next_output(struct page_teller *teller, struct endpoint *to, uint8_t *buffer)
{
    if (teller->count == 0)
        return 0;
    const struct page_waiting *waiting = &teller->waiting[teller->first];
    struct page_message reply = {.type = MESSAGE_PAGE_REPLY, .nonce = waiting->nonce};
    memcpy(reply.page, waiting->page, sizeof(reply.page));
    if (teller->shelf != NULL)
        reply.root = *page_shelf_root(teller->shelf);
    reply.status = look_up(teller, waiting, &reply);
    teller->counters.replies[reply.status]++;
    *to = waiting->from;
    teller->first = (teller->first + 1) % PAGE_TELLER_WAITING_MAX;
    teller->count--;
    size_t length = page_message_encode(&reply, buffer, PAGE_MESSAGE_BYTES_MAX);
    assert(length > 0 && length <= waiting->room);
    return length;
}
