// SPDX-License-Identifier: BSD-2-Clause
// Any octets as a Page Request or Reply; and as the replies that a list gets from its servers, one
// behind the other, each with the nonce and the page of a request that it sent, so that they count.
// A message that is read and written again means the same.
#include "fuzzer.h"

#include "query/mab_list.h"

#include <string.h>

#define STEPS_MAX 200

static const struct endpoint servers[] = {{{FAMILY_IPV4, {192, 0, 2, 1}}, 4746},
                                          {{FAMILY_IPV4, {192, 0, 2, 2}}, 4746}};

static void read_and_write(const uint8_t *bytes, size_t length)
{
    struct page_message message;
    struct page_message again;
    uint8_t buffer[PAGE_MESSAGE_BYTES_MAX];
    if (page_message_decode(bytes, length, &message) != DECODE_OK)
        return;
    size_t written = page_message_encode(&message, buffer, sizeof(buffer));
    REQUIRE(written >= PAGE_HEADER_BYTES);
    REQUIRE(page_message_decode(buffer, written, &again) == DECODE_OK);
    REQUIRE(message.nonce == again.nonce && strcmp(message.page, again.page) == 0);
    REQUIRE(message.status == again.status && message.root.level == again.root.level);
    REQUIRE(strcmp(message.root.page, again.root.page) == 0 && message.length == again.length);
    REQUIRE(message.length == 0 || memcmp(message.bytes, again.bytes, message.length) == 0);
}

// Makes a reply of the next octets: two of what it says, then its content. The root is the page of
// the content as often as not, so that versions are found.
static void reply(struct mab_list *list, struct instant now, const struct endpoint *from,
                  const struct page_message *request, struct reader *input)
{
    uint8_t buffer[PAGE_MESSAGE_BYTES_MAX];
    struct page_message message = {.type = MESSAGE_PAGE_REPLY, .nonce = request->nonce};
    uint8_t flags = reader_u8(input);
    size_t most = reader_left(input);
    size_t length = reader_u8(input) * (size_t)4;
    length = length < most ? length : most > 0 ? most - 1 : 0;
    length = length < MAB_PAGE_BYTES_MAX ? length : MAB_PAGE_BYTES_MAX;
    const uint8_t *content = reader_take(input, length);
    memcpy(message.page, request->page, sizeof(message.page));
    if (content == NULL || length == 0)
        content = (const uint8_t *)"\x00", length = 1;
    message.root.level = flags & 7;
    mab_page_name(content, length, message.root.page);
    if ((flags & 8) != 0)
        message.root = *mab_list_root(list);
    message.status = message.page[0] == '\0' ? PAGE_NONE
                     : (flags & 16) != 0     ? PAGE_UNKNOWN
                                             : PAGE_FOUND;
    if (message.status == PAGE_FOUND) {
        message.bytes = content;
        message.length = length;
    }
    size_t size = page_message_encode(&message, buffer, sizeof(buffer));
    REQUIRE(size > 0);
    mab_list_input(list, now, from, buffer, size);
}

static void take_events(struct mab_list *list)
{
    enum mab_list_event event;
    while (mab_list_next_event(list, &event)) {
        struct page_shelf *shelf = event == MAB_LIST_VERSION ? mab_list_shelf(list) : NULL;
        REQUIRE(event != MAB_LIST_VERSION || shelf != NULL);
        page_shelf_release(shelf);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct instant now = {1000000};
    struct reader input = reader_over(bytes, length);
    struct mab_list *list = mab_list_new(random_seed_from_number(1), now);
    read_and_write(bytes, length);
    mab_list_set_servers(list, now, servers, 2);
    for (int step = 0; step < STEPS_MAX && reader_left(&input) > 0; step++) {
        uint8_t buffer[PAGE_MESSAGE_BYTES_MAX];
        struct endpoint to;
        size_t sent = mab_list_next_output(list, now, &to, buffer);
        if (sent > 0) {
            struct page_message request;
            REQUIRE(page_message_decode(buffer, sent, &request) == DECODE_OK);
            REQUIRE(request.type == MESSAGE_PAGE_REQUEST);
            reply(list, now, &to, &request, &input);
            take_events(list);
            mab_list_input(list, now, &to, bytes, length);
        } else {
            struct instant next = mab_list_next_deadline(list);
            REQUIRE(next.ns != INSTANT_NEVER.ns);
            now = next.ns > now.ns ? next : now;
            mab_list_tick(list, now);
        }
    }
    mab_list_free(list);
    return 0;
}
