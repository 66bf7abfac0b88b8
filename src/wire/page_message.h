// SPDX-License-Identifier: BSD-2-Clause
// Page Request and Page Reply, by which queriers learn the set of MABs from a query server
// (docs/protocol.md, "The set of MABs"). The pages are those of mab_page.h.
//
//     querier                                    server
//        | Page Request  no page                    |
//        |----------------------------------------->|
//        |          root R, no page    Page Reply   |
//        |<-----------------------------------------|
//        | Page Request  R                          |
//        |----------------------------------------->|
//        |          root R, content    Page Reply   |
//        |<-----------------------------------------|
#ifndef IVIP_WIRE_PAGE_MESSAGE_H
#define IVIP_WIRE_PAGE_MESSAGE_H

#include "wire/mab_page.h"
#include "wire/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_HEADER_BYTES      40                                       // of both messages
#define PAGE_MESSAGE_BYTES_MAX (PAGE_HEADER_BYTES + MAB_PAGE_BYTES_MAX) // the longest
#define PAGE_REQUEST_BYTES_MAX 1232 // a request may bring more padding than any reply needs

enum page_status {
    PAGE_FOUND = 0,
    PAGE_NONE = 1,    // no page was asked for
    PAGE_UNKNOWN = 2, // the server does not hold it
    PAGE_LONGER = 3,  // it is longer than the request leaves room for
};

struct page_message {
    enum message_type type; // MESSAGE_PAGE_REQUEST or MESSAGE_PAGE_REPLY
    uint64_t nonce;
    char page[MAB_PAGE_NAME_TEXT_MAX]; // asked for; "": only the root is
    // Page Reply:
    enum page_status status;
    struct mab_root root; // that stands for the set in force; page "": the server has none yet
    size_t length;        // octets of the page; 0 unless PAGE_FOUND
    const uint8_t *bytes; // the page; borrowed
};

// Writes the message into `buffer` (PAGE_MESSAGE_BYTES_MAX is always enough) and returns its
// length. A request for a page is padded so that every page fits into its reply.
size_t page_message_encode(const struct page_message *message, uint8_t *buffer, size_t size);
// Reads a datagram; `message->bytes` points into it. Nothing in `message` may be used unless
// DECODE_OK is returned.
enum decode_reason page_message_decode(const uint8_t *bytes, size_t length,
                                       struct page_message *message);
// Whether a datagram claims to be one of these messages. It checks nothing else.
bool page_message_claimed(const uint8_t *bytes, size_t length);

const char *page_status_name(enum page_status status);

#endif
