// SPDX-License-Identifier: BSD-2-Clause
// Any octets as a query message, and then to a caching server and a querier, which must stay whole
// whatever comes. A message that is read and written again means the same.
#include "fuzzer.h"

#include "query/qsr.h"

#include <string.h>

static void read_and_write(const uint8_t *bytes, size_t length)
{
    struct query_message message;
    struct query_message again;
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    struct address question;
    uint64_t nonce = 0;
    bool peeked = query_peek(bytes, length, &nonce, &question);
    if (query_decode(bytes, length, &message) != DECODE_OK)
        return;
    REQUIRE(peeked == (message.type == MESSAGE_MAP_REQUEST));
    REQUIRE(!peeked || nonce == message.nonce);
    size_t written = query_encode(&message, buffer, sizeof(buffer));
    REQUIRE(written > 0);
    REQUIRE(query_decode(buffer, written, &again) == DECODE_OK);
    REQUIRE(memcmp(&message, &again, sizeof(message)) == 0);
}

static const struct qsr_config config = {
    .querier = {.upstreams = {{{FAMILY_IPV4, {192, 0, 2, 1}}, 4746}},
                .upstream_count = 1,
                .open_max = 4,
                .cached_max = 4},
    .teller = {.queriers_max = 4, .unproven_max = 2, .told_max = 8, .told_per_querier_max = 4},
    .waiting_max = 4,
};

// Pulls all a server has to send; answers what it asks upstream by turning the request into a
// reply whose body is the input's.
static void drain(struct qsr *qsr, struct instant now, const uint8_t *bytes, size_t length)
{
    struct query_message message;
    struct query_message input;
    struct page_message page;
    struct endpoint to;
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    for (;;) {
        size_t got = qsr_next_output(qsr, now, &to, buffer);
        if (got == 0)
            return;
        if (page_message_claimed(buffer, got)) {
            REQUIRE(page_message_decode(buffer, got, &page) == DECODE_OK);
            REQUIRE(page.type == MESSAGE_PAGE_REPLY && got <= length);
            continue;
        }
        REQUIRE(query_decode(buffer, got, &message) == DECODE_OK);
        if (message.type != MESSAGE_MAP_REQUEST || query_decode(bytes, length, &input) != DECODE_OK)
            continue;
        input.nonce = message.nonce;
        got = query_encode(&input, buffer, sizeof(buffer));
        qsr_input(qsr, now, &to, buffer, got);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const struct endpoint upstream = {{FAMILY_IPV4, {192, 0, 2, 1}}, 4746};
    static const struct endpoint querier = {{FAMILY_IPV4, {192, 0, 2, 9}}, 4746};
    struct instant now = {1000000};
    struct address question = address_from_ipv4(0x14010010);
    read_and_write(bytes, length);
    struct qsr *qsr = qsr_new(&config, random_seed_from_number(1), now);
    struct page_shelf *shelf = page_shelf_of_entries(NULL, 0);
    qsr_set_pages(qsr, shelf);
    page_shelf_release(shelf);
    struct query_message request = {
        .type = MESSAGE_MAP_REQUEST, .nonce = 1, .instance = 1, .question = question};
    uint8_t buffer[QUERY_MESSAGE_BYTES_MAX];
    size_t asked = query_encode(&request, buffer, sizeof(buffer));
    qsr_input(qsr, now, &querier, buffer, asked);
    qsr_input(qsr, now, &upstream, bytes, length);
    qsr_input(qsr, now, &querier, bytes, length);
    drain(qsr, now, bytes, length);
    for (int step = 0; step < 50; step++) {
        struct instant next = qsr_next_deadline(qsr);
        if (next.ns == INSTANT_NEVER.ns)
            break;
        now = next;
        qsr_tick(qsr, now);
        drain(qsr, now, bytes, length);
    }
    qsr_free(qsr);
    return 0;
}
